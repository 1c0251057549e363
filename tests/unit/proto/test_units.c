#include "proto/units.h"

#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "proto/address.h"

static const struct {
    const char *text;
    int64_t bytes; /* -1: refused */
    const char *shown;
} sizes[] = {
    {"0B", 0, "0B"},
    {"1B", 1, "1B"},
    {"1KB", 1000, "1KB"},
    {"1KiB", 1024, "1KiB"},
    {"512MiB", 512LL << 20, "512MiB"},
    {"1024MiB", 1LL << 30, "1GiB"},
    {"20GB", 20000000000LL, "20GB"},
    {"3TiB", 3LL << 40, "3TiB"},
    {"1500MiB", 1500LL << 20, "1500MiB"},
    {"1023B", 1023, "1023B"},
    {"8388607TiB", 8388607LL << 40, "8388607TiB"},
    {"8388608TiB", -1, NULL}, /* 2^63 */
    {"99999999999999999999B", -1, NULL},
    {"", -1, NULL},
    {"GiB", -1, NULL},
    {"1", -1, NULL},
    {"1 GiB", -1, NULL},
    {"1gib", -1, NULL},
    {"1.5GiB", -1, NULL},
    {"-1GiB", -1, NULL},
    {"+1GiB", -1, NULL},
    {" 1GiB", -1, NULL},
    {"1GiB ", -1, NULL},
    {"1GiBs", -1, NULL},
    {"0x10MiB", -1, NULL},
    {"1e3B", -1, NULL},
};

START_TEST(sizes_are_read_and_shown)
{
    int64_t bytes = -1;
    char shown[UNIT_TEXT_MAX];
    bool read = size_parse(sizes[_i].text, &bytes);
    ck_assert_int_eq(read, sizes[_i].bytes >= 0);
    if (!read)
        return;
    ck_assert_int_eq(bytes, sizes[_i].bytes);
    size_text(bytes, shown);
    ck_assert_str_eq(shown, sizes[_i].shown);
    int64_t again;
    ck_assert(size_parse(shown, &again));
    ck_assert_int_eq(again, bytes);
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
    const char *shown;
} durations[] = {
    {"0s", 0, "0s"},
    {"1ms", 1, "1ms"},
    {"1500ms", 1500, "1500ms"},
    {"10s", 10000, "10s"},
    {"60s", 60000, "1m"},
    {"90s", 90000, "90s"},
    {"2h", 7200000, "2h"},
    {"48h", 172800000, "2d"},
    {"1us", -1, NULL},
    {"1", -1, NULL},
    {"1 s", -1, NULL},
    {"1S", -1, NULL},
    {"-1s", -1, NULL},
    {"99999999999999999d", -1, NULL},
};

START_TEST(durations_are_read_and_shown)
{
    int64_t ms = -1;
    char shown[UNIT_TEXT_MAX];
    bool read = duration_parse(durations[_i].text, &ms);
    ck_assert_int_eq(read, durations[_i].ms >= 0);
    if (!read)
        return;
    ck_assert_int_eq(ms, durations[_i].ms);
    duration_text(ms, shown);
    ck_assert_str_eq(shown, durations[_i].shown);
}
END_TEST

static const struct {
    bool (*hint)(const char *, char *);
    const char *text, *advice; /* NULL: none */
} hints[] = {
    {size_hint, "20 GB", "use 20GB or 20GiB"},
    {size_hint, "20G", "use 20GB or 20GiB"},
    {size_hint, "20 gib", "use 20GB or 20GiB"},
    {size_hint, "5k", "use 5KB or 5KiB"},
    {size_hint, "20 apples", NULL},
    {size_hint, "20", NULL},
    {size_hint, "many", NULL},
    {size_hint, "", NULL},
    {duration_hint, "10 seconds", "use 10s"},
    {duration_hint, "5 Min", "use 5m"},
    {duration_hint, "3 weeks", NULL},
    {duration_hint, "", NULL},
};

START_TEST(near_misses_get_a_hint)
{
    char advice[UNIT_HINT_MAX];
    bool known = hints[_i].hint(hints[_i].text, advice);
    ck_assert_int_eq(known, hints[_i].advice != NULL);
    if (known)
        ck_assert_str_eq(advice, hints[_i].advice);
}
END_TEST

START_TEST(patterns_name_every_unit)
{
    char pattern[UNIT_HINT_MAX];
    size_pattern(pattern);
    ck_assert_str_eq(pattern, "^[0-9]+(TiB|TB|GiB|GB|MiB|MB|KiB|KB|B)$");
    duration_pattern(pattern);
    ck_assert_str_eq(pattern, "^[0-9]+(d|h|m|s|ms)$");
}
END_TEST

/* -- addresses ------------------------------------------------------------------------------------ */

static const struct {
    const char *text;
    bool valid;
} ips[] = {
    {"0.0.0.0", true},   {"255.255.255.255", true},    {"192.168.100.12", true},
    {"1.2.3", false},    {"1.2.3.4.5", false},         {"1.2.3.256", false},
    {"01.2.3.4", false}, {"1.2.3.4 ", false},          {"1..2.3", false},
    {"", false},         {"a.b.c.d", false},           {"1.2.3.-4", false},
    {"::1", false},      {"1.2.3.99999999999", false},
};

START_TEST(ip_addresses_are_read_strictly)
{
    uint32_t address;
    char text[IPV4_TEXT_MAX + 1];
    bool read = ipv4_parse(ips[_i].text, &address);
    ck_assert_int_eq(read, ips[_i].valid);
    if (!read)
        return;
    ipv4_text(address, text);
    ck_assert_str_eq(text, ips[_i].text);
}
END_TEST

static const struct {
    const char *text;
    uint32_t mask; /* of a valid one */
    bool valid;
} cidrs[] = {
    {"10.0.0.1/8", 0xff000000, true},  {"10.0.0.1/0", 0, true},
    {"10.0.0.1/32", 0xffffffff, true}, {"10.0.0.1/24", 0xffffff00, true},
    {"10.0.0.1/33", 0, false},         {"10.0.0.1/08", 0, false},
    {"10.0.0.1/", 0, false},           {"10.0.0.1", 0, false},
    {"10.0.0.1/8/8", 0, false},        {"/8", 0, false},
};

START_TEST(subnets_are_read_strictly)
{
    uint32_t address;
    unsigned prefix;
    char text[CIDR_TEXT_MAX + 1];
    bool read = cidr_parse(cidrs[_i].text, &address, &prefix);
    ck_assert_int_eq(read, cidrs[_i].valid);
    if (!read)
        return;
    cidr_text(address, prefix, text);
    ck_assert_str_eq(text, cidrs[_i].text);
    ck_assert_uint_eq(cidr_mask(prefix), cidrs[_i].mask);
}
END_TEST

static const struct {
    const char *text, *normal; /* NULL: refused */
} macs[] = {
    {"52:54:00:12:34:56", "52:54:00:12:34:56"},
    {"AA:BB:CC:DD:EE:FF", "aa:bb:cc:dd:ee:ff"},
    {"52:54:00:12:34", NULL},
    {"52:54:00:12:34:5", NULL},
    {"52:54:00:12:34:5g", NULL},
    {"52-54-00-12-34-56", NULL},
    {"52:54:00:12:34:56:", NULL},
    {"", NULL},
};

START_TEST(mac_addresses_are_read_strictly)
{
    uint8_t mac[6];
    char text[MAC_TEXT_MAX + 1];
    bool read = mac_parse(macs[_i].text, mac);
    ck_assert_int_eq(read, macs[_i].normal != NULL);
    if (!read)
        return;
    mac_text(mac, text);
    ck_assert_str_eq(text, macs[_i].normal);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("units");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, sizes_are_read_and_shown, 0, HM_COUNT(sizes));
    tcase_add_loop_test(t, durations_are_read_and_shown, 0, HM_COUNT(durations));
    tcase_add_loop_test(t, near_misses_get_a_hint, 0, HM_COUNT(hints));
    tcase_add_test(t, patterns_name_every_unit);
    tcase_add_loop_test(t, ip_addresses_are_read_strictly, 0, HM_COUNT(ips));
    tcase_add_loop_test(t, subnets_are_read_strictly, 0, HM_COUNT(cidrs));
    tcase_add_loop_test(t, mac_addresses_are_read_strictly, 0, HM_COUNT(macs));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
