/* Virtual IPs as people write them. */
#include "proto/vip.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text, *normal;
} good[] = {
    {"192.0.2.10/24", "192.0.2.10/24"},       {"10.0.0.1/32", "10.0.0.1/32"},
    {"10.0.0.0/31", "10.0.0.0/31"},           {"10.0.0.255/31", "10.0.0.255/31"},
    {"2001:DB8:0::10/64", "2001:db8::10/64"}, {"fe80::1/128", "fe80::1/128"},
    {"2001:db8::/127", "2001:db8::/127"},
};

START_TEST(an_address_is_read_and_written_back)
{
    struct vip_address a, again;
    struct hm_error err;
    char text[VIP_TEXT_MAX + 1];
    ck_assert_int_eq(vip_address_parse(good[_i].text, &a, &err), 0);
    vip_address_text(&a, text);
    ck_assert_str_eq(text, good[_i].normal);
    ck_assert_int_eq(vip_address_parse(text, &again, &err), 0);
    ck_assert(vip_address_is_same(&a, &again));
    ck_assert_uint_eq(a.prefix, again.prefix);
}
END_TEST

static const struct {
    const char *text, *why;
} bad[] = {
    {"192.0.2.10", "no address with its prefix"},
    {"192.0.2.10/", "no address with its prefix"},
    {"192.0.2.10/0", "no address with its prefix"},
    {"192.0.2.10/33", "no address with its prefix"},
    {"192.0.2.10/024", "no address with its prefix"},
    {"192.0.2.10/+4", "no address with its prefix"},
    {"192.0.2.10/24 ", "no address with its prefix"},
    {"192.0.2.010/24", "no address with its prefix"},
    {"192.0.2/24", "no address with its prefix"},
    {"2001:db8::10/129", "no address with its prefix"},
    {"2001:db8::10%eth0/64", "no address with its prefix"},
    {"2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0010/64", "no address"},
    {"db.example.net/24", "no address with its prefix"},
    {"", "no address with its prefix"},
    {"0.0.0.1/24", "no network"},
    {"127.0.0.1/8", "loopback"},
    {"224.0.0.18/24", "multicast"},
    {"255.255.255.255/32", "reserved"},
    {"192.0.2.0/24", "network's own"},
    {"192.0.2.255/24", "broadcast"},
    {"::/64", "no network"},
    {"::1/128", "loopback"},
    {"::ffff:192.0.2.10/128", "IPv4"},
    {"ff02::1/64", "multicast"},
    {"2001:db8::/64", "anycast"},
};

START_TEST(what_no_host_can_have_alone_is_refused)
{
    struct vip_address a = {.prefix = 77};
    struct hm_error err;
    ck_assert_int_eq(vip_address_parse(bad[_i].text, &a, &err), -HM_E_INVALID);
    ck_assert_msg(strstr(err.text, bad[_i].why), "%s", err.text);
    ck_assert_uint_eq(a.prefix, 77);
}
END_TEST

START_TEST(the_prefix_is_no_part_of_what_it_is)
{
    struct vip_address a, b, c;
    struct hm_error err;
    vip_address_parse("192.0.2.10/24", &a, &err);
    vip_address_parse("192.0.2.10/32", &b, &err);
    vip_address_parse("192.0.2.11/24", &c, &err);
    ck_assert(vip_address_is_same(&a, &b));
    ck_assert(!vip_address_is_same(&a, &c));
    ck_assert_uint_eq(vip_address_size(&a), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vip");
    TCase *c = tcase_create("vip");
    tcase_add_loop_test(c, an_address_is_read_and_written_back, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(c, what_no_host_can_have_alone_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, the_prefix_is_no_part_of_what_it_is);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
