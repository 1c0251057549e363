#include "base/error.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

START_TEST(fails_with_code_and_sentence)
{
    struct hm_error err = {0};
    int r = hm_fail(&err, HM_E_NOT_FOUND, "cannot open %s: %s", "/etc/x", "No such file");
    ck_assert_int_eq(r, -(int)HM_E_NOT_FOUND);
    ck_assert_int_eq(err.code, HM_E_NOT_FOUND);
    ck_assert_str_eq(err.text, "cannot open /etc/x: No such file");
}
END_TEST

START_TEST(code_alone_is_enough)
{
    ck_assert_int_eq(hm_fail(NULL, HM_E_IO, "x"), -(int)HM_E_IO);
    ck_assert_int_lt(hm_wrap(NULL, "context"), 0);
}
END_TEST

START_TEST(context_goes_before_and_keeps_the_code)
{
    struct hm_error err;
    hm_fail(&err, HM_E_LIBVIRT, "it is off");
    ck_assert_int_eq(hm_wrap(&err, "vm %s", "web"), -(int)HM_E_LIBVIRT);
    ck_assert_int_eq(err.code, HM_E_LIBVIRT);
    ck_assert_str_eq(err.text, "vm web: it is off");
}
END_TEST

static void check_cut(const char *text)
{
    size_t len = strlen(text);
    ck_assert_uint_lt(len, HM_ERROR_TEXT_MAX);
    ck_assert_uint_gt(len, HM_ERROR_TEXT_MAX - 10);
    ck_assert_str_eq(text + len - 3, "...");
}

START_TEST(too_long_is_cut_and_says_so)
{
    char text[2000];
    struct hm_error err;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    hm_fail(&err, HM_E_IO, "%s", text);
    check_cut(err.text);
    hm_wrap(&err, "context");
    check_cut(err.text);
    ck_assert_int_eq(strncmp(err.text, "context: aaa", 12), 0);
    hm_fail(&err, HM_E_IO, "short");
    hm_wrap(&err, "%s", text);
    ck_assert_str_eq(err.text + strlen(err.text) - 10, "...: short");
}
END_TEST

START_TEST(what_just_fits_is_not_cut)
{
    char text[HM_ERROR_TEXT_MAX];
    struct hm_error err;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    hm_fail(&err, HM_E_IO, "%s", text);
    ck_assert_str_eq(err.text, text);
}
END_TEST

static void check_fits_json(const struct hm_error *err)
{
    json_t *text = json_string(err->text);
    ck_assert_msg(text != NULL, "not UTF-8: %s", err->text);
    json_decref(text);
}

/* Sentences end up in JSON, which takes nothing but UTF-8: cut at any place, they must fit. */
START_TEST(cut_within_a_character_stays_utf8)
{
    char text[2000] = "";
    struct hm_error err;
    for (int i = 0; i < _i; i++)
        strcat(text, "a");
    while (strlen(text) < 1500)
        strcat(text, "\xf0\x9f\x90\xa7\xc3\xa4");
    hm_fail(&err, HM_E_IO, "%s", text);
    check_fits_json(&err);
    ck_assert_str_eq(err.text + strlen(err.text) - 3, "...");
    hm_wrap(&err, "%s", text);
    check_fits_json(&err);
}
END_TEST

static const char *const not_utf8[] = {
    "\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80z", "\xe2\x82",
};

/* A hook's last words, a file's name: nobody promised that they are text. */
START_TEST(bytes_that_are_no_text_are_replaced)
{
    struct hm_error err;
    hm_fail(&err, HM_E_PROCESS, "hook: %s!", not_utf8[_i]);
    check_fits_json(&err);
    ck_assert_int_eq(strncmp(err.text, "hook: ", 6), 0);
    ck_assert_ptr_nonnull(strchr(err.text, '?'));
    ck_assert_int_eq(err.text[strlen(err.text) - 1], '!');
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
    for (int a = HM_OK; a <= HM_E_INTERNAL; a++)
        for (int b = HM_OK; b < a; b++)
            ck_assert_str_ne(hm_code_name((enum hm_code)a), hm_code_name((enum hm_code)b));
    ck_assert_str_eq(hm_code_name(HM_E_NOT_FOUND), "not-found");
    ck_assert_str_eq(hm_code_name((enum hm_code)9999), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error");
    TCase *c = tcase_create("error");
    tcase_add_test(c, fails_with_code_and_sentence);
    tcase_add_test(c, code_alone_is_enough);
    tcase_add_test(c, context_goes_before_and_keeps_the_code);
    tcase_add_test(c, too_long_is_cut_and_says_so);
    tcase_add_test(c, what_just_fits_is_not_cut);
    tcase_add_loop_test(c, cut_within_a_character_stays_utf8, 0, 6);
    tcase_add_loop_test(c, bytes_that_are_no_text_are_replaced, 0, 7);
    tcase_add_test(c, every_code_has_a_name_of_its_own);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
