/*
 * The status of one document, made from its plan step, its task and its entry. Pure.
 */
#ifndef HM_AGENT_DOC_STATUS_H
#define HM_AGENT_DOC_STATUS_H

#include "agent/desired.h"
#include "agent/plan.h"
#include "agent/task.h"

/* Phases, as `harmonyctl get` shows them. */
#define DOC_PHASES(X)                                                                              \
    X(RUNNING, "Running") /* as declared */                                                        \
    X(STOPPED, "Stopped") /* as declared: power off */                                             \
    X(PAUSED, "Paused")   /* as declared */                                                        \
    X(STANDBY, "Standby") /* placement primary, and another site leads */                          \
    X(PENDING, "Pending") /* something is being done */                                            \
    X(WAITING, "Waiting") /* for something else */                                                 \
    X(BLOCKED, "Blocked") /* until a person decides */                                             \
    X(FAILED, "Failed")   /* tried, will be tried again */                                         \
    X(ENDED, "Ended")     /* by itself, and its restart_policy leaves it so */                     \
    X(DELETED, "Deleted")

enum doc_phase {
#define DOC_PHASE_ENUM(id, text) PHASE_##id,
    DOC_PHASES(DOC_PHASE_ENUM)
#undef DOC_PHASE_ENUM
};
const char *doc_phase_name(enum doc_phase phase);

enum doc_phase doc_phase(const struct plan_step *step, const struct task *task, bool serving);

/* Everything that the status shows, as one number: an equal number, an equal status. */
uint64_t doc_status_fingerprint(const struct plan_step *step, const struct task *task,
                                const struct desired_entry *entry, bool serving);

/* A new reference. `since` is an RFC 3339 text. */
json_t *doc_status_json(const struct plan_step *step, const struct task *task,
                        const struct desired_entry *entry, bool serving, const char *since);

#endif
