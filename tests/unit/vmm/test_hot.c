/* What is done to a running domain, from two XML texts. */
#include "xml_fixture.h"

#include "vmm/hot.h"

#define DISK(name, path)                                                                           \
    "<disk type='file' device='disk'><source file='" path "'/><target dev='vda' bus='virtio'/>"    \
    "<boot order='1'/><alias name='" name "'/><address type='pci' bus='0x03'/></disk>"
#define CARD(name, mac)                                                                            \
    "<interface type='network'><mac address='" mac "'/><source network='lan'/>"                    \
    "<alias name='" name "'/></interface>"
#define DRIVE(name, source)                                                                        \
    "<disk type='file' device='cdrom'>" source "<target dev='" name "' bus='sata'/></disk>"
#define CD(path)              "<source file='" path "'/>"
#define OURS                  "ua-harmony-"
#define DOMAIN(size, devices) "<domain>" size "<devices>" devices "</devices></domain>"
#define SMALL                 "<currentMemory unit='KiB'>1024</currentMemory><vcpu current='1'>4</vcpu>"
#define BIG                   "<currentMemory unit='KiB'>2048</currentMemory><vcpu>4</vcpu>"

static const struct {
    const char *live, *defined, *steps;
} plans[] = {
    {DOMAIN(SMALL, ""), DOMAIN(SMALL, ""), ""},
    {DOMAIN(SMALL, ""), DOMAIN(BIG, ""), "vcpus 4; memory 2048; "},
    /* fewer processors are left to the next start */
    {DOMAIN(BIG, ""), DOMAIN(SMALL, ""), "memory 1024; "},
    {DOMAIN(SMALL, ""), DOMAIN(SMALL, DISK(OURS "disk-a", "/a")), "attach disk a; "},
    {DOMAIN(SMALL, DISK(OURS "disk-a", "/a")), DOMAIN(SMALL, ""), "detach disk a; "},
    /* known by alias, or by what two can't share */
    {DOMAIN(SMALL, DISK(OURS "disk-a", "/a")), DOMAIN(SMALL, DISK(OURS "disk-a", "/b")), ""},
    {DOMAIN(SMALL, DISK("virtio-disk0", "/a")), DOMAIN(SMALL, DISK(OURS "disk-a", "/a")), ""},
    {DOMAIN(SMALL, CARD("net0", "52:54:00:00:00:01")),
     DOMAIN(SMALL, CARD(OURS "card-52-54-00-00-00-01", "52:54:00:00:00:01")), ""},
    /* another's is never taken away, nor put in */
    {DOMAIN(SMALL, DISK("virtio-disk0", "/a") CARD("ua-mine", "52:54:00:00:00:01")),
     DOMAIN(SMALL, ""), ""},
    {DOMAIN(SMALL, ""), DOMAIN(SMALL, DISK("ua-mine", "/a")), ""},
    /* CDs, by the drive that has both */
    {DOMAIN(SMALL, DRIVE("sda", CD("/a")) DRIVE("sdb", CD("/b")) DRIVE("sdc", CD("/c"))),
     DOMAIN(SMALL, DRIVE("sda", CD("/a")) DRIVE("sdb", "") DRIVE("sdd", CD("/c"))),
     "change CD-ROM sdb; "},
    {DOMAIN(SMALL, DRIVE("sda", "") DRIVE("sdb", "")),
     DOMAIN(SMALL, DRIVE("sda", CD("/a")) DRIVE("sdb", "")), "change CD-ROM sda; "},
    /* out before in */
    {DOMAIN(SMALL, DISK(OURS "disk-a", "/a") CARD(OURS "card-1", "52:54:00:00:00:01")),
     DOMAIN(SMALL, DISK(OURS "disk-b", "/b") CARD(OURS "card-2", "52:54:00:00:00:02")),
     "detach disk a; detach network card 52:54:00:00:00:01; attach disk b; attach network card "
     "52:54:00:00:00:02; "},
};

static char *steps_text(const struct hot_steps *steps)
{
    char *text = hm_strdup("");
    for (size_t i = 0; i < steps->count; i++) {
        const struct hot_step *s = &steps->items[i];
        char *before = text;
        if (s->what == HOT_VCPUS || s->what == HOT_MEMORY)
            text = hm_printf("%s%s %lld; ", before, s->what == HOT_VCPUS ? "vcpus" : "memory",
                             (long long)s->number);
        else
            text = hm_printf("%s%s %s; ", before,
                             s->what == HOT_DETACH   ? "detach"
                             : s->what == HOT_MEDIUM ? "change"
                                                     : "attach",
                             s->name);
        free(before);
    }
    return text;
}

START_TEST(the_steps_are)
{
    struct hot_steps steps;
    struct hm_error err = {0};
    ck_assert_msg(hot_plan(plans[_i].live, plans[_i].defined, &steps, &err) == 0, "%s", err.text);
    char *text = steps_text(&steps);
    ck_assert_str_eq(text, plans[_i].steps);
    free(text);
    hot_steps_clear(&steps);
}
END_TEST

START_TEST(a_device_is_plugged_in_without_its_place_and_taken_out_by_alias)
{
    struct hot_steps steps;
    hot_plan(DOMAIN(SMALL, DISK(OURS "disk-b", "/b")),
             DOMAIN(SMALL, DISK(OURS "disk-a", "/a &amp; b")), &steps, NULL);
    ck_assert_uint_eq(steps.count, 2);
    ck_assert_str_eq(steps.items[0].alias, OURS "disk-b");
    xmlDocPtr doc = NULL;
    ck_assert_int_eq(xml_parse(steps.items[1].xml, &doc, NULL), 0);
    ck_xpath(doc, "/disk/source/@file", "/a & b");
    ck_xpath(doc, "/disk/alias/@name", OURS "disk-a");
    ck_xpath(doc, "count(/disk/address | /disk/boot)", "0");
    xml_free(&doc);
    hot_steps_clear(&steps);
}
END_TEST

START_TEST(a_device_is_there_or_not)
{
    const char *live = DOMAIN(SMALL, DISK(OURS "disk-a", "/a") CARD(OURS "card-1", "x"));
    ck_assert_int_eq(hot_has_device(live, OURS "disk-a", NULL), 1);
    ck_assert_int_eq(hot_has_device(live, OURS "card-1", NULL), 1);
    ck_assert_int_eq(hot_has_device(live, OURS "disk", NULL), 0);
    ck_assert_int_lt(hot_has_device("<", OURS "disk", NULL), 0);
}
END_TEST

START_TEST(what_is_no_xml_is_refused)
{
    struct hot_steps steps;
    ck_assert_int_lt(hot_plan("<", DOMAIN(SMALL, ""), &steps, NULL), 0);
    ck_assert_int_lt(hot_plan(DOMAIN(SMALL, ""), "", &steps, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hot");
    TCase *t = tcase_create("all");
    xml_setup();
    tcase_add_loop_test(t, the_steps_are, 0, HM_COUNT(plans));
    tcase_add_test(t, a_device_is_plugged_in_without_its_place_and_taken_out_by_alias);
    tcase_add_test(t, a_device_is_there_or_not);
    tcase_add_test(t, what_is_no_xml_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
