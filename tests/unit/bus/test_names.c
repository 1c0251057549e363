#include <check.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/names.h"

START_TEST(buckets_and_keys)
{
    ck_assert_int_eq(bus_check_bucket("harmony_failover", NULL), 0);
    ck_assert_int_lt(bus_check_bucket("", NULL), 0);
    ck_assert_int_lt(bus_check_bucket(NULL, NULL), 0);
    ck_assert_int_lt(bus_check_bucket("a.b", NULL), 0);
    ck_assert_int_lt(bus_check_bucket("a b", NULL), 0);
    ck_assert_int_eq(bus_check_key("site-a.vm.web_1=/x", NULL), 0);
    ck_assert_int_lt(bus_check_key("site-a..web", NULL), 0);
    ck_assert_int_lt(bus_check_key(".web", NULL), 0);
    ck_assert_int_lt(bus_check_key("web.", NULL), 0);
    ck_assert_int_lt(bus_check_key("*", NULL), 0);
    ck_assert_int_lt(bus_check_key("a\r\n", NULL), 0);
    ck_assert_int_lt(bus_check_key("\xc3\xa4", NULL), 0);
    ck_assert_int_eq(bus_check_filter("site-a.*.>", NULL), 0);
    ck_assert_int_lt(bus_check_filter("a b", NULL), 0);
}
END_TEST

START_TEST(long_names)
{
    char key[2000];
    memset(key, 'k', sizeof key);
    key[BUS_SUBJECT_MAX / 2] = '\0';
    ck_assert_int_eq(bus_check_key(key, NULL), 0);
    key[BUS_SUBJECT_MAX / 2] = 'k';
    key[BUS_SUBJECT_MAX / 2 + 1] = '\0';
    struct hm_error err;
    ck_assert_int_eq(bus_check_key(key, &err), -HM_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "is not a key"));
}
END_TEST

START_TEST(subjects_and_header_values)
{
    ck_assert_int_eq(bus_check_subject("$JS.FC.KV_b.x.y", NULL), 0);
    ck_assert_int_lt(bus_check_subject("a b", NULL), 0);
    ck_assert_int_lt(bus_check_subject("a\r\nPUB b 0", NULL), 0);
    ck_assert_int_lt(bus_check_subject("", NULL), 0);
    ck_assert(bus_is_header_value("site-a/1:2"));
    ck_assert(!bus_is_header_value("a\nb"));
    ck_assert(!bus_is_header_value(""));
    ck_assert(!bus_is_header_value("\x80"));
}
END_TEST

START_TEST(both_forms_of_acknowledgements)
{
    static const char *const replies[] = {
        "$JS.ACK.KV_b.hm_1.1.42.7.1700000000123456789.3",
        "$JS.ACK.hub.ACCHASH.KV_b.hm_1.1.42.7.1700000000123456789.3",
        "$JS.ACK._.ACCHASH.KV_b.hm_1.1.42.7.1700000000123456789.3.rAnDoM",
    };
    for (size_t i = 0; i < HM_COUNT(replies); i++) {
        struct bus_delivery d;
        ck_assert(bus_parse_delivery(replies[i], &d));
        ck_assert_uint_eq(d.stream_seq, 42);
        ck_assert_uint_eq(d.consumer_seq, 7);
        ck_assert_uint_eq(d.pending, 3);
        ck_assert_int_eq(d.stamp_ns, 1700000000123456789);
    }
}
END_TEST

START_TEST(hostile_acknowledgements)
{
    static const char *const replies[] = {
        "",
        "$JS.ACK.",
        "$JS.ACK.a.b.1.2.3.4",
        "$JS.ACK.a.b.1.2.3.4.x",
        "$JS.ACK.a.b.1.2.3.4.-5",
        "$JS.ACK.a.b.1.2.3.4.99999999999999999999999",
        "$JS.ACK.a.b.1.2.3.18446744073709551615.0",
        "$JS.ACK.a.b.1.2.3.7258118400000000000.0",  /* of the year 2200 */
        "$JS.ACK.a.b.1.18446744073709551615.3.4.0", /* -1 as a revision: any */
        "$JS.ACK.a.b.1.9223372036854775808.3.4.0",
        "$JS.ACK.a.b.1.2..4.5",
        "$JS.ACK.a.b.1.2.3.4.5.6",
        "$JS.ACK.a.b.c.d.1.2.3.4.5.6.7.8",
        "$JS.ACK...............................",
        "_INBOX.a.b.1.2.3.4.5.6",
    };
    struct bus_delivery d;
    for (size_t i = 0; i < HM_COUNT(replies); i++)
        ck_assert_msg(!bus_parse_delivery(replies[i], &d), "%s", replies[i]);
    ck_assert(!bus_parse_delivery(NULL, &d));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tcase = tcase_create("names");
    tcase_add_test(tcase, buckets_and_keys);
    tcase_add_test(tcase, long_names);
    tcase_add_test(tcase, subjects_and_header_values);
    tcase_add_test(tcase, both_forms_of_acknowledgements);
    tcase_add_test(tcase, hostile_acknowledgements);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
