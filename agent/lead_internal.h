/*
 * The failover driver's inside, shared by its parts only: lead.c (life, events in, effects out),
 * lead_store.c (what is in the bucket), lead_bucket.c (the bucket), lead_config.c (cluster_config),
 * lead_audit.c (records after the fact), lead_account.c (how an own epoch ended), lead_work.c (workload, marks), lead_guard.c (the guardian),
 * lead_request.c (what operators ask for), lead_consent.c (the other agents), lead_follow.c (another leader's hooks), lead_status.c. See lead.h.
 */
#ifndef HM_AGENT_LEAD_INTERNAL_H
#define HM_AGENT_LEAD_INTERNAL_H

#include "agent/config.h"
#include "agent/fence_plan.h"
#include "agent/guard.h"
#include "agent/lead.h"
#include "agent/lead_records.h"
#include "agent/lead_timer.h"
#include "agent/marks.h"
#include "agent/vips.h"
#include "failover/failover.h"
#include "proto/failover_request.h"

#define LEAD_LOG        "lead"
#define LEAD_KEY_CONFIG "cluster_config"

enum { LEAD_RECORDS_MAX = 4, LEAD_SENT_MAX = 16 };

/* A record written after the fact, kept until it is stored. */
struct lead_record {
    char key[LEAD_KEY_MAX + 1];
    char *text;    /* NULL: free slot */
    bool is_first; /* not if the key is there */
    bool being_sent;
};

struct lead {
    struct lead_options options;
    struct fo_state core;
    struct lead_timer *timer;
    int64_t next_ns; /* the core's next deadline */
    bool started, connected, closed;
    bool ended; /* lead_stop() is done: whatever comes now is no longer this site's business */
    int calls;  /* answers that are outstanding: they keep this alive */

    /* Events that effects gave rise to, while the core's step is carried out. */
    bool stepping;
    struct fo_event queue[FO_EFFECTS_MAX];
    unsigned queued;

    struct {
        struct hm_workq *disk;
        struct marks_file *file;
        struct marks marks;
        unsigned unsaved;       /* saves asked for and not answered */
        bool is_tried;          /* one has been answered */
        struct hm_error failed; /* why the last one failed; OK: it did not */
    } memory;

    struct {
        struct hooks *hooks;
        struct vips *vips; /* NULL: none */
        struct workload *workload;
        bool serving;     /* between START and STOP */
        bool start_waits; /* for the marks to be on disk, and for the guardian */
        bool probe_waits; /* for the disk's first answer */
        uint64_t epoch;   /* of the last start */
        int64_t start_deadline;
        enum hb_reason reason;
        bool stopping;       /* the core awaits the end of a stop */
        bool stop_asked;     /* ever, */
        uint64_t stop_epoch; /* the last time for this epoch */
        int64_t stop_due;
        bool unseen;           /* the guardian has verified the last stop, the agent has not yet */
        int64_t stop_again_at; /* then: look again; 0: a look is under way */
        bool was_fit;          /* after the last event */
        bool ill;              /* by the last probe */
        struct hm_error illness; /* and why */
    } work;

    struct {
        struct guard *client;
        struct fence_plan plan;               /* as compiled last */
        struct hm_error too_large, refused;   /* why it is not in force; OK: it will be */
        uint64_t plan_told, plan_told_number; /* guard_told() of it; 0: never */
        int64_t plan_retry_at;                /* 0: not refused */
        uint64_t start_told;                  /* what a start waits for an answer to */
        bool said_up;                         /* to the core */
        uint64_t said_fired;                  /* likewise */
        bool has_inherited;                   /* a lease of the agent before */
        bool waits_to_start;                  /* the core is not begun yet: until */
        int64_t start_due, launched_at;       /* BOOTTIME; 0: never */
        struct {                              /* as last logged */
            uint64_t epoch;
            uint32_t rung, verified, climbing;
        } fire;
    } guard;

    struct {
        struct hb_site leader; /* another that serves, as last seen; unset: none, or this one */
        struct hb_site told;   /* whom the hook that runs, or ran last, was told */
        bool done;             /* the follow hook has succeeded for `leader` */
        int64_t wait;          /* back-off after the last failure, ns; 0: none */
        int64_t retry_at, due; /* BOOTTIME; 0: no failure; due: FO_NEVER while nobody serves */
        bool diverged;         /* an epoch of another site was seen above marks.led_epoch */
        bool need_told;
        struct hm_error failed; /* the last attempt; OK: none, or it went well */
    } follow;

    struct {
        struct bus_watch *watch;
        struct {
            uint64_t counter;
            int64_t timestamp_ms;
        } sent[2]; /* by key: all sends of one attempt carry the same record */
        struct lead_record records[LEAD_RECORDS_MAX];
        int64_t
            unanswered_since; /* BOOTTIME: no write was answered from then on; 0: the last was */
        int64_t ping_ms;      /* as the bus was told; 0: not yet */
        bool replicated, checking;
        json_t *warnings;        /* of the bucket */
        struct hm_error server;  /* why this server may not carry a lease; code OK: it may */
        struct hm_error refused; /* cluster_config that was refused last; OK: none since */
        struct hm_error broken;  /* why the watch doesn't work; OK: it does */
    } store;

    struct {
        struct lead_account notes;     /* of the epoch that is led; epoch 0: none by this run */
        struct lead_takeover takeover; /* the last one by this run */
        struct {                       /* ring, by counter */
            uint64_t counter;
            int64_t begun_ns;
        } sent[LEAD_SENT_MAX];
        uint64_t last_sent;
        char boot[MARKS_BOOT_MAX + 1];
    } account;

    int64_t woke_ns; /* BOOTTIME: when the loop last went on after more than a heartbeat interval; 0: never */

    struct { /* what an operator asks for, as it stands in the bucket */
        struct failover_request asked;
        uint64_t revision;    /* 0: there is none */
        int64_t stamp_ns;     /* of what the watch told last, by the store's clock */
        int64_t came_ns;      /* BOOTTIME: when it was asked for */
        bool live;            /* the watch has given all that was stored */
        bool given;           /* to the core, by this run, */
        uint64_t given_epoch; /* while it led this one */
        struct failover_request answer;
        bool unsent, sending; /* the answer */
        int64_t look_at;      /* BOOTTIME; 0: when something happens */
    } request;

    struct peers *peers; /* NULL: failover.peer is not configured */

    void (*stopped)(void *data); /* lead_stop() was called, and is not done */
    void *stopped_data;
    int64_t stop_limit;
    void (*left)(void *data, bool may); /* lead_leave() was called, and is not answered */
    void *left_data;
};

/* Give the core an event and carry out what it says. From inside a step the event is queued; such
 * events have no pointers. */
void lead_event(struct lead *l, const struct fo_event *event);

/* An answer that was outstanding has come. False: the lead is gone, touch nothing more. */
bool lead_call_ended(struct lead *l);

void lead_status_changed(struct lead *l);

/* The core's first event: with what the guardian holds of the agent before; NULL: nothing. */
void lead_begin(struct lead *l, const struct fo_guard *inherit);

/* lead_stop() is done. */
void lead_end(struct lead *l);
/* Is it: nothing runs, nothing is owed to the store or to the disk? */
void lead_end_if_stepped_down(struct lead *l);

/* lead_store.c */
void lead_store_connect(struct lead *l);
void lead_store_disconnect(struct lead *l);
void lead_store_free(struct lead *l);
void lead_send(struct lead *l, const struct fo_effect *effect);
void lead_read(struct lead *l, const struct fo_effect *effect);
void lead_restart_watch(struct lead *l, const struct fo_effect *effect);

/* lead_bucket.c */
void lead_check_store(struct lead *l); /* look at the bucket, unless that is under way */
bool lead_server_may_carry_a_lease(struct lead *l);

/* lead_config.c */
void lead_config_changed(struct lead *l, const struct bus_entry *entry);
void lead_use_cached_config(struct lead *l);

/* lead_audit.c */
void lead_write_incident(struct lead *l, const struct fo_effect *effect);
void lead_tell_incident(struct lead *l, const struct fo_incident *incident);
void lead_write_audit(struct lead *l, const struct fo_effect *effect);
void lead_send_records(struct lead *l); /* what has not been stored yet */
void lead_add_record(struct lead *l, const char *name, char *text); /* `text` is taken */
void lead_add_first_record(struct lead *l, const char *name,
                           char *text); /* likewise, unless that key is there */
void lead_free_records(struct lead *l);

/* lead_account.c */
void lead_account_new(struct lead *l); /* which boot of the host is this? */
void lead_account_begin(
    struct lead *l); /* tell what an agent before left untold, unless it is gone on with */
void lead_account_open(struct lead *l, uint64_t epoch); /* marks change; the caller saves them */
void lead_account_resume(struct lead *l);
void lead_account_sent(struct lead *l, uint64_t counter);
void lead_account_acked(struct lead *l, uint64_t counter);
void lead_account_heard_back(struct lead *l, const struct heartbeat *record);
void lead_account_late(struct lead *l, int64_t late_ns);
void lead_account_note(struct lead *l, const struct fo_effect *note); /* every note of the core */

/* lead_work.c */
int lead_work_new(struct lead *l, struct hm_error *err);
void lead_work_free(struct lead *l);
void lead_save_marks(struct lead *l);
void lead_start_workload(struct lead *l, const struct fo_effect *effect);
void lead_stop_workload(struct lead *l, const struct fo_effect *effect);
void lead_probe(struct lead *l, const struct fo_effect *effect);
void lead_persist(struct lead *l, const struct fo_effect *effect);
void lead_stop_if_overdue(struct lead *l);
void lead_look_again_if_due(struct lead *l);
void lead_stop_verified_by_guardian(struct lead *l);
void lead_resume_workload(struct lead *l);
void lead_tell_clean_stop(struct lead *l); /* how long a handover may take, if that has changed */
void lead_start_fails(struct lead *l, const char *why);
void lead_begin_start_if_ready(struct lead *l);

/* lead_guard.c */
void lead_guard_new(struct lead *l);
void lead_guard_free(struct lead *l);
void lead_guard_begin(
    struct lead *l); /* look for it; lead_begin() follows, at the latest after 1 s */
void lead_guard_show(struct lead *l); /* after every step of the core, before its effects */
void lead_guard_timer(struct lead *l);
int64_t lead_guard_due(const struct lead *l);   /* when lead_guard_timer() is due; FO_NEVER */
bool lead_guard_is_ready(const struct lead *l); /* the plan is in force, the arming answered */
/* What is started joins it; NULL if there is none and nothing needs one. The guardian's text. */
int lead_guard_cgroup(const struct lead *l, const char **ret, struct hm_error *why);
void lead_guard_look_at_fire(struct lead *l); /* has it verified the stop that is under way? */
/* Fails, with the sentence, while this site can't lead on its account. */
int lead_guard_check(const struct lead *l, struct hm_error *why);
/* True, with the sentence: it can lead, but its fence may take longer than was promised. */
bool lead_guard_warning(const struct lead *l, struct hm_error *why);
json_t *lead_guard_json(const struct lead *l); /* for the status */

/* lead_consent.c */
int lead_consent_new(struct lead *l, struct hm_error *err);
void lead_consent_free(struct lead *l);
void lead_consent_configured(struct lead *l); /* another cluster_config is in force */
void lead_ask_consent(struct lead *l, const struct fo_effect *effect);
void lead_answer_consent(struct lead *l, const struct fo_effect *effect);
void lead_consent_warnings(const struct lead *l, json_t *list);
json_t *lead_consent_status(const struct lead *l, int64_t now); /* a new reference */

/* lead_request.c */
void lead_request_changed(struct lead *l, const struct bus_entry *entry);
/* What was asked for before this bucket was made is gone with the one before. By the store's clock. */
void lead_request_forget_before(struct lead *l, int64_t created_ns);
void lead_request_note(struct lead *l, const struct fo_effect *effect);
void lead_request_advance(struct lead *l); /* after every event */
int64_t lead_request_due(const struct lead *l);
json_t *lead_request_status(const struct lead *l); /* a new reference; null: nothing is open */

/* lead_follow.c */
void lead_follow(struct lead *l); /* after every event: tell the hooks who serves, or try again */
/* True, with the sentence, while resync is configured and owed: nothing starts here. */
bool lead_must_resync(const struct lead *l, struct hm_error *why);
/* False while that holds, or while it can't be known yet because no record was read, and while the guardian
 * stands in the way. */
bool lead_may_be_fit(const struct lead *l);

#endif
