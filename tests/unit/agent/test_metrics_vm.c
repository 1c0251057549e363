#include "agent/metrics_vm.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct vm_stats_list list;

static void set_up(void)
{
    list = (struct vm_stats_list){.items = hm_alloc(2 * sizeof *list.items), .count = 2};
    struct vm_stats *web = &list.items[0];
    web->name = hm_strdup("web");
    list.items[1].name = hm_strdup("db");
    vm_stats_take(web, "cpu.time", 1500000000);
    vm_stats_take(web, "balloon.current", 1024);
    vm_stats_take(web, "net.count", 2);
    vm_stats_take(web, "net.0.rx.bytes", 7);
    vm_stats_take(web, "net.1.tx.drop", 3);
    vm_stats_take(web, "block.count", 1);
    vm_stats_take_text(web, "block.0.name", "vdb");
    vm_stats_take(web, "block.0.rd.bytes", 512);
    vm_stats_take(web, "block.0.rd.times", 2500000);
    vm_stats_take(&list.items[1], "cpu.time", 0);
}

static void tear_down(void)
{
    vm_stats_clear(&list);
}

static char *text(void)
{
    struct hm_buf b = {0};
    metrics_vm_text(&list, &b);
    return hm_buf_steal(&b);
}

START_TEST(every_family_is_begun_once_and_has_its_samples)
{
    HM_AUTOFREE char *made = text();
    static const char *const lines[] = {
        "# TYPE harmony_vm_cpu_seconds_total counter\nharmony_vm_cpu_seconds_total{vm=\"web\"} "
        "1.5\n"
        "harmony_vm_cpu_seconds_total{vm=\"db\"} 0\n",
        "# TYPE harmony_vm_memory_bytes gauge\nharmony_vm_memory_bytes{vm=\"web\"} 1048576\n# HELP",
        "harmony_vm_disk_read_bytes_total{vm=\"web\",disk=\"vdb\"} 512\n",
        "harmony_vm_disk_read_seconds_total{vm=\"web\",disk=\"vdb\"} 0.0025\n",
        "harmony_vm_network_receive_bytes_total{vm=\"web\",nic=\"0\"} 7\n",
        "harmony_vm_network_transmit_drops_total{vm=\"web\",nic=\"1\"} 3\n",
    };
    for (size_t i = 0; i < HM_COUNT(lines); i++)
        ck_assert_msg(strstr(made, lines[i]) != NULL, "no %s in %s", lines[i], made);
    for (const char *at = made; (at = strstr(at, "# HELP ")); at++) {
        HM_AUTOFREE char *line = hm_printf("%.*s ", (int)strcspn(at + 7, " ") + 7, at);
        ck_assert_msg(!strstr(at + 1, line), "%s twice", line);
    }
}
END_TEST

START_TEST(what_was_not_measured_is_missing)
{
    HM_AUTOFREE char *made = text();
    ck_assert_ptr_null(strstr(made, "vm=\"db\",disk"));
    ck_assert_ptr_null(strstr(made, "harmony_vm_vcpus{"));
    ck_assert_ptr_null(
        strstr(made, "harmony_vm_network_transmit_drops_total{vm=\"web\",nic=\"0\"}"));
}
END_TEST

START_TEST(json_has_the_same_values)
{
    json_t *all = metrics_vm_json(&list), *web = json_array_get(all, 0);
    ck_assert_str_eq(json_string_value(json_object_get(web, "vm")), "web");
    ck_assert_double_eq(json_number_value(json_object_get(web, "cpu_seconds_total")), 1.5);
    const json_t *disk = json_array_get(json_object_get(web, "disks"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(disk, "disk")), "vdb");
    ck_assert_double_eq(json_number_value(json_object_get(disk, "disk_read_bytes_total")), 512);
    ck_assert_uint_eq(json_array_size(json_object_get(web, "nics")), 2);
    ck_assert_ptr_null(json_object_get(web, "vcpus"));
    json_decref(all);
}
END_TEST

/* What a backend says is taken as it comes: nothing it could say breaks anything. */
START_TEST(odd_fields_are_passed_over)
{
    static const char *const odd[] = {"",
                                      "net",
                                      "net.",
                                      "net.x.rx.bytes",
                                      "net.5.rx.bytes",
                                      "block.0",
                                      "block.0.",
                                      "block.-1.rd.bytes",
                                      "cpu.time.",
                                      "net.99999999999999999999.rx.bytes",
                                      "block.0.name.x"};
    for (size_t i = 0; i < HM_COUNT(odd); i++) {
        vm_stats_take(&list.items[1], odd[i], 9);
        vm_stats_take_text(&list.items[1], odd[i],
                           "a name that is much longer than there is room for");
    }
    ck_assert_uint_le(list.items[1].device_count, 1);
    for (unsigned i = 0; i < 200; i++) {
        HM_AUTOFREE char *field = hm_printf("net.%u.rx.bytes", i);
        vm_stats_take(&list.items[1], field, i);
    }
    ck_assert_uint_le(list.items[1].device_count, 64);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics_vm");
    TCase *c = tcase_create("metrics_vm");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, every_family_is_begun_once_and_has_its_samples);
    tcase_add_test(c, what_was_not_measured_is_missing);
    tcase_add_test(c, json_has_the_same_values);
    tcase_add_test(c, odd_fields_are_passed_over);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
