/*
 * The life of one workload: how often it was started again, when it may be the next time, and whether it
 * is in a crash loop.
 *
 * A workload falls when it ends by itself, or is not well, and its restart policy wants it back. After the
 * first fall it comes back at once; after further ones it waits 1 s, 2 s, 4 s, ... 5 min (agent/back_off.h). 10
 * minutes of being well end the row. Three restarts in a row are a crash loop. The counters are kept in the
 * thing itself (struct run_note), so an agent that was restarted goes on with them. Times are
 * BOOTTIME, ns, and come in as arguments. Pure. Thread: any.
 */
#ifndef HM_AGENT_LIFE_H
#define HM_AGENT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/driver.h"

enum { LIFE_LOOP_FROM = 3 };
#define LIFE_WELL_NS (600 * 1000000000LL)

struct life {
    bool is_known;         /* the counters were taken from the note, or are newer */
    uint32_t restarts;     /* since it was last started on purpose */
    uint32_t streak;       /* those since it was last well for 10 min */
    int64_t loop_since_ms; /* wall clock; 0: no crash loop */
    int64_t well_since_ns; /* 0: it is not well now */
    int64_t due_ns;        /* it fell, and comes back then; 0: it did not */
};

struct life_view {
    const struct run_note *note;
    bool is_well; /* it runs, and nothing says that it is ill */
    bool fell;    /* it does not, and is to be started again */
};

/* What was seen of it. Returns true if what a status says about it has changed. */
bool life_look(struct life *l, const struct life_view *v, int64_t now_ns, uint32_t jitter);

/* It fell, and its time has not come. */
bool life_waits(const struct life *l, int64_t now_ns);
/* When something changes though nothing happens: the wait or the row ends. 0: never. */
int64_t life_next_ns(const struct life *l);
bool life_is_looping(const struct life *l);

/* The note for a start that is about to be made (`again`: because it fell), and for a stop. */
struct run_note life_note_start(const struct life *l, bool again, uint64_t epoch, int64_t now_ns,
                                int64_t wall_ms);
/* That it ended by itself, for its present note. */
struct run_note life_note_end(const struct run_note *kept, bool cleanly);
struct run_note life_note_stop(const struct life *l, bool again, uint64_t epoch);
/* That note was written. */
void life_noted(struct life *l, const struct run_note *note);
/* A new revision, a new epoch: nothing of before makes it wait. */
void life_afresh(struct life *l);

#endif
