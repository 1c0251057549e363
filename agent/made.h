/*
 * A note on disk: from now on, a VM of placement `primary` may exist on this host.
 *
 * Written before the first such VM is made, adopted or started, and when one is seen; never taken
 * back. A host whose backend can't be reached may call its workload stopped only while there is no
 * such note (ADR 0002). Thread: any.
 */
#ifndef HM_AGENT_MADE_H
#define HM_AGENT_MADE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"
#include "vmm/driver.h"

bool made_is_primary_key(const char *key); /* "primary.vm.web"; NULL is none */

struct made {
    char *path;          /* NULL: remembered only while this process lives */
    atomic_bool noted;   /* a primary VM may exist */
    atomic_bool on_disk; /* and the note says so */
};

/* `state_dir` may be NULL. Looks for the note (blocks on the disk, at start); what can't be looked
 * for counts as there. */
void made_open(struct made *m, const char *state_dir);
void made_close(struct made *m);

/* Before a verb: fails, and the verb must not follow, if the note can't be kept. Blocks on the disk
 * the first time. */
int made_note(struct made *m, struct hm_error *err);
/* The same for what was seen, if a primary VM is among it; a note that can't be kept is tried again
 * with the next look. */
void made_note_seen(struct made *m, const struct things *things);

bool made_any(const struct made *m);

#endif
