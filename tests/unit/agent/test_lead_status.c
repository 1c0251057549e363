/* What the driver says about itself: the status and the numbers are of one world. */
#include "lead_fixture.h"

static struct lead_peer_numbers site_b;
static int64_t heard_ms_ago; /* by the status; -1: never */

static void look(void)
{
    struct lead_numbers numbers;
    lead_numbers(lead, &numbers);
    ck_assert_uint_eq(numbers.peer_count, 1);
    site_b = numbers.peers[0];
    json_t *status = lead_status(lead);
    json_t *peer = json_array_get(json_object_get(status, "peers"), 0);
    json_t *heard = json_object_get(peer, "heard_ms_ago");
    heard_ms_ago = json_is_null(heard) ? -1 : json_integer_value(heard);
    json_decref(status);
}

static bool b_leads(void)
{
    return !strcmp(lead_leader(lead), "site-b");
}

/* It writes no record of its own meanwhile. */
START_TEST(leader_is_heard_by_its_lease)
{
    fake_bus_put_text("cluster_config", good_config);
    fake_bus_put_text("primary_heartbeat",
                      "{\"site_id\":\"site-b\",\"status\":\"HEALTHY\",\"epoch\":3,\"counter\":7,"
                      "\"expires_in_ms\":1000,\"role\":\"leader\"}");
    lead_start(lead);
    ck_assert(wait_for(b_leads));
    look();
    ck_assert_int_ge(site_b.silence_ns, 0);
    ck_assert_int_ge(heard_ms_ago, site_b.silence_ns / HM_MS);
}
END_TEST

START_TEST(one_that_was_never_heard_is_silent)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    look();
    ck_assert_int_eq(site_b.silence_ns, -1);
    ck_assert_int_eq(heard_ms_ago, -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_status");
    TCase *t = tcase_create("lead_status");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, leader_is_heard_by_its_lease);
    tcase_add_test(t, one_that_was_never_heard_is_silent);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
