/* Whole lives of things, on libvirt's own test driver. */
#include "driver_fixture.h"

#include <unistd.h>

#include <libvirt/libvirt.h>

#include "vmm/vm_uuid.h"

#define WEB                                                                                        \
    "{\"memory\":\"128MiB\",\"vcpus\":1,\"disks\":[{\"device\":\"root\",\"size\":\"64MiB\"}]}"

START_TEST(a_network_lives)
{
    ck_call(create, "network", "lan", "{}");
    ck_assert_int_eq(state_of("network", "lan"), THING_OFF);
    ck_call(start, "network", "lan", "{}");
    ck_call(start, "network", "lan", "{}");
    ck_assert_int_eq(state_of("network", "lan"), THING_RUNNING);
    ck_call(stop, "network", "lan", NULL);
    ck_call(verify_stopped, "network", "lan", NULL);
    ck_call(remove, "network", "lan", NULL);
    ck_assert_int_eq(state_of("network", "lan"), THING_ABSENT);
}
END_TEST

START_TEST(a_disk_lives)
{
    ck_call(create, "disk", "data", "{\"size\":\"1GiB\"}");
    ck_call(create, "disk", "data", "{\"size\":\"1GiB\"}");
    ck_assert_int_eq(state_of("disk", "data"), THING_RUNNING);
    ck_call(remove, "disk", "data", NULL);
    ck_assert_int_eq(state_of("disk", "data"), THING_ABSENT);
}
END_TEST

START_TEST(a_vm_lives)
{
    ck_call(create, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    ck_call(start, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    ck_call_fails(verify_stopped, "vm", "web", WEB, HM_E_REFUSED);
    ck_call(stop, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    ck_call(verify_stopped, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
    ck_assert_int_eq(state_of("vm", "web"), THING_ABSENT);
}
END_TEST

static int call_with(verb v, const char *text, struct run_note note)
{
    struct given *g = given("vm", "web", text);
    struct hm_error err = {0};
    g->order.run = note;
    int r = v(fx.self, &g->order, &err);
    ck_assert_msg(r >= 0, "%s", err.text);
    forget(g);
    return r;
}

static void expect_note(enum run_state state, uint32_t restarts)
{
    struct things all = observe();
    const struct thing *t = find(&all, "vm", "web");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->run.state, state);
    ck_assert_uint_eq(t->run.restarts, restarts);
    ck_assert_msg(!t->drift, "drift: %s", t->drift);
    things_clear(&all);
}

START_TEST(a_run_is_noted_in_the_definition)
{
    struct run_note note = {.state = RUN_STARTED, .epoch = 3, .restarts = 2};
    ck_call(create, "vm", "web", WEB);
    expect_note(RUN_NONE, 0);
    call_with(fx.driver->start, WEB, note);
    expect_note(RUN_STARTED, 2);
    call_with(fx.driver->update,
              "{\"memory\":\"256MiB\",\"disks\":[{\"device\":\"root\",\"size\":\"64MiB\"}]}",
              (struct run_note){0}); /* carried over */
    expect_note(RUN_STARTED, 2);
    note.state = RUN_FAILED;
    call_with(fx.driver->note, WEB, note);
    expect_note(RUN_FAILED, 2);
    call_with(fx.driver->stop, WEB, (struct run_note){.state = RUN_STOPPED});
    expect_note(RUN_STOPPED, 0);
    ck_call(start, "vm", "web", WEB); /* an order without a note leaves the one that is there */
    expect_note(RUN_STOPPED, 0);
    ck_call(kill, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(a_vm_is_paused_and_resumed)
{
    ck_call(create, "vm", "web", WEB);
    ck_call_fails(pause, "vm", "web", WEB, HM_E_REFUSED);
    ck_call_fails(resume, "vm", "web", WEB, HM_E_REFUSED);
    ck_call_fails(reboot, "vm", "web", WEB, HM_E_REFUSED);
    ck_call(start, "vm", "web", WEB);
    ck_call(pause, "vm", "web", WEB);
    ck_call(pause, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_PAUSED);
    ck_call_fails(verify_stopped, "vm", "web", WEB, HM_E_REFUSED);
    ck_call_fails(reboot, "vm", "web", WEB, HM_E_REFUSED);
    ck_call(resume, "vm", "web", WEB);
    ck_call(resume, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    ck_call(kill, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(only_a_vm_is_paused_or_rebooted)
{
    ck_call(create, "network", "lan", "{}");
    ck_call_fails(pause, "network", "lan", NULL, HM_E_UNSUPPORTED);
    ck_call_fails(resume, "disk", "data", NULL, HM_E_UNSUPPORTED);
    ck_call_fails(reboot, "network", "lan", NULL, HM_E_UNSUPPORTED);
    ck_call_fails(pause, "vm", "nobody", NULL, HM_E_VM_NOT_FOUND);
    ck_call_fails(reboot, "vm", "test", NULL, HM_E_CONFLICT); /* not ours */
    ck_call(remove, "network", "lan", NULL);
}
END_TEST

START_TEST(kill_stops_at_once)
{
    ck_call(create, "vm", "web", WEB);
    ck_call(start, "vm", "web", WEB);
    ck_call(kill, "vm", "web", NULL);
    ck_call(verify_stopped, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(what_is_absent_is_stopped_and_removed_with_a_warning)
{
    const char *kinds[] = {"vm", "network", "disk"};
    struct hm_error err = {0};
    for (size_t i = 0; i < HM_COUNT(kinds); i++)
        ck_assert_int_gt(call(fx.driver->remove, kinds[i], "nobody", NULL, &err), 0);
    ck_assert_int_gt(call(fx.driver->stop, "vm", "nobody", NULL, &err), 0);
    ck_assert_int_gt(call(fx.driver->kill, "vm", "nobody", NULL, &err), 0);
    ck_call(verify_stopped, "vm", "nobody", NULL);
    ck_call_fails(start, "vm", "nobody", WEB, HM_E_VM_NOT_FOUND);
    ck_call_fails(start, "network", "nobody", "{}", HM_E_NETWORK_NOT_FOUND);
}
END_TEST

START_TEST(a_mark_tells_site_key_hash_and_spec)
{
    ck_call(create, "vm", "web", WEB);
    struct given *g = given("vm", "web", WEB);
    char hash[DOC_HASH_TEXT];
    spec_hash(g->order.spec, hash);
    struct things all = observe();
    const struct thing *t = find(&all, "vm", "web");
    ck_assert(t->marked);
    ck_assert_str_eq(t->mark_site, "site-a");
    ck_assert_str_eq(t->mark_key, "site-a.vm.web");
    ck_assert_str_eq(t->mark_hash, hash);
    ck_assert(json_equal(t->spec, g->order.spec));
    ck_assert_ptr_null(t->drift);
    ck_assert_int_eq(json_integer_value(json_object_get(t->details, "memory")), 128 << 20);
    ck_assert(!find(&all, "vm", "test")->marked);
    things_clear(&all);
    forget(g);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(what_is_not_ours_is_left_alone)
{
    ck_call_fails(create, "vm", "test", WEB, HM_E_VM_EXISTS);
    ck_call_fails(start, "vm", "test", WEB, HM_E_CONFLICT);
    ck_call_fails(stop, "vm", "test", WEB, HM_E_CONFLICT);
    ck_call_fails(kill, "vm", "test", NULL, HM_E_CONFLICT);
    ck_call_fails(remove, "vm", "test", NULL, HM_E_CONFLICT);
    ck_call_fails(create, "network", "default", "{}", HM_E_NETWORK_EXISTS);
    ck_call_fails(stop, "network", "default", NULL, HM_E_CONFLICT);
    ck_call_fails(remove, "network", "default", NULL, HM_E_CONFLICT);
    ck_assert_int_eq(state_of("vm", "test"), THING_RUNNING);
    ck_assert_int_eq(state_of("network", "default"), THING_RUNNING);
}
END_TEST

START_TEST(adoption_takes_over_when_it_is_asked_for)
{
    const char *adopting = "{\"memory\":\"128MiB\",\"adopt\":true,\"kernel\":\"/k\"}";
    ck_call(update, "vm", "test", adopting);
    struct things all = observe();
    const struct thing *t = find(&all, "vm", "test");
    ck_assert_str_eq(t->mark_key, "site-a.vm.test");
    ck_assert_int_eq(t->state, THING_RUNNING); /* what runs is not stopped */
    things_clear(&all);
}
END_TEST

START_TEST(a_volume_of_another_document_is_a_conflict)
{
    ck_call(create, "disk", "web-root", "{\"size\":\"64MiB\"}");
    ck_call_fails(create, "vm", "web", WEB, HM_E_CONFLICT);
    ck_assert_int_eq(state_of("vm", "web"), THING_ABSENT);
    ck_call(remove, "disk", "web-root", NULL);
}
END_TEST

START_TEST(a_disk_in_use_is_not_removed)
{
    const char *user = "{\"disks\":[{\"device\":\"root\",\"disk\":\"data\"}]}";
    ck_call_fails(create, "vm", "web", user, HM_E_NOT_FOUND);
    ck_call(create, "disk", "data", "{\"size\":\"64MiB\"}");
    ck_call(create, "vm", "web", user);
    ck_call_fails(remove, "disk", "data", NULL, HM_E_REFUSED);
    ck_call(remove, "vm", "web", NULL);
    ck_call(remove, "disk", "data", NULL);
}
END_TEST

START_TEST(a_disk_does_not_shrink)
{
    ck_call(create, "disk", "data", "{\"size\":\"64MiB\"}");
    ck_call_fails(update, "disk", "data", "{\"size\":\"32MiB\"}", HM_E_REFUSED);
    ck_call(remove, "disk", "data", NULL);
}
END_TEST

START_TEST(only_ephemeral_disks_go_with_their_vm)
{
    const char *spec = "{\"disks\":[{\"device\":\"root\",\"size\":\"64MiB\"},{\"device\":\"tmp\","
                       "\"size\":\"64MiB\",\"ephemeral\":true}]}";
    ck_call(create, "vm", "web", spec);
    ck_call(remove, "vm", "web", spec);
    char *root = hm_printf("%s/web-root.qcow2.harmony.json", fx.image_dir);
    char *tmp = hm_printf("%s/web-tmp.qcow2.harmony.json", fx.image_dir);
    ck_assert_int_eq(access(root, F_OK), 0);
    ck_assert_int_ne(access(tmp, F_OK), 0);
    free(root);
    free(tmp);
}
END_TEST

START_TEST(a_pool_that_does_not_exist_is_named)
{
    struct hm_error err = {0};
    ck_assert_int_eq(
        call(fx.driver->create, "disk", "data", "{\"size\":\"64MiB\",\"pool\":\"fast\"}", &err),
        -HM_E_POOL_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "pool fast does not exist"));
}
END_TEST

START_TEST(labels_reach_a_running_guest_and_memory_waits)
{
    ck_call(create, "vm", "web", "{\"kernel\":\"/k\",\"memory\":\"128MiB\"}");
    ck_call(start, "vm", "web", NULL);
    ck_call(update, "vm", "web",
            "{\"kernel\":\"/k\",\"memory\":\"128MiB\",\"labels\":{\"a\":\"b\"}}");
    struct things all = observe();
    ck_assert_ptr_nonnull(json_object_get(find(&all, "vm", "web")->spec, "labels"));
    things_clear(&all);
    ck_call(update, "vm", "web", "{\"kernel\":\"/k\",\"memory\":\"256MiB\"}");
    all = observe();
    ck_assert_int_eq(json_integer_value(json_object_get(find(&all, "vm", "web")->spec, "memory")),
                     128 << 20);
    things_clear(&all);
    ck_call(stop, "vm", "web", NULL);
    all = observe();
    ck_assert_int_eq(json_integer_value(json_object_get(find(&all, "vm", "web")->spec, "memory")),
                     256 << 20);
    things_clear(&all);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(a_primary_thing_never_starts_by_itself)
{
    struct given *g = given_at("primary", "network", "lan", "{}");
    ck_assert_int_eq(fx.driver->create(fx.self, &g->order, NULL), 0);
    struct things all = observe();
    ck_assert(!find(&all, "network", "lan")->autostart);
    ck_assert_str_eq(find(&all, "network", "lan")->mark_key, "primary.network.lan");
    things_clear(&all);
    ck_assert_int_eq(fx.driver->remove(fx.self, &g->order, NULL), 0);
    forget(g);
}
END_TEST

/* -- Events and the second connection ---------------------------------------------------------- */

/* Somebody else's connection to the same libvirt. */
static virDomainPtr foreign_domain(virConnectPtr *conn, const char *name)
{
    *conn = virConnectOpen("test:///default");
    return virDomainLookupByName(*conn, name);
}

START_TEST(an_edit_by_another_hand_is_an_event_and_drift)
{
    ck_call(create, "vm", "web", WEB);
    struct things all = observe();
    ck_assert_ptr_null(find(&all, "vm", "web")->drift);
    things_clear(&all);
    virConnectPtr conn;
    virDomainPtr dom = foreign_domain(&conn, "web");
    int before = changes_so_far();
    ck_assert_int_eq(virDomainSetVcpusFlags(dom, 1, VIR_DOMAIN_AFFECT_CONFIG), 0);
    char *xml = virDomainGetXMLDesc(dom, 0), *vcpu = strstr(xml, ">1</vcpu>");
    vcpu[1] = '4';
    virDomainFree(virDomainDefineXML(conn, xml));
    wait_for_change(before);
    all = observe();
    ck_assert_str_eq(find(&all, "vm", "web")->drift, "vcpus is 4, was made as 1");
    things_clear(&all);
    ck_call(update, "vm", "web", WEB);
    all = observe();
    ck_assert_ptr_null(find(&all, "vm", "web")->drift);
    things_clear(&all);
    free(xml);
    virDomainFree(dom);
    virConnectClose(conn);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(power_by_another_hand_is_an_event)
{
    ck_call(create, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    virConnectPtr conn;
    virDomainPtr dom = foreign_domain(&conn, "web");
    int before = changes_so_far();
    ck_assert_int_eq(virDomainCreate(dom), 0);
    wait_for_change(before);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    ck_assert_int_eq(virDomainSuspend(dom), 0);
    ck_assert_int_eq(state_of("vm", "web"), THING_PAUSED);
    ck_call(start, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    virDomainFree(dom);
    virConnectClose(conn);
    ck_call(kill, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(a_domain_that_is_gone_is_forgotten_and_its_name_free)
{
    for (int round = 0; round < 3; round++) {
        ck_call(create, "vm", "web", WEB);
        ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
        ck_call(remove, "vm", "web", NULL);
        ck_assert_int_eq(state_of("vm", "web"), THING_ABSENT);
    }
}
END_TEST

START_TEST(a_second_connection_kills_and_the_first_sees_it)
{
    ck_call(create, "vm", "web", WEB);
    ck_call(start, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    void *fence = open_instance();
    struct given *g = given("vm", "web", NULL);
    ck_assert_int_eq(fx.driver->kill(fence, &g->order, NULL), 0);
    ck_assert_int_eq(fx.driver->verify_stopped(fence, &g->order, NULL), 0);
    fx.driver->close(fence);
    forget(g);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(many_domains_are_each_seen_once)
{
    enum { COUNT = 1100 }; /* more than are remembered one by one */
    char name[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "vm-%d", i);
        ck_call(create, "vm", name, "{\"kernel\":\"/k\"}");
    }
    for (int pass = 0; pass < 2; pass++) {
        struct things all = observe();
        ck_assert_uint_eq(all.count, COUNT + 2); /* and libvirt's own vm test and network default */
        for (int i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "vm-%d", i);
            ck_assert_ptr_nonnull(find(&all, "vm", name));
        }
        things_clear(&all);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "vm-%d", i);
        ck_call(remove, "vm", name, NULL);
    }
    ck_assert_int_eq(state_of("vm", "vm-7"), THING_ABSENT);
}
END_TEST

START_TEST(a_wrong_uri_and_a_dead_server_have_their_own_codes)
{
    struct driver_options options = {.uri = "qemu//system", .site = "site-a"};
    struct hm_error err = {0};
    void *self = NULL;
    ck_assert_int_eq(fx.driver->check_options(&options, &err), -HM_E_INVALID_URI);
    ck_assert_int_eq(fx.driver->open(&options, &self, &err), -HM_E_INVALID_URI);
    options.uri = "qemu:///system?socket=/nonexistent/libvirt-sock";
    ck_assert_int_eq(fx.driver->check_options(&options, &err), 0);
    ck_assert_int_eq(fx.driver->open(&options, &self, &err), -HM_E_CONNECTION);
    ck_assert_msg(strstr(err.text, "libvirt connection failed: qemu:///system?socket="), "%s",
                  err.text);
    ck_assert_ptr_null(self);
}
END_TEST

START_TEST(the_backend_tells_what_it_is)
{
    json_t *facts = NULL;
    ck_assert_int_eq(fx.driver->probe(fx.self, &facts, NULL), 0);
    ck_assert_str_eq(json_string_value(json_object_get(facts, "backend")), "libvirt");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "accel")), "none");
    json_decref(facts);
    ck_assert(fx.driver->is_alive(fx.self));
}
END_TEST

static const char *uuid_made_for(const char *where, const char *name)
{
    struct hm_error err = {0};
    struct given *g = given_at(where, "vm", name, WEB);
    ck_assert_msg(fx.driver->create(fx.self, &g->order, &err) >= 0, "%s", err.text);
    forget(g);
    static char uuid[VM_UUID_TEXT];
    struct things list = {0};
    ck_assert_int_eq(fx.driver->observe(fx.self, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++)
        if (!strcmp(list.items[i].name, name))
            snprintf(uuid, sizeof uuid, "%s",
                     json_string_value(json_object_get(list.items[i].details, "uuid")));
    things_clear(&list);
    return uuid;
}

/* The guardian's plan names it before it is made. */
START_TEST(a_primary_vm_has_the_uuid_of_its_site_and_key)
{
    char expected[VM_UUID_TEXT];
    vm_uuid("site-a", "primary.vm.db", expected);
    ck_assert_str_eq(uuid_made_for("primary", "db"), expected);
    vm_uuid("site-a", "site-a.vm.web", expected);
    ck_assert_str_ne(uuid_made_for("site-a", "web"), expected);
}
END_TEST

START_TEST(a_kind_that_it_does_not_hold_is_refused)
{
    struct order o = {
        .kind = "container", .name = "x", .key = "site-a.container.x", .site = "site-a"};
    ck_assert_int_eq(fx.driver->start(fx.self, &o, NULL), -HM_E_UNSUPPORTED);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("libvirt");
    TCase *c = tcase_create("lives");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_network_lives);
    tcase_add_test(c, a_disk_lives);
    tcase_add_test(c, a_vm_lives);
    tcase_add_test(c, a_run_is_noted_in_the_definition);
    tcase_add_test(c, a_vm_is_paused_and_resumed);
    tcase_add_test(c, only_a_vm_is_paused_or_rebooted);
    tcase_add_test(c, kill_stops_at_once);
    tcase_add_test(c, what_is_absent_is_stopped_and_removed_with_a_warning);
    tcase_add_test(c, a_mark_tells_site_key_hash_and_spec);
    tcase_add_test(c, what_is_not_ours_is_left_alone);
    tcase_add_test(c, adoption_takes_over_when_it_is_asked_for);
    tcase_add_test(c, a_volume_of_another_document_is_a_conflict);
    tcase_add_test(c, a_disk_in_use_is_not_removed);
    tcase_add_test(c, a_disk_does_not_shrink);
    tcase_add_test(c, only_ephemeral_disks_go_with_their_vm);
    tcase_add_test(c, a_pool_that_does_not_exist_is_named);
    tcase_add_test(c, labels_reach_a_running_guest_and_memory_waits);
    tcase_add_test(c, a_primary_thing_never_starts_by_itself);
    suite_add_tcase(s, c);
    TCase *e = tcase_create("events");
    tcase_add_checked_fixture(e, setup, teardown);
    tcase_set_timeout(e, 60);
    tcase_add_test(e, an_edit_by_another_hand_is_an_event_and_drift);
    tcase_add_test(e, power_by_another_hand_is_an_event);
    tcase_add_test(e, a_domain_that_is_gone_is_forgotten_and_its_name_free);
    tcase_add_test(e, a_second_connection_kills_and_the_first_sees_it);
    tcase_add_test(e, many_domains_are_each_seen_once);
    tcase_add_test(e, a_wrong_uri_and_a_dead_server_have_their_own_codes);
    tcase_add_test(e, the_backend_tells_what_it_is);
    tcase_add_test(e, a_primary_vm_has_the_uuid_of_its_site_and_key);
    tcase_add_test(e, a_kind_that_it_does_not_hold_is_refused);
    suite_add_tcase(s, e);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
