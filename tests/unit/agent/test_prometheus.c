#include "agent/prometheus.h"

#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"

static void expect(struct hm_buf *b, const char *text)
{
    HM_AUTOFREE char *made = hm_buf_steal(b);
    ck_assert_str_eq(made, text);
}

START_TEST(a_family_has_help_and_type)
{
    struct hm_buf b = {0};
    prometheus_family(&b, "harmony_x_total", true, "Back\\slash,\nline and \"quote\".");
    expect(&b, "# HELP harmony_x_total Back\\\\slash,\\nline and \"quote\".\n# TYPE "
               "harmony_x_total counter\n");
    prometheus_family(&b, "harmony_y", false, "Y.");
    expect(&b, "# HELP harmony_y Y.\n# TYPE harmony_y gauge\n");
}
END_TEST

START_TEST(labels_are_escaped)
{
    static const struct prometheus_label labels[PROMETHEUS_LABELS] = {{"vm", "a\"b\\c\nd"},
                                                                      {"disk", ""}};
    struct hm_buf b = {0};
    prometheus_sample(&b, "x", labels, 1);
    expect(&b, "x{vm=\"a\\\"b\\\\c\\nd\",disk=\"\"} 1\n");
}
END_TEST

START_TEST(numbers_are_exact_where_they_are_whole)
{
    static const struct prometheus_label none[PROMETHEUS_LABELS];
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "x 0\n"},
                 {9007199254740991.0, "x 9.00719925474e+15\n"},
                 {8999999999999999.0, "x 8999999999999999\n"},
                 {-3, "x -3\n"},
                 {0.125, "x 0.125\n"},
                 {1.1, "x 1.1\n"},
                 {123456.789012, "x 123456.789012\n"}};
    for (size_t i = 0; i < HM_COUNT(cases); i++) {
        struct hm_buf b = {0};
        prometheus_sample(&b, "x", none, cases[i].value);
        expect(&b, cases[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prometheus");
    TCase *c = tcase_create("prometheus");
    tcase_add_test(c, a_family_has_help_and_type);
    tcase_add_test(c, labels_are_escaped);
    tcase_add_test(c, numbers_are_exact_where_they_are_whole);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
