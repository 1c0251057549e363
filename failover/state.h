/*
 * State of the failover core: one struct of fixed size, changed by fo_step() alone. The driver may
 * read it for status; what each part means stands beside it. Times: BOOTTIME, ns; 0: never, unless
 * said.
 */
#ifndef HM_FAILOVER_STATE_H
#define HM_FAILOVER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/cluster_config.h"
#include "proto/heartbeat.h"

#define FO_NEVER        INT64_MAX
#define FO_ANY_REVISION (-1LL)

/* A set of rules, a bit each (failover/rules.h). */
typedef unsigned __int128 fo_rules;

enum fo_key { FO_KEY_LEASE, FO_KEY_REPLICA }; /* primary_heartbeat, replica_heartbeat.<own site> */

enum { FO_SENDS_PER_ATTEMPT = 4, FO_READS_MAX = 16, FO_INCIDENT_MAX = 16 };

/* What the configuration in force comes to, in ns. */
struct fo_terms {
    int64_t period;        /* T */
    int64_t fence_start;   /* F */
    int64_t fence_limit;   /* fence_timeout */
    int64_t failover;      /* failover_timeout */
    int64_t promise_ms;    /* expires_in */
    int64_t config_number; /* grows with every configuration taken */
};

/* One write, from its first send until it is answered, overtaken or T old. */
enum fo_attempt_kind {
    FO_TRY_NONE,
    FO_TRY_REPLICA,
    FO_TRY_CLAIM,
    FO_TRY_HEARTBEAT,
    FO_TRY_RELEASE
};

struct fo_attempt {
    enum fo_attempt_kind kind;
    bool must_read;      /* conflict: the key is read before anything is sent again */
    unsigned sends;      /* sent so far */
    unsigned adopted_at; /* answers to sends up to this one speak of an older expectation */
    int64_t sent_ns[FO_SENDS_PER_ATTEMPT * 4]; /* ring: send k is in [k - 1 modulo its size] */
    int64_t next_send;
    int64_t begun;         /* s: before the first send */
    int64_t give_up;       /* s + T: not acknowledged by then is a failure */
    int64_t expect;        /* revision, or FO_ANY_REVISION */
    uint64_t named;        /* by a rejection: the key is at least there; 0: by none */
    struct fo_terms terms; /* as promised by this message */
    struct heartbeat record;
};

/* The lease key as last learnt: by watch, read, or the number in a rejection. */
/*
 * What a lease record that can't be read may be: written under an earlier configuration, it binds for longer than any
 * promise. Assumed from when the configuration says so until a record is read that is not so; kept on the disk.
 */
struct fo_unread {
    bool failsafe; /* it may name voters, who consent to its writer */
    bool paused;   /* its writer may serve without end */
};

struct fo_known {
    bool any;        /* a revision is known */
    bool has_record; /* false: only the number is known: read it */
    bool readable;   /* false: unknown holder, longest promise */
    bool confirmed;  /* since the last connection: what was known before may be gone */
    uint64_t revision;
    int64_t stamp;  /* JetStream's; valid with has_record */
    int64_t learnt; /* when this revision was first heard of */
    int64_t needed; /* the silence that a promotion over it needs, by the terms in force */
    struct heartbeat record;
};

/* The lease that this site holds, from claim to the end of its epoch. */
struct fo_lease {
    uint64_t generation;
    uint64_t epoch;         /* 0: none since the start */
    uint64_t revision;      /* of the own last write that is known to be stored */
    uint64_t first_counter; /* of this epoch */
    int64_t begun;          /* first send of the last attempt that is known to be stored */
    int64_t deadline;       /* fence at this instant, unless paused */
    int64_t fence_limit;    /* smallest of the last acknowledged and any sent since */
    enum hb_reason reason;  /* why this site took it */
    bool held;         /* from the first answer that proves it stored to the end of the epoch */
    bool ended;        /* was held, or a release was sent: never led again in this epoch */
    bool acknowledged; /* a non-duplicate answer of this epoch has come: may start */
    bool paused;       /* a heartbeat with paused:true is acknowledged */
    bool foreign;      /* `revision` is of another bucket: read the key before anything is sent */
    bool resumed;      /* by this run, which has sent nothing yet */
};

/* What the guardian is known to do, and what fo_guard_view() needs beside the lease. */
struct fo_guardian {
    bool up;              /* without it no lease is taken or kept */
    bool armed;           /* holds `last`: from the hold on it to the verified stop */
    struct hb_era last;   /* epoch that it held last; {0, 0}: none */
    uint64_t fired_epoch; /* highest that it has ended; 0: none */
    uint64_t counter;     /* the next attempt is sent under it without another word */
    int64_t kill;         /* of the stop under way: the guardian kills from here on */
    int64_t kill_limit;   /* and has until here */
};

/* A longer promise is asked for, and acknowledged: before a planned restart, or a handover whose clean
 * stop may take longer than a fence. */
struct fo_leave {
    int64_t promise_ms; /* 0: not asked for */
    int64_t give_up;    /* not acknowledged by then: it can't; once noted: it stays after all */
    enum hb_reason handover; /* NONE: a restart */
    bool granted, noted;
};

enum { FO_VOTERS_MAX = 2 * HB_VOTERS_MAX, FO_CONSENT_ROUNDS = 8 };

/* Somebody whose consent a leader without the store needs. */
struct fo_voter {
    struct hb_site site;
    int64_t asked; /* when the latest request was sent that it granted; 0: none in this epoch */
    int64_t fence_start; /* F that this request stood for, ... */
    int64_t fence_limit; /* ... and the fence after it */
};

/* What this site may do by consent, as leader: of the last acknowledged record and those sent since. */
struct fo_consent {
    bool usable; /* all of them have failsafe on */
    unsigned voter_count;
    struct fo_voter voters[FO_VOTERS_MAX]; /* that any of them names */
    int64_t fence_start, promise_ms;       /* the shortest of them */
    int64_t due;                           /* not asked again before */
    uint64_t rounds, first_round;          /* a round asks them all; the first of this epoch */
    int64_t sent[FO_CONSENT_ROUNDS], asked_start[FO_CONSENT_ROUNDS],
        asked_limit[FO_CONSENT_ROUNDS]; /* rings, by round */
};

/* What this site has promised as a voter. A start forgets it: its silence starts anew as well. */
struct fo_vote {
    int64_t until;             /* no promotion before */
    struct hb_era era;         /* of the last lease that it consented to */
    bool claimed;              /* has sent a claim in this run ... */
    uint64_t claim_expects;    /* ... that can only be stored right after this revision ... */
    uint64_t claim_generation; /* ... of this generation */
};

struct fo_peer {
    struct hb_site site;
    uint64_t nonce, counter, seen_epoch;
    int64_t heard;       /* last arrival of a new heartbeat */
    int64_t interval;    /* its T */
    int64_t ready_since; /* fit and heard in a row since then; 0: not ready */
    uint32_t in_a_row;
    int64_t lag;
    bool fit;
    bool barred; /* by nofailover */
};

/* A lease record as it was seen here, for the incident. */
struct fo_seen {
    uint64_t revision, counter, epoch;
    int64_t stamp, arrival; /* JetStream's stamp; own BOOTTIME */
    int64_t rtt_us;
    uint32_t failures, successes;
    enum hb_status status;
    struct hb_site site;
};

struct fo_incident {
    uint64_t epoch, from_epoch;
    struct hb_site from, to; /* old holder (unset: none or unknown), new one */
    enum hb_reason reason;   /* why this site took over */
    enum hb_reason ended;    /* RELEASED: why the old epoch ended; else NONE */
    int64_t taken_at;        /* BOOTTIME of the acknowledgement */
    int64_t silence, needed; /* ns of silence counted, and that were needed */
    int64_t echo_age;        /* ns since this site's own heartbeat last came back */
    unsigned count;          /* of seen[], oldest first */
    struct fo_seen seen[FO_INCIDENT_MAX];
};

struct fo_state {
    struct hb_site site;
    uint64_t nonce, seed;
    fo_rules rules;

    struct cluster_config config;
    bool has_config;
    uint64_t config_revision;
    unsigned rank; /* of this site in the group; 0: not in it */
    bool barred;   /* this site, by nofailover */
    struct fo_terms terms;

    enum hb_role role;
    enum hb_reason reason; /* why it is in this role */
    int64_t role_since;
    int64_t idle_since; /* when it last gave up the role, or started */
    bool started, connected;
    bool stopped; /* the workload is verified stopped */
    bool stepping_down;
    uint64_t workload_epoch; /* of the last start or stop asked for */
    int64_t workload_limit;  /* end of the promotion's or the stop's limit */
    int64_t clean_stop;      /* what a clean stop may take, ns; less than a fence: that */
    unsigned stop_tries;
    int64_t stop_retry; /* ask for the stop again; FO_NEVER: answer is awaited */
    enum hb_reason release_reason;
    struct hb_site release_next;

    uint64_t seen_epoch; /* highest epoch in any record, peer or mark, of whatever generation */
    struct {
        struct hb_era seen; /* highest that was ever in the lease key: here, on disk, by peers */
        uint64_t identity;  /* of the bucket; 0: not known yet */
        bool missing;       /* the bucket, or the key in it, is not there */
        bool behind; /* the last record that could be read was lower, or is of another bucket:
                             * one that can't be read does not show that the key has caught up */
        int64_t held_since; /* 0: nothing is held */
        uint32_t asked;     /* the read that is to confirm the hold; 0: none */
        bool confirmed;     /* by a store that takes writes */
        bool told;          /* the alarm */
    } history;
    uint64_t led_epoch;    /* from the marks: of the last start on this host; 0: none */
    uint64_t open_epoch;   /* likewise, and not given up since */
    uint64_t chosen_epoch; /* led, or claimed, by an operator's choice; 0: none */
    struct fo_unread unread;
    uint64_t counter; /* last attempt */
    struct fo_lease lease;
    struct fo_guardian guardian;
    struct fo_leave leave;
    struct fo_consent consent;
    struct fo_vote vote;
    struct fo_attempt lease_try, replica_try;
    int64_t heartbeat_due;        /* next attempt of the key that this role writes */
    uint32_t failures, successes; /* consecutive, of the key that this role writes */
    int64_t rtt_us, rtt_max_us;   /* last and slowest acknowledged write of the run; -1: none */

    struct fo_known known;
    int64_t silence_since;
    struct {
        int64_t arrival, stamp; /* last own heartbeat that came back through the watch */
        uint64_t counter;
        bool any;
    } echo;
    struct {
        int64_t owed_since; /* a write was acknowledged then and has not come back; 0: none */
        uint64_t owed_counter;
        int64_t retry; /* not torn down again before */
        int64_t back_off;
        uint64_t restarts;
    } watch;
    struct {
        bool wanted;                     /* until one is answered, whatever else */
        uint32_t request, answered;      /* the last ones */
        int64_t sent[FO_READS_MAX], due; /* ring, by request */
    } read;

    struct {
        bool exists, pending;
        int64_t due, sent;
        uint32_t failures, successes;
        enum hb_probe last;
        int64_t latency_us, lag;
    } probe;

    struct fo_peer peers[CLUSTER_SITES_MAX];
    unsigned peer_count;
    struct {
        uint64_t nonce, counter; /* of a run that is not this one, under this site's id */
        unsigned beats;          /* new ones heard of it */
    } twin;

    struct {
        int64_t until, length; /* of a site whose promotion or probe failed */
    } back_off;
    struct {
        unsigned doublings; /* of yield_after */
        int64_t returned;   /* when the preferred primary was last seen to take over; 0: never */
    } yield;

    struct {
        struct hb_site to; /* asked for by an operator; unset: none */
        bool begun;        /* the lease was ended for it: no way back */
    } switchover;

    struct fo_seen seen[FO_INCIDENT_MAX];
    unsigned seen_count; /* ever; ring */
    struct fo_incident incident;
};

#endif
