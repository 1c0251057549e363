/* HOST:PORT, read strictly. (IPv4 and MAC addresses: test_network.c, test_fields.c.) */
#include "proto/address.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *text, *host;
    unsigned port;
} good[] = {
    {"db1.example.net:7422", "db1.example.net", 7422},
    {"10.0.0.1:1", "10.0.0.1", 1},
    {"[fd00::1]:65535", "fd00::1", 65535},
    {"A-1:99", "A-1", 99},
};

START_TEST(host_and_port_are_read)
{
    char host[HOST_TEXT_MAX + 1];
    uint16_t port;
    ck_assert(host_port_parse(good[_i].text, host, &port));
    ck_assert_str_eq(host, good[_i].host);
    ck_assert_uint_eq(port, good[_i].port);
}
END_TEST

static const char *const bad[] = {
    "",           "a",     ":1",    "a:",    "a:0",        "a:65536", "a:01",     "a:1 ",
    " a:1",       "a b:1", "a:1:2", "[::1]", "[::1:1",     "::1:1",   "[]:1",     "a:-1",
    "a:99999999", "-a:1",  ".a:1",  "a/b:1", "\xc3\xa4:1", "a:1\n",   "[::1]x:1", "[g]:1",
};

START_TEST(anything_else_is_refused)
{
    char host[HOST_TEXT_MAX + 1] = "untouched";
    uint16_t port = 7;
    ck_assert_msg(!host_port_parse(bad[_i], host, &port), "%s", bad[_i]);
    ck_assert_str_eq(host, "untouched");
    ck_assert_uint_eq(port, 7);
}
END_TEST

START_TEST(a_host_has_a_longest_length)
{
    char text[HOST_TEXT_MAX + 8], host[HOST_TEXT_MAX + 1];
    uint16_t port;
    memset(text, 'a', sizeof(text));
    strcpy(text + HOST_TEXT_MAX, ":1");
    ck_assert(host_port_parse(text, host, &port));
    strcpy(text + HOST_TEXT_MAX, "a:1");
    ck_assert(!host_port_parse(text, host, &port));
}
END_TEST

static const char *const names[] = {"a", "A-1.b2", "api.okd.example.net", "0.0"};
static const char *const no_names[] = {"",   ".",   "a.",  ".a",  "a..b", "-a",
                                       "a-", "a_b", "a b", "a\n", "a/b"};

START_TEST(a_dns_name_is_told_from_what_is_none)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_msg(dns_name_is_valid(names[i]), "%s", names[i]);
    for (size_t i = 0; i < sizeof(no_names) / sizeof(no_names[0]); i++)
        ck_assert_msg(!dns_name_is_valid(no_names[i]), "%s", no_names[i]);
}
END_TEST

START_TEST(a_dns_name_and_its_labels_have_a_longest_length)
{
    char name[DNS_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    ck_assert(dns_name_is_valid(name));
    name[63] = 'a';
    name[64] = '\0';
    ck_assert(!dns_name_is_valid(name));
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 2 ? '.' : 'a';
    name[DNS_NAME_MAX] = '\0';
    ck_assert(dns_name_is_valid(name));
    name[DNS_NAME_MAX] = '.';
    name[DNS_NAME_MAX + 1] = '\0';
    ck_assert(!dns_name_is_valid(name));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    tcase_add_loop_test(tc, host_and_port_are_read, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tc, anything_else_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, a_host_has_a_longest_length);
    tcase_add_test(tc, a_dns_name_is_told_from_what_is_none);
    tcase_add_test(tc, a_dns_name_and_its_labels_have_a_longest_length);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
