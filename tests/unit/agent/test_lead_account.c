/* What a site tells of the end of an epoch that it led. */
#include "lead_fixture.h"

static void lead_on(void)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
}

static bool is_told(void)
{
    return fake_bus_last("account.1") != NULL;
}

static json_t *account(void)
{
    ck_assert_msg(wait_for(is_told), "%s", story.data);
    json_t *o = json_loads(fake_bus_last("account.1")->value, 0, NULL);
    ck_assert_ptr_nonnull(o);
    return o;
}

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static bool stopped_serving(void)
{
    return !lead_may_serve(lead);
}

static bool leads_again(void)
{
    return leads() && lead_epoch(lead) == 2;
}

static bool releases(void)
{
    return strstr(fake_bus_last("primary_heartbeat")->value, "RELEASED") != NULL;
}

static void note_end(void *data)
{
    (void)data;
    fake.ended++;
}

static bool ended(void)
{
    return fake.ended > 0;
}

START_TEST(heartbeats_that_found_no_way)
{
    lead_on();
    fake_bus.refuses_writes = true;
    ck_assert(wait_for(stopped_serving));
    fake_bus.refuses_writes = false;
    lead_bus_disconnected(lead);
    lead_bus_connected(lead);
    json_t *o = account();
    ck_assert_str_eq(text_of(o, "site_id"), "site-a");
    ck_assert_str_eq(text_of(o, "run"), "same");
    ck_assert_str_eq(text_of(o, "boot"), "same");
    ck_assert(!strcmp(text_of(o, "reason"), "HEARTBEATS_FAILED") ||
              !strcmp(text_of(o, "reason"), "DEADLINE"));
    ck_assert_int_ge(json_integer_value(json_object_get(o, "attempts")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "heard_back")), 0);
    ck_assert_int_ge(json_integer_value(json_object_get(o, "acked_ms")), 50);
    json_decref(o);
}
END_TEST

START_TEST(handover_is_told_by_the_release_alone)
{
    lead_on();
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert(releases());
    ck_assert(!is_told());
    struct marks marks;
    ck_assert_int_eq(marks_load(marks_path(), &marks, NULL), 0);
    ck_assert_uint_eq(marks.open_epoch, 0);
}
END_TEST

static void agent_and_guardian_die(void)
{
    end_lead();
    replace_guardian();
    make_lead();
}

START_TEST(next_agent_tells_that_its_predecessor_died)
{
    lead_on();
    agent_and_guardian_die();
    lead_start(lead);
    json_t *o = account();
    ck_assert_str_eq(text_of(o, "run"), "new");
    ck_assert_str_eq(text_of(o, "boot"), "same");
    ck_assert_ptr_null(json_object_get(o, "reason"));
    json_decref(o);
}
END_TEST

START_TEST(next_boot_tells_that_the_host_died)
{
    struct marks marks;
    char *text;
    size_t len;
    lead_on();
    ck_assert_int_eq(marks_load(marks_path(), &marks, NULL), 0);
    ck_assert_uint_eq(strlen(marks.open_boot), MARKS_BOOT_MAX);
    end_lead();
    ck_assert_int_eq(hm_file_read(marks_path(), 65536, &text, &len, NULL), 0);
    char *boot = strstr(text, marks.open_boot); /* as if it had been another one */
    ck_assert_ptr_nonnull(boot);
    boot[0] = boot[0] == 'f' ? '0' : 'f';
    ck_assert_int_eq(hm_file_write_atomic(marks_path(), text, len, 0600, NULL), 0);
    free(text);
    replace_guardian();
    make_lead();
    lead_start(lead);
    json_t *o = account();
    ck_assert_str_eq(text_of(o, "boot"), "new");
    json_decref(o);
}
END_TEST

/* The first account is of who was there; a later run knows less. */
START_TEST(what_was_told_is_not_told_again)
{
    lead_on();
    agent_and_guardian_die();
    fake_bus_put_text("account.1", "{\"run\":\"same\"}");
    lead_start(lead);
    ck_assert(wait_for(leads_again));
    ck_assert_str_eq(fake_bus_last("account.1")->value, "{\"run\":\"same\"}");
}
END_TEST

START_TEST(agent_that_goes_on_tells_nothing)
{
    lead_on();
    end_lead(); /* the guardian holds the lease for the next one */
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_uint_eq(lead_epoch(lead), 1);
    ck_assert(!is_told());
    fake_bus.refuses_writes = true;
    ck_assert(wait_for(stopped_serving));
    fake_bus.refuses_writes = false;
    lead_bus_disconnected(lead);
    lead_bus_connected(lead);
    json_t *o = account();
    ck_assert_str_eq(text_of(o, "run"), "same");
    json_decref(o);
}
END_TEST

START_TEST(guardian_that_fired_is_named)
{
    lead_on();
    fake_guardian_fire(&guardian, true);
    json_t *o = account();
    ck_assert_str_eq(text_of(o, "reason"), "GUARDIAN_FIRED");
    ck_assert(json_is_object(json_object_get(o, "guardian_fired")));
    json_decref(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_account");
    TCase *t = tcase_create("lead_account");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, heartbeats_that_found_no_way);
    tcase_add_test(t, handover_is_told_by_the_release_alone);
    tcase_add_test(t, next_agent_tells_that_its_predecessor_died);
    tcase_add_test(t, next_boot_tells_that_the_host_died);
    tcase_add_test(t, what_was_told_is_not_told_again);
    tcase_add_test(t, agent_that_goes_on_tells_nothing);
    tcase_add_test(t, guardian_that_fired_is_named);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
