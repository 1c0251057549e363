#include "agent/marks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static uv_loop_t loop;
static struct hm_workq *queue;
static char folder[] = "/tmp/test_marks.XXXXXX";
static char *path;
static int saved, failed_saves;
static struct hm_error last_error;

static void note_saved(void *data, const struct hm_error *err)
{
    (void)data;
    if (err) {
        failed_saves++;
        last_error = *err;
    } else {
        saved++;
    }
}

static void set_up(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path = hm_printf("%s/failover-default.json", folder);
    uv_loop_init(&loop);
    queue = hm_workq_new(&loop, "disk", 1, 4);
    saved = failed_saves = 0;
}

static void tear_down(void)
{
    hm_workq_free(queue);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    unlink(path);
    rmdir(folder);
    free(path);
}

static void run_until_answered(int count)
{
    while (saved + failed_saves < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void write_file(const char *text)
{
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

START_TEST(absent_file_is_all_zero)
{
    struct marks m = {.epoch = 9};
    ck_assert_int_eq(marks_load(path, &m, NULL), 0);
    ck_assert_uint_eq(m.epoch, 0);
    ck_assert_str_eq(m.config, "");
}
END_TEST

START_TEST(what_is_saved_is_loaded)
{
    struct marks_file *f = marks_file_new(queue, path);
    struct marks in = {.epoch = 7,
                       .revision = 88123,
                       .bucket_created_ns = 1763856000000000000,
                       .config_revision = 3,
                       .config = "{\"failover_timeout_ms\":1000}",
                       .led_epoch = 6,
                       .led_generation = 2,
                       .seen = {3, 41},
                       .open_epoch = 5,
                       .chosen_epoch = 6,
                       .open_boot = "a-boot",
                       .paused = true,
                       .unread = {.failsafe = true, .paused = true}};
    struct marks out;
    struct stat st;
    marks_save(f, &in, note_saved, NULL);
    run_until_answered(1);
    ck_assert_int_eq(saved, 1);
    ck_assert_int_eq(marks_load(path, &out, NULL), 0);
    ck_assert_uint_eq(out.epoch, 7);
    ck_assert_uint_eq(out.revision, 88123);
    ck_assert_int_eq(out.bucket_created_ns, in.bucket_created_ns);
    ck_assert_uint_eq(out.config_revision, 3);
    ck_assert_str_eq(out.config, in.config);
    ck_assert_uint_eq(out.led_epoch, 6);
    ck_assert_uint_eq(out.led_generation, 2);
    ck_assert_uint_eq(out.seen.generation, 3);
    ck_assert_uint_eq(out.seen.epoch, 41);
    ck_assert_uint_eq(out.open_epoch, 5);
    ck_assert_uint_eq(out.chosen_epoch, 6);
    ck_assert_str_eq(out.open_boot, "a-boot");
    ck_assert(out.paused && out.unread.failsafe && out.unread.paused);
    stat(path, &st);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    marks_file_free(f);
}
END_TEST

START_TEST(saves_meanwhile_share_one_write_of_the_newest)
{
    struct marks_file *f = marks_file_new(queue, path);
    struct marks m = {0}, out;
    for (m.epoch = 1; m.epoch <= 5; m.epoch++)
        marks_save(f, &m, note_saved, NULL);
    ck_assert_uint_le(hm_workq_busy(queue), 1);
    run_until_answered(5);
    ck_assert_int_eq(saved, 5);
    ck_assert_int_eq(marks_load(path, &out, NULL), 0);
    ck_assert_uint_eq(out.epoch, 5);
    marks_file_free(f);
}
END_TEST

START_TEST(failed_save_is_told_and_the_next_one_tried)
{
    struct marks_file *f = marks_file_new(queue, path);
    struct marks m = {.epoch = 1};
    ck_assert_int_eq(rmdir(folder), 0);
    marks_save(f, &m, note_saved, NULL);
    run_until_answered(1);
    ck_assert_int_eq(failed_saves, 1);
    ck_assert_int_eq(last_error.code, HM_E_NOT_FOUND);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    marks_save(f, &m, note_saved, NULL);
    run_until_answered(2);
    ck_assert_int_eq(saved, 1);
    marks_file_free(f);
}
END_TEST

START_TEST(freed_file_answers_nobody)
{
    struct marks_file *f = marks_file_new(queue, path);
    struct marks m = {.epoch = 1};
    marks_save(f, &m, note_saved, NULL);
    marks_save(f, &m, note_saved, NULL);
    marks_file_free(f);
    while (hm_workq_busy(queue) > 0)
        uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(saved + failed_saves, 0);
}
END_TEST

static void expect_refused(const char *text, const char *sentence)
{
    struct hm_error err;
    struct marks m = {.epoch = 9};
    write_file(text);
    ck_assert_int_eq(marks_load(path, &m, &err), -HM_E_INVALID);
    ck_assert_msg(strstr(err.text, sentence), "\"%s\" does not contain \"%s\"", err.text, sentence);
    ck_assert_msg(strstr(err.text, path), "\"%s\" does not name the file", err.text);
    ck_assert_uint_eq(m.epoch, 9);
}

START_TEST(damaged_files_are_refused_with_a_sentence)
{
    expect_refused("", "line 1");
    expect_refused("{\"epoch\": 3", "line 1");
    expect_refused("[]", "object");
    expect_refused("{\"epoch\":\"x\",\"revision\":0,\"bucket_created_ns\":0,\"config_revision\":0,"
                   "\"led_epoch\":0,\"paused\":false}",
                   "epoch");
    expect_refused("{\"epoch\":1}", "revision");
    expect_refused("{\"epoch\":-1,\"revision\":0,\"bucket_created_ns\":0,\"config_revision\":0,"
                   "\"led_epoch\":0,\"paused\":false}",
                   "epoch");
    expect_refused("{\"epoch\":1,\"revision\":0,\"bucket_created_ns\":0,\"config_revision\":0,"
                   "\"led_epoch\":0,\"seen_generation\":1125899906842625,\"paused\":false}",
                   "seen_generation"); /* no heartbeat could hold it */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("marks");
    TCase *t = tcase_create("marks");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, absent_file_is_all_zero);
    tcase_add_test(t, what_is_saved_is_loaded);
    tcase_add_test(t, saves_meanwhile_share_one_write_of_the_newest);
    tcase_add_test(t, failed_save_is_told_and_the_next_one_tried);
    tcase_add_test(t, freed_file_answers_nobody);
    tcase_add_test(t, damaged_files_are_refused_with_a_sentence);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
