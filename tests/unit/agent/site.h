/*
 * A site for tests of the reconciler: a real loop, desired state, reconciler and backend, over the
 * fake driver and the fake status. One for each test.
 */
#ifndef HM_TESTS_SITE_H
#define HM_TESTS_SITE_H

#include "agent/reconcile.h"
#include "fake_driver.h"
#include "fake_status.h"
#include "tests/lib/turn.h"

struct site {
    uv_loop_t loop;
    struct desired *desired;
    struct status *status;
    struct reconciler *reconciler;
    struct workload_documents workload;
    uint64_t revision;
    int facts;                     /* how often the backend said what it is */
    struct hm_error backend_error; /* of its last failure */
    int64_t busy_until_ns;         /* the next question about a path takes until then; 0: no time */
    const char *unguarded;   /* the UUID of a VM that the guardian does not know; NULL: none */
    int passes;              /* told by on_pass */
    const char *refuse_path; /* what the agent's configuration refuses; NULL: nothing */
};

void site_begin(struct site *s);
void site_begin_resyncing(struct site *s, int64_t resync_ms); /* a pass at least this often */
void site_begin_in(struct site *s, const char *state_dir);    /* which outlives an agent */
void site_begin_with_two(struct site *s,
                         const char *state_dir); /* backends: fake_vms, fake_disks */
void site_begin_reconciler(struct site *s);      /* the next agent, after site_free_reconciler() */
void site_free_reconciler(struct site *s);       /* before the rest, to see what that does */
void site_end(struct site *s); /* waits for calls under way: nothing may be held any more */

/* A new revision of a document comes through the watch; NULL: a delete marker. */
void site_put(struct site *s, const char *key, const char *json);
/* A thing that an earlier agent made. */
void site_made(struct site *s, const char *key, enum thing_state state, const char *json);

const char *site_phase(const struct site *s, const char *name); /* "vm.web" */
const char *site_error(const struct site *s, const char *name); /* code of the error, or "" */

/* Wait for one whole pass over a new observation. */
void site_look(struct site *s);

/* Wait until two whole passes have changed nothing more. */
void site_settle(struct site *s);

#define SITE_UNTIL(s, condition) TURN_UNTIL(&(s)->loop, condition)

#endif
