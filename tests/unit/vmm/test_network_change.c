#include "vmm/network_change.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "vmm/xml.h"

#define NET(dhcp, dns) "<network><dns>" dns "</dns><ip><dhcp>" dhcp "</dhcp></ip></network>"
#define RANGE(end)     "<range start='10.0.0.2' end='10.0.0." end "'/>"
#define HOST(mac, ip)  "<host mac='52:54:00:00:00:" mac "' ip='10.0.0." ip "'/>"
#define NAME(ip, name) "<host ip='10.0.0." ip "'><hostname>" name "</hostname></host>"

static const struct {
    const char *active, *wanted, *changes;
} cases[] = {
    {NET("", ""), NET("", ""), ""},
    {"<network/>", "<network><name>x</name></network>", ""},
    {NET(RANGE("9") HOST("01", "5"), NAME("5", "a")),
     NET(RANGE("9") HOST("01", "5"), NAME("5", "a")), ""},
    /* the order and what libvirt adds do not matter */
    {NET("<host ip='10.0.0.5' mac='52:54:00:00:00:01'><lease expiry='1'/></host>", ""),
     NET(HOST("01", "5"), ""), ""},
    {NET(HOST("01", "5"), ""), NET(HOST("02", "6") HOST("01", "5"), ""),
     "+host <host mac=\"52:54:00:00:00:02\" ip=\"10.0.0.6\"/>"},
    {NET(HOST("01", "5") HOST("02", "6"), ""), NET(HOST("02", "6"), ""),
     "-host <host mac=\"52:54:00:00:00:01\" ip=\"10.0.0.5\"/>"},
    /* all deletions come before all additions */
    {NET(RANGE("9") HOST("01", "5"), NAME("5", "a")),
     NET(RANGE("8") HOST("01", "6"), NAME("6", "a")),
     "-range <range start=\"10.0.0.2\" end=\"10.0.0.9\"/> "
     "-host <host mac=\"52:54:00:00:00:01\" ip=\"10.0.0.5\"/> "
     "-name <host ip=\"10.0.0.5\"> <hostname>a</hostname></host> "
     "+range <range start=\"10.0.0.2\" end=\"10.0.0.8\"/> "
     "+host <host mac=\"52:54:00:00:00:01\" ip=\"10.0.0.6\"/> "
     "+name <host ip=\"10.0.0.6\"> <hostname>a</hostname></host>"},
};

/* An element on one line, without the declaration. */
static void add_element(struct hm_buf *out, const char *xml)
{
    bool space = false;
    for (const char *c = strchr(xml, '\n'); *c; c++) {
        if (*c != ' ' && *c != '\n') {
            hm_buf_printf(out, "%s%c", space ? " " : "", *c);
            space = false;
        } else
            space = *c == ' ' && c[1] != ' ';
    }
}

static char *words(const struct network_changes *changes)
{
    static const char *const sections[] = {"range", "host", "name"};
    struct hm_buf out = {0};
    for (size_t i = 0; i < changes->count; i++) {
        const struct network_change *c = &changes->items[i];
        hm_buf_printf(&out, "%s%c%s ", i ? " " : "", c->adds ? '+' : '-', sections[c->section]);
        add_element(&out, c->xml);
    }
    return hm_buf_steal(&out);
}

START_TEST(what_changes_is_deleted_then_added)
{
    struct network_changes changes;
    ck_assert_int_eq(network_changes_between(cases[_i].active, cases[_i].wanted, &changes, NULL),
                     0);
    HM_AUTOFREE char *said = words(&changes);
    ck_assert_str_eq(said, cases[_i].changes);
    network_changes_clear(&changes);
}
END_TEST

START_TEST(what_is_no_xml_is_refused)
{
    struct network_changes changes;
    ck_assert_int_eq(network_changes_between("<network", "<network/>", &changes, NULL),
                     -HM_E_INVALID);
    ck_assert_int_eq(network_changes_between("<network/>", "", &changes, NULL), -HM_E_INVALID);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("network_change");
    TCase *t = tcase_create("all");
    xml_setup();
    tcase_add_loop_test(t, what_changes_is_deleted_then_added, 0, HM_COUNT(cases));
    tcase_add_test(t, what_is_no_xml_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
