#include "agent/addresses.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "vmm/domain_xml.h"
#include "world.h"

#define CARD(words)  VM ",\"networks\":[{\"network\":\"lan\"" words "}]}"
#define IP(n)        ",\"ip\":\"192.168.100." n "\""
#define MAC(n)       ",\"mac\":\"52:54:00:00:00:" n "\""
#define LEASES(list) "{\"dhcp\":{\"hosts\":[" list "]}}"
#define LEASE(m, n)  "{\"mac\":\"52:54:00:00:00:" m "\",\"ip\":\"192.168.100." n "\"}"

enum { MOST = 8 };
static struct plan_doc docs[MOST];
static json_t *specs[MOST];
static size_t count;
static struct thing applied; /* the network, as it was applied */
static struct things things;
static struct addresses *addresses;

static void set_up(void)
{
    memset(docs, 0, sizeof docs);
    count = 0;
    things = (struct things){0};
    addresses = NULL;
}

/* The network was applied like this. */
static void apply_before(const char *json)
{
    static char kind[] = "network", key[] = "site-a.network.lan";
    applied = (struct thing){
        .kind = kind, .marked = true, .mark_key = key, .spec = world_spec("network", json)};
    things = (struct things){&applied, 1};
}

static const struct plan_doc *apply(void)
{
    static const struct plan_backend backend = {.things = &things};
    static struct plan_input input;
    input = (struct plan_input){
        .docs = docs, .doc_count = count, .backends = &backend, .backend_count = 1};
    addresses = addresses_apply(&input);
    return addresses ? addresses_docs(addresses) : docs;
}

static void tear_down(void)
{
    addresses_free(addresses);
    for (size_t i = 0; i < count; i++)
        json_decref(specs[i]);
    if (things.count)
        json_decref(applied.spec);
}

static struct plan_doc *declare(const char *kind, const char *name, const char *key,
                                const char *json)
{
    specs[count] = world_spec(kind, json);
    docs[count] = (struct plan_doc){.key = key,
                                    .where = "site-a",
                                    .name = name,
                                    .kind = kind_find(kind),
                                    .spec = specs[count],
                                    .hash = "as declared"};
    return &docs[count++];
}

static void declare_vms(const char *first, const char *second)
{
    declare("vm", "one", "site-a.vm.one", first);
    if (second)
        declare("vm", "two", "site-a.vm.two", second);
}

/* The leases of the network, as "mac=ip/name ", their last parts. */
static void expect_leases(const struct plan_doc *network, const char *expected)
{
    struct hm_buf seen = {0};
    size_t i;
    json_t *host;
    json_array_foreach(json_object_get(json_object_get(network->spec, "dhcp"), "hosts"), i, host)
    {
        hm_buf_printf(&seen, "%s=%s/%s ", spec_str(host, "mac") + 12, spec_str(host, "ip") + 12,
                      spec_str(host, "name") ? spec_str(host, "name") : "");
    }
    ck_assert_str_eq(seen.data ? seen.data : "", expected);
    hm_buf_free(&seen);
}

START_TEST(a_vms_address_is_a_lease_of_its_network)
{
    char hash[DOC_HASH_TEXT];
    declare("network", "lan", "site-a.network.lan", "{}");
    declare_vms(CARD(MAC("01") IP("10")), CARD(MAC("02") IP("11")));
    const struct plan_doc *laid = apply();
    expect_leases(laid, "00:01=10/one 00:02=11/two ");
    spec_hash(laid[0].spec, hash);
    ck_assert_str_eq(laid[0].hash, hash);
    ck_assert_ptr_null(laid[1].cannot);
    ck_assert_ptr_eq(laid[1].spec, specs[1]);
}
END_TEST

START_TEST(without_an_address_nothing_changes)
{
    declare("network", "lan", "site-a.network.lan", LEASES(LEASE("01", "10")));
    declare_vms(CARD(MAC("01")), CARD(MAC("02")));
    const struct plan_doc *laid = apply();
    ck_assert_ptr_null(addresses);
    ck_assert_ptr_eq(laid, docs);
    ck_assert_str_eq(laid[0].hash, "as declared");
    ck_assert_ptr_eq(laid[0].spec, specs[0]);
}
END_TEST

START_TEST(a_card_without_a_mac_has_the_one_that_it_will_get)
{
    char mac[VM_MAC_TEXT];
    vm_mac("site-a.vm.one", 0, mac);
    declare("network", "lan", "site-a.network.lan", "{}");
    declare_vms(CARD(IP("10")), NULL);
    const struct plan_doc *laid = apply();
    json_t *hosts = json_object_get(json_object_get(laid[0].spec, "dhcp"), "hosts");
    ck_assert_str_eq(spec_str(json_array_get(hosts, 0), "mac"), mac);
}
END_TEST

START_TEST(the_network_may_say_the_same_itself)
{
    declare("network", "lan", "site-a.network.lan", LEASES(LEASE("01", "10")));
    declare_vms(CARD(MAC("01") IP("10")), NULL);
    const struct plan_doc *laid = apply();
    ck_assert_ptr_null(laid[1].cannot);
    ck_assert_str_eq(laid[0].hash, "as declared");
    expect_leases(laid, "00:01=10/ ");
}
END_TEST

START_TEST(a_name_that_is_taken_is_not_given_twice)
{
    declare("network", "lan", "site-a.network.lan",
            LEASES("{\"mac\":\"52:54:00:00:00:09\",\"ip\":\"192.168.100.9\",\"name\":\"one\"}"));
    declare_vms(VM ",\"networks\":[{\"network\":\"lan\"" MAC("01")
                    IP("10") "},{\"network\":\"lan\"" MAC("02") IP("11") "}]}",
                NULL);
    const struct plan_doc *laid = apply();
    expect_leases(laid, "00:09=9/one 00:01=10/ 00:02=11/ ");
}
END_TEST

static const struct {
    const char *network, *first, *second, *why;
} impossible[] = {
    {"{}", CARD(IP("10")), CARD(IP("10")),
     "networks[0].ip: 192.168.100.10 can't be had: on network lan it is that of vm one"},
    {LEASES(LEASE("01", "10")), CARD(), CARD(IP("10")),
     "networks[0].ip: 192.168.100.10 can't be had: on network lan it is that of its own "
     "dhcp.hosts"},
    {LEASES(LEASE("01", "10")), CARD(), CARD(MAC("01") IP("11")),
     "networks[0].ip: 192.168.100.11 can't be had: network lan gives 192.168.100.10 to its card "
     "52:54:00:00:00:01"},
    {"{}", CARD(), CARD(IP("1")),
     "networks[0].ip: 192.168.100.1 can't be had: it is the host's own on network lan"},
    {"{}", CARD(), CARD(IP("255")),
     "networks[0].ip: 192.168.100.255 can't be had: it is outside of network lan "
     "(192.168.100.1/24)"},
    {"{\"subnet\":\"10.0.0.1/24\"}", CARD(), CARD(IP("10")),
     "networks[0].ip: 192.168.100.10 can't be had: it is outside of network lan (10.0.0.1/24)"},
    {"{\"mode\":\"isolated\",\"subnet\":\"none\"}", CARD(), CARD(IP("10")),
     "networks[0].ip: 192.168.100.10 can't be had: network lan has no subnet"},
    {"{\"dhcp\":{\"enabled\":false}}", CARD(), CARD(IP("10")),
     "networks[0].ip: 192.168.100.10 can't be had: network lan gives no addresses (dhcp.enabled is "
     "false)"},
};

START_TEST(an_address_that_cant_be_had_is_said)
{
    declare("network", "lan", "site-a.network.lan", impossible[_i].network);
    declare_vms(impossible[_i].first, impossible[_i].second);
    const struct plan_doc *laid = apply();
    ck_assert_ptr_null(laid[1].cannot);
    ck_assert_pstr_eq(laid[2].cannot, impossible[_i].why);
}
END_TEST

/* Its place in the order of the documents does not matter, nor how often it is asked. */
START_TEST(who_has_an_address_keeps_it)
{
    declare("network", "lan", "site-a.network.lan", "{}");
    declare_vms(CARD(MAC("01") IP("10")), CARD(MAC("02") IP("10")));
    apply_before(LEASES(LEASE("02", "10")));
    const struct plan_doc *laid = apply();
    expect_leases(laid, "00:02=10/two ");
    ck_assert_ptr_null(laid[2].cannot);
    ck_assert_pstr_eq(laid[1].cannot,
                      "networks[0].ip: 192.168.100.10 can't be had: on network lan it "
                      "is that of vm two");
}
END_TEST

START_TEST(an_address_that_was_given_back_is_free)
{
    declare("network", "lan", "site-a.network.lan", "{}");
    declare_vms(CARD(MAC("01") IP("10")), CARD(MAC("02") IP("11")));
    apply_before(LEASES(LEASE("02", "10")));
    expect_leases(apply(), "00:01=10/one 00:02=11/two ");
}
END_TEST

START_TEST(a_network_that_is_not_declared_gives_none)
{
    declare_vms(CARD(IP("10")), NULL);
    struct plan_doc *gone = declare("network", "lan", "site-a.network.lan", "{}");
    gone->deleted = true;
    const struct plan_doc *laid = apply();
    ck_assert_str_eq(laid[0].cannot,
                     "networks[0].ip: 192.168.100.10 can't be had: network lan, whose "
                     "DHCP would give it, is not declared here");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("addresses");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_vms_address_is_a_lease_of_its_network);
    tcase_add_test(t, without_an_address_nothing_changes);
    tcase_add_test(t, a_card_without_a_mac_has_the_one_that_it_will_get);
    tcase_add_test(t, the_network_may_say_the_same_itself);
    tcase_add_test(t, a_name_that_is_taken_is_not_given_twice);
    tcase_add_loop_test(t, an_address_that_cant_be_had_is_said, 0, HM_COUNT(impossible));
    tcase_add_test(t, who_has_an_address_keeps_it);
    tcase_add_test(t, an_address_that_was_given_back_is_free);
    tcase_add_test(t, a_network_that_is_not_declared_gives_none);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
