#include "vmm/image_sums.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define b "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
    const char *text, *found; /* for x.img; NULL: HM_E_NOT_FOUND, "": HM_E_INVALID */
} cases[] = {
    {A "  y.img\n" B "  x.img\n", b},
    {A " *x.img\n", A},
    {A "  ./x.img", A},
    {"SHA256 (x.img) = " B "\r\n", b},
    {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" A "  x.img\n-----BEGIN", A},
    {A "\n", A}, /* a checksum alone */
    {A "  x.img\n" A " *x.img\n", A},
    {A "  x.img\n" B "  x.img\n", ""},
    {A "\n" A "\n", NULL}, /* alone no longer */
    {"", NULL},
    {A "  xx.img\n", NULL},
    {A "  other/x.img\n", NULL},
    {A "a  x.img\n", NULL}, /* more digits than a SHA-256 has */
    {A "\tx.img\n", NULL},
    {A " x.img\n", NULL},
    {"MD5 (x.img) = " A "\n", NULL},
    {"SHA256 (x.img) = aaaa\n", NULL},
    {"aaaa  x.img\n", NULL},
};

START_TEST(entries)
{
    char found[SHA256_TEXT + 1] = "untouched";
    struct hm_error err;
    const char *text = cases[_i].text, *expected = cases[_i].found;
    int r = image_sums_find(text, strlen(text), "x.img", found, &err);
    if (!expected || !*expected) {
        ck_assert_int_eq(r, expected ? -HM_E_INVALID : -HM_E_NOT_FOUND);
        ck_assert_str_eq(found, "untouched");
    } else {
        ck_assert_msg(r == 0, "%s: %s", text, err.text);
        ck_assert_str_eq(found, expected);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image_sums");
    TCase *c = tcase_create("image_sums");
    tcase_add_loop_test(c, entries, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
