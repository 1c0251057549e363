#include "base/roff.h"

#include <check.h>
#include <stdlib.h>

static void is(struct hm_buf *out, const char *expected)
{
    char *text = hm_buf_steal(out);
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(nothing_in_a_text_is_a_request)
{
    struct hm_buf out = {0};
    roff_text(&out, ".SH X\n'nothing\na\\b --c\n\nlast");
    is(&out, "\\&.SH X\n\\&'nothing\na\\eb \\-\\-c\nlast\n");
}
END_TEST

START_TEST(indented_lines_are_kept)
{
    struct hm_buf out = {0};
    roff_text(&out, "as in\n    a  b\n");
    is(&out, "as in\n.nf\n    a  b\n.fi\n");
}
END_TEST

START_TEST(terms_are_quoted)
{
    struct hm_buf out = {0};
    roff_item(&out, "-o \"X\"", "what");
    is(&out, ".TP\n.B \"\\-o \\(dqX\\(dq\"\nwhat\n");
    roff_head(&out, "a-b", 8, "1");
    roff_section(&out, "NAME");
    is(&out, ".TH \"A\\-B\" 8 \"\" \"harmony 1\" \"harmony\"\n.SH \"NAME\"\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("roff");
    TCase *t = tcase_create("roff");
    tcase_add_test(t, nothing_in_a_text_is_a_request);
    tcase_add_test(t, indented_lines_are_kept);
    tcase_add_test(t, terms_are_quoted);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
