#include "base/log.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

static char written[1 << 20];

/* What `speak` writes to stderr. */
static const char *hear(void (*speak)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    ck_assert_int_ge(saved, 0);
    dup2(fileno(file), STDERR_FILENO);
    speak();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    size_t n = fread(written, 1, sizeof written - 1, file);
    written[n] = '\0';
    fclose(file);
    return written;
}

static void say_hello(void)
{
    hm_log(HM_LOG_WARN, "lead", "round trip %d ms", 31);
}

START_TEST(text_is_one_line)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_TEXT);
    const char *line = hear(say_hello);
    ck_assert_ptr_nonnull(strstr(line, "Z warn  lead: round trip 31 ms\n"));
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

static void say_everything(void)
{
    hm_log(HM_LOG_ERROR, "x", "one");
    hm_log(HM_LOG_WARN, "x", "two");
    hm_log(HM_LOG_INFO, "x", "three");
    hm_log(HM_LOG_DEBUG, "x", "four");
    hm_log(HM_LOG_TRACE, "x", "five");
}

START_TEST(below_the_level_nothing_is_said)
{
    hm_log_setup(HM_LOG_WARN, HM_LOG_TEXT);
    const char *text = hear(say_everything);
    ck_assert_ptr_nonnull(strstr(text, "one"));
    ck_assert_ptr_nonnull(strstr(text, "two"));
    ck_assert_ptr_null(strstr(text, "three"));
    ck_assert(hm_log_enabled(HM_LOG_ERROR));
    ck_assert(!hm_log_enabled(HM_LOG_INFO));
}
END_TEST

static json_t *parsed(const char *line)
{
    json_error_t why;
    json_t *o = json_loads(line, 0, &why);
    ck_assert_msg(o != NULL, "%s: %s", why.text, line);
    return o;
}

static void say_hostile(void)
{
    hm_log(HM_LOG_ERROR, "bus", "name \"x\\y\"\nerror forged\x1b[31m\t%s", "\xff\xc3");
}

START_TEST(hostile_text_forges_nothing)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_TEXT);
    const char *text = hear(say_hostile);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    hm_log_setup(HM_LOG_INFO, HM_LOG_JSON);
    json_t *o = parsed(hear(say_hostile));
    const char *message = json_string_value(json_object_get(o, "message"));
    ck_assert_int_eq(strncmp(message, "name \"x\\y\" error forged", 23), 0);
    ck_assert_str_eq(json_string_value(json_object_get(o, "level")), "error");
    ck_assert_str_eq(json_string_value(json_object_get(o, "part")), "bus");
    json_decref(o);
}
END_TEST

static void say_much(void)
{
    char text[8000];
    size_t used = 1;
    text[0] = 'a';
    while (used + 2 < sizeof text) {
        memcpy(text + used, "\xc3\xa4", 2);
        used += 2;
    }
    text[used] = '\0';
    hm_log(HM_LOG_INFO, "x", "%s", text);
    hm_log(HM_LOG_INFO, "x", "b%s", text);
}

START_TEST(long_text_is_cut_and_stays_json)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_JSON);
    char *first = (char *)hear(say_much), *second = strchr(first, '\n');
    ck_assert_ptr_nonnull(second);
    *second++ = '\0';
    json_decref(parsed(first));
    json_decref(parsed(second));
}
END_TEST

static void *chatter(void *arg)
{
    for (int i = 0; i < 200; i++)
        hm_log(HM_LOG_INFO, arg, "%040d", i);
    return NULL;
}

static void say_together(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, chatter, (void *)"first");
    pthread_create(&b, NULL, chatter, (void *)"second");
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

START_TEST(lines_of_several_threads_do_not_mix)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_JSON);
    char *line = (char *)hear(say_together);
    int lines = 0;
    for (char *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        *end = '\0';
        json_decref(parsed(line));
    }
    ck_assert_int_eq(lines, 400);
}
END_TEST

START_TEST(levels_are_found_by_name)
{
    enum hm_log_level level = HM_LOG_TRACE;
    ck_assert(hm_log_level_from_name("warn", &level));
    ck_assert_int_eq(level, HM_LOG_WARN);
    ck_assert(!hm_log_level_from_name("loud", &level));
    ck_assert_int_eq(level, HM_LOG_WARN);
}
END_TEST

/* -- The writer thread --------------------------------------------------------------------------- */

/* stderr is a pipe that nobody reads yet. */
static int pipe_out, saved_stderr;

static void stall(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    pipe_out = ends[0];
}

static void unstall(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_out);
}

enum { SAID = 5000, LONG_WAIT_MS = 3000 };

/* 200 bytes each: far beyond a pipe (64 KiB) and the queue together. */
static void say_numbers(void)
{
    for (int i = 0; i < SAID; i++)
        hm_log(HM_LOG_INFO, "x", "number %d %0200d", i, 0);
}

static void *stop_log(void *ret)
{
    *(bool *)ret = hm_log_stop(LONG_WAIT_MS);
    dup2(saved_stderr, STDERR_FILENO); /* the pipe's last writing end: the reader sees the end */
    return NULL;
}

/* What `hear_the_rest` reads, line by line: numbers in order, and what the notes say is missing. */
static struct {
    int next, heard, missing, notes;
} flow;

static void hear_line(const char *line)
{
    int number;
    const char *say = strstr(line, "x: number ");
    if (say && sscanf(say, "x: number %d ", &number) == 1) {
        ck_assert_int_eq(number, flow.next + flow.missing);
        flow.next++;
        flow.heard++;
    } else if ((say = strstr(line, "warn  log: "))) {
        ck_assert_int_eq(sscanf(say, "warn  log: %d lines were dropped here", &number), 1);
        flow.missing += number;
        flow.notes++;
    } else {
        ck_abort_msg("odd line: %s", line);
    }
}

static void hear_the_rest(void)
{
    char line[4096];
    FILE *file = fdopen(dup(pipe_out), "r");
    memset(&flow, 0, sizeof flow);
    while (fgets(line, sizeof line, file))
        hear_line(line);
    fclose(file);
}

/* If logging waited for the reader, this would never end. */
START_TEST(a_full_pipe_holds_nobody_up)
{
    pthread_t stopper;
    bool all = false;
    hm_log_setup(HM_LOG_INFO, HM_LOG_TEXT);
    stall();
    ck_assert_int_eq(hm_log_start(NULL), 0);
    say_numbers();
    pthread_create(&stopper, NULL, stop_log, &all);
    hear_the_rest();
    pthread_join(stopper, NULL);
    unstall();
    ck_assert(all);
    ck_assert_int_eq(flow.heard + flow.missing, SAID);
    ck_assert_int_ge(flow.notes, 1);
    ck_assert_int_gt(flow.heard, 1000); /* the pipe and the queue */
    ck_assert_int_gt(flow.missing, 1000);
}
END_TEST

START_TEST(the_end_does_not_wait_for_a_full_pipe)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_TEXT);
    stall();
    ck_assert_int_eq(hm_log_start(NULL), 0);
    say_numbers();
    ck_assert(!hm_log_stop(100));
    pthread_t stopper;
    bool all = false;
    pthread_create(&stopper, NULL, stop_log, &all);
    hear_the_rest(); /* and is finished when it flows again */
    pthread_join(stopper, NULL);
    unstall();
    ck_assert(all);
}
END_TEST

static void say_through_a_thread(void)
{
    ck_assert_int_eq(hm_log_start(NULL), 0);
    ck_assert_int_eq(hm_log_start(NULL), 0); /* once is enough */
    say_hello();
    say_together();
    ck_assert(hm_log_stop(LONG_WAIT_MS));
    say_hello(); /* there is no thread any more: at once */
    ck_assert(hm_log_stop(0));
}

START_TEST(what_was_logged_is_written_before_the_end)
{
    hm_log_setup(HM_LOG_INFO, HM_LOG_JSON);
    char *line = (char *)hear(say_through_a_thread);
    int lines = 0;
    for (char *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        *end = '\0';
        json_decref(parsed(line));
    }
    ck_assert_int_eq(lines, 402);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *c = tcase_create("log");
    tcase_add_test(c, text_is_one_line);
    tcase_add_test(c, below_the_level_nothing_is_said);
    tcase_add_test(c, hostile_text_forges_nothing);
    tcase_add_test(c, long_text_is_cut_and_stays_json);
    tcase_add_test(c, lines_of_several_threads_do_not_mix);
    tcase_add_test(c, a_full_pipe_holds_nobody_up);
    tcase_add_test(c, the_end_does_not_wait_for_a_full_pipe);
    tcase_add_test(c, what_was_logged_is_written_before_the_end);
    tcase_add_test(c, levels_are_found_by_name);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
