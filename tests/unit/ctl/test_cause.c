#include "ctl/cause.h"

#include <stdio.h>

#include "suite.h"

#define START_NS (1795356180LL * 1000000000LL)

static struct hb_site site(const char *name)
{
    struct hb_site s = {0};
    ck_assert(hb_site_from(name, &s));
    return s;
}

/* site-a led epoch 6 with regular heartbeats, then fell silent, and site-b took over. T 1 s. */
static struct incident silence(void)
{
    struct incident i = {
        .epoch = 7,
        .from_epoch = 6,
        .from = site("site-a"),
        .to = site("site-b"),
        .reason = HB_REASON_STALE,
        .interval_ms = 1000,
        .silence_ms = 8000,
        .needed_ms = 8000,
        .gap_ms = -1,
        .last_ms = 8000,
        .serving_ms = 400,
        .others_heard = -1,
    };
    for (size_t n = 0; n < 5; n++)
        i.beats[i.beat_count++] =
            (struct incident_beat){.site = site("site-a"),
                                   .epoch = 6,
                                   .counter = 10 + n,
                                   .stamp_ns = START_NS + (int64_t)n * 1000000000LL,
                                   .rtt_us = 30000};
    i.taken_ns = i.beats[4].stamp_ns + 8000 * 1000000LL;
    return i;
}

static struct incident told(struct incident_account account)
{
    struct incident i = silence();
    i.has_account = true;
    i.account = account;
    return i;
}

/* Heartbeats went out and nothing came back. */
static struct incident_account unanswered(void)
{
    return (struct incident_account){.same_run = true,
                                     .same_boot = true,
                                     .reason = HB_REASON_HEARTBEATS_FAILED,
                                     .acked_ms = 3900,
                                     .rtt_us = 30000,
                                     .attempts = 3,
                                     .fired_late_ms = -1};
}

static void names(const struct incident *i, enum cause_id id, enum confidence confidence)
{
    struct cause c;
    cause_infer(i, &c);
    ck_assert_msg(c.id == id, "%s is named, not %s", cause_name(c.id), cause_name(id));
    ck_assert_int_eq(c.confidence, confidence);
    ck_assert_uint_gt(c.because_count, 0);
    cause_clear(&c);
}

static bool says(const struct incident *i, const char *part)
{
    struct cause c;
    bool found = false;
    cause_infer(i, &c);
    for (size_t n = 0; n < c.because_count; n++)
        found = found || strstr(c.because[n], part);
    found = found || (c.but && strstr(c.but, part));
    cause_clear(&c);
    return found;
}

static void gave_up_for(enum hb_reason reason, enum cause_id id)
{
    struct incident i = silence();
    i.ended = reason;
    i.reason = HB_REASON_RELEASED_TO;
    names(&i, id, CONFIDENCE_SURE);
    ck_assert(says(&i, hb_reason_text(reason)));
}

START_TEST(reason_of_a_release_is_the_cause)
{
    gave_up_for(HB_REASON_PROBE_FAILED, CAUSE_WORKLOAD_DOWN);
    gave_up_for(HB_REASON_PROMOTE_FAILED, CAUSE_WORKLOAD_DOWN);
    gave_up_for(HB_REASON_PROMOTE_TIMEOUT, CAUSE_WORKLOAD_DOWN);
    gave_up_for(HB_REASON_YIELD, CAUSE_HAND_BACK);
    gave_up_for(HB_REASON_OPERATOR, CAUSE_OPERATOR);
    gave_up_for(HB_REASON_STEP_DOWN, CAUSE_OPERATOR);
    gave_up_for(HB_REASON_GUARDIAN_LOST, CAUSE_GUARDIAN_GONE);
}
END_TEST

START_TEST(first_leader_is_no_failover)
{
    struct incident i = {.epoch = 1, .to = site("site-a"), .last_ms = -1, .others_heard = -1};
    names(&i, CAUSE_FIRST_LEADER, CONFIDENCE_SURE);
}
END_TEST

START_TEST(silence_after_regular_heartbeats_is_likely_a_power_cut)
{
    struct incident i = silence();
    names(&i, CAUSE_POWER_CUT, CONFIDENCE_LIKELY);
    ck_assert(says(&i, "isolation looks the same"));
}
END_TEST

START_TEST(another_boot_was_a_power_cut)
{
    struct incident i = told((struct incident_account){.fired_late_ms = -1});
    names(&i, CAUSE_POWER_CUT, CONFIDENCE_SURE);
}
END_TEST

START_TEST(another_agent_in_the_same_boot_died)
{
    struct incident i =
        told((struct incident_account){.same_boot = true, .fired = true, .fired_late_ms = 1});
    names(&i, CAUSE_AGENT_DIED, CONFIDENCE_SURE);
    ck_assert(says(&i, "guardian ended the workload"));
}
END_TEST

START_TEST(agent_alone_stood_still)
{
    struct incident_account a = unanswered();
    a.late_ms = 9000;
    a.fired = true;
    a.fired_late_ms = 3;
    struct incident i = told(a);
    names(&i, CAUSE_STALLED_AGENT, CONFIDENCE_SURE);
}
END_TEST

START_TEST(guardian_that_was_late_too_means_the_host)
{
    struct incident_account a = unanswered();
    a.late_ms = 9000;
    a.fired = true;
    a.fired_late_ms = 5000;
    struct incident i = told(a);
    names(&i, CAUSE_FROZEN_HOST, CONFIDENCE_SURE);
    i.account.fired = false;
    names(&i, CAUSE_FROZEN_HOST, CONFIDENCE_LIKELY);
}
END_TEST

/* A paused virtual machine: its own clock shows less than the others had waited. */
START_TEST(clock_that_stood_still_means_the_host)
{
    struct incident_account a = unanswered();
    a.reason = HB_REASON_LOST;
    a.acked_ms = 1200;
    a.attempts = 1;
    struct incident i = told(a);
    names(&i, CAUSE_FROZEN_HOST, CONFIDENCE_LIKELY);
    i.account.acked_ms = 7800;
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
}
END_TEST

START_TEST(unanswered_while_the_other_site_was_heard_is_isolation)
{
    struct incident i = told(unanswered());
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
    ck_assert(says(&i, "none of its last 3 heartbeats was acknowledged for 3.90 s"));
}
END_TEST

START_TEST(unanswered_while_nobody_was_heard_is_nats)
{
    struct incident i = told(unanswered());
    i.gap_ms = 7000;
    names(&i, CAUSE_NATS_DOWN, CONFIDENCE_SURE);
    i.gap_ms = -1;
    i.to = i.from; /* it retook its own lease */
    i.others_heard = 0;
    names(&i, CAUSE_NATS_DOWN, CONFIDENCE_LIKELY);
    i.others_heard = 3;
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
}
END_TEST

START_TEST(what_is_not_kept_is_not_known)
{
    struct incident i = told(unanswered());
    struct cause c;
    i.to = i.from;
    cause_infer(&i, &c);
    ck_assert_int_eq(c.id, CAUSE_UNKNOWN);
    ck_assert_int_eq(c.confidence, CONFIDENCE_NONE);
    ck_assert_ptr_nonnull(strstr(c.but, "isolation of site-a or NATS was down"));
    cause_clear(&c);
}
END_TEST

START_TEST(late_echoes_mean_a_slow_link)
{
    struct incident_account a = unanswered();
    a.heard_back = 2;
    a.heard_back_ms = 1500;
    struct incident i = told(a);
    names(&i, CAUSE_SLOW_LINK, CONFIDENCE_SURE);
}
END_TEST

START_TEST(last_heartbeat_out_of_step_means_a_slow_link)
{
    struct incident i = told(unanswered());
    i.beats[4].stamp_ns += 700 * 1000000LL;
    names(&i, CAUSE_SLOW_LINK, CONFIDENCE_LIKELY);
    ck_assert(says(&i, "700 ms later than its rhythm"));
    i.account.late_ms = 400; /* its own loop was late: not the link */
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
}
END_TEST

START_TEST(a_heartbeat_that_was_left_out_is_not_late)
{
    struct incident i = told(unanswered());
    i.beats[4].stamp_ns += 1000 * 1000000LL;
    i.beats[4].counter++;
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
}
END_TEST

START_TEST(a_counter_that_none_can_be_is_no_delay)
{
    struct incident i = told(unanswered());
    i.beats[4].counter += 10000000000000000;
    names(&i, CAUSE_ISOLATION, CONFIDENCE_SURE);
}
END_TEST

START_TEST(trouble_before_the_silence_is_likely_the_link)
{
    struct incident i = silence();
    i.beats[4].failures = 2;
    names(&i, CAUSE_SLOW_LINK, CONFIDENCE_LIKELY);
    i.beats[4].failures = 0;
    i.beats[4].rtt_us = 600000;
    names(&i, CAUSE_SLOW_LINK, CONFIDENCE_LIKELY);
    i.beats[4].rtt_us = 100000; /* three times as long, and still short */
    names(&i, CAUSE_POWER_CUT, CONFIDENCE_LIKELY);
}
END_TEST

START_TEST(own_gap_without_an_account_is_likely_nats)
{
    struct incident i = silence();
    i.gap_ms = 5000;
    names(&i, CAUSE_NATS_DOWN, CONFIDENCE_LIKELY);
}
END_TEST

START_TEST(what_an_operator_asked_for_is_the_operators)
{
    struct incident i = silence();
    i.reason = HB_REASON_FORCED;
    snprintf(i.asked, sizeof i.asked, "forced promotion of site-b, by ann");
    names(&i, CAUSE_OPERATOR, CONFIDENCE_SURE);
    ck_assert(says(&i, "asked for: forced promotion of site-b, by ann"));
    gave_up_for(HB_REASON_SWITCHOVER, CAUSE_OPERATOR);
}
END_TEST

RUN_SUITE("cause", what_an_operator_asked_for_is_the_operators, reason_of_a_release_is_the_cause,
          first_leader_is_no_failover, silence_after_regular_heartbeats_is_likely_a_power_cut,
          another_boot_was_a_power_cut, another_agent_in_the_same_boot_died,
          agent_alone_stood_still, guardian_that_was_late_too_means_the_host,
          clock_that_stood_still_means_the_host,
          unanswered_while_the_other_site_was_heard_is_isolation,
          unanswered_while_nobody_was_heard_is_nats, what_is_not_kept_is_not_known,
          late_echoes_mean_a_slow_link, last_heartbeat_out_of_step_means_a_slow_link,
          a_heartbeat_that_was_left_out_is_not_late, a_counter_that_none_can_be_is_no_delay,
          trouble_before_the_silence_is_likely_the_link, own_gap_without_an_account_is_likely_nats)
