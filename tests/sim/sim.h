/*
 * The simulator: sites, a model of NATS, and faults, in one discrete-event world.
 *
 * A schedule is a 64-bit seed: everything in it, the group's configuration, clocks, links and faults, is
 * drawn from that seed, so it can be run again with a trace. The core is the very object file that the
 * daemon links. Invariants (docs/failover section 2) are checked after every step. Nothing is allocated
 * while it runs. Times are ns of real time, which only the simulator knows; each site has a clock of its
 * own that drifts from it.
 */
#ifndef HM_SIM_H
#define HM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/failover.h"
#include "failover/rules.h"
#include "faults.h"

#define SIM_MS          1000000LL
#define SIM_S           (1000 * SIM_MS)
#define FO_LATENESS_MAX (CLUSTER_GUARDIAN_MS * SIM_MS)

enum {
    SIM_SITES_MAX = 3,
    SIM_ITEMS = 2048, /* records on their way or stored */
    SIM_QUEUE = 4096,
    SIM_CONFIGS = 48,
    SIM_DEDUP = 4096,
    SIM_EPOCHS = 8192,
    SIM_HISTORY = 192, /* stored records that can be lost again */
    OPERATOR_WITHDRAWS = 1000,
};

/* Invariants, by their numbers in docs/failover section 2. */
#define SIM_INVARIANTS(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(I1, "two sites serve at once")                                                               \
    X(I2, "an epoch went back or has two holders")                                                 \
    X(I3, "a record's writer had not seen its predecessor")                                        \
    X(I4, "nobody serves in time after the faults stopped")                                        \
    X(I5, "a short fault caused fencing or failover")                                              \
    X(I6, "the preferred primary did not get the role back in time")                               \
    X(I7, "the agent's restart stopped the workload or moved the role")                            \
    X(I8, "started without an acknowledged write since the last stop")                             \
    X(I9, "claimed under a pause")                                                                 \
    X(I10, "a move without a cause on record, or with a wrong one")                                \
    X(I11, "released while its sender still serves")                                               \
    X(I12, "nobody serves and no operator is asked to help, or one is asked without a cause")      \
    X(I13, "the role changed too fast, or was yielded to a site not heard or not ready")           \
    X(I14, "a healthy primary with failsafe fenced although all voters could consent")             \
    X(BROKEN, "the simulator itself: a queue is full, or there is no end")

enum sim_invariant {
#define SIM_INVARIANT_ENUM(id, text) SIM_##id,
    SIM_INVARIANTS(SIM_INVARIANT_ENUM)
#undef SIM_INVARIANT_ENUM
        SIM_INVARIANT_COUNT,
};

struct rng {
    uint64_t x;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->x += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
/* 0 ... n-1 */
static inline int64_t rng_below(struct rng *r, int64_t n)
{
    return n <= 0 ? 0 : (int64_t)(((unsigned __int128)rng_next(r) * (uint64_t)n) >> 64);
}
static inline int64_t rng_range(struct rng *r, int64_t from, int64_t to)
{
    return from + rng_below(r, to - from + 1);
}
static inline bool rng_chance(struct rng *r, unsigned per_mille)
{
    return per_mille != 0 && rng_below(r, 1000) < per_mille;
}

/* A record on its way, and, once stored, what the key holds. */
struct item {
    struct heartbeat hb;
    struct hb_era asked; /* of a message between sites: the leader's */
    uint32_t refs;
    uint8_t key, site;
    bool by_operator;
    uint16_t run;
    uint32_t life, bucket; /* of the store, when it was sent */
    unsigned send;
    int64_t expect;
    bool unread;            /* the writer could not read the record that it claims over */
    uint64_t seen_revision; /* highest lease revision that the writer knew when it sent this */
    uint64_t serial, seen_serial; /* the same by a count that is never used again */
    uint64_t revision;
    int64_t stamp, sent_at, stored_at;
};

enum sim_kind {
    K_STORE_WRITE, /* a write reaches the store */
    K_STORE_READ,
    K_FAULT_BEGIN,
    K_FAULT_END,
    K_BOOT,
    K_OPERATOR,       /* looks at what the sites say */
    K_WORKLOAD_STOPS, /* nothing serves any more, whoever knows */
    K_AGENT_LEAVES,   /* a planned restart */
    K_AGENT_DIES,
    K_GUARDIAN_DIES,
    K_EXCUSE_ENDS,
    K_GUARDIAN_BOOT,
    K_GUARDIAN_WAKES,
    K_GUARDIAN_KILLED, /* the guardian's kill rung has ended */
    K_POWER_CUT,
    K_ASKED_AGAIN,
    K_OPERATOR_FORCES,
    K_FIRST_FOR_AGENT,
    K_WRITE_ANSWER = K_FIRST_FOR_AGENT, /* from here on: events for a site's agent */
    K_READ_ANSWER,
    K_WATCH,
    K_CONFIG,
    K_PROBE,
    K_LAUNCH, /* a start that was held up */
    K_CONSENT_ASKED,
    K_CONSENT_ANSWERED,
    K_STARTED,
    K_START_FAILED,
    K_STOPPED,
    K_STOP_FAILED,
    K_CONNECTED,
    K_DISCONNECTED,
    K_GUARDIAN, /* it is up, is gone, or has fired */
    K_GUARDIAN_VERIFIED,
    K_SWITCHOVER,
    K_FORCE,
};

struct entry {
    int64_t t;
    uint8_t kind, site;
    uint16_t run;  /* of the agent that it is for */
    uint32_t item; /* index of an item, or an argument */
    uint32_t x;
    uint64_t y;
};

struct queue {
    unsigned count;
    unsigned free_count, fresh; /* entries given back; those from `fresh` on were never used */
    uint16_t free_entries[SIM_QUEUE];
    struct queue_place {
        int64_t t;
        uint64_t entry;
    } order[SIM_QUEUE]; /* the next one last; at the front one that is never due */
    struct entry entries[SIM_QUEUE];
};

/* When the next entry is due; INT64_MAX: there is none. */
static inline int64_t queue_next(const struct queue *q)
{
    return q->order[q->count - 1].t;
}

struct link {
    int64_t latency; /* one way, without faults */
    int64_t jitter;
    unsigned loss; /* per mille, of the background */
    /* by faults: how many that are under way say so, or how much */
    int cut_up, cut_down, duplicates, late_writes, late_reads, stale_node;
    int64_t stale_until; /* when the last fault of that kind began or ended */
    unsigned fault_loss;
    int64_t slow, flap, flap_low; /* added; the last two by turns */
    int64_t watch_slow;
};

/* The process beside the agent. It knows no rules: it holds what fo_guard_view() says. */
struct guardian {
    bool up, gone;
    uint16_t run, agent; /* of itself; of the agent that it talks to */
    struct fo_guard held;
    struct hb_era fired;
    int64_t busy_until, died_at, kills_by;
    bool asked; /* a view lies in its socket, unread */
};

/* From one site to another, without the store. */
struct peer_link {
    int64_t latency, jitter; /* one way */
    int64_t slow;            /* added, by faults */
    unsigned loss;           /* per mille, by faults */
    int cut, late;           /* faults under way */
};

struct site {
    struct fo_state core;
    struct guardian guardian;
    bool told_guardian;   /* the agent was told last that it is up */
    struct fo_guard view; /* as last given to the guardian */
    int64_t timer_shows;  /* when its timer is due: by its clock, less its offset ... */
    int64_t timer_at;     /* ... and in real time */
    int64_t busy_until;   /* its loop runs no sooner (stalled, frozen) */
    int64_t late_until;   /* nor does it, being late at the deadline */
    bool up, gone;        /* gone: for good, also after the faults have stopped */
    bool off;             /* the host is */
    uint16_t run;
    int64_t booted;
    /* clock */
    int64_t offset, gain, loss; /* site_set_drift() */
    struct link link;
    bool connected, told_disconnected;
    bool watch_dead;
    uint32_t watch_epoch;           /* deliveries of an older watch are void */
    int64_t watch_last, reads_last; /* when the last that is on its way arrives */
    int64_t hears_at;               /* until then what came while its loop stood waits */
    int unreadable;                 /* can't parse lease records */
    unsigned config;                /* index of the one delivered last */
    uint64_t marks_epoch, marks_led, marks_open, marks_chosen;
    struct fo_unread marks_unread;
    struct hb_era marks_seen;
    uint32_t marks_bucket;
    uint64_t marks_revision; /* identity; the highest revision of it, of any key */
    uint64_t seen_revision, seen_serial;
    uint32_t store_life; /* of the store that it is connected to */
    /* workload */
    bool serving; /* from the start being asked for to the end of the stop */
    bool frozen;  /* host: what serves does not, for now */
    bool excused; /* thawed after its deadline: excepted from I1 until its kill rung ends (docs) */
    bool guest;   /* frozen by its hypervisor: its clock does not see it */
    int64_t frozen_at, thaws_at;
    uint32_t frozen_serial;
    bool up_and_well; /* started and well: counts for liveness */
    bool dead;        /* has died by itself since it was started */
    bool has_probe;
    uint64_t serving_epoch;
    uint32_t workload_serial; /* a start or stop voids what is on its way for the one before */
    uint32_t launch_serial;   /* a stop voids a start that is held up */
    int64_t leaves_for;       /* length of the planned restart that is asked for */
    int64_t connects_in;      /* -1: as it happens */
    int64_t stop_ends;
    int probe_fails, probe_hangs, promote_fails, promote_hangs, stop_fails;
    /* for checks */
    uint64_t
        acked_epoch;   /* of the last non-duplicate acknowledgement delivered since the last stop */
    bool forced;       /* by an operator, in this run */
    int64_t ended_at;  /* when it last left the role */
    int64_t fit_since; /* probed well since */
    int64_t peer_heard[SIM_SITES_MAX];
    struct {
        uint16_t run;
        uint64_t counter;
        int64_t unfit; /* last heard to be unfit */
    } preferred;       /* what this site knows of it */
};

struct store {
    uint64_t seq, serial;
    uint32_t life;   /* grows when it is restarted and has lost something */
    uint32_t bucket; /* identity, from 1 */
    bool gone;       /* there is no bucket */
    int outage, refuse;
    int64_t clock_offset;
    uint32_t lease;                  /* item; 0: none */
    uint32_t replica[SIM_SITES_MAX]; /* items */
    uint32_t stale_lease;            /* what a node without quorum still shows */
    bool single; /* one server: a resend is answered 10071 instead of "duplicate" */
    struct dedup {
        unsigned count;
        uint16_t used[SIM_DEDUP / 2]; /* slots, in the order in which they were taken */
        struct {
            uint64_t id, revision;
        } slots[SIM_DEDUP];
    } dedup[2]; /* now, and before */
};

struct timed_fault {
    enum fault_type type;
    int64_t begin, length;
    int site; /* -1: chosen when it begins */
    int64_t amount;
    bool active, dropped, at_leader;
    bool armed; /* begins, and ends, later than it was drawn */
};

enum { FAULTS_MAX = 48 }; /* at most 64: a bit each when a schedule is shrunk */

/* What was stored, to be lost again; and what came of it. (rollback.c) */
struct history {
    unsigned first, count;
    struct stored {
        uint32_t item, before;
    } ring[SIM_HISTORY];
};

struct loss {
    struct history history;
    bool
        voided; /* what was lost said more than everybody knows: I1 to I3 are not judged any more */
    bool watched; /* by the operator */
    unsigned leases, repairs;
    int64_t promise_ms; /* the longest that was ever stored */
    uint64_t top;       /* numbers up to this one may be used again */
    int64_t since;      /* the operator waits */
    uint32_t lease_then;
};

/* How a schedule is drawn. */
struct shape {
    unsigned sites;
    bool tight;        /* minimum margins, slowest fences, latest loop */
    bool short_faults; /* only faults that I5 excuses from any effect */
    bool probes;
    bool failsafe; /* by consent, at times */
    int64_t period, rtt;
    int64_t clean_stop; /* what a clean stop may take; 0: no longer than a fence */
    int64_t loop_late;  /* by how much loops are late at the deadline of their lease */
    int64_t faults_from, faults_until, ends;
};

struct stats {
    uint64_t schedules, counted, events, faults, claims, leaders, fences, yields, denied, asked,
        consents;
    uint64_t simulated_ms;
    uint64_t losses, voided, repairs;
    uint64_t switchovers, forced;
    uint64_t by_fault[FAULT_COUNT];
    uint64_t by_length[8]; /* simulated time: < 60 s, < 80, ... */
    uint64_t by_faults[8]; /* number of faults */
    uint64_t digest;       /* of all that happened: the same seeds and rules give the same */
};

struct sim {
    struct rng rng;
    int64_t now;
    uint64_t seed;
    fo_rules rules;
    struct queue queue;
    int64_t
        timers[2 * SIM_SITES_MAX]; /* real time when they ring: agent_timer(), guardian_timer() */
    unsigned free_count;
    uint16_t free_items[SIM_ITEMS];
    struct item items[SIM_ITEMS];
    struct site sites[SIM_SITES_MAX];
    struct peer_link peers[SIM_SITES_MAX][SIM_SITES_MAX]; /* [from][to] */
    int trouble; /* faults under way that may keep voters from consenting */
    int64_t trouble_ended;
    struct store store;
    struct loss loss;
    struct shape shape;
    struct cluster_config configs[SIM_CONFIGS];
    unsigned config_count;
    struct timed_fault faults[FAULTS_MAX];
    unsigned fault_count;
    /* what strikes the next site that claims the lease, starts its workload, sends a heartbeat of the lease */
    struct timed_fault *at_claim, *at_start, *at_send;
    enum fault_type last_fault;
    uint64_t drop_faults; /* bit i: leave fault i out (shrinking) */
    struct fo_effects effects;
    /* checks */
    enum sim_invariant violated;
    char what[200];
    struct {
        uint64_t nonce, generation;
        bool chosen; /* by an operator */
    } holders[SIM_EPOCHS];
    int64_t settled_at; /* when a leader served for the first time; 0: not yet */
    struct {
        bool wanted; /* a switchover after the faults */
        bool again;
        unsigned target, turn;
        int64_t at;
    } asked;
    bool without_operators; /* schedules as they were drawn before there were any */
    bool healed, needs_force;
    int64_t healed_at, served_after, healed_extra, healed_promise_ms;
    bool trace;
    uint64_t digest; /* of this schedule's steps */
    struct stats *stats;
};

static inline int64_t *agent_timer(struct sim *w, unsigned site)
{
    return &w->timers[2 * site];
}
static inline int64_t *guardian_timer(struct sim *w, unsigned site)
{
    return &w->timers[2 * site + 1];
}

/* queue.c */
void queue_push(struct sim *w, int64_t t, enum sim_kind kind, unsigned site, uint32_t item,
                uint32_t x, uint64_t y);
void queue_begin(struct queue *q);
void queue_again(struct sim *w, const struct entry *e, int64_t t);
struct entry queue_pop(struct sim *w);
uint32_t item_new(struct sim *w);
static inline void item_hold(struct sim *w, uint32_t i)
{
    w->items[i].refs++;
}
static inline void item_drop(struct sim *w, uint32_t i)
{
    if (--w->items[i].refs == 0)
        w->free_items[w->free_count++] = (uint16_t)i;
}

/* store.c: the model of NATS. */
void store_write(struct sim *w, const struct entry *e);
void store_read(struct sim *w, const struct entry *e);
void store_restart_watch(struct sim *w, unsigned site);
void store_catch_up(struct sim *w, unsigned site); /* its connection is back */
void store_begin(struct sim *w);
void store_first_record(struct sim *w);
void store_put(struct sim *w, uint32_t item); /* by an operator */
void store_take_back(struct sim *w, uint32_t item, uint32_t before);
void store_clear(struct sim *w);

/* rollback.c: the store goes backwards or disappears. */
void rollback_draw(struct sim *w);
void rollback_note(struct sim *w, uint32_t item, uint32_t before);
void rollback_fault(struct sim *w, const struct timed_fault *f);
void rollback_ends(struct sim *w, const struct timed_fault *f);
void rollback_operator(struct sim *w);
bool rollback_waits(const struct sim *w);
int64_t rollback_patience(const struct sim *w);

/* link.c: delays and losses between a site and the store. */
void link_send_write(struct sim *w, unsigned site, const struct fo_effect *e);
void link_send_read(struct sim *w, unsigned site, const struct fo_effect *e);
void link_answer_write(struct sim *w, unsigned site, uint32_t item, enum fo_write_outcome outcome,
                       uint64_t revision);
void link_answer_read(struct sim *w, unsigned site, uint32_t request, uint32_t item, uint16_t run);
void link_watch(struct sim *w, unsigned site, uint32_t item);

/* site.c: an agent and its workload. */
void site_set_drift(struct site *s, int64_t ppm);
int64_t site_clock(const struct site *s, int64_t real);
int64_t site_real(const struct site *s, int64_t clock);
void site_boot(struct sim *w, unsigned site, bool workload_stopped);
void site_host_boot(struct sim *w, unsigned site, bool workload_stopped);
void site_agent_ends(struct sim *w, unsigned site, int64_t away);
void site_leave(struct sim *w, unsigned site, int64_t length);
void site_event(struct sim *w, unsigned site, const struct fo_event *event);
bool site_agent_acts(const struct sim *w, const struct site *s);
void site_power_cut(struct sim *w, unsigned site);
void site_step_down(struct sim *w, unsigned site);
void site_deliver(struct sim *w, const struct entry *e);
void site_timer(struct sim *w, unsigned site);
void site_stops_serving(struct sim *w, unsigned site);
int site_leading(const struct sim *w); /* -1: none */

/* guardian.c */
void guardian_boot(struct sim *w, unsigned site);
void guardian_dies(struct sim *w, unsigned site);
void guardian_hangs(struct sim *w, unsigned site, int64_t length, bool noticed);
void guardian_wakes(struct sim *w, unsigned site);
void guardian_ring(struct sim *w, unsigned site);
void guardian_told(struct sim *w, unsigned site);
void guardian_killed(struct sim *w, const struct entry *e);
void guardian_says(struct sim *w, const struct entry *e);
void guardian_meets(struct sim *w, unsigned site, struct fo_event *start);
bool guardian_acts(const struct sim *w, const struct site *s);
bool guardian_lets_start(const struct sim *w, const struct site *s, uint64_t epoch);
/* The agent is away from now on: if the guardian is too, it is back in time (docs). */
void guardian_alone(struct sim *w, unsigned site);

/* consent.c: failsafe by consent. */
void consent_send(struct sim *w, unsigned from, const struct fo_effect *e);
struct fo_event consent_received(struct sim *w, const struct entry *e);
void consent_fault(struct sim *w, const struct timed_fault *f, bool begins);
void consent_draw(struct sim *w);
void consent_draw_voters(struct sim *w, struct cluster_config *c);
void consent_draw_faults(struct sim *w);
void consent_note_fault(struct sim *w, enum fault_type type, bool begins);
void consent_note_trouble(struct sim *w, int64_t until);
int64_t consent_binds_ms(const struct sim *w); /* for how long any voter is bound */
bool consent_counts_on(const struct heartbeat *lost, const struct heartbeat *left);
void check_goes_on(struct sim *w, unsigned site, const struct fo_effect *note);

/* operator.c */
void operator_draw(struct sim *w);
void operator_fault(struct sim *w, const struct timed_fault *f, bool begins);
bool operator_is_fault(enum fault_type type);
struct fo_event operator_asks(struct sim *w, const struct entry *e);
void operator_asks_again(struct sim *w, const struct entry *e);
struct fo_event operator_forces(struct sim *w, unsigned site);
void operator_heals(struct sim *w);
int64_t operator_patience(const struct sim *w);
bool operator_has_moved(struct sim *w);

/* fault.c */
struct cluster_config *fault_another_config(struct sim *w);
void fault_tell(struct sim *w, unsigned site, int64_t delay);
void fault_tell_all(struct sim *w, int64_t most);
void fault_lengthen(struct sim *w, struct cluster_config *c);
void fault_outage(struct sim *w, bool begins);
void fault_begin(struct sim *w, struct timed_fault *f);
void fault_end(struct sim *w, struct timed_fault *f);
void fault_at_claim(struct sim *w, unsigned site);
void fault_at_start(struct sim *w, unsigned site);
void fault_at_send(struct sim *w, unsigned site);
void fault_agent_leaves(struct sim *w, unsigned site);
void fault_death(struct sim *w, const struct entry *e);

/* schedule.c: draws it from the seed. */
void schedule_draw(struct sim *w);
struct timed_fault *schedule_fault(struct sim *w, struct timed_fault fault);

/* check.c: invariants. */
void violate(struct sim *w, enum sim_invariant which, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_stored(struct sim *w, const struct item *before, const struct item *after);
void check_heard_preferred(struct sim *w, unsigned site, const struct item *m);
void check_late(struct sim *w, const struct item *m); /* once it is the current one */
void check_start(struct sim *w, unsigned site, uint64_t epoch);
void check_stop(struct sim *w, unsigned site);
void check_serving(struct sim *w);
void check_send(struct sim *w, unsigned site, const struct fo_effect *e);
void check_role(struct sim *w, unsigned site, const struct fo_effect *note);
void check_alarm(struct sim *w, unsigned site, enum fo_note note);
void check_serves(struct sim *w, unsigned site);
void check_healed(struct sim *w);
bool check_end(struct sim *w); /* true: all is judged, the run may end */

/* run.c: one schedule. True: no violation. */
bool sim_run(struct sim *w, uint64_t seed, fo_rules rules, uint64_t drop_faults, bool trace,
             struct stats *stats);
const char *invariant_name(enum sim_invariant which);
const char *invariant_text(enum sim_invariant which);
const char *fault_name(enum fault_type type);

/* trace.c */
void trace_entry(const struct sim *w, const struct entry *e);
void trace_effect(const struct sim *w, unsigned site, const struct fo_effect *e);
void trace_line(const struct sim *w, int site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void trace_shape(const struct sim *w);

/* mutants.c, main.c */
int mutants_run(uint64_t first, uint64_t most, unsigned jobs, const char *only);
int doc_check(const char *path);

#endif
