/*
 * Run notes: what is kept in a domain about its last run, so that any later agent knows whether it was
 * started, and whether it ended by itself (docs/adr/0035-run-notes.md).
 *
 * An element of our own namespace in libvirt's <metadata>, beside the mark, in the definition alone:
 * libvirt keeps it on disk, a redefinition carries it over, and it goes with the domain. Pure. Thread: any.
 */
#ifndef HM_VMM_RUN_NOTE_H
#define HM_VMM_RUN_NOTE_H

#include <libxml/tree.h>

#include "base/clock.h"
#include "vmm/driver.h"

#define RUN_NOTE_NAMESPACE "urn:harmony:run:1"
#define RUN_NOTE_PREFIX    "harmonyrun"

/* Of began_ms and loop_since_ms, which are nanoseconds elsewhere. */
#define RUN_NOTE_MS_MAX (INT64_MAX / HM_MS)

bool run_note_is_same(const struct run_note *a, const struct run_note *b);
/* A word that run_state_name() gives; any other, or NULL, is RUN_NONE. */
enum run_state run_state_named(const char *name);

/* Into the <metadata> child of `root`, made if missing. RUN_NONE adds nothing. */
void run_note_to_xml(const struct run_note *note, xmlNodePtr root);
/* From a domain's root element; what is not there, or can't be understood, is RUN_NONE. */
struct run_note run_note_from_xml(xmlNodePtr root);
/* The element alone and without a namespace, as virDomainSetMetadata() wants it; the caller frees it.
 * NULL for RUN_NONE, which takes it away. */
char *run_note_element(const struct run_note *note);

#endif
