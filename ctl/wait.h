/*
 * Waiting for the agents: which revisions are applied, told from the statuses they write. The
 * judging is pure (wait_look); wait_for() watches harmony_status with it.
 */
#ifndef HM_CTL_WAIT_H
#define HM_CTL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/command.h"
#include "ctl/session.h"
#include "proto/doc.h"

enum wait_verdict { WAIT_GOES_ON, WAIT_DONE, WAIT_BLOCKED };

/* One document that is waited for. Strings belong to it. */
struct wait_target {
    char *where, *kind, *name;
    uint64_t revision;
    bool is_delete;
    enum wait_verdict verdict;
    char *site;  /* the site that spoke last, or NULL */
    char *phase; /* what it said, or NULL */
    char *reason;
};

struct wait {
    struct wait_target *targets;
    size_t count;
};

void wait_add(struct wait *w, const char *key, uint64_t revision, bool is_delete);
void wait_clear(struct wait *w);

/* Judge a status entry (`<site>.<kind>.<name>`). The target whose verdict it changed, or NULL. A
 * document on `primary` is applied when the site that runs it says so: a standby does not count. */
const struct wait_target *wait_look(struct wait *w, const struct entry *status);
bool wait_is_over(const struct wait *w);

/* Watch until every target is applied or blocked, or the time is up, telling each as it comes. */
enum ctl_exit wait_for(struct invocation *in, struct session *s, struct wait *w);

#endif
