/*
 * The ladder: which rung is being tried, when it has had its time, what comes next. It only keeps the
 * order; others do the work and tell it what they saw. The kill is tried from the first instant until
 * everything is gone, whatever rung is next to it.
 *
 * Pure: time is what the caller says (ns of CLOCK_BOOTTIME). Plain data. Thread: any, one at a time.
 */
#ifndef HM_GUARDIAN_LADDER_H
#define HM_GUARDIAN_LADDER_H

#include <stdbool.h>

#include "guardian/plan.h"

enum ladder_mode {
    LADDER_REST,     /* nothing fired since the last arming */
    LADDER_CLIMBING, /* a rung is being tried */
    LADDER_ENDED,    /* one was verified, or there is none left; what comes up is killed */
};

struct ladder {
    enum ladder_mode mode;
    enum guard_rung rung; /* being tried, verified, or the last one that failed */
    bool verified;
    bool killed; /* the last look found nothing left */
    bool has[GUARD_RUNG_WATCHDOG + 1];
    int64_t limit_ns[GUARD_RUNG_WATCHDOG + 1];
    int64_t begun_ns; /* the fire */
    int64_t rung_ns;  /* since when `rung` is tried */
    bool extended;    /* this rung was given more time, since the host stood still */
};

void ladder_rest(struct ladder *l);
void ladder_begin(struct ladder *l, const struct guard_plan *plan, int64_t fence_limit_ns,
                  int64_t now_ns);

/* A look at everything that is to be killed found `left` of it. */
void ladder_looked(struct ladder *l, unsigned left);
/* The rung above the kill that is being tried has worked, or can't. Of another one: ignored. */
void ladder_worked(struct ladder *l, enum guard_rung rung);
void ladder_failed(struct ladder *l, enum guard_rung rung, int64_t now_ns);
/* Goes on to the next rung when this one has had its time. Called late, with the host standing still
 * meanwhile, it gives the rung a little more first: what was killed had no time to die. */
void ladder_tick(struct ladder *l, int64_t now_ns);
/* When ladder_tick() is due; GUARD_NEVER: not. */
int64_t ladder_due_ns(const struct ladder *l);

/* When to look again after a look at `looked_ns`: close together while it climbs, then every 100 ms, every
 * second half a minute after the fire. */
int64_t ladder_next_look_ns(const struct ladder *l, int64_t looked_ns);

#endif
