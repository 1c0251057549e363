#include "ctl/config_change.h"

#include "suite.h"

static void assert_change(const char *before_text, const char *after_text, const char *expected)
{
    json_t *before = before_text ? json_of(before_text) : NULL, *after = json_of(after_text);
    char *text = config_change_text(before, after);
    ck_assert_str_eq(text, expected);
    free(text);
    json_decref(before);
    json_decref(after);
}

START_TEST(says_what_changed)
{
    assert_change("{'a':1,'b':'x','c':[1]}", "{'a':2,'b':'x','c':[1,2],'d':true}",
                  "a 1 -> 2, c [1] -> [1,2], d true");
    assert_change("{'a':1}", "{}", "a 1 -> (none)");
    assert_change(NULL, "{'a':'x'}", "a x");
    assert_change("{'a':1}", "{'a':1}", "written again, unchanged");
}
END_TEST

START_TEST(is_safe_and_bounded)
{
    assert_change(NULL, "{'a\\u001b':'\\u001b[2J'}", "a? ?[2J");
    json_t *after = json_object();
    for (int i = 0; i < 1000; i++) {
        char name[24];
        snprintf(name, sizeof name, "field%d", i);
        json_object_set_new(after, name, json_integer(i));
    }
    char *text = config_change_text(NULL, after);
    ck_assert_uint_lt(strlen(text), 700);
    free(text);
    json_decref(after);
}
END_TEST

RUN_SUITE("config_change", says_what_changed, is_safe_and_bounded)
