#include "vmm/console_times.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum { FILE_7 = 7, NOW_LENGTH = 500 };

static const struct {
    const char *text;
    int64_t since, from;
} cases[] = {
    {"", 100, 0},
    {"100 7 10\n200 7 20\n300 7 400\n", 250, 20},
    {"100 7 10\n200 7 20\n300 7 400\n", 200, 20},
    {"100 7 10\n200 7 20\n300 7 400\n", 900, 400}, /* what came since the last look */
    {"100 7 10\n200 7 20\n", 99, 0},               /* before anybody looked */
    {"100 6 10\n200 6 20\n300 7 400\n", 250, 0},   /* another file then */
    {"100 6 10\n300 7 400\n", 300, 400},
    {"100 7 450\n200 7 20\n", 150, 0},         /* cut in between */
    {"100 7 10\n200 7 600\n", 250, 0},         /* cut since */
    {"100 7 10\n50 7 20\n", 60, 20},           /* a clock that was set back */
    {"100 7 10\n200 7 2", 250, 2},             /* torn: earlier, not later */
    {"100 7 10\nrubbish\n\n200 7\n", 250, 10}, /* not ours */
    {"-5 7 10\n1 7 -4\n 2 7 20 x\n", 250, 0},
};

START_TEST(where_it_begins)
{
    const struct console_seen now = {.inode = FILE_7, .length = NOW_LENGTH};
    struct console_place at =
        console_times_find(cases[_i].text, strlen(cases[_i].text), &now, 1, cases[_i].since);
    ck_assert_uint_eq(at.back, 0);
    ck_assert_int_eq(at.from, cases[_i].from);
}
END_TEST

static const struct {
    const char *text;
    int64_t since;
    struct console_place at;
} rotated[] = {
    {"100 5 10\n200 6 20\n300 6 400\n400 7 30\n", 450, {0, 30}},
    {"100 5 10\n200 6 20\n300 6 400\n400 7 30\n", 350, {1, 400}},
    {"100 5 10\n200 6 20\n300 6 400\n400 7 30\n", 250, {1, 20}},
    {"100 5 10\n200 6 20\n300 6 400\n400 7 30\n", 150, {2, 10}},
    {"100 5 10\n400 7 30\n", 150, {2, 10}}, /* rotated twice between two looks */
    {"100 4 10\n400 7 30\n", 150, {2, 0}},  /* a file that is gone: all that is left */
    {"100 7 10\n400 6 30\n", 50, {2, 0}},   /* in an order that can't be */
    {"100 6 900\n400 7 30\n", 150, {2, 0}}, /* cut before it was rotated */
    {"", 150, {2, 0}},
};

START_TEST(where_it_begins_in_a_log_that_was_rotated)
{
    const struct console_seen files[] = {{7, NOW_LENGTH}, {6, 450}, {5, 60}};
    const char *text = rotated[_i].text;
    struct console_place at = console_times_find(text, strlen(text), files, 3, rotated[_i].since);
    ck_assert_uint_eq(at.back, rotated[_i].at.back);
    ck_assert_int_eq(at.from, rotated[_i].at.from);
}
END_TEST

START_TEST(thinned_of_the_older_half)
{
    const char *text = "1 7 1\n2 7 2\n3 7 3\n4 7 4\n5 7 5\n6 7 6\n7 7 7\n8 7 8\n";
    char thin[64];
    size_t kept = console_times_thin(text, strlen(text), thin);
    ck_assert_uint_eq(kept, 36);
    ck_assert_int_eq(memcmp(thin, "2 7 2\n4 7 4\n5 7 5\n6 7 6\n7 7 7\n8 7 8\n", kept), 0);
}
END_TEST

/* -- Files ------------------------------------------------------------------------------------ */

static char dir[] = "/tmp/harmony-console-XXXXXX";
static char log_path[64], times_path[96];

static void make_folder(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(log_path, sizeof log_path, "%s/web.log", dir);
    snprintf(times_path, sizeof times_path, "%s.times", log_path);
}

static void remove_folder(void)
{
    unlink(log_path);
    unlink(times_path);
    rmdir(dir);
}

static void write_more(const char *text)
{
    FILE *f = fopen(log_path, "a");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static int64_t since(int64_t ms)
{
    struct console_place at = {0, -1};
    struct hm_error err;
    ck_assert_msg(console_times_since(log_path, ms, &at, &err) == 0, "%s", err.text);
    return (int64_t)at.back * 1000000 + at.from;
}

static int64_t now_ms(void)
{
    struct stat st;
    ck_assert_int_eq(stat(log_path, &st), 0);
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

START_TEST(a_log_that_grows)
{
    struct console_seen seen = {0};
    ck_assert_int_eq(since(0), 0); /* no log yet */
    write_more("one\n");
    int64_t t = now_ms() - 100000;
    console_times_note(log_path, t, &seen);
    console_times_note(log_path, t + 1000, &seen); /* nothing new: no line */
    write_more("two\n");
    console_times_note(log_path, t + 2000, &seen);
    ck_assert_int_eq(since(t - 1), 0);
    ck_assert_int_eq(since(t + 1500), 4);
    ck_assert_int_eq(since(t + 2000), 8);
    ck_assert_int_eq(since(now_ms() + 1), 8); /* nothing was written since */
    struct stat st;
    ck_assert_int_eq(stat(times_path, &st), 0);
    struct console_seen anew = {0}; /* the next agent */
    console_times_note(log_path, t + 3000, &anew);
    ck_assert_int_eq(since(t + 1500), 4);
}
END_TEST

START_TEST(a_log_that_was_rotated)
{
    struct console_seen seen = {0};
    char older[80];
    snprintf(older, sizeof older, "%s.0", log_path);
    write_more("one\n");
    int64_t t = now_ms() - 100000;
    console_times_note(log_path, t, &seen);
    write_more("two\n");
    ck_assert_int_eq(rename(log_path, older), 0);
    write_more("three\n");
    console_times_note(log_path, t + 2000, &seen);
    ck_assert_int_eq(since(t + 1500), 1000004);
    ck_assert_int_eq(since(t + 2500), 6);
    unlink(log_path);
    ck_assert_int_eq(since(t + 1500), 1000000); /* who knows what was in it */
    unlink(older);
}
END_TEST

START_TEST(many_looks_stay_small_and_the_newest_exact)
{
    struct console_seen seen = {0};
    write_more("x");
    int64_t t = now_ms() - 1000000000;
    for (int i = 1; i <= 6000; i++) {
        console_times_note(log_path, t + i * 1000, &seen);
        write_more("x");
    }
    struct stat st;
    ck_assert_int_eq(stat(times_path, &st), 0);
    ck_assert_int_le(st.st_size, CONSOLE_TIMES_MAX + 64);
    ck_assert_int_eq(since(t + 5990 * 1000), 5990);
    int64_t early = since(t + 1000 * 1000);
    /* how often the early ones were thinned depends on how long the file's number is */
    ck_assert_msg(early <= 1000 && early > 750, "%lld", (long long)early);
}
END_TEST

START_TEST(what_is_no_file_is_said)
{
    struct hm_error err;
    struct console_place at;
    struct console_seen seen = {0};
    ck_assert_int_eq(symlink("/etc/passwd", log_path), 0);
    console_times_note(log_path, 1, &seen);
    ck_assert_int_eq(access(times_path, F_OK), -1);
    ck_assert_int_eq(console_times_since(log_path, 1, &at, &err), -HM_E_IO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vmm/console_times");
    TCase *pure = tcase_create("pure");
    tcase_add_loop_test(pure, where_it_begins, 0, HM_COUNT(cases));
    tcase_add_loop_test(pure, where_it_begins_in_a_log_that_was_rotated, 0, HM_COUNT(rotated));
    tcase_add_test(pure, thinned_of_the_older_half);
    suite_add_tcase(suite, pure);
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, a_log_that_grows);
    tcase_add_test(files, a_log_that_was_rotated);
    tcase_add_test(files, many_looks_stay_small_and_the_newest_exact);
    tcase_add_test(files, what_is_no_file_is_said);
    suite_add_tcase(suite, files);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
