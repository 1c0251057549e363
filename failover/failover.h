/*
 * The failover core: who may lead, decided by a pure state machine.
 *
 *     fo_init(&state, &setup)
 *     for each event:  fo_step(&state, &event, now, &effects);  carry out effects in their order;
 *                      set one timer to effects.next_ns, whose ringing is the event FO_EV_TIMER
 *
 * It has no clock, does no I/O, allocates nothing and draws jitter from the seed alone, so daemon
 * and simulator link the very same object file. All times are nanoseconds of CLOCK_BOOTTIME and
 * given by the caller; `now` must be read *before* the call and never goes back. Rules are numbered
 * in failover/rules.h and argued for in docs/failover/safety.md.
 *
 * Ownership: pointers in events are borrowed for the call. Pointers in effects point into the effects
 * or the state and are valid until the next fo_step() with these. Thread: one at a time.
 *
 * Driver's duties, in the order that safety needs:
 *   1. After FO_EV_START comes a stop unless it said `workload_stopped`: nothing else is done
 * first.
 *   2. Effects of one step are carried out in the order given. FO_DO_PERSIST must be on disk before
 * an FO_DO_START_WORKLOAD that follows it is begun (in this or a later step); it delays no send.
 *   3. FO_DO_STOP_WORKLOAD overrides a start that is queued, delayed or half done: nothing of that
 * or an earlier epoch may begin after it. A start whose deadline has passed is not begun at all.
 *   4. FO_EV_WORKLOAD_STOPPED is sent only when the stop was *verified*; otherwise, at the deadline
 *      at the latest, FO_EV_STOP_FAILED. The core then asks again; there is no release before.
 *   5. A loop that was late delivers what has queued up with the present time: lateness only ever
 *      shortens a lease. Queued answers keep their order.
 *   6. Nothing is sent while disconnected, nor later than asked: a send that can't go out is
 * answered by FO_WRITE_UNKNOWN, at once.
 *
 *   7. After each step from FO_EV_START on, and before its effects, fo_guard_view() is given to the
 *      guardian if it has changed. FO_DO_START_WORKLOAD waits for the guardian's answer to it; if
 *      that is a refusal, the answer is FO_EV_WORKLOAD_FAILED. Nothing else waits. A guardian that does
 *      not answer is given the view of the step that gives it up as well: it may read it later.
 *   8. FO_EV_GUARDIAN comes before FO_EV_START. FO_EV_WORKLOAD_STOPPED may also come from the
 *      guardian's verified rung.
 *   9. After FO_EV_LEAVE the driver restarts once FO_NOTE_MAY_LEAVE has come; what it does after
 *      FO_NOTE_CANNOT_LEAVE is its own decision. FO_EV_LEAVE with 0 takes it back.
 *  10. FO_EV_SWITCHOVER is given when it is due, and is done, or refused by a note, soon after; one that
 *      was withdrawn before FO_NOTE_SWITCHOVER_BEGINS is not begun. FO_EV_FORCE is answered in its step:
 *      the site claims, or a note refuses. Who asked, and until when, is the driver's to remember.
 *
 * What the bus reports (bus/bus.h), and what it becomes:
 *   bus_put BUS_PUT_STORED / _DUPLICATE   FO_EV_WRITE with FO_WRITE_STORED / _DUPLICATE and the
 * revision BUS_PUT_CONFLICT              FO_WRITE_CONFLICT, revision = the one the server named or
 * 0 BUS_PUT_REFUSED               FO_WRITE_REFUSED with err_code (10164, 10158, ...: unknown)
 *           BUS_PUT_UNKNOWN               FO_WRITE_UNKNOWN
 *   bus_get entry                         FO_EV_READ, FO_READ_FOUND (record NULL if it can't be
 * parsed, or is a delete marker) HM_E_NOT_FOUND                FO_READ_MISSING: an outage of the
 * store, not "no primary" anything else                 FO_READ_FAILED watch   primary_heartbeat
 * FO_EV_LEASE, whoever wrote it; record NULL as above replica_heartbeat.<own site>  FO_EV_ECHO
 *           replica_heartbeat.<other>     FO_EV_PEER (only if it parses and its site_id is the
 * key's) cluster_config                FO_EV_CONFIG, only if cluster_config_parse() accepts it
 *   bus_bucket_info                       FO_EV_STORE, on failure no event
 *   bus_watch's on_ready, on_broken: no event; the core sees by its own echo whether the watch
 * works.
 */
#ifndef HM_FAILOVER_FAILOVER_H
#define HM_FAILOVER_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/state.h"
#include "proto/cluster_config.h"
#include "proto/heartbeat.h"

/* -- Events ------------------------------------------------------------------------------------ */

#define FO_EVENTS(X)                                                                               \
    X(TIMER, "timer")           /* next_ns has come, or just in case: always harmless */           \
    X(START, "start")           /* once, after fo_init() and a cached configuration */             \
    X(CONFIG, "config")         /* verified cluster_config, from the cache or the watch */         \
    X(LEASE, "lease record")    /* primary_heartbeat by the watch */                               \
    X(ECHO, "own heartbeat")    /* replica_heartbeat.<own> by the watch */                         \
    X(PEER, "peer's heartbeat") /* replica_heartbeat.<other> by the watch */                       \
    X(WRITE, "write answered")  /* one per FO_DO_SEND, in any order, however late */               \
    X(READ, "read answered")    /* one per FO_DO_READ, likewise */                                 \
    X(PROBE, "probe answered")  /* one per FO_DO_PROBE */                                          \
    X(WORKLOAD_STARTED, "workload started") /* everything of this epoch runs */                    \
    X(WORKLOAD_FAILED, "workload failed")   /* it could not be started, or died for good */        \
    X(WORKLOAD_STOPPED, "workload stopped") /* verified */                                         \
    X(STOP_FAILED, "stop failed")           /* may still run */                                    \
    X(CONNECTED, "connected")                                                                      \
    X(DISCONNECTED, "disconnected")                                                                \
    X(STEP_DOWN, "step down")    /* agent is about to end: hand over and take no lease */          \
    X(GUARDIAN, "guardian")      /* at first, and whenever what it says changes */                 \
    X(CLEAN_STOP, "clean stop")  /* what it may take has changed */                                \
    X(LEAVE, "leave")            /* agent is about to restart and to resume its lease */           \
    X(STORE, "bucket looked at") /* after FO_EV_CONNECTED, and whenever the key was missing */     \
    X(CONSENT_REQUEST, "consent asked for") /* by another site's leader, over the link of peers */ \
    X(CONSENT_ANSWER, "consent answered")   /* to an FO_DO_CONSENT_ASK, however late */            \
    X(SWITCHOVER, "switchover asked for")   /* by an operator: due now, or withdrawn */            \
    X(FORCE, "promotion forced")            /* by an operator: claim now, or never */

enum fo_event_type {
#define FO_EVENT_ENUM(id, text) FO_EV_##id,
    FO_EVENTS(FO_EVENT_ENUM)
#undef FO_EVENT_ENUM
};

enum fo_write_outcome {
    FO_WRITE_STORED,    /* acknowledged and not a duplicate */
    FO_WRITE_DUPLICATE, /* the server had this message id: the *first* send was stored */
    FO_WRITE_CONFLICT,  /* 10071: another revision is there */
    FO_WRITE_REFUSED,   /* any other err_code */
    FO_WRITE_UNKNOWN,   /* no answer: may be stored, even much later */
};

enum fo_read_outcome { FO_READ_FOUND, FO_READ_MISSING, FO_READ_FAILED };

struct fo_event {
    enum fo_event_type type;
    union {
        struct {
            bool workload_stopped; /* seen stopped just now; false: may run, will be fenced */
            bool has_probe;        /* false: no FO_DO_PROBE, always fit */
            uint64_t seen_epoch;   /* from the marks on disk; 0: none */
            uint64_t
                led_epoch; /* likewise: of the last start on this host, from when it is asked for */
            /* Likewise: of the last start on this host that no agent since has given up; 0: none. Only
             * that one is resumed: what an agent that found no guardian has stopped does not serve,
             * whatever the guardian still holds of it. */
            uint64_t open_epoch;
            /* What the guardian still holds of the agent before; NULL: nothing, or no guardian. A
             * lease in it that serves and has not expired is resumed: nothing is stopped. */
            const struct fo_guard *inherit;
            /* Likewise: the epoch that was led by an operator's choice; 0: none. */
            uint64_t chosen_epoch;
            struct fo_unread unread; /* likewise */
            struct hb_era seen;      /* likewise: the highest that was in the lease key */
            uint64_t identity;       /* likewise: of the bucket that it was in */
        } start;
        struct {
            const struct cluster_config *config;
            uint64_t revision;
        } config;
        struct {
            const struct heartbeat *record; /* NULL: it can't be parsed */
            uint64_t revision;
            int64_t stamp_ns; /* JetStream's: evidence, never compared with an own clock */
        } entry;              /* LEASE, ECHO, PEER */
        struct {
            enum fo_key key;
            uint64_t counter; /* as in the effect */
            unsigned send;    /* as in the effect */
            enum fo_write_outcome outcome;
            uint64_t revision;
            int err_code;
        } write;
        struct {
            uint32_t request; /* as in the effect */
            enum fo_read_outcome outcome;
            const struct heartbeat *record; /* FOUND; NULL: it can't be parsed */
            uint64_t revision;
            int64_t stamp_ns;
        } read;
        struct {
            bool ok;
            int64_t latency_us;
            int64_t lag; /* bytes behind the leader; -1: not known (counts as none) */
        } probe;
        struct {
            uint64_t epoch; /* as in the effect */
        } workload;
        struct {
            /* False: it has ended, or can't be reached. "its death ends the epoch, however soon a
             * new one is up": say so even if the next one is there already. */
            bool up;
            uint64_t fired_epoch; /* highest epoch that it has ended; 0: none */
            /* What it holds from an agent before this one, if that is heard of only after FO_EV_START;
             * NULL: nothing. What still runs of it is fenced by what was promised for it, and the view
             * then ends it, so that no later agent resumes it. */
            const struct fo_guard *armed;
        } guardian;
        struct {
            /* The longest grace of anything placed here, with its hooks. A handover then first gets a
             * promise that covers it; 0, or less than fence_timeout: it is stopped within that. */
            int64_t limit_ms;
        } clean_stop;
        struct {
            int64_t promise_ms; /* how long it wants to be away, with the fence; 0: it stays */
        } leave;
        struct {
            bool exists;            /* false: everything else is 0 */
            uint64_t identity;      /* when it was created; a bucket made anew has another */
            uint64_t last_revision; /* of any key in it */
            uint64_t at_least;      /* the highest that was known here when it was asked */
        } store;
        struct {
            struct hb_site from; /* proven by its certificate */
            uint64_t nonce;
            struct hb_era era;
            int64_t promise_ms;
        } request;
        struct {
            struct hb_site from; /* likewise */
            uint64_t nonce;      /* of the request */
            struct hb_era era;   /* likewise */
            bool granted;
            struct hb_era lease; /* that site's lease or the last that it knows; 0: none */
        } answer;
        struct {
            struct hb_site to; /* unset: withdrawn; of no use any more once it has begun */
        } switchover;
        struct {
            bool leader_is_off; /* an operator has seen to it, and gives their word */
        } force;
    };
};

/* Why a switchover, or a forced promotion, is not done. */
#define FO_REFUSALS(X)                                                                             \
    X(NONE, "it can be done")                                                                      \
    X(NOT_LEADER, "this site does not lead")                                                       \
    X(LEADS, "it leads already")                                                                   \
    X(NO_MEMBER, "it is no site of the group")                                                     \
    X(PAUSED, "the group is paused")                                                               \
    X(LEAVING, "the agent is about to end")                                                        \
    X(UNDER_WAY, "another switchover is under way")                                                \
    X(NOT_ACKNOWLEDGED, "heartbeats of this site are not acknowledged")                            \
    X(NOFAILOVER, "nofailover bars it")                                                            \
    X(NOT_HEARD, "it was not heard within two heartbeat intervals")                                \
    X(NOT_FIT, "it is not fit")                                                                    \
    X(NOT_READY, "it has not been heard success_threshold times in a row")                         \
    X(NOT_WAITING, "this site is not a replica that is stopped and connected")                     \
    X(NO_GUARDIAN, "this site has no guardian")                                                    \
    X(UNKNOWN_LEASE, "primary_heartbeat has not been read yet, or can't be read")                  \
    X(HOLDS, "the store has lost what it had acknowledged: that is for failover repair")           \
    X(PROBE, "the probe of this site does not pass")                                               \
    X(HEARD, "the leader was heard within its promise")                                            \
    X(FOR_ANOTHER, "the role was just released to another site, which has the first word")         \
    X(CONSENTED, "this site has consented to a leader that goes on without the store")             \
    X(NOT_CERTAIN,                                                                                 \
      "whoever leads may serve on unheard (by a pause, or by the consent of other sites): only "   \
      "people can know that it is off")

enum fo_refusal {
#define FO_REFUSAL_ENUM(id, text) FO_REFUSED_##id,
    FO_REFUSALS(FO_REFUSAL_ENUM)
#undef FO_REFUSAL_ENUM
};

/* -- Effects ----------------------------------------------------------------------------------- */

#define FO_EFFECTS(X)                                                                              \
    X(SEND, "send")            /* write a heartbeat */                                             \
    X(READ, "read")            /* read primary_heartbeat from the stream's leader */               \
    X(START_WORKLOAD, "start") /* the documents of `primary`, then the promote hook */             \
    X(STOP_WORKLOAD, "stop")   /* the reverse; verify */                                           \
    X(PROBE, "probe") /* answer with FO_EV_PROBE; the core counts a silent one as failed */        \
    X(RESTART_WATCH, "restart watch") /* bus_watch_restart() */                                    \
    X(INCIDENT, "incident")           /* write incident.<epoch> */                                 \
    X(AUDIT, "audit")                 /* write cluster_state */                                    \
    X(CONSENT_ASK,                                                                                 \
      "ask for consent")        /* send to that site now or never; lost ones are not missed */     \
    X(CONSENT_ANSWER, "answer") /* to an FO_EV_CONSENT_REQUEST, likewise */                        \
    X(PERSIST, "persist")       /* marks to disk, fsynced */                                       \
    X(NOTE, "note")             /* for log, status and metrics */

enum fo_effect_type {
#define FO_EFFECT_ENUM(id, text) FO_DO_##id,
    FO_EFFECTS(FO_EFFECT_ENUM)
#undef FO_EFFECT_ENUM
};

#define FO_NOTES(X)                                                                                 \
    X(ROLE, "role changed")                   /* from, role, reason, epoch */                       \
    X(CONFIG, "configuration in force")       /* value: its revision */                             \
    X(SILENCE_RESTARTED, "silence restarted") /* after a gap; value: ms of gap */                   \
    X(WATCH_DEAD,                                                                                   \
      "own heartbeats do not come back through the watch") /* value: ms; restart follows */         \
    X(ALARM_NO_READY, "probes fail and no ready replica is heard: restarting here") /* alarm */     \
    X(ALARM_FENCE, "workload could not be verified stopped") /* alarm; value: tries */              \
    X(ALARM_UNREADABLE,                                                                             \
      "primary_heartbeat can't be parsed: unknown holder") /* alarm; value: revision */             \
    X(ALARM_TWIN,                                                                                   \
      "another agent heartbeats under this site_id: stop one") /* alarm; value: its counter */      \
    X(ALARM_EPOCH, "an epoch far above all others is not believed") /* alarm; value: the epoch */   \
    X(ALARM_EPOCHS_SPENT, "no epoch is left to lead in") /* alarm; value: the highest seen */       \
    X(ALARM_LOWER,                                                                                  \
      "primary_heartbeat is older than what was seen of it before: the store has lost writes; "     \
      "this site holds, look at it with harmonyctl failover repair") /* alarm; value: epoch seen */ \
    X(ALARM_MISSING,                                                                                \
      "primary_heartbeat is gone: the store has lost it; this site holds, look at it with "         \
      "harmonyctl failover repair") /* alarm; value: epoch seen */                                  \
    X(ALARM_OTHER_BUCKET,                                                                           \
      "the bucket was made anew: the numbers of the old one mean nothing in it") /* alarm */        \
    X(ALARM_BACKWARDS,                                                                              \
      "the store has lost writes that it had acknowledged") /* alarm; value: how many */            \
    X(HOLD_ENDED, "primary_heartbeat is as new as what was seen of it again") /* value: epoch */    \
    X(PAUSED, "pause acknowledged: self-fencing is off")                                            \
    X(RESUMED, "pause ended: self-fencing is on")                                                   \
    X(BACK_OFF, "backs off before it leads again") /* value: ms */                                  \
    X(MAY_LEAVE, "agent may restart") /* value: ms until its lease expires; -1: never */            \
    X(CANNOT_LEAVE, "no longer promise was acknowledged") /* the lease goes on as it was */         \
    X(CONSENT, "heartbeats fail: goes on by the consent of all voters") /* value: failures */       \
    X(SWITCHOVER_BEGINS, "switchover begins: stops the workload")                                   \
    X(SWITCHOVER_REFUSED, "switchover is not done")  /* value: enum fo_refusal */                   \
    X(FORCE_REFUSED, "forced promotion is not done") /* value: likewise */

enum fo_note {
#define FO_NOTE_ENUM(id, text) FO_NOTE_##id,
    FO_NOTES(FO_NOTE_ENUM)
#undef FO_NOTE_ENUM
};

struct fo_effect {
    enum fo_effect_type type;
    union {
        struct {
            enum fo_key key;
            /* Render it after setting timestamp_ms. Every send of one counter renders the same
             * record. Message id: "<site>.<nonce in hex>.<epoch>.<counter>". */
            const struct heartbeat *record;
            int64_t expect_revision; /* or FO_ANY_REVISION */
            uint64_t counter;        /* names the attempt */
            unsigned send;           /* 1, 2, ... within the attempt */
            int64_t timeout_ns; /* answer FO_WRITE_UNKNOWN after this; late answers are welcome */
        } send;
        struct {
            uint32_t request;
            int64_t timeout_ns;
        } read;
        struct {
            uint64_t epoch;
            int64_t deadline_ns; /* START: not begun after it. STOP: killed by then. A second STOP
                                  * moves the deadline of the one under way, only ever earlier */
            enum hb_reason reason;
        } workload; /* START_WORKLOAD, STOP_WORKLOAD (epoch 0: whatever may run from before) */
        struct {
            struct hb_site to;
            uint64_t nonce;
            struct hb_era era;
            int64_t promise_ms;  /* ASK: how long the voter is not to promote */
            bool granted;        /* ANSWER */
            struct hb_era lease; /* ANSWER: held here, or as known here */
        } consent;               /* CONSENT_ASK, CONSENT_ANSWER */
        struct {
            const struct fo_incident *incident;
        } incident;
        struct {
            uint64_t epoch;
            enum hb_reason reason;
        } audit; /* current_primary is this site; `since` is the driver's wall clock */
        struct {
            uint64_t seen_epoch;
            struct hb_era seen;    /* the highest that was in the lease key */
            bool paused;           /* a pause is acknowledged */
            uint64_t chosen_epoch; /* led by an operator's choice; 0: none */
            struct fo_unread unread;
        } persist;
        struct {
            enum fo_note note;
            enum hb_role from, role;
            enum hb_reason reason;
            uint64_t epoch;
            int64_t value;
        } note;
    };
};

enum { FO_EFFECTS_MAX = 32, FO_SENDS_MAX = 4 };

struct fo_effects {
    unsigned count;
    int64_t next_ns; /* when FO_EV_TIMER is due at the latest; INT64_MAX: never */
    struct fo_effect items[FO_EFFECTS_MAX];
    unsigned sends;
    struct heartbeat records[FO_SENDS_MAX]; /* what the sends point to */
};

const char *fo_event_name(enum fo_event_type type);
const char *fo_effect_name(enum fo_effect_type type);
const char *fo_note_text(enum fo_note note);

/* -- The core ---------------------------------------------------------------------------------- */

struct fo_setup {
    struct hb_site site;
    uint64_t nonce; /* of this run; never used before by this site (random) */
    uint64_t seed;  /* of the jitter */
    fo_rules rules; /* FO_RULES_ALL; the simulator switches some off (failover/rules.h) */
};

/* Everything zero but what `setup` says. `now` as in fo_step(). */
void fo_init(struct fo_state *state, const struct fo_setup *setup, int64_t now_ns);

/* One event. `effects` is overwritten. */
void fo_step(struct fo_state *state, const struct fo_event *event, int64_t now_ns,
             struct fo_effects *effects);

/* -- The guardian ------------------------------------------------------------------------------ */

/* As in guardian/protocol.h, which says what each one means. */
enum fo_guard_phase { FO_GUARD_NONE, FO_GUARD_ARMED, FO_GUARD_SERVING, FO_GUARD_FENCING };

/* The lease as the guardian is to hold it, and as a successor of this agent inherits it. */
struct fo_guard {
    enum fo_guard_phase phase;
    uint64_t generation;
    uint64_t epoch;         /* NONE: the last one that was armed; 0: none */
    uint64_t nonce;         /* this and the counters: of ARMED and SERVING only */
    uint64_t first_counter; /* of this epoch */
    uint64_t counter;       /* no attempt above this one is sent before it is told */
    uint64_t revision;      /* of the own last write that is known to be stored */
    int64_t begun;          /* first send of the last attempt that is known to be stored */
    int64_t deadline;       /* fire at this instant; FO_NEVER: paused, or nothing is held */
    int64_t fence_limit;    /* what killing and verifying may take from there */
    bool paused;
};

/* What the guardian is to hold now. Pure. Of use from FO_EV_START on: before it the guardian keeps
 * what it has. Every byte of *ret is set, so that two views can be compared with memcmp(). */
void fo_guard_view(const struct fo_state *state, struct fo_guard *ret);

/* -- For status, hooks and load balancers; nothing here changes anything ------------------------
 */

/* Holder of the lease as last seen, NULL: none or unknown. Points into the state. */
const struct hb_site *fo_leader(const struct fo_state *state);
/* The epoch that hooks are told: the own one while the lease is held, else the one last seen. */
uint64_t fo_epoch(const struct fo_state *state);
/* Could lead if it were asked to: probe good, lag within bounds, no back-off, in the group. */
bool fo_fit(const struct fo_state *state, int64_t now_ns);
/* Fit and heard success_threshold times in a row, lately. */
bool fo_peer_ready(const struct fo_state *state, const struct fo_peer *peer, int64_t now_ns);
/* When this replica would promote if nothing more is heard; INT64_MAX: it would not. */
int64_t fo_promotes_at(const struct fo_state *state, int64_t now_ns);
/* Why nothing is claimed here until the store, or an operator, has put it right. */
enum fo_hold { FO_HOLD_NONE, FO_HOLD_MISSING, FO_HOLD_LOWER };
enum fo_hold fo_holds(const struct fo_state *state);
/* Would fence by now, and goes on by the consent of its voters. */
bool fo_goes_on_by_consent(const struct fo_state *state, int64_t now_ns);
/* An operator chose this site to lead the epoch that it holds: it yields to nobody. */
bool fo_leads_by_choice(const struct fo_state *state);
/* What would be said to FO_EV_SWITCHOVER, and to FO_EV_FORCE, now. */
enum fo_refusal fo_switchover_refusal(const struct fo_state *state, const struct hb_site *to,
                                      int64_t now_ns);
enum fo_refusal fo_force_refusal(const struct fo_state *state, bool leader_is_off, int64_t now_ns);
const char *fo_refusal_text(enum fo_refusal refusal);
/* After FO_EV_STEP_DOWN: nothing runs here, and the release has been answered or given up. */
bool fo_has_stepped_down(const struct fo_state *state);

#endif
