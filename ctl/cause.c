#include "ctl/cause.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/show.h"

enum { FALLBACK_INTERVAL_MS = 1000, GUARDIAN_LATE_MS = 250 };

static const char *const names[] = {
#define CAUSE_NAME(id, text) #id,
    CAUSES(CAUSE_NAME)
#undef CAUSE_NAME
};

static const char *const texts[] = {
#define CAUSE_TEXT(id, text) text,
    CAUSES(CAUSE_TEXT)
#undef CAUSE_TEXT
};

const char *cause_name(enum cause_id id)
{
    return names[id];
}

const char *cause_text(enum cause_id id)
{
    return texts[id];
}

const char *confidence_text(enum confidence c)
{
    static const char *const words[] = {[CONFIDENCE_NONE] = "can't be told",
                                        [CONFIDENCE_LIKELY] = "likely",
                                        [CONFIDENCE_SURE] = "confident"};
    return words[c];
}

/* -- Saying it -------------------------------------------------------------------------------------- */

static void conclude(struct cause *c, enum cause_id id, enum confidence confidence)
{
    c->id = id;
    c->confidence = confidence;
}

static void because(struct cause *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void because(struct cause *c, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (c->because_count < CAUSE_LINES_MAX)
        c->because[c->because_count++] = hm_strdup(text);
}

static void but(struct cause *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void but(struct cause *c, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    free(c->but);
    c->but = hm_strdup(text);
}

struct words {
    char text[SHOW_TIME_MAX];
};

static struct words span(int64_t ms)
{
    struct words w;
    show_span(ms * 1000000, w.text);
    return w;
}

static const char *old(const struct incident *i)
{
    return hb_site_is_set(&i->from) ? i->from.text : "the old leader";
}

static int64_t interval_of(const struct incident *i)
{
    return i->interval_ms > 0 ? i->interval_ms : FALLBACK_INTERVAL_MS;
}

/* -- What was given as the reason ------------------------------------------------------------------- */

static bool is_about_workload(enum hb_reason reason)
{
    return reason == HB_REASON_PROBE_FAILED || reason == HB_REASON_PROMOTE_FAILED ||
           reason == HB_REASON_PROMOTE_TIMEOUT;
}

/* True: the reason says it all. */
static bool by_reason(const struct incident *i, enum hb_reason reason, struct cause *c)
{
    if (is_about_workload(reason))
        conclude(c, CAUSE_WORKLOAD_DOWN, CONFIDENCE_SURE);
    else if (reason == HB_REASON_YIELD)
        conclude(c, CAUSE_HAND_BACK, CONFIDENCE_SURE);
    else if (reason == HB_REASON_OPERATOR || reason == HB_REASON_STEP_DOWN ||
             reason == HB_REASON_SWITCHOVER)
        conclude(c, CAUSE_OPERATOR, CONFIDENCE_SURE);
    else if (reason == HB_REASON_GUARDIAN_LOST)
        conclude(c, CAUSE_GUARDIAN_GONE, CONFIDENCE_SURE);
    else
        return false;
    because(c, "%s ended epoch %llu itself and said why: %s", old(i),
            (unsigned long long)i->from_epoch, hb_reason_text(reason));
    return true;
}

/* Whatever had happened to the old leader, an operator decided that this one leads. */
static bool by_force(const struct incident *i, struct cause *c)
{
    if (i->reason != HB_REASON_FORCED)
        return false;
    conclude(c, CAUSE_OPERATOR, CONFIDENCE_SURE);
    because(c, "%s was promoted by force", i->to.text);
    return true;
}

/* -- What the old leader tells of its end ------------------------------------------------------------ */

static void say_guardian(const struct incident_account *a, struct cause *c)
{
    if (!a->fired)
        because(c, "its guardian did not have to end the workload, or is another one too");
    else if (a->fired_late_ms < 0)
        because(c, "its guardian ended the workload");
    else
        because(c, "its guardian ended the workload, %s after the deadline",
                span(a->fired_late_ms).text);
}

static void another_run(const struct incident *i, struct cause *c)
{
    const struct incident_account *a = &i->account;
    if (a->same_boot) {
        conclude(c, CAUSE_AGENT_DIED, CONFIDENCE_SURE);
        because(c, "%s was heard again: another agent, in the same boot of its host", old(i));
        say_guardian(a, c);
        return;
    }
    conclude(c, CAUSE_POWER_CUT, CONFIDENCE_SURE);
    because(c, "%s was heard again: its host has booted since", old(i));
    but(c, "a power cut, a reset and a crash of the host's kernel look the same from here");
}

static bool stood_still(const struct incident *i)
{
    return i->account.late_ms >= interval_of(i);
}

static void loop_stood_still(const struct incident *i, struct cause *c)
{
    const struct incident_account *a = &i->account;
    bool alone = a->fired && a->fired_late_ms >= 0 && a->fired_late_ms <= GUARDIAN_LATE_MS;
    because(c, "%s says: its agent did not run for %s", old(i), span(a->late_ms).text);
    if (alone)
        conclude(c, CAUSE_STALLED_AGENT, CONFIDENCE_SURE);
    else
        conclude(c, CAUSE_FROZEN_HOST, a->fired ? CONFIDENCE_SURE : CONFIDENCE_LIKELY);
    say_guardian(a, c);
    if (alone)
        but(c, "the host was not frozen: its guardian, a process of its own, was on time");
}

/* It had no reason to stop by its own clock, and yet was silent for longer than that clock shows. */
static bool clock_stood_still(const struct incident *i)
{
    const struct incident_account *a = &i->account;
    return a->reason == HB_REASON_LOST && a->acked_ms >= 0 && i->needed_ms > 0 &&
           a->acked_ms + interval_of(i) < i->needed_ms;
}

static void host_clock_stood_still(const struct incident *i, struct cause *c)
{
    conclude(c, CAUSE_FROZEN_HOST, CONFIDENCE_LIKELY);
    because(c, "by %s's own clock its last heartbeat was %s old when it learnt that it had lost",
            old(i), span(i->account.acked_ms).text);
    because(c, "%s had waited for %s by then: the clock of %s stood still", i->to.text,
            span(i->silence_ms).text, old(i));
}

/* By so much the last heartbeat needed longer on its way than the one before. */
static int64_t delay_of_last_ms(const struct incident *i)
{
    const struct incident_beat *last = incident_last_beat(i);
    if (!last || last == i->beats)
        return 0;
    const struct incident_beat *before = last - 1;
    bool follows = hb_site_equal(&before->site, &last->site) && before->epoch == last->epoch &&
                   before->counter < last->counter;
    if (!follows)
        return 0;
    int64_t took_ms = (last->stamp_ns - before->stamp_ns) / 1000000;
    uint64_t beats = last->counter - before->counter;
    if (took_ms < 0 || beats > (uint64_t)(took_ms / interval_of(i)))
        return -1; /* sooner than its rhythm, or a number that none can be */
    return took_ms - (int64_t)beats * interval_of(i);
}

static bool last_was_delayed(const struct incident *i)
{
    return delay_of_last_ms(i) >= interval_of(i) / 2;
}

static bool was_slow(const struct incident *i)
{
    const struct incident_account *a = &i->account;
    return (a->heard_back > 0 && a->heard_back_ms >= interval_of(i)) ||
           a->rtt_us / 1000 >= interval_of(i) / 2 ||
           (last_was_delayed(i) && a->late_ms < interval_of(i) / 4);
}

static void say_delay(const struct incident *i, struct cause *c)
{
    if (last_was_delayed(i))
        because(c, "the last heartbeat of %s reached the store %s later than its rhythm", old(i),
                span(delay_of_last_ms(i)).text);
}

static void link_was_slow(const struct incident *i, struct cause *c)
{
    const struct incident_account *a = &i->account;
    bool came_late = a->heard_back > 0 && a->heard_back_ms >= interval_of(i);
    conclude(c, CAUSE_SLOW_LINK, came_late ? CONFIDENCE_SURE : CONFIDENCE_LIKELY);
    if (came_late)
        because(c, "%s says: its heartbeats were stored, and it heard of them up to %s later",
                old(i), span(a->heard_back_ms).text);
    say_delay(i, c);
    if (a->rtt_us >= 0)
        because(c, "the last round trip that was in time took %s", span(a->rtt_us / 1000).text);
}

static void say_attempts(const struct incident *i, struct cause *c)
{
    const struct incident_account *a = &i->account;
    because(c, "%s says: it ran, and none of its last %lld heartbeats was acknowledged for %s",
            old(i), (long long)a->attempts, span(a->acked_ms).text);
}

/* Who else reached the store meanwhile? */
static void nobody_answered(const struct incident *i, struct cause *c)
{
    bool by_itself = hb_site_equal(&i->from, &i->to);
    say_attempts(i, c);
    if (i->others_heard > 0 || (!by_itself && i->gap_ms < 0)) {
        conclude(c, CAUSE_ISOLATION, CONFIDENCE_SURE);
        because(c, "the store took heartbeats of %s meanwhile",
                by_itself ? "other sites" : i->to.text);
    } else if (i->gap_ms >= 0 || i->others_heard == 0) {
        conclude(c, CAUSE_NATS_DOWN, i->gap_ms >= 0 ? CONFIDENCE_SURE : CONFIDENCE_LIKELY);
        because(c, "no other site reached the store either%s%s", i->gap_ms >= 0 ? ", for " : "",
                i->gap_ms >= 0 ? span(i->gap_ms).text : "");
    } else {
        but(c,
            "whether other sites reached the store meanwhile is not kept any more, so this was an "
            "isolation of %s or NATS was down",
            old(i));
    }
}

static void by_account(const struct incident *i, struct cause *c)
{
    if (!i->account.same_run)
        another_run(i, c);
    else if (stood_still(i))
        loop_stood_still(i, c);
    else if (clock_stood_still(i))
        host_clock_stood_still(i, c);
    else if (was_slow(i))
        link_was_slow(i, c);
    else if (i->account.attempts > 0)
        nobody_answered(i, c);
    else
        because(c, "%s says: %s", old(i), hb_reason_text(i->account.reason));
}

/* -- What can be seen from outside -------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median_rtt_us(const struct incident *i)
{
    int64_t rtts[INCIDENT_BEATS_MAX];
    size_t count = 0;
    for (size_t n = 0; n < i->beat_count; n++)
        if (i->beats[n].rtt_us >= 0)
            rtts[count++] = i->beats[n].rtt_us;
    if (count == 0)
        return -1;
    qsort(rtts, count, sizeof *rtts, by_size);
    return rtts[count / 2];
}

static bool round_trips_grew(const struct incident *i, const struct incident_beat *last)
{
    return last->rtt_us >= 4 * median_rtt_us(i) && last->rtt_us / 1000 >= interval_of(i) / 4;
}

static void by_silence(const struct incident *i, const struct incident_beat *last, struct cause *c)
{
    because(c, "%s has not been heard since its heartbeat %llu", old(i),
            (unsigned long long)last->counter);
    if (i->gap_ms >= 0) {
        conclude(c, CAUSE_NATS_DOWN, CONFIDENCE_LIKELY);
        because(c, "%s did not reach the store either, for %s", i->to.text, span(i->gap_ms).text);
    } else if (last->failures > 0 || round_trips_grew(i, last) || last_was_delayed(i)) {
        conclude(c, CAUSE_SLOW_LINK, CONFIDENCE_LIKELY);
        say_delay(i, c);
        because(c, "its last heartbeats had trouble: %u failed in a row, the last round trip %s",
                last->failures, span(last->rtt_us / 1000).text);
    } else {
        conclude(c, CAUSE_POWER_CUT, CONFIDENCE_LIKELY);
        because(c, "its heartbeats were regular and its round trips had not grown until then");
        but(c, "a sudden isolation looks the same until %s is heard again and tells", old(i));
    }
}

/* -- All of it --------------------------------------------------------------------------------------- */

static bool is_first(const struct incident *i)
{
    return i->from_epoch == 0 && !incident_last_beat(i);
}

void cause_infer(const struct incident *i, struct cause *ret)
{
    struct cause c = {0};
    const struct incident_beat *last = incident_last_beat(i);
    if (is_first(i)) {
        conclude(&c, CAUSE_FIRST_LEADER, CONFIDENCE_SURE);
        because(&c, "nobody had led before");
    } else if (by_force(i, &c) || by_reason(i, i->ended, &c)) {
        /* said by the old leader, in its release */
    } else if (i->has_account && !by_reason(i, i->account.reason, &c)) {
        by_account(i, &c);
    } else if (!i->has_account && last) {
        by_silence(i, last, &c);
    }
    if (*i->asked)
        because(&c, "asked for: %s", i->asked);
    *ret = c;
}

void cause_clear(struct cause *c)
{
    for (size_t n = 0; n < c->because_count; n++)
        free(c->because[n]);
    free(c->but);
    *c = (struct cause){0};
}
