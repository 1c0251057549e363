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

int main(void)
{
    Suite *s = suite_create("log");
    TCase *c = tcase_create("log");
    tcase_add_test(c, text_is_one_line);
    tcase_add_test(c, below_the_level_nothing_is_said);
    tcase_add_test(c, hostile_text_forges_nothing);
    tcase_add_test(c, long_text_is_cut_and_stays_json);
    tcase_add_test(c, lines_of_several_threads_do_not_mix);
    tcase_add_test(c, levels_are_found_by_name);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
