#include "vmm/image_info.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char full[] =
    "{\"backing-filename-format\": \"qcow2\", \"snapshots\": [{\"icount\": 0, \"name\": \"s1\","
    "\"date-sec\": 1795982996, \"id\": \"1\", \"vm-state-size\": 0}, {\"name\": \"s2\","
    "\"date-sec\": 1795982997, \"id\": \"2\"}], \"virtual-size\": 20971520, \"filename\": "
    "\"/a:b,c\","
    "\"format\": \"qcow2\", \"actual-size\": 208896, \"format-specific\": {\"type\": \"qcow2\","
    "\"data\": {\"compat\": \"1.1\", \"corrupt\": false}}, \"full-backing-filename\": \"/b\","
    "\"backing-filename\": \"/b\", \"dirty-flag\": false}";

static struct image_info parse(const char *text)
{
    struct image_info info = {0};
    struct hm_error err = {0};
    ck_assert_msg(image_info_parse(text, strlen(text), &info, &err) == 0, "%s", err.text);
    return info;
}

START_TEST(what_qemu_img_says_is_understood)
{
    struct image_info info = parse(full);
    ck_assert_str_eq(info.format, "qcow2");
    ck_assert_int_eq(info.size, 20971520);
    ck_assert_int_eq(info.allocated, 208896);
    ck_assert_str_eq(info.backing, "/b");
    ck_assert_str_eq(info.backing_format, "qcow2");
    ck_assert(!info.has_data_file && !info.is_corrupt && !info.is_encrypted && !info.is_old);
    ck_assert_uint_eq(info.snapshot_count, 2);
    ck_assert_int_eq(image_info_find(&info, "s2")->created_s, 1795982997);
    ck_assert_ptr_null(image_info_find(&info, "1"));
    image_info_clear(&info);
}
END_TEST

START_TEST(what_makes_an_image_odd_is_told)
{
    struct image_info info =
        parse("{\"format\":\"qcow2\",\"virtual-size\":1,\"encrypted\":true,\"format-specific\":{"
              "\"data\":{\"compat\":\"0.10\",\"corrupt\":true,\"data-file\":\"json:{}\"}}}");
    ck_assert(info.has_data_file && info.is_corrupt && info.is_encrypted && info.is_old);
    ck_assert_int_eq(info.allocated, -1);
    ck_assert_ptr_null(info.backing);
    image_info_clear(&info);
}
END_TEST

START_TEST(the_status_shows_it)
{
    struct image_info info = parse(full);
    json_t *seen = image_info_json(&info),
           *wanted = json_loads(
               "{\"size\":20971520,\"allocation\":208896,\"format\":\"qcow2\",\"backing\":\"/b\","
               "\"snapshots\":[{\"name\":\"s1\",\"created\":\"2026-11-29T20:09:56.000Z\"},"
               "{\"name\":\"s2\",\"created\":\"2026-11-29T20:09:57.000Z\"}]}",
               0, NULL);
    char *text = json_dumps(seen, 0);
    ck_assert_msg(json_equal(seen, wanted), "%s", text);
    free(text);
    json_decref(seen);
    json_decref(wanted);
    image_info_clear(&info);
}
END_TEST

static const char *const no_times[] = {"9223372036854775807", "9223372037", "-1",
                                       "-922372036854775807", "\"now\""};

START_TEST(what_can_be_no_time_is_shown_as_the_first)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"format\":\"qcow2\",\"virtual-size\":1,\"snapshots\":[{\"name\":\"s\",\"date-sec\":"
             "%s}]}",
             no_times[_i]);
    struct image_info info = parse(text);
    json_t *shown = image_info_json(&info),
           *first = json_array_get(json_object_get(shown, "snapshots"), 0);
    ck_assert_int_eq(info.snapshots[0].created_s, 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "created")),
                     "1970-01-01T00:00:00.000Z");
    json_decref(shown);
    image_info_clear(&info);
}
END_TEST

static int check(const char *text, const char *expected, struct hm_error *err)
{
    struct image_info info = parse(text);
    int r = image_info_check(&info, "/a", expected, err);
    image_info_clear(&info);
    return r;
}

#define QCOW2 "{\"format\":\"qcow2\",\"virtual-size\":1"

START_TEST(only_the_expected_backing_file_is_allowed)
{
    struct hm_error err = {0};
    ck_assert_int_eq(check(full, "/b", &err), 0);
    ck_assert_int_eq(check(full, NULL, &err), -HM_E_REFUSED);
    ck_assert_int_eq(check(full, "/c", &err), -HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "/b"));
    ck_assert_int_eq(check(QCOW2 "}", NULL, &err), 0);
    ck_assert_int_eq(check(QCOW2 "}", "/b", &err), -HM_E_REFUSED);
    ck_assert_int_eq(check(QCOW2 ",\"backing-filename\":\"/b\"}", "/b", &err), -HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "guessed"));
    ck_assert_int_eq(check(QCOW2 ",\"encrypted\":true}", NULL, &err), -HM_E_REFUSED);
    ck_assert_int_eq(
        check(QCOW2 ",\"format-specific\":{\"data\":{\"data-file\":\"x\"}}}", NULL, &err),
        -HM_E_REFUSED);
    ck_assert_int_eq(check(QCOW2 ",\"format-specific\":{\"data\":{\"corrupt\":true}}}", NULL, &err),
                     -HM_E_IO);
}
END_TEST

START_TEST(only_what_all_disks_have_is_complete)
{
    static char both[] = "both", one[] = "one";
    const struct image_snapshot snapshots[] = {{.name = both}, {.name = one}, {.name = both}};
    json_t *list = json_array();
    for (size_t i = 0; i < 3; i++)
        json_array_append_new(json_object_get(image_snapshot_entry(list, &snapshots[i]), "disks"),
                              json_string("vda"));
    image_snapshots_complete(list, 2);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert(json_is_true(json_object_get(json_array_get(list, 0), "complete")));
    ck_assert(json_is_false(json_object_get(json_array_get(list, 1), "complete")));
    json_decref(list);
}
END_TEST

static const char *const broken[] = {
    "",
    "{",
    "[]",
    "null",
    "{}",
    "{\"format\":\"raw\"}",
    "{\"virtual-size\":1}",
    "{\"format\":1,\"virtual-size\":1}",
    "{\"format\":\"raw\",\"virtual-size\":-1}",
    "{\"format\":\"raw\",\"virtual-size\":\"1\"}",
    "{\"format\":\"raw\",\"virtual-size\":99999999999999999999}",
    "{\"format\":\"raw\",\"format\":\"qcow2\",\"virtual-size\":1}",
    "{\"format\":\"qcow2\",\"virtual-size\":1,\"snapshots\":[{\"name\":\"a\"},{}]}",
};

START_TEST(anything_else_is_refused)
{
    struct image_info info = {0};
    struct hm_error err = {0};
    ck_assert_int_lt(image_info_parse(broken[_i], strlen(broken[_i]), &info, &err), 0);
    ck_assert_uint_gt(strlen(err.text), 10);
    ck_assert_ptr_null(info.format);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image_info");
    TCase *t = tcase_create("all");
    tcase_add_test(t, what_qemu_img_says_is_understood);
    tcase_add_test(t, what_makes_an_image_odd_is_told);
    tcase_add_test(t, the_status_shows_it);
    tcase_add_loop_test(t, what_can_be_no_time_is_shown_as_the_first, 0,
                        sizeof no_times / sizeof *no_times);
    tcase_add_test(t, only_the_expected_backing_file_is_allowed);
    tcase_add_test(t, only_what_all_disks_have_is_complete);
    tcase_add_loop_test(t, anything_else_is_refused, 0, sizeof broken / sizeof *broken);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
