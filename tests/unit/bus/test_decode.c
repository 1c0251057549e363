#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/decode.h"

START_TEST(base64_of_rfc_4648)
{
    static const char *const pairs[][2] = {{"", ""},        {"Zg==", "f"},        {"Zm8=", "fo"},
                                           {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"+/+/", NULL}};
    for (size_t i = 0; i < HM_COUNT(pairs); i++) {
        size_t len;
        HM_AUTOFREE char *bytes = bus_base64(pairs[i][0], &len);
        ck_assert_ptr_nonnull(bytes);
        if (pairs[i][1])
            ck_assert_str_eq(bytes, pairs[i][1]);
        else
            ck_assert_uint_eq(len, 3);
    }
}
END_TEST

START_TEST(base64_that_is_none)
{
    static const char *const bad[] = {
        "Z", "Zg=", "Zg=x", "=Zg=", "Z===", "====", "Zm9\n", "Zm 9v", "Zm-_"};
    for (size_t i = 0; i < HM_COUNT(bad); i++) {
        size_t len;
        HM_AUTOFREE char *bytes = bus_base64(bad[i], &len);
        ck_assert_msg(!bytes, "%s", bad[i]);
    }
}
END_TEST

START_TEST(stamps)
{
    int64_t ns;
    ck_assert(bus_parse_stamp("1970-01-01T00:00:01Z", &ns));
    ck_assert_int_eq(ns, 1000000000);
    ck_assert(bus_parse_stamp("2026-11-22T14:03:12.481123456Z", &ns));
    ck_assert_int_eq(ns, 1795356192481123456);
    ck_assert(bus_parse_stamp("2026-11-22T15:03:12.4811234567899+01:00", &ns));
    ck_assert_int_eq(ns, 1795356192481123456);
    ck_assert(bus_parse_stamp("2026-11-22T09:33:12.5-04:30", &ns));
    ck_assert_int_eq(ns, 1795356192500000000);
}
END_TEST

START_TEST(stamps_that_are_none)
{
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2026-11-22",
                                      "2026-11-22T14:03:12",
                                      "2026-11-22T14:03:12+1",
                                      "2026-11-22T14:03:12+01:00x",
                                      "2026-11-22T14:03:12+99:00",
                                      "2026-11-22T14:03:12 01:00",
                                      "2026-11-22T14:03:12+-1:30",
                                      "1970-01-01T00:59:59+01:00",
                                      "2199-12-31T23:30:00-01:00",
                                      "0001-01-01T00:00:00Z",
                                      "1969-12-31T23:59:59Z",
                                      "2200-01-01T00:00:00Z",
                                      "9999-12-31T23:59:59Z"};
    int64_t ns;
    for (size_t i = 0; i < HM_COUNT(bad); i++)
        ck_assert_msg(!bus_parse_stamp(bad[i], &ns), "%s", bad[i]);
}
END_TEST

START_TEST(header_blocks)
{
    char value[16];
    const char *block = "NATS/1.0\r\nKV-Operation: DEL\r\nNats-Msg-Id:abcdefghijklmnopqrst\r\n\r\n";
    ck_assert(bus_header_in_block(block, "kv-operation", value, sizeof value));
    ck_assert_str_eq(value, "DEL");
    ck_assert(bus_header_in_block(block, "Nats-Msg-Id", value, sizeof value));
    ck_assert_str_eq(value, "abcdefghijklmno"); /* cut, not overrun */
    ck_assert(!bus_header_in_block(block, "KV", value, sizeof value));
    ck_assert(!bus_header_in_block("", "KV", value, sizeof value));
    ck_assert(!bus_header_in_block("\r\n\r\n\r\n", "KV", value, sizeof value));
    ck_assert(!bus_header_in_block("NATS/1.0\r\nKV", "KV", value, sizeof value));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tcase = tcase_create("decode");
    tcase_add_test(tcase, base64_of_rfc_4648);
    tcase_add_test(tcase, base64_that_is_none);
    tcase_add_test(tcase, stamps);
    tcase_add_test(tcase, stamps_that_are_none);
    tcase_add_test(tcase, header_blocks);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
