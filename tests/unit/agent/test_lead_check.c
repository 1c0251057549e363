#include "agent/lead_check.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define SECOND (1000 * HM_MS)

START_TEST(old_servers_may_not_carry_a_lease)
{
    static const struct {
        int version[3];
        bool good;
    } rows[] = {{{2, 9, 10}, false}, {{2, 9, 21}, false}, {{1, 99, 0}, false}, {{0, 0, 0}, false},
                {{2, 10, 0}, true},  {{2, 15, 1}, true},  {{3, 0, 0}, true}};
    for (size_t i = 0; i < HM_COUNT(rows); i++) {
        struct hm_error err;
        int r = lead_check_server(rows[i].version, &err);
        ck_assert_int_eq(r, rows[i].good ? 0 : -HM_E_UNSUPPORTED);
    }
}
END_TEST

START_TEST(the_refusal_names_both_versions)
{
    struct hm_error err;
    lead_check_server((int[]){2, 9, 10}, &err);
    ck_assert_ptr_nonnull(strstr(err.text, "2.9.10"));
    ck_assert_ptr_nonnull(strstr(err.text, "2.10"));
}
END_TEST

static const struct bus_bucket good = {
    .exists = true, .file_storage = true, .deny_purge = true, .history = 64, .replicas = 3};

static void expect(const struct bus_bucket *b, const char *const *parts)
{
    json_t *warnings = json_array();
    size_t n = 0;
    lead_check_bucket(b, warnings);
    for (; parts[n]; n++) {
        const char *text = json_string_value(json_array_get(warnings, n));
        ck_assert_msg(text && strstr(text, parts[n]), "warning %zu is \"%s\", not about \"%s\"", n,
                      text ? text : "(none)", parts[n]);
    }
    ck_assert_uint_eq(json_array_size(warnings), n);
    json_decref(warnings);
}

START_TEST(a_good_bucket_gives_no_warning)
{
    expect(&good, (const char *[]){NULL});
}
END_TEST

START_TEST(each_weakness_gives_one_warning)
{
    struct bus_bucket b = good;
    b.file_storage = false;
    expect(&b, (const char *[]){"in memory", NULL});
    b = good, b.is_mirror = true;
    expect(&b, (const char *[]){"mirror", NULL});
    b = good, b.replicas = 1;
    expect(&b, (const char *[]){"1 replica", NULL});
    b = good, b.history = 10;
    expect(&b, (const char *[]){"keeps 10 entries", NULL});
    b = good, b.max_age_ns = 60 * SECOND;
    expect(&b, (const char *[]){"after 60 s", NULL});
    b = good, b.deny_purge = false;
    expect(&b, (const char *[]){"purged", NULL});
    b = good, b.allow_rollup = true;
    expect(&b, (const char *[]){"purged", NULL});
    b = good, b.allow_direct = true;
    expect(&b, (const char *[]){"direct reads", NULL});
}
END_TEST

/* Ten seconds of writes without an answer, and no answer between them. */
START_TEST(server_that_takes_no_writes_is_left_after_an_election)
{
    const int64_t s = 1000000000LL, begin = 5 * s;
    int64_t since = 0;
    ck_assert(!lead_leaves_server(&since, false, begin));
    ck_assert(!lead_leaves_server(&since, false, begin + 10 * s));
    ck_assert(lead_leaves_server(&since, false, begin + 10 * s + 1));
    ck_assert(!lead_leaves_server(&since, false, begin + 11 * s)); /* the next one has as long */
    ck_assert(!lead_leaves_server(&since, false, begin + 20 * s));
    ck_assert(!lead_leaves_server(&since, true, begin + 20 * s));
    ck_assert(!lead_leaves_server(&since, false, begin + 22 * s));
    ck_assert(!lead_leaves_server(&since, false, begin + 31 * s));
    ck_assert(lead_leaves_server(&since, false, begin + 33 * s));
}
END_TEST

START_TEST(a_missing_bucket_is_said_alone)
{
    expect(&(struct bus_bucket){0}, (const char *[]){"failover init", NULL});
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_check");
    TCase *t = tcase_create("lead_check");
    tcase_add_test(t, old_servers_may_not_carry_a_lease);
    tcase_add_test(t, the_refusal_names_both_versions);
    tcase_add_test(t, a_good_bucket_gives_no_warning);
    tcase_add_test(t, each_weakness_gives_one_warning);
    tcase_add_test(t, server_that_takes_no_writes_is_left_after_an_election);
    tcase_add_test(t, a_missing_bucket_is_said_alone);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
