/* What a heartbeat says, when it is due, and the counters of consecutive results. */
#include "failover/core.h"

static void fill_evidence(const struct fo_state *s, struct heartbeat *hb)
{
    hb->site = s->site;
    hb->status = s->failures > 0 ? HB_DEGRADED : HB_HEALTHY;
    hb->role = s->role;
    hb->probe = s->probe.last;
    hb->nonce = s->nonce;
    hb->seen_epoch = s->seen_epoch;
    hb->config_revision = s->config_revision;
    hb->interval_ms = s->config.heartbeat_interval_ms;
    hb->rtt_us = s->rtt_us;
    hb->probe_latency_us = s->probe.latency_us;
    hb->lag = s->probe.lag;
    hb->failures = s->failures;
    hb->successes = s->successes;
}

/* "With failsafe on, the heartbeat names its voters" (9): every other site with an address. */
static void fill_voters(const struct fo_state *s, struct heartbeat *hb)
{
    const struct cluster_config *config = &s->config;
    hb->voter_count = 0;
    for (unsigned i = 0; config->failsafe && i < config->site_count; i++) {
        bool votes = config->addresses[i][0] != '\0' && !hb_site_equal(&config->sites[i], &s->site);
        if (votes && hb->voter_count < HB_VOTERS_MAX)
            hb->voters[hb->voter_count++] = config->sites[i];
    }
    hb->failsafe = hb->voter_count > 0;
}

static void fill_lease(const struct fo_state *s, struct heartbeat *hb)
{
    hb->generation = s->lease.generation;
    hb->epoch = s->lease.epoch;
    hb->reason = s->lease.reason;
    hb->expires_in_ms = s->terms.promise_ms;
    /* No claim, not even by force: if its writer dies now, nobody knows who could end the pause. */
    hb->paused = s->config.paused && s->lease.held;
    hb->chosen = fo_leads_by_choice(s);
    fill_voters(s, hb);
}

static void fill_release(const struct fo_state *s, struct heartbeat *hb)
{
    memset(&hb->site, 0, sizeof(hb->site));
    hb->status = HB_RELEASED;
    hb->generation = s->lease.generation;
    hb->epoch = s->lease.epoch;
    hb->next = s->release_next;
    hb->reason = s->release_reason;
    hb->expires_in_ms = 0;
    hb->paused = hb->chosen = false;
    hb->failsafe = false;
    hb->voter_count = 0;
}

static void fill_replica(const struct fo_run *r, struct heartbeat *hb)
{
    hb->generation = r->s->history.seen.generation;
    hb->epoch = r->s->history.seen.epoch;
    hb->reason = r->s->reason;
    hb->fit = fo_fit(r->s, r->now);
}

void fo_record_fill(struct fo_run *r, struct fo_attempt *a)
{
    fill_evidence(r->s, &a->record);
    if (a->kind == FO_TRY_REPLICA) {
        fill_replica(r, &a->record);
    } else if (a->kind == FO_TRY_RELEASE) {
        fill_release(r->s, &a->record);
    } else {
        memset(&a->record.next, 0, sizeof(a->record.next));
        fill_lease(r->s, &a->record);
    }
}

/* One success sets the failures to 0. (1) The next attempt is due T after this one began. */
void fo_heartbeat_counted(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_state *s = r->s;
    s->failures = 0;
    s->successes++;
    bool changed = a->terms.config_number != s->terms.config_number;
    s->heartbeat_due = changed ? r->now : a->begun + s->terms.period;
}

/* One failure sets the successes to 0; the next attempt is due at once, T after this one began. */
void fo_heartbeat_failed(struct fo_run *r, enum fo_attempt_kind kind)
{
    struct fo_state *s = r->s;
    s->successes = 0;
    s->failures++;
    s->heartbeat_due = r->now;
    if (kind == FO_TRY_HEARTBEAT)
        fo_lease_failing(r);
}

void fo_heartbeat_soon(struct fo_run *r)
{
    r->s->heartbeat_due = fo_min(r->s->heartbeat_due, r->now);
}

/* A lease that was resumed is not failing before there is a connection to fail: the deadline runs
 * on. */
static bool awaits_connection(const struct fo_state *s)
{
    return s->lease.held && s->lease.resumed && !s->connected &&
           fo_rule_on(s, FO_RULE_RESUME_CONNECTED);
}

/* "A fenced or waiting site writes only its replica_heartbeat" (3) */
void fo_heartbeat_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (r->now < s->heartbeat_due || s->role == HB_ROLE_STARTING || awaits_connection(s))
        return;
    s->lease.resumed = false;
    struct fo_attempt *a = s->lease.held ? &s->lease_try : &s->replica_try;
    if (a->kind != FO_TRY_NONE)
        return;
    /* "heartbeat: expects the revision of the leader's own last write" (3) */
    bool compare = s->lease.held && fo_rule_on(s, FO_RULE_CAS_HEARTBEAT);
    int64_t expect = compare ? (int64_t)s->lease.revision : FO_ANY_REVISION;
    fo_attempt_begin(r, a, s->lease.held ? FO_TRY_HEARTBEAT : FO_TRY_REPLICA, expect);
    fo_probe_join(r);
}

int64_t fo_heartbeat_next(const struct fo_state *s)
{
    const struct fo_attempt *a = s->lease.held ? &s->lease_try : &s->replica_try;
    bool idle = a->kind == FO_TRY_NONE && s->role != HB_ROLE_STARTING && !awaits_connection(s);
    return idle ? s->heartbeat_due : FO_NEVER;
}
