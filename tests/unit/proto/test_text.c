#include "proto/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const struct {
    const char *given, *shown;
} quotes[] = {
    {"20 GB", "\"20 GB\""},
    {"", "\"\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"a\nb\tc\rd", "\"a\\nb\\tc\\u000dd\""},
    {"\x1b[31m", "\"\\u001b[31m\""},
    {"\x7f", "\"\\u007f\""},
    {"\xc2\x9bm", "\"\\u009bm\""},                    /* C1: CSI in one character */
    {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""}, /* letters are left alone */
    {"\xf0\x9f\x92\xa9", "\"\xf0\x9f\x92\xa9\""},
    {"\xff\xfe", "\"\\xff\\xfe\""},
    {"\xe2\x82", "\"\\xe2\\x82\""}, /* the beginning of a character */
};

START_TEST(texts_are_quoted_harmlessly)
{
    char shown[TEXT_QUOTE_MAX];
    text_quote(quotes[_i].given, shown);
    ck_assert_str_eq(shown, quotes[_i].shown);
}
END_TEST

START_TEST(long_texts_are_cut_at_a_character)
{
    char given[600] = "x";
    for (int i = 0; i < 250; i++)
        strcat(given, "\xc3\xa4");
    char shown[TEXT_QUOTE_MAX];
    int line;
    text_quote(given, shown);
    ck_assert_uint_lt(strlen(shown), TEXT_QUOTE_MAX);
    ck_assert_uint_gt(strlen(shown), TEXT_QUOTE_MAX - 8);
    ck_assert(text_is_utf8(shown, strlen(shown), &line));
    ck_assert_str_eq(shown + strlen(shown) - 4, "...\"");
}
END_TEST

static const struct {
    const char *text;
    int line; /* 0: valid */
} utf8[] = {
    {"", 0},
    {"a\nb", 0},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9", 0},
    {"\xf4\x8f\xbf\xbf", 0}, /* the last character */
    {"a\n\x80", 2},          /* begins in the middle */
    {"a\nb\n\xc3", 3},       /* ends in the middle */
    {"\xc3(", 1},            /* no continuation */
    {"\xc0\x80", 1},         /* overlong NUL */
    {"\xe0\x80\xaf", 1},     /* overlong / */
    {"\xf0\x80\x80\xaf", 1},
    {"\xed\xa0\x80", 1},         /* surrogate */
    {"\xf4\x90\x80\x80", 1},     /* beyond the last */
    {"\xf8\x88\x80\x80\x80", 1}, /* five bytes */
};

START_TEST(utf8_is_checked)
{
    int line = 0;
    bool valid = text_is_utf8(utf8[_i].text, strlen(utf8[_i].text), &line);
    ck_assert_int_eq(valid, utf8[_i].line == 0);
    ck_assert_int_eq(line, utf8[_i].line);
}
END_TEST

START_TEST(a_nul_is_no_text)
{
    int line = 0;
    ck_assert(!text_is_utf8("a\n\0b", 4, &line));
    ck_assert_int_eq(line, 2);
}
END_TEST

static const struct {
    const char *value, *shown;
} values[] = {
    {"\"x\"", "\"x\""},  {"5", "5"},        {"-9223372036854775808", "-9223372036854775808"},
    {"1.5", "1.5"},      {"true", "true"},  {"false", "false"},
    {"null", "nothing"}, {"[1]", "a list"}, {"{}", "an object"},
};

START_TEST(values_are_shown_in_a_few_words)
{
    json_t *value = json_loads(values[_i].value, JSON_DECODE_ANY, NULL);
    char shown[TEXT_QUOTE_MAX];
    value_quote(value, shown);
    ck_assert_str_eq(shown, values[_i].shown);
    json_decref(value);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, texts_are_quoted_harmlessly, 0, HM_COUNT(quotes));
    tcase_add_test(t, long_texts_are_cut_at_a_character);
    tcase_add_loop_test(t, utf8_is_checked, 0, HM_COUNT(utf8));
    tcase_add_test(t, a_nul_is_no_text);
    tcase_add_loop_test(t, values_are_shown_in_a_few_words, 0, HM_COUNT(values));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
