/*
 * The backends of this host: each is looked at on its own, and what a pass plans with is all of them.
 *
 * A look is one observation of one backend. Looks that are under way together are waited for
 * together, so that a change makes one pass, but no longer than 100 ms: one that takes its time, or
 * never comes back, holds up nothing that lies elsewhere. What can't be seen is unknown, not absent:
 * the things of the last look are kept, with the reason why they are old. Thread: the loop's.
 */
#ifndef HM_AGENT_BACKENDS_H
#define HM_AGENT_BACKENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/backend.h"

struct backends;

/* One of them. Read it; what changes it is here. */
struct member {
    struct backends *owner;
    const struct driver *driver;
    struct backend *backend;
    struct things things;        /* as last observed, and */
    int64_t since_ns;            /* when that look began: older news is not in it; 0: no look yet */
    struct hm_error unobserved;  /* why the last look failed, or that none has ended; HM_OK: seen */
    int64_t unobserved_since_ns; /* when the last one that failed began */
    int64_t began_ns;            /* of the look under way, or the last one */
    int64_t ended_ns;            /* of the last one */
    bool under_way;
    bool wanted; /* another look, after the one under way */
    bool hangs;  /* a look that was given up has not come back: there can be no other one */
};

struct backends_options {
    uv_loop_t *loop;
    const struct driver *const *drivers;  /* NULL-terminated; outlive this */
    struct driver_options driver_options; /* on_change and data are set by the backends */
    /* Looks have ended. `news`: something is not as it was seen before, or can't be seen for another reason. */
    void (*on_looked)(void *data, bool news);
    /* What a backend is (facts; NULL: no news of that), or why it can't be asked. */
    void (*on_backend)(void *data, const struct driver *driver, const json_t *facts,
                       const struct hm_error *err);
    bool (*is_in_hurry)(void *data); /* then no look waits for another one */
    void *data;
};

struct backends {
    struct backends_options options;
    struct member *items;
    size_t count;
    uv_timer_t join; /* active: some looks have ended, and others are waited for */
    bool news;       /* in the looks that have ended since on_looked was called */
    bool closing;
};

struct backends *backends_new(const struct backends_options *options);
/* The loop must run once more. No callback is called any more. */
void backends_free(struct backends *b);

/* Something may have changed, anywhere or there: look soon. */
void backends_look(struct backends *b);
void member_look(struct member *m);
/* At those that make networks alone: what cards of VMs of `m` hold there has changed. */
void backends_look_at_networks(struct member *m);

/* The one whose driver takes such a document (agent/drivers.h); NULL: none. */
struct member *backends_for(const struct backends *b, const char *kind, const json_t *spec);

bool member_holds_vms(const struct member *m);
/* A look that began then, or later, succeeded, and so did the last one. */
bool member_is_seen_since(const struct member *m, int64_t ns);
/* Each was looked at since then, well or not, or it hangs. */
bool backends_were_looked_at_since(const struct backends *b, int64_t ns);

#endif
