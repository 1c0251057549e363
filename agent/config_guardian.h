/*
 * The part `guardian` of the agent's configuration: who starts the guardian, and what it does beyond
 * killing what the agent started. All strings belong to the struct; a zeroed one is valid for
 * guardian_config_clear(). Thread: any.
 */
#ifndef HM_AGENT_CONFIG_GUARDIAN_H
#define HM_AGENT_CONFIG_GUARDIAN_H

#include <stddef.h>
#include <stdint.h>

#include "guardian/protocol.h"
#include "proto/field.h"

/* word in the file, and what it means */
#define GUARDIAN_STARTS(X)                                                                         \
    X(AUTO, "auto")   /* the agent, unless it is a unit of systemd itself */                       \
    X(UNIT, "unit")   /* somebody else: it is waited for */                                        \
    X(AGENT, "agent") /* the agent, if nobody listens */

enum guardian_start {
#define GUARDIAN_START_ENUM(id, word) GUARDIAN_START_##id,
    GUARDIAN_STARTS(GUARDIAN_START_ENUM)
#undef GUARDIAN_START_ENUM
};

struct guardian_address {
    char *link, *address; /* eth0, 192.0.2.10/24 */
};

struct guardian_config {
    char *socket;
    enum guardian_start start;
    char *cgroup; /* under which the epochs' are made; NULL: the guardian chooses */
    struct {
        char **cgroups, **links; /* end in NULL */
        struct guardian_address *addresses;
        size_t address_count;
        char **command;      /* argv, ends in NULL; NULL: none */
        char *watchdog;      /* NULL: none */
        int64_t limit_ms[5]; /* by enum guard_rung; 0: the guardian's default */
    } fence;
};

extern const struct field guardian_fields[];

/* What the table can't say. `spec` is that of the whole file, in normal form. */
int guardian_config_check(const json_t *spec, struct field_place *at, struct hm_error *err);

/* From the part's spec in normal form. `runtime_dir` is where the socket is if it says nothing. */
void guardian_config_take(struct guardian_config *ret, const json_t *guardian,
                          const char *runtime_dir);
void guardian_config_clear(struct guardian_config *c);

#endif
