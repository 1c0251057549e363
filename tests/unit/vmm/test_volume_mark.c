#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/volume.h"

static char dir[64];

static void setup(void)
{
    strcpy(dir, "/tmp/harmony-marks.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    volume_mark_remove(dir, "data.qcow2", NULL);
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(a_mark_keeps_its_state)
{
    json_t *spec = json_pack("{s:i}", "size", 1);
    struct order o = {.site = "site-a", .key = "site-a.disk.data", .spec = spec};
    struct volume_mark m = {.apply = json_pack("{s:s}", "snapshot", "one")};
    mark_of_order(&o, &m.mark);
    const enum volume_state states[] = {VOLUME_MAKING, VOLUME_MADE, VOLUME_REMOVING};
    for (size_t i = 0; i < HM_COUNT(states); i++) {
        struct volume_mark found = {0};
        m.state = states[i];
        ck_assert_int_eq(volume_mark_write(dir, "data.qcow2", &m, NULL), 0);
        ck_assert_int_eq(volume_mark_read(dir, "data.qcow2", &found, NULL), 1);
        ck_assert_int_eq(found.state, states[i]);
        ck_assert_str_eq(found.mark.key, m.mark.key);
        ck_assert(json_equal(found.apply, m.apply));
        volume_mark_clear(&found);
    }
    volume_mark_clear(&m);
    json_decref(spec);
}
END_TEST

START_TEST(no_mark_is_no_error_and_removing_it_neither)
{
    struct volume_mark found;
    ck_assert_int_eq(volume_mark_read(dir, "data.qcow2", &found, NULL), 0);
    ck_assert_int_eq(volume_mark_remove(dir, "data.qcow2", NULL), 0);
}
END_TEST

static const char *const broken[] = {"", "{", "[]", "{\"site\":\"a\"}",
                                     "{\"site\":1,\"key\":2,\"hash\":3,\"spec\":{}}"};

START_TEST(a_broken_mark_protects_its_volume)
{
    char *path = hm_printf("%s/data.qcow2" VOLUME_MARK_SUFFIX, dir);
    struct volume_mark found;
    struct hm_error err = {0};
    ck_assert_int_eq(hm_file_write_atomic(path, broken[_i], strlen(broken[_i]), 0600, NULL), 0);
    ck_assert_int_eq(volume_mark_read(dir, "data.qcow2", &found, &err), -HM_E_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    free(path);
}
END_TEST

START_TEST(a_state_of_a_newer_version_counts_as_made)
{
    const char *text = "{\"site\":\"a\",\"key\":\"k\",\"hash\":\"h\",\"spec\":{\"size\":1048576},"
                       "\"state\":\"moving\"}";
    char *path = hm_printf("%s/data.qcow2" VOLUME_MARK_SUFFIX, dir);
    struct volume_mark found;
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    ck_assert_int_eq(volume_mark_read(dir, "data.qcow2", &found, NULL), 1);
    ck_assert_int_eq(found.state, VOLUME_MADE);
    ck_assert_ptr_null(found.apply);
    volume_mark_clear(&found);
    free(path);
}
END_TEST

/* Of a VM's own disk the spec is that of the disk. */
START_TEST(a_mark_has_the_spec_of_what_its_key_says)
{
    static const struct {
        const char *key, *spec;
        int read;
    } marks[] = {
        {"a.vm.web", "{\"device\":\"vda\",\"size\":1048576}", 1},
        {"a.vm.web", "{\"size\":1048576}", -HM_E_CONFLICT},
        {"a.disk.data", "{\"size\":1048576,\"snapshots\":[\"monday\"]}", 1},
        {"a.disk.data", "{\"size\":1048576,\"snapshots\":[7]}", -HM_E_CONFLICT},
        {"a.disk.data", "{\"size\":9223372036854775807}", -HM_E_CONFLICT},
    };
    char *path = hm_printf("%s/data.qcow2" VOLUME_MARK_SUFFIX, dir);
    for (size_t i = 0; i < HM_COUNT(marks); i++) {
        struct volume_mark found = {0};
        HM_AUTOFREE char *text = hm_printf(
            "{\"site\":\"a\",\"key\":\"%s\",\"hash\":\"h\",\"spec\":%s,\"state\":\"made\"}",
            marks[i].key, marks[i].spec);
        ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
        ck_assert_int_eq(volume_mark_read(dir, "data.qcow2", &found, NULL), marks[i].read);
        volume_mark_clear(&found);
    }
    free(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("volume_mark");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_mark_keeps_its_state);
    tcase_add_test(t, no_mark_is_no_error_and_removing_it_neither);
    tcase_add_loop_test(t, a_broken_mark_protects_its_volume, 0, HM_COUNT(broken));
    tcase_add_test(t, a_state_of_a_newer_version_counts_as_made);
    tcase_add_test(t, a_mark_has_the_spec_of_what_its_key_says);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
