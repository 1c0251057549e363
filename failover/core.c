/* fo_step(): one event in, effects out. (docs/failover section 7) */
#include "failover/core.h"

void fo_init(struct fo_state *state, const struct fo_setup *setup, int64_t now_ns)
{
    memset(state, 0, sizeof(*state));
    state->site = setup->site;
    state->nonce = setup->nonce;
    state->seed = setup->seed;
    state->rules = setup->rules;
    state->role_since = now_ns;
    state->silence_since = now_ns;
    state->stop_retry = FO_NEVER;
    state->rtt_us = state->rtt_max_us = -1;
    state->probe.latency_us = state->probe.lag = -1;
}

void fo_role_set(struct fo_run *r, enum hb_role role, enum hb_reason reason)
{
    enum hb_role from = r->s->role;
    r->s->role = role;
    r->s->reason = reason;
    r->s->role_since = r->now;
    fo_emit_role(r, from);
}

static void started(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (s->started)
        return;
    s->started = true;
    s->probe.exists = event->start.has_probe;
    s->probe.due = s->heartbeat_due = s->idle_since = r->now;
    if (event->start.seen_epoch > s->seen_epoch)
        s->seen_epoch = event->start.seen_epoch;
    s->led_epoch = event->start.led_epoch;
    s->open_epoch = event->start.open_epoch;
    if (fo_rule_on(s, FO_RULE_CHOICE_KEPT))
        s->chosen_epoch = event->start.chosen_epoch;
    s->unread = event->start.unread;
    s->history.seen = event->start.seen;
    s->history.identity = event->start.identity;
    fo_epoch_seen(r, s->guardian.fired_epoch);
    fo_unread_note(r);
    if (s->seen_epoch >= HB_EPOCH_MAX)
        fo_emit_note(r, FO_NOTE_ALARM_EPOCHS_SPENT, (int64_t)s->seen_epoch);
    const struct fo_guard *inherit = event->start.inherit;
    if (!fo_guard_inherit(r, inherit, event->start.workload_stopped))
        fo_workload_at_start(r, event->start.workload_stopped, inherit);
}

/* "A change of config triggers a heartbeat" (3); the promise of the last one stays honoured. */
static void configured(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (s->has_config && event->config.revision == s->config_revision &&
        cluster_config_equal(event->config.config, &s->config))
        return; /* a bucket made anew uses the numbers of the old one again */
    s->config = *event->config.config;
    s->config_revision = event->config.revision;
    s->has_config = true;
    s->rank = cluster_config_rank(&s->config, &s->site);
    s->barred = cluster_config_bars(&s->config, &s->site);
    fo_terms_take(s, &s->config);
    fo_peers_take_config(s);
    fo_unread_note(r);
    if (fo_rule_on(s, FO_RULE_CONFIG_HEARTBEAT))
        fo_heartbeat_soon(r);
    fo_emit_note(r, FO_NOTE_CONFIG, (int64_t)s->config_revision);
}

static void lease_event(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    const struct heartbeat *record = fo_believed(r, event->entry.record);
    fo_known_learn(r, record, event->entry.revision, event->entry.stamp_ns, true);
    if (!record || !fo_is_own_beat(r, record))
        return;
    fo_echo_seen(r, record->counter, event->entry.stamp_ns);
    fo_lease_own_seen(r, record, event->entry.revision);
    /* "the watch never concludes an attempt" (4): what follows is the mutant. */
    if (!fo_rule_on(s, FO_RULE_WATCH_NO_PROOF) && s->lease_try.kind == FO_TRY_HEARTBEAT)
        fo_attempt_stored(r, &s->lease_try, event->entry.revision, true);
}

static void connected(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->connected = true;
    s->read.wanted = true;
    /* The store may have lost what its writer still counts on. */
    if (fo_rule_on(s, FO_RULE_RECONNECT_RESTARTS))
        s->silence_since = r->now;
    s->known.confirmed = false;
    fo_lease_catch_up(r);
    fo_attempt_resend_now(r, &s->lease_try);
    fo_attempt_resend_now(r, &s->replica_try);
}

static void step_down(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->stepping_down = true;
    if (s->lease.held && fo_handover_waits(r, HB_REASON_STEP_DOWN))
        return;
    if (s->lease.held)
        fo_lease_end(r, HB_REASON_STEP_DOWN);
    else if (s->role == HB_ROLE_CLAIMING)
        fo_claim_over(r, HB_REASON_STEP_DOWN);
}

static void dispatch(struct fo_run *r, const struct fo_event *event)
{
    switch (event->type) {
    case FO_EV_TIMER:
        break;
    case FO_EV_START:
        started(r, event);
        break;
    case FO_EV_CONFIG:
        configured(r, event);
        break;
    case FO_EV_LEASE:
        lease_event(r, event);
        break;
    case FO_EV_ECHO:
        if (event->entry.record && fo_is_own_beat(r, event->entry.record))
            fo_echo_seen(r, event->entry.record->counter, event->entry.stamp_ns);
        break;
    case FO_EV_PEER:
        if (event->entry.record)
            fo_peer_heard(r, event->entry.record);
        break;
    case FO_EV_WRITE:
        fo_write_answered(r, event);
        break;
    case FO_EV_READ:
        fo_read_answered(r, event);
        break;
    case FO_EV_PROBE:
        fo_probe_answered(r, event);
        break;
    case FO_EV_WORKLOAD_STARTED:
    case FO_EV_WORKLOAD_FAILED:
    case FO_EV_WORKLOAD_STOPPED:
    case FO_EV_STOP_FAILED:
        fo_workload_event(r, event);
        break;
    case FO_EV_CONNECTED:
        connected(r);
        break;
    case FO_EV_DISCONNECTED:
        r->s->connected = false;
        break;
    case FO_EV_CONSENT_REQUEST:
        fo_consent_requested(r, event);
        break;
    case FO_EV_CONSENT_ANSWER:
        fo_consent_answered(r, event);
        break;
    case FO_EV_STEP_DOWN:
        step_down(r);
        break;
    case FO_EV_GUARDIAN:
        fo_guardian_said(r, event);
        break;
    case FO_EV_CLEAN_STOP:
        r->s->clean_stop = event->clean_stop.limit_ms * FO_MS;
        break;
    case FO_EV_LEAVE:
        fo_leave_asked(r, event);
        break;
    case FO_EV_STORE:
        fo_history_store(r, event);
        break;
    case FO_EV_SWITCHOVER:
        fo_switchover_asked(r, event);
        break;
    case FO_EV_FORCE:
        fo_force_asked(r, event);
        break;
    }
}

/* What time alone brings about, the fence first. */
static void advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    fo_lease_watch_deadline(r);
    fo_workload_advance(r);
    fo_leave_advance(r);
    if (!s->started || !s->has_config)
        return;
    fo_attempt_advance(r, &s->lease_try);
    fo_attempt_advance(r, &s->replica_try);
    fo_history_advance(r);
    fo_claim_advance(r);
    fo_heartbeat_advance(r);
    fo_consent_advance(r);
    fo_probe_advance(r);
    fo_yield_advance(r);
    fo_switchover_advance(r);
    fo_read_advance(r);
    fo_watch_advance(r);
}

static int64_t next_deadline(const struct fo_state *s, int64_t now)
{
    int64_t next = fo_min(fo_workload_next(s), fo_leave_next(s));
    if (!s->started || !s->has_config)
        return next;
    next = fo_min(next, fo_lease_next(s));
    next = fo_min(next, fo_attempt_next(&s->lease_try));
    next = fo_min(next, fo_attempt_next(&s->replica_try));
    next = fo_min(next, fo_heartbeat_next(s));
    next = fo_min(next, fo_consent_next(s));
    next = fo_min(next, fo_probe_next(s));
    next = fo_min(next, fo_read_next(s));
    next = fo_min(next, fo_watch_next(s));
    next = fo_min(next, fo_history_next(s));
    next = fo_min(next, fo_claim_next(s, now));
    return fo_min(next, fo_yield_at(s, now));
}

/* What is due by what the event changed, not by time. */
static bool is_due_now(const struct fo_state *s, int64_t now)
{
    return s->leave.promise_ms != 0 || fo_history_is_due(s) || fo_hurry_is_due(s, now) ||
           fo_switchover_is_asked(s);
}

/* As most answers leave it: then the next deadline is all that is needed. */
static bool is_nothing_due(const struct fo_run *r)
{
    int64_t next = next_deadline(r->s, r->now);
    r->out->next_ns = next;
    return r->now < next && !is_due_now(r->s, r->now);
}

void fo_step(struct fo_state *state, const struct fo_event *event, int64_t now_ns,
             struct fo_effects *effects)
{
    struct fo_run r = {.s = state, .now = now_ns, .out = effects};
    effects->count = 0;
    effects->sends = 0;
    /* "If the loop was late, look at the deadline before renewing." (4) */
    if (fo_rule_on(state, FO_RULE_DEADLINE_FIRST))
        fo_lease_watch_deadline(&r);
    dispatch(&r, event);
    if (event->type != FO_EV_TIMER && is_nothing_due(&r))
        return;
    advance(&r);
    effects->next_ns = next_deadline(state, now_ns);
}
