/*
 * A task: what the agent is doing, and has tried, about one document. Used by the reconciler only.
 *
 * One call at a time per document. A failure is tried again after 1 s, doubling to 5 min, with
 * jitter. So is what was done well but did not last 10 s (somebody undoes it); what lasted a minute is
 * forgotten. What a guest does by itself is no failure of a call: see agent/life.h. A new revision of the
 * document starts afresh. Thread: the loop's.
 */
#ifndef HM_AGENT_TASK_H
#define HM_AGENT_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/backends.h"
#include "agent/checkup.h"
#include "agent/life.h"
#include "base/error.h"
#include "proto/doc.h"

struct reconciler;

struct task {
    struct reconciler *owner;
    char *key;
    bool primary;
    bool in_flight;
    bool cancelled;                /* in flight, but it has not begun and never will */
    struct backend_ticket *ticket; /* of a verb in flight; else NULL */
    struct member *member;         /* where the last call went */
    enum plan_verb verb;           /* the last or present one */
    int64_t ended_ns;              /* BOOTTIME when a worker last left a call */
    uint64_t revision;             /* of the document that all below belongs to */
    enum plan_verb done_verb;      /* the last one that was done well */
    int64_t done_ns;               /* when; BOOTTIME */
    unsigned relapses;             /* how often in a row that did not last */
    unsigned failures;
    int64_t next_try_ns;
    struct hm_error *error; /* of the last failure; NULL: none */
    char *progress;         /* of a call that goes on behind its verb; NULL: none */
    bool has_run;     /* primary: seen running in this epoch, and no change of ours stops it */
    struct life life; /* of what runs */
    struct checkup *checkup; /* NULL: it is not asked how it is */
    struct run_note note;    /* what the last or present call writes */
    char next_start[40];     /* wall clock of life.due_ns, as text; "": it waits for nothing */
    uint64_t said;           /* fingerprint of the status that was last said */
    char phase[16];          /* of that status, and */
    char since[40];          /* since when */
};

/* Frees what it holds. */
void task_clear(struct task *t);

/* A failed call: remember why, and when to try again. `jitter` is any number. */
void task_failed(struct task *t, const struct hm_error *err, int64_t now_ns, uint32_t jitter);
/* A call goes on behind its verb, `words` say how far it is: it is asked again soon. */
void task_goes_on(struct task *t, const char *words, int64_t now_ns);
/* A call was done well: its failures are over. */
void task_done(struct task *t, int64_t now_ns);
/* The plan wants `verb`: had it just been done? Then that counts as a failure, and it must wait. */
bool task_relapsed(struct task *t, enum plan_verb verb, int64_t now_ns, uint32_t jitter);
/* When its wait ends, or the row of its restarts, if that is later than `after_ns`; else INT64_MAX. */
int64_t task_due_ns(const struct task *t, int64_t after_ns);
/* Nothing is left to do. */
void task_settled(struct task *t);
/* Forget everything that was tried. */
void task_afresh(struct task *t);
/* The same, if the document has another revision now. */
void task_revision(struct task *t, uint64_t revision);

#endif
