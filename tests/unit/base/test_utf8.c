#include "base/utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    size_t length;
} characters[] = {
    {"a", 1},
    {"\x7f", 1},
    {"\xc2\x80", 2},
    {"\xdf\xbf", 2},
    {"\xe0\xa0\x80", 3},
    {"\xef\xbf\xbf", 3},
    {"\xf0\x90\x80\x80", 4},
    {"\xf4\x8f\xbf\xbf", 4},
    {"\x80", 0},             /* a continuation of nothing */
    {"\xc1\xbf", 0},         /* overlong */
    {"\xe0\x9f\xbf", 0},     /* overlong */
    {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
    {"\xed\xa0\x80", 0},     /* surrogate */
    {"\xf4\x90\x80\x80", 0}, /* beyond U+10FFFF */
    {"\xf5\x80\x80\x80", 0},
    {"\xe2\x82", 0}, /* cut */
    {"\xe2\x28\xa1", 0},
    {"\xff", 0},
};

START_TEST(characters_are_told_from_bytes)
{
    const char *text = characters[_i].text;
    ck_assert_uint_eq(hm_utf8_char_length(text, strlen(text)), characters[_i].length);
    for (size_t left = 0; left < characters[_i].length; left++)
        ck_assert_uint_eq(hm_utf8_char_length(text, left), 0);
}
END_TEST

START_TEST(mending_replaces_what_is_no_text)
{
    char text[] = "a\xff\xc3\xa4\xe2\x82z\xed\xa0\x80", fine[] = "gr\xc3\xbc\xc3\x9f";
    hm_utf8_mend(text);
    ck_assert_str_eq(text, "a?\xc3\xa4??z???");
    hm_utf8_mend(fine);
    ck_assert_str_eq(fine, "gr\xc3\xbc\xc3\x9f");
}
END_TEST

START_TEST(trimming_drops_only_a_cut_character)
{
    static const char whole[] = "x\xc3\xa4\xf0\x9f\x90\xa7";
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 3, 7};
    char text[sizeof whole];
    for (size_t cut = 0; cut < sizeof whole; cut++) {
        memcpy(text, whole, sizeof whole);
        text[cut] = '\0';
        hm_utf8_trim(text);
        ck_assert_uint_eq(strlen(text), kept[cut]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("utf8");
    TCase *c = tcase_create("utf8");
    tcase_add_loop_test(c, characters_are_told_from_bytes, 0,
                        (int)(sizeof characters / sizeof characters[0]));
    tcase_add_test(c, mending_replaces_what_is_no_text);
    tcase_add_test(c, trimming_drops_only_a_cut_character);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
