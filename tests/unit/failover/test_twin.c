/* Another agent under this site's id is an alarm; the run before this one is not. */
#include "one_site.h"

static bool own_key_seen(struct one_site *t, uint64_t nonce, uint64_t counter)
{
    struct heartbeat hb = {.site = t->core.site, .nonce = nonce, .counter = counter};
    step(t, &(struct fo_event){
                .type = FO_EV_ECHO,
                .entry = {.record = &hb, .revision = ++t->revision, .stamp_ns = t->now * MS}});
    return noted(t, FO_NOTE_ALARM_TWIN) >= 0;
}

START_TEST(twin_that_heartbeats_is_an_alarm_once)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    ck_assert(!own_key_seen(&t, 5, 10)); /* may be left from before */
    ck_assert(!own_key_seen(&t, 5, 11));
    ck_assert(!own_key_seen(&t, 5, 12));
    ck_assert(own_key_seen(&t, 5, 13));
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_TWIN), 13);
    for (uint64_t counter = 14; counter < 40; counter++)
        ck_assert(!own_key_seen(&t, 5, counter));
}
END_TEST

START_TEST(twin_that_leads_is_an_alarm)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat twin = held_by("site-a", 7, 1);
    unsigned alarms = 0;
    for (; twin.counter < 10; twin.counter++) {
        lease_seen(&t, &twin, ++t.revision);
        alarms += noted(&t, FO_NOTE_ALARM_TWIN) >= 0;
    }
    ck_assert_uint_eq(alarms, 1);
}
END_TEST

START_TEST(earlier_run_is_no_twin)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    for (int i = 0; i < 10; i++) /* a watch that is made anew gives its last value again */
        ck_assert(!own_key_seen(&t, 5, 10));
    ck_assert(!own_key_seen(&t, 5, 11)); /* stored late */
    for (uint64_t nonce = 20; nonce < 30; nonce++)
        ck_assert(!own_key_seen(&t, nonce, 1));
}
END_TEST

START_TEST(own_and_other_sites_are_no_twins)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat other = held_by("site-b", 7, 1);
    for (uint64_t counter = 100; counter < 110; counter++) {
        ck_assert(!own_key_seen(&t, t.core.nonce, counter));
        other.counter = counter;
        lease_seen(&t, &other, ++t.revision);
        ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_TWIN), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("twin");
    TCase *tc = tcase_create("twin");
    tcase_add_test(tc, twin_that_heartbeats_is_an_alarm_once);
    tcase_add_test(tc, twin_that_leads_is_an_alarm);
    tcase_add_test(tc, earlier_run_is_no_twin);
    tcase_add_test(tc, own_and_other_sites_are_no_twins);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
