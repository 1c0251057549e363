#include "ctl/json_text.h"

#include "suite.h"

START_TEST(reads_without_trust)
{
    json_t *o = json_of("{'text':'x','number':7,'real':8.5,'huge':1e300,'list':[]}");
    ck_assert_str_eq(text_of(o, "text"), "x");
    ck_assert_str_eq(text_of(o, "number"), "");
    ck_assert_str_eq(text_of(NULL, "text"), "");
    ck_assert_int_eq(number_of(o, "number", -1), 7);
    ck_assert_int_eq(number_of(o, "real", -1), 8);
    ck_assert_int_eq(number_of(o, "huge", -1), -1);
    ck_assert_int_eq(number_of(o, "text", -1), -1);
    ck_assert_int_eq(number_of(NULL, "number", -1), -1);
    json_decref(o);
}
END_TEST

START_TEST(a_span_is_one_that_can_be_reckoned_with)
{
    json_t *o =
        json_of("{'none':0,'year':31622400000,'more':31622400001,'most':9223372036854775807,"
                "'less':-2,'text':'x'}");
    ck_assert_int_eq(span_of(o, "none"), 0);
    ck_assert_int_eq(span_of(o, "year"), 31622400000);
    static const char *const unknown[] = {"more", "most", "less", "text", "missing"};
    for (size_t i = 0; i < HM_COUNT(unknown); i++)
        ck_assert_msg(span_of(o, unknown[i]) == -1, "%s", unknown[i]);
    ck_assert_uint_eq(epoch_of(o, "more"), 31622400001);
    ck_assert_uint_eq(epoch_of(o, "most"), 0);
    ck_assert_uint_eq(epoch_of(o, "less"), 0);
    json_decref(o);
}
END_TEST

START_TEST(prints_json_that_no_terminal_obeys)
{
    json_t *o = json_of("{'a':'\\u009b31m'}");
    struct hm_buf out = {0};
    json_render(o, &out);
    ck_assert_str_eq(out.data, "{\n  \"a\": \"\\u009B31m\"\n}\n");
    hm_buf_free(&out);
    json_decref(o);
}
END_TEST

START_TEST(prints_yaml_that_means_the_same)
{
    json_t *o = json_of("{'name':'web','on':'yes','n':5,'t':'5','none':null,'b':true,'e':'',"
                        "'list':[{'a':'x: y'},[]],'o':{}}");
    struct hm_buf out = {0};
    yaml_render(o, &out);
    ck_assert_str_eq(
        out.data, "name: web\n\"on\": \"yes\"\n\"n\": 5\nt: \"5\"\nnone: null\nb: true\ne: \"\"\n"
                  "list:\n- a: 'x: y'\n- []\no: {}\n");
    hm_buf_free(&out);
    json_decref(o);
}
END_TEST

RUN_SUITE("json_text", reads_without_trust, a_span_is_one_that_can_be_reckoned_with,
          prints_json_that_no_terminal_obeys, prints_yaml_that_means_the_same)
