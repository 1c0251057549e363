/*
 * Inside the core: what its files offer each other. One file is one concept; fo_step() in core.c
 * lets them run in a fixed order. Every function works on one `struct fo_run`, a step under way.
 */
#ifndef HM_FAILOVER_CORE_H
#define HM_FAILOVER_CORE_H

#include "failover/failover.h"
#include "failover/rules.h"

struct fo_run {
    struct fo_state *s;
    int64_t now;
    struct fo_effects *out;
};

enum { FO_LATENESS_MS = CLUSTER_GUARDIAN_MS };
#define FO_MS       1000000LL
#define FO_LATENESS (FO_LATENESS_MS * FO_MS)
/* No group changes its leader so often while a site is away: such an epoch was made up. */
#define FO_EPOCH_JUMP_MAX ((uint64_t)1 << 20)

static inline int64_t fo_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t fo_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* effects.c: one emitter for each effect; a full list is a bug and drops the effect. */
void fo_emit_send(struct fo_run *r, enum fo_key key, struct fo_attempt *a);
void fo_emit_read(struct fo_run *r);
void fo_emit_start(struct fo_run *r);
void fo_emit_stop(struct fo_run *r);
void fo_emit_plain(struct fo_run *r, enum fo_effect_type type);
void fo_emit_persist(struct fo_run *r);
void fo_emit_consent_ask(struct fo_run *r, const struct hb_site *to, uint64_t nonce,
                         int64_t promise_ms);
void fo_emit_consent_answer(struct fo_run *r, const struct fo_event *request, bool granted,
                            struct hb_era lease);
void fo_emit_takeover(struct fo_run *r); /* incident and audit */
void fo_emit_note(struct fo_run *r, enum fo_note note, int64_t value);
void fo_emit_role(struct fo_run *r, enum hb_role from);

/* core.c: the one function that changes the role. */
void fo_role_set(struct fo_run *r, enum hb_role role, enum hb_reason reason);

/* timing.c */
void fo_terms_take(struct fo_state *s, const struct cluster_config *config);
void fo_silence_take(struct fo_state *s); /* whenever the lease as known, or the terms, change */

/* attempt.c: sends, resends and time limits, the same for both keys. */
void fo_attempt_begin(struct fo_run *r, struct fo_attempt *a, enum fo_attempt_kind kind,
                      int64_t expect);
void fo_attempt_advance(struct fo_run *r, struct fo_attempt *a);
void fo_attempt_adopt(struct fo_run *r, struct fo_attempt *a, uint64_t revision);
int64_t fo_attempt_next(const struct fo_attempt *a);
void fo_attempt_resend_now(struct fo_run *r, struct fo_attempt *a);
void fo_attempt_stored(struct fo_run *r, struct fo_attempt *a, uint64_t revision, bool fresh);
void fo_write_answered(struct fo_run *r, const struct fo_event *event);
static inline enum fo_key fo_attempt_key(const struct fo_attempt *a)
{
    return a->kind == FO_TRY_REPLICA ? FO_KEY_REPLICA : FO_KEY_LEASE;
}

/* heartbeat.c: what a heartbeat says, and when it is due. */
void fo_record_fill(struct fo_run *r, struct fo_attempt *a);
void fo_heartbeat_advance(struct fo_run *r);
void fo_heartbeat_soon(struct fo_run *r);
void fo_heartbeat_counted(struct fo_run *r, const struct fo_attempt *a);
void fo_heartbeat_failed(struct fo_run *r, enum fo_attempt_kind kind);
int64_t fo_heartbeat_next(const struct fo_state *s);

/* lease.c: the lease while it is held. */
void fo_lease_watch_deadline(struct fo_run *r);
void fo_lease_sending(struct fo_run *r, const struct fo_attempt *a);
void fo_lease_stored(struct fo_run *r, const struct fo_attempt *a, uint64_t revision, bool fresh);
void fo_lease_failing(struct fo_run *r);
int64_t fo_lease_next(const struct fo_state *s);
void fo_lease_key_read(struct fo_run *r, const struct heartbeat *record, uint64_t revision);
void fo_lease_seen(struct fo_run *r, const struct heartbeat *record);
void fo_lease_end(struct fo_run *r, enum hb_reason reason);
void fo_lease_catch_up(struct fo_run *r);
bool fo_lease_is_paused(const struct fo_state *s);
void fo_lease_own_seen(struct fo_run *r, const struct heartbeat *record, uint64_t revision);
bool fo_lease_is_overtaken(const struct fo_state *s);
bool fo_lease_is_mine(const struct fo_state *s, const struct heartbeat *record);

/* consent.c: failsafe by consent, as leader and as voter. */
void fo_consent_sending(struct fo_run *r, const struct fo_attempt *a);
void fo_consent_stored(struct fo_run *r, const struct fo_attempt *a);
void fo_consent_reset(struct fo_run *r);
void fo_consent_advance(struct fo_run *r);
int64_t fo_consent_next(const struct fo_state *s);
bool fo_consent_holds(const struct fo_state *s, int64_t now);
void fo_consent_answered(struct fo_run *r, const struct fo_event *event);
void fo_consent_requested(struct fo_run *r, const struct fo_event *event);
void fo_consent_claiming(struct fo_run *r);
int64_t fo_consent_bound_until(const struct fo_state *s);
bool fo_consent_lets_promote(const struct fo_state *s);

/* claim.c */
void fo_claim_advance(struct fo_run *r);
void fo_claim_over(struct fo_run *r, enum hb_reason reason);
int64_t fo_claim_next(const struct fo_state *s, int64_t now);
bool fo_hurry_is_due(const struct fo_state *s, int64_t now);
int64_t fo_claim_at(const struct fo_state *s, int64_t now, enum hb_reason *ret_reason);
void fo_claim(struct fo_run *r, enum hb_reason reason);
/* When the lease as it is known lets anybody but its holder in, as far as time alone is concerned. */
int64_t fo_silence_ends(const struct fo_state *s, int64_t now);
int64_t fo_release_taken_at(const struct fo_state *s, int64_t now, enum hb_reason *ret_reason);
int64_t fo_own_free_at(const struct fo_state *s);

/* guard.c: the guardian. */
void fo_guard_arm(struct fo_run *r);
void fo_guard_acknowledged(struct fo_run *r);
void fo_guard_fencing(struct fo_run *r, int64_t limit);
void fo_guard_disarm(struct fo_run *r);
void fo_guardian_said(struct fo_run *r, const struct fo_event *event);
bool fo_guard_inherit(struct fo_run *r, const struct fo_guard *inherit, bool workload_stopped);
int64_t fo_guard_inherited_limit(const struct fo_run *r, const struct fo_guard *inherit);

/* leave.c: a planned restart. */
void fo_leave_asked(struct fo_run *r, const struct fo_event *event);
void fo_leave_stored(struct fo_run *r, const struct fo_attempt *a);
void fo_leave_advance(struct fo_run *r);
int64_t fo_leave_next(const struct fo_state *s);
static inline bool fo_is_leaving(const struct fo_state *s)
{
    return s->leave.promise_ms != 0 && s->leave.handover == HB_REASON_NONE;
}
bool fo_handover_waits(struct fo_run *r, enum hb_reason reason);
void fo_handover_over(struct fo_run *r);

/* operator.c: what operators ask for. */
void fo_switchover_asked(struct fo_run *r, const struct fo_event *event);
void fo_switchover_advance(struct fo_run *r);
bool fo_switchover_names(struct fo_run *r);
void fo_switchover_decided(struct fo_run *r, bool gives_away);
void fo_force_asked(struct fo_run *r, const struct fo_event *event);
bool fo_is_choice(const struct fo_state *s, enum hb_reason reason);
static inline bool fo_switchover_is_asked(const struct fo_state *s)
{
    return hb_site_is_set(&s->switchover.to);
}

/* workload.c: start, stop, verify. */
void fo_workload_promote(struct fo_run *r);
void fo_workload_at_start(struct fo_run *r, bool verified_stopped, const struct fo_guard *inherit);
void fo_workload_stop(struct fo_run *r, uint64_t epoch, int64_t limit);
void fo_workload_event(struct fo_run *r, const struct fo_event *event);
void fo_workload_hurry(struct fo_run *r);
void fo_workload_advance(struct fo_run *r);
int64_t fo_workload_next(const struct fo_state *s);

/* handshake.c: release and yield. */
void fo_release_or_wait(struct fo_run *r);
void fo_release_over(struct fo_run *r);
void fo_yield_advance(struct fo_run *r);
int64_t fo_yield_at(const struct fo_state *s, int64_t now);
void fo_yield_note_leader(struct fo_run *r, const struct heartbeat *record);
void fo_yield_taken_over(struct fo_run *r);

/* known.c: the lease key as learnt; silence; reads. */
void fo_known_learn(struct fo_run *r, const struct heartbeat *record, uint64_t revision,
                    int64_t stamp, bool by_watch);
void fo_unread_note(struct fo_run *r);
void fo_known_number(struct fo_run *r, uint64_t revision);
void fo_known_own(struct fo_run *r);
void fo_epoch_seen(struct fo_run *r, uint64_t epoch);
const struct heartbeat *fo_believed(struct fo_run *r, const struct heartbeat *record);
void fo_read_now(struct fo_run *r);
bool fo_read_is_under_way(const struct fo_state *s, int64_t since);
void fo_read_advance(struct fo_run *r);
void fo_read_answered(struct fo_run *r, const struct fo_event *event);
int64_t fo_read_next(const struct fo_state *s);

/* history.c: when the store goes backwards or disappears. */
int fo_era_compare(const struct fo_state *s, struct hb_era a, struct hb_era b);
void fo_history_seen(struct fo_run *r, struct hb_era era);
void fo_history_missing(struct fo_run *r);
void fo_history_acked(struct fo_run *r, const struct fo_attempt *a);
void fo_history_read(struct fo_run *r, uint32_t request, const struct heartbeat *record);
void fo_history_store(struct fo_run *r, const struct fo_event *event);
void fo_history_advance(struct fo_run *r);
int64_t fo_history_next(const struct fo_state *s);
bool fo_history_is_due(const struct fo_state *s);
bool fo_history_adopt(struct fo_run *r, struct fo_attempt *a, uint64_t revision);

/* watch.c: the watch, checked end to end. */
void fo_echo_seen(struct fo_run *r, uint64_t counter, int64_t stamp);
void fo_echo_owed(struct fo_run *r, uint64_t counter);
void fo_watch_advance(struct fo_run *r);
int64_t fo_watch_next(const struct fo_state *s);

/* twin.c: another agent with this site's id. */
bool fo_is_own_beat(struct fo_run *r, const struct heartbeat *record);

/* peers.c */
void fo_peers_take_config(struct fo_state *s);
void fo_peer_heard(struct fo_run *r, const struct heartbeat *record);
bool fo_peer_is_ready(const struct fo_state *s, const struct fo_peer *peer, int64_t now);
bool fo_peer_is_heard(const struct fo_state *s, const struct fo_peer *peer, int64_t now);
const struct fo_peer *fo_peer_first_ready(const struct fo_state *s, int64_t now);
const struct fo_peer *fo_peer_find(const struct fo_state *s, const struct hb_site *site);

/* probe.c */
bool fo_fit_to_lead(const struct fo_state *s);
void fo_probe_advance(struct fo_run *r);
void fo_probe_join(struct fo_run *r);
void fo_probe_answered(struct fo_run *r, const struct fo_event *event);
int64_t fo_probe_next(const struct fo_state *s);
void fo_back_off_begin(struct fo_run *r);
bool fo_back_off_holds(const struct fo_state *s, int64_t now);

/* incident.c */
void fo_seen_push(struct fo_run *r, const struct heartbeat *record, uint64_t revision,
                  int64_t stamp);
void fo_incident_prepare(struct fo_run *r, enum hb_reason reason);

#endif
