/* The record of a VM on disk. */
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/lib/listing.h"
#include "vmm/ch_record.h"

static char dir[64];
static char *records;
static struct hm_error err;

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/harmony-record-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    records = ch_records_path(dir);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void tear_down(void)
{
    ck_assert_int_eq(nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(records);
}

static struct mark a_mark(const char *hash)
{
    return (struct mark){.site = hm_strdup("site-a"),
                         .key = hm_strdup("site-a.vm.web"),
                         .hash = hm_strdup(hash),
                         .spec = json_pack("{s:i}", "vcpus", 2)};
}

static struct ch_process a_process(void)
{
    return (struct ch_process){.pid = {4711, 998877},
                               .boot = hm_strdup("b00t"),
                               .socket = hm_strdup("/run/x.sock"),
                               .taps = json_pack("[s]", "hm1"),
                               .mark = a_mark("h1")};
}

START_TEST(a_list_that_can_not_be_read_is_not_empty)
{
    json_t *names = NULL;
    struct mark mark = a_mark("h1");
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    mark_clear(&mark);
    listing_fails = true;
    ck_assert_int_eq(ch_records_list(records, &names, &err), -HM_E_IO);
    listing_fails = false;
    ck_assert_int_eq(ch_records_list(records, &names, &err), 0);
    ck_assert_uint_eq(json_array_size(names), 1);
    json_decref(names);
}
END_TEST

START_TEST(what_was_written_is_read)
{
    struct mark mark = a_mark("h1"), found = {0};
    ck_assert_int_eq(ch_record_read(records, "web", &found, &err), 0);
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    ck_assert_int_eq(ch_record_read(records, "web", &found, &err), 1);
    ck_assert_str_eq(found.key, "site-a.vm.web");
    ck_assert_str_eq(found.hash, "h1");
    ck_assert(json_equal(found.spec, mark.spec));
    mark_clear(&mark);
    mark_clear(&found);
}
END_TEST

START_TEST(a_process_is_kept_with_all_that_tells_it_apart)
{
    struct ch_process p = a_process(), found = {0};
    p.cgroup = hm_strdup("/sys/fs/cgroup/x");
    p.said = 5000000000;
    ck_assert_int_eq(ch_record_write_process(records, "web", &p, &err), 0);
    ck_assert_int_eq(ch_record_read_process(records, "web", &found, &err), 1);
    ck_assert_int_eq(found.pid.pid, 4711);
    ck_assert_uint_eq(found.pid.start, 998877);
    ck_assert_str_eq(found.boot, "b00t");
    ck_assert_str_eq(found.socket, "/run/x.sock");
    ck_assert_str_eq(found.cgroup, "/sys/fs/cgroup/x");
    ck_assert_int_eq(found.said, 5000000000);
    ck_assert(json_equal(found.taps, p.taps));
    ck_assert_str_eq(found.mark.hash, "h1");
    ch_process_clear(&found);
    ck_assert_int_eq(ch_record_forget_process(records, "web", &err), 0);
    ck_assert_int_eq(ch_record_read_process(records, "web", &found, &err), 0);
    ch_process_clear(&p);
}
END_TEST

START_TEST(the_three_files_do_not_overwrite_each_other)
{
    struct mark mark = a_mark("h2"), found = {0};
    struct ch_process p = a_process();
    struct run_note note = {.state = RUN_STARTED,
                            .epoch = 7,
                            .restarts = 3,
                            .streak = 2,
                            .began_ms = 12345,
                            .loop_since_ms = 99};
    ck_assert_int_eq(ch_record_write_process(records, "web", &p, &err), 0);
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    ck_assert_int_eq(ch_record_write_note(records, "web", &note, &err), 0);
    struct run_note again = ch_record_read_note(records, "web");
    ck_assert_int_eq(again.state, RUN_STARTED);
    ck_assert_uint_eq(again.epoch, 7);
    ck_assert_uint_eq(again.restarts, 3);
    ck_assert_uint_eq(again.streak, 2);
    ck_assert_int_eq(again.began_ms, 12345);
    ck_assert_int_eq(again.loop_since_ms, 99);
    ck_assert_int_eq(ch_record_read(records, "web", &found, &err), 1);
    ck_assert_str_eq(found.hash, "h2");
    mark_clear(&mark);
    mark_clear(&found);
    ch_process_clear(&p);
}
END_TEST

static void put(const char *file, const char *text)
{
    HM_AUTOFREE char *folder = ch_record_path(records, "web");
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, file);
    ck_assert_int_eq(hm_mkdirs(folder, 0700, &err), 0);
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

START_TEST(times_of_a_note_that_nanoseconds_cannot_hold_are_0)
{
    put("note.json",
        "{\"state\":\"started\",\"began\":9223372036854,\"loop_since\":9223372036855}");
    struct run_note note = ch_record_read_note(records, "web");
    ck_assert_int_eq(note.state, RUN_STARTED);
    ck_assert_int_eq(note.began_ms, 9223372036854);
    ck_assert_int_eq(note.loop_since_ms, 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error_and_not_absent)
{
    struct mark mark = {0};
    struct ch_process p = {0};
    put("vm.json", "{\"site\":");
    ck_assert_int_lt(ch_record_read(records, "web", &mark, &err), 0);
    put("process.json", "[]");
    ck_assert_int_lt(ch_record_read_process(records, "web", &p, &err), 0);
    put("process.json", "{\"pid\":-4,\"start_time\":1,\"boot_id\":\"b\",\"socket\":\"/s\",\"mark\":"
                        "{\"site\":\"a\",\"key\":\"k\",\"hash\":\"h\",\"spec\":{}}}");
    ck_assert_int_lt(ch_record_read_process(records, "web", &p, &err), 0);
    put("process.json", "{\"pid\":4,\"start_time\":1,\"boot_id\":\"b\",\"socket\":\"s\",\"mark\":"
                        "{\"site\":\"a\",\"key\":\"k\",\"hash\":\"h\",\"spec\":{}}}");
    ck_assert_int_lt(ch_record_read_process(records, "web", &p, &err), 0);
    put("note.json", "{\"state\":\"started\",\"epoch\":-1,\"restarts\":99999999999}");
    struct run_note note = ch_record_read_note(records, "web");
    ck_assert_int_eq(note.state, RUN_STARTED);
    ck_assert_uint_eq(note.epoch, 0);
    ck_assert_uint_eq(note.restarts, 0);
}
END_TEST

START_TEST(records_are_listed_by_name)
{
    struct mark mark = a_mark("h1");
    json_t *names = NULL;
    ck_assert_int_eq(ch_records_list(records, &names, &err), 0);
    ck_assert_uint_eq(json_array_size(names), 0);
    json_decref(names);
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    ck_assert_int_eq(ch_record_write(records, "db", &mark, &err), 0);
    ck_assert_int_eq(ch_records_list(records, &names, &err), 0);
    json_t *both = json_pack("[s, s]", "db", "web");
    ck_assert(json_equal(names, both));
    json_decref(names);
    json_decref(both);
    mark_clear(&mark);
}
END_TEST

START_TEST(removal_leaves_nothing_and_only_others_alone)
{
    struct mark mark = a_mark("h1");
    HM_AUTOFREE char *folder = ch_record_path(records, "web");
    HM_AUTOFREE char *cut_short = hm_printf("%s/process.json.Hgx5Wj", folder);
    ck_assert_int_eq(ch_record_remove(records, "web", &err), 1);
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    ck_assert_int_eq(hm_file_write_atomic(cut_short, "{", 1, 0600, &err), 0);
    ck_assert_int_eq(ch_record_remove(records, "web", &err), 0);
    ck_assert_int_lt(access(folder, F_OK), 0);
    mark_clear(&mark);
}
END_TEST

START_TEST(what_a_crash_has_left_of_a_removal_is_swept)
{
    struct ch_process process = a_process();
    HM_AUTOFREE char *folder = ch_record_path(records, "web");
    HM_AUTOFREE char *half = hm_printf("%s/vm.json.tmp-1", folder);
    ck_assert_int_eq(ch_record_write_process(records, "web", &process, &err), 0);
    ck_assert_int_eq(hm_file_write_atomic(half, "{", 1, 0600, &err), 0);
    ch_record_sweep(records, "web");
    ck_assert_int_ne(access(folder, F_OK), 0);
    ch_record_sweep(records, "web");
    ch_process_clear(&process);
}
END_TEST

START_TEST(nobody_else_can_read_it)
{
    struct stat st;
    struct mark mark = a_mark("h1");
    HM_AUTOFREE char *folder = ch_record_path(records, "web");
    HM_AUTOFREE char *file = hm_printf("%s/vm.json", folder);
    ck_assert_int_eq(ch_record_write(records, "web", &mark, &err), 0);
    ck_assert_int_eq(stat(folder, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    mark_clear(&mark);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_record");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_list_that_can_not_be_read_is_not_empty);
    tcase_add_test(t, what_was_written_is_read);
    tcase_add_test(t, a_process_is_kept_with_all_that_tells_it_apart);
    tcase_add_test(t, the_three_files_do_not_overwrite_each_other);
    tcase_add_test(t, times_of_a_note_that_nanoseconds_cannot_hold_are_0);
    tcase_add_test(t, what_cannot_be_read_is_an_error_and_not_absent);
    tcase_add_test(t, records_are_listed_by_name);
    tcase_add_test(t, removal_leaves_nothing_and_only_others_alone);
    tcase_add_test(t, what_a_crash_has_left_of_a_removal_is_swept);
    tcase_add_test(t, nobody_else_can_read_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
