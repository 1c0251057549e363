/*
 * What operators ask for (`request` in the bucket): given to the core when it is due, and answered under the
 * same key, so that the history has it. The core decides; who asked and until when is known here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { TIMEOUT_MS = 5000 };

#define PATIENCE_NS (FAILOVER_REQUEST_PATIENCE_MS * HM_MS)

/* -- The answer --------------------------------------------------------------- */

struct answer_sent {
    struct lead *lead;
    struct failover_request answer;
    uint64_t revision; /* of what it answers */
};

static void send_answer(struct lead *l);

static void answer_stored(struct lead *l, const struct failover_request *answer, uint64_t revision)
{
    l->request.asked = *answer;
    l->request.revision = revision;
    lead_status_changed(l);
    send_answer(l); /* a later one to the same */
}

/* Somebody else's word is there meanwhile: the watch tells it. */
static void answer_not_stored(struct lead *l, const struct answer_sent *s,
                              const struct bus_put_result *result)
{
    if (result->outcome == BUS_PUT_CONFLICT) {
        l->request.unsent = false;
        return;
    }
    hm_log(HM_LOG_WARN, LEAD_LOG, "the operator's request is not answered: %s; again soon",
           result->error.text);
    if (!l->request.unsent)
        l->request.answer = s->answer;
    l->request.unsent = true;
    l->request.look_at = hm_boottime_ns() + l->core.terms.period;
}

static void answer_answered(void *data, const struct bus_put_result *result)
{
    struct answer_sent *s = data;
    struct lead *l = s->lead;
    if (lead_call_ended(l)) {
        l->request.sending = false;
        if (s->revision != l->request.revision)
            send_answer(l); /* the watch told more meanwhile: what is unsent now is about that */
        else if (result->outcome == BUS_PUT_STORED || result->outcome == BUS_PUT_DUPLICATE)
            answer_stored(l, &s->answer, result->revision);
        else
            answer_not_stored(l, s, result);
        lead_event(l, &(struct fo_event){.type = FO_EV_TIMER});
    }
    free(s);
}

static void send_answer(struct lead *l)
{
    char key[LEAD_KEY_MAX + 1], text[FAILOVER_REQUEST_TEXT_MAX];
    if (!l->request.unsent || l->request.sending || l->request.revision == 0)
        return;
    struct answer_sent *s = hm_alloc(sizeof *s);
    *s = (struct answer_sent){l, l->request.answer, l->request.revision};
    lead_key(l->options.config->failover.group, FAILOVER_REQUEST_KEY, key);
    struct bus_put put = {.bucket = LEAD_BUCKET,
                          .key = key,
                          .value = text,
                          .len = failover_request_render(&s->answer, text),
                          .expect_revision = (int64_t)l->request.revision,
                          .timeout_ms = TIMEOUT_MS};
    l->request.unsent = false;
    l->request.sending = true;
    l->calls++;
    bus_put(l->options.bus, &put, answer_answered, s);
}

static void answer(struct lead *l, enum failover_request_state state, const char *text)
{
    struct failover_request *a = &l->request.answer;
    *a = l->request.asked;
    a->state = state;
    a->answered_by = l->core.site;
    snprintf(a->text, sizeof a->text, "%s", text);
    hm_log(state == REQUEST_REFUSED ? HM_LOG_WARN : HM_LOG_INFO, LEAD_LOG, "%s of %s by %s: %s%s%s",
           failover_action_name(a->action), a->site.text, a->by, failover_request_state_name(state),
           *text ? ": " : "", text);
    l->request.unsent = true;
    send_answer(l);
}

static void answer_leads(struct lead *l, enum failover_request_state state)
{
    char text[HB_SITE_MAX + 60];
    snprintf(text, sizeof text, "%s leads in epoch %" PRIu64, l->core.site.text,
             l->core.lease.epoch);
    answer(l, state, text);
}

/* -- Switchover ---------------------------------------------------------------- */

/* On BOOTTIME; anew each time, since the wall clock may be set meanwhile. */
static int64_t due_ns(const struct lead *l, int64_t now)
{
    int64_t at = l->request.asked.at_ns;
    return at ? now + (at - hm_wall_ns()) : l->request.came_ns;
}

static void begin_switchover(struct lead *l)
{
    struct fo_event event = {.type = FO_EV_SWITCHOVER};
    event.switchover.to = l->request.asked.site;
    l->request.given = true;
    l->request.given_epoch = l->core.lease.epoch;
    lead_event(l, &event);
}

/* Who stood still has heard nobody meanwhile, and no answer to its own heartbeat: neither says anything before a
 * site that lives had the time to be ready again. */
static int64_t decides_at(const struct lead *l, int64_t now)
{
    enum fo_refusal why = fo_switchover_refusal(&l->core, &l->request.asked.site, now);
    bool unheard = why == FO_REFUSED_NOT_HEARD || why == FO_REFUSED_NOT_READY ||
                   why == FO_REFUSED_NOT_ACKNOWLEDGED;
    int64_t beats = l->core.config.success_threshold + 2;
    return unheard && l->woke_ns != 0 ? l->woke_ns + beats * l->core.terms.period : now;
}

/* Only whoever leads has a say. */
static void switchover(struct lead *l, int64_t now)
{
    const struct failover_request *asked = &l->request.asked;
    bool under_way = l->request.given && l->request.given_epoch == l->core.lease.epoch;
    int64_t due = due_ns(l, now), decided = decides_at(l, now);
    if (l->core.role != HB_ROLE_LEADER || under_way)
        return;
    if (asked->state == REQUEST_ASKED && now < due)
        l->request.look_at = due;
    else if (hb_site_equal(&asked->site, &l->core.site))
        answer_leads(l, REQUEST_DONE);
    else if (asked->state == REQUEST_BEGUN)
        answer_leads(l, REQUEST_REFUSED);
    else if (now > due + PATIENCE_NS)
        answer(l, REQUEST_REFUSED, "nobody led when it was due, nor in the minute after it");
    else if (now < decided)
        l->request.look_at = decided;
    else
        begin_switchover(l);
}

/* -- By force ------------------------------------------------------------------ */

static bool is_of_this_run(const struct lead *l)
{
    const struct failover_request *asked = &l->request.asked;
    return asked->run == l->core.nonce && l->core.counter >= asked->counter &&
           l->core.counter - asked->counter <= FAILOVER_REQUEST_BEATS;
}

/* Their word is of the leader that they looked for, in its epoch. */
static bool is_said_to_be_off(const struct lead *l)
{
    const struct failover_request *asked = &l->request.asked;
    const struct heartbeat *record = &l->core.known.record;
    return hb_site_is_set(&asked->off) && hb_site_equal(&asked->off, &record->site) &&
           asked->off_epoch == record->epoch;
}

static void begin_promotion(struct lead *l)
{
    struct fo_event event = {.type = FO_EV_FORCE};
    event.force.leader_is_off = is_said_to_be_off(l);
    l->request.given = true;
    lead_event(l, &event);
    if (l->core.role == HB_ROLE_CLAIMING)
        answer(l, REQUEST_BEGUN, "claims the lease");
}

static void promotion(struct lead *l)
{
    const struct failover_request *asked = &l->request.asked;
    bool begun = asked->state == REQUEST_BEGUN;
    if (!hb_site_equal(&asked->site, &l->core.site))
        return;
    if (begun && l->core.role == HB_ROLE_LEADER)
        answer_leads(l, REQUEST_DONE);
    else if (begun && !l->request.given)
        answer(l, REQUEST_REFUSED, "its agent was started anew before it served");
    else if (begun && l->core.role == HB_ROLE_REPLICA)
        answer(l, REQUEST_REFUSED, hb_reason_text(l->core.reason));
    else if (!begun && !is_of_this_run(l))
        answer(l, REQUEST_REFUSED, "it was asked of an earlier run of its agent, or long ago");
    else if (!begun && !l->request.given)
        begin_promotion(l);
}

/* -- Both ----------------------------------------------------------------------- */

int64_t lead_request_due(const struct lead *l)
{
    return l->request.look_at ? l->request.look_at : FO_NEVER;
}

void lead_request_advance(struct lead *l)
{
    int64_t now = hm_boottime_ns();
    bool waits = l->request.unsent || l->request.sending;
    if (now >= lead_request_due(l)) {
        l->request.look_at = 0;
        send_answer(l);
    }
    if (waits || !l->request.revision || !failover_request_is_open(&l->request.asked))
        return;
    if (l->request.asked.action == FAILOVER_SWITCHOVER)
        switchover(l, now);
    else
        promotion(l);
}

void lead_request_note(struct lead *l, const struct fo_effect *e)
{
    bool is_switchover = e->note.note == FO_NOTE_SWITCHOVER_REFUSED;
    if (!l->request.given)
        return;
    if (e->note.note == FO_NOTE_SWITCHOVER_BEGINS)
        answer(l, REQUEST_BEGUN, "the workload is being stopped");
    else if (is_switchover || e->note.note == FO_NOTE_FORCE_REFUSED)
        answer(l, REQUEST_REFUSED, fo_refusal_text((enum fo_refusal)e->note.value));
}

static void withdraw(struct lead *l)
{
    l->request.revision = 0; /* nothing to begin while the core hears of it */
    if (l->request.given && l->request.asked.action == FAILOVER_SWITCHOVER)
        lead_event(l, &(struct fo_event){.type = FO_EV_SWITCHOVER});
    l->request.given = false;
}

void lead_request_forget_before(struct lead *l, int64_t created_ns)
{
    if (l->request.stamp_ns >= created_ns)
        return; /* the watch told it before, from this bucket */
    withdraw(l);
    l->request.unsent = false;
    lead_status_changed(l);
}

/* By the store's clock, if it lay there before this run, or this connection, came. */
static int64_t came_ns(const struct lead *l, const struct bus_entry *entry)
{
    int64_t age = hm_wall_ns() - entry->stamp_ns;
    return hm_boottime_ns() - (l->request.live || age < 0 ? 0 : age);
}

/* An own answer, since it was stored; or what was answered, if a watch that is made anew gives it once more.
 * A lower revision that was stored later is of another bucket. */
static bool is_known(const struct lead *l, const struct bus_entry *entry)
{
    uint64_t last = l->request.revision;
    return entry->revision == last ||
           (entry->revision < last && entry->stamp_ns <= l->request.stamp_ns);
}

void lead_request_changed(struct lead *l, const struct bus_entry *entry)
{
    struct failover_request asked;
    struct hm_error why;
    if (is_known(l, entry))
        return;
    bool deleted = entry->deleted;
    if (!deleted && failover_request_parse(entry->value, entry->len, &asked, &why) < 0) {
        hm_log(HM_LOG_WARN, LEAD_LOG, "%s rev %" PRIu64 " is not done: %s", entry->key,
               entry->revision, why.text);
        deleted = true;
    }
    bool goes_on = !deleted && asked.state != REQUEST_ASKED && asked.state != REQUEST_CANCELLED;
    bool own = goes_on && hb_site_equal(&asked.answered_by, &l->core.site);
    if (!goes_on)
        withdraw(l);
    l->request.revision = deleted ? 0 : entry->revision;
    l->request.stamp_ns = entry->stamp_ns;
    l->request.unsent = l->request.unsent && own; /* a later answer than the one seen here */
    if (!deleted)
        l->request.asked = asked;
    if (!goes_on)
        l->request.came_ns = came_ns(l, entry);
    lead_event(l, &(struct fo_event){.type = FO_EV_TIMER});
    lead_status_changed(l);
}

json_t *lead_request_status(const struct lead *l)
{
    const struct failover_request *r = &l->request.asked;
    char at[HM_TIME_TEXT_MAX];
    if (!l->request.revision || !failover_request_is_open(r))
        return json_null();
    hm_time_text(r->at_ns, at);
    return json_pack("{s:s, s:s, s:s, s:s, s:s*}", "action", failover_action_name(r->action),
                     "site", r->site.text, "state", failover_request_state_name(r->state), "by",
                     r->by, "at", r->at_ns ? at : NULL);
}
