/* EPOCH_ABOVE_SEEN and UNREADABLE_HOLDS: whose epochs count, and which are believed. */
#include "one_site.h"

#define JUMP ((uint64_t)1 << 20)

static void peer_heard(struct one_site *t, const char *site, uint64_t epoch, uint64_t seen_epoch)
{
    struct heartbeat hb = {.site = named(site),
                           .nonce = 1,
                           .counter = ++t->revision,
                           .epoch = epoch,
                           .seen_epoch = seen_epoch,
                           .fit = true};
    step(t, &(struct fo_event){
                .type = FO_EV_PEER,
                .entry = {.record = &hb, .revision = t->revision, .stamp_ns = t->now * MS}});
}

START_TEST(epoch_above_seen_counts_members_only)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    peer_heard(&t, "nobody", 0, HB_EPOCH_MAX);
    peer_heard(&t, "nobody", 500, 500);
    ck_assert_uint_eq(t.core.seen_epoch, 0);
    ck_assert_ptr_null(effect(&t, FO_DO_PERSIST, 0));
    peer_heard(&t, "site-a", 0, 9);
    ck_assert_uint_eq(t.core.seen_epoch, 9);
    struct heartbeat first = released(3, "site-b");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 3000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, 10);
}
END_TEST

START_TEST(epoch_above_seen_ignores_what_a_member_made_up)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    peer_heard(&t, "site-a", 0, JUMP + 1); /* also while nothing was seen yet */
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_EPOCH), (int64_t)JUMP + 1);
    ck_assert_uint_eq(t.core.seen_epoch, 0);
    peer_heard(&t, "site-a", 0, JUMP);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_EPOCH), 0);
    ck_assert_uint_eq(t.core.seen_epoch, JUMP);
    peer_heard(&t, "site-a", 2 * JUMP + 1, 0);
    ck_assert_uint_eq(t.core.seen_epoch, JUMP);
    ck_assert_uint_eq(t.core.peers[0].in_a_row, 0); /* nor does it make the peer ready */
}
END_TEST

START_TEST(unreadable_holds_for_an_epoch_that_is_not_believed)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat real = held_by("site-a", 7, 1), bad = held_by("site-a", HB_EPOCH_MAX, 2);
    lease_seen(&t, &real, ++t.revision);
    lease_seen(&t, &bad, ++t.revision);
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_EPOCH), (int64_t)HB_EPOCH_MAX);
    ck_assert_uint_eq(t.core.seen_epoch, 7);
    int64_t learnt = t.now;
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, learnt + 150000); /* max_promise */
    /* That of the record is not known, nor what others claim who can't read it either: the number tells. */
    ck_assert_uint_eq(t.core.lease.epoch, 7 + 16 + t.core.known.revision);
    ck_assert_int_eq(t.core.lease_try.expect, (int64_t)t.core.known.revision);
}
END_TEST

START_TEST(unreadable_holds_for_a_seen_epoch_that_is_not_believed)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 7, 1);
    lease_seen(&t, &hb, ++t.revision);
    hb.counter++;
    hb.seen_epoch = 7 + JUMP + 1;
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(!t.core.known.readable);
    ck_assert_uint_eq(t.core.seen_epoch, 7);
    hb.counter++;
    hb.seen_epoch = 7 + JUMP;
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(t.core.known.readable);
    ck_assert_uint_eq(t.core.seen_epoch, 7 + JUMP);
}
END_TEST

START_TEST(leader_is_not_fenced_at_once_by_an_epoch_that_is_not_believed)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    int64_t s = t.now;
    struct heartbeat bad = held_by("site-b", HB_EPOCH_MAX, 2);
    lease_seen(&t, &bad, t.revision + 1);
    ck_assert_ptr_null(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0)) /* but it can't write over it */
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    ck_assert_int_eq(t.now, s + 3000);
}
END_TEST

START_TEST(site_without_memory_takes_the_epoch_of_the_lease)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 5 * JUMP, 1);
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(t.core.known.readable);
    ck_assert_uint_eq(t.core.seen_epoch, 5 * JUMP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epochs");
    TCase *tc = tcase_create("epochs");
    tcase_add_test(tc, epoch_above_seen_counts_members_only);
    tcase_add_test(tc, epoch_above_seen_ignores_what_a_member_made_up);
    tcase_add_test(tc, unreadable_holds_for_an_epoch_that_is_not_believed);
    tcase_add_test(tc, unreadable_holds_for_a_seen_epoch_that_is_not_believed);
    tcase_add_test(tc, leader_is_not_fenced_at_once_by_an_epoch_that_is_not_believed);
    tcase_add_test(tc, site_without_memory_takes_the_epoch_of_the_lease);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
