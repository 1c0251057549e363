/* The table of operations: one row each; harmonyctl's help and docs/reference/operations.md come of it. */
#include "proto/operation.h"

static const char *const vms[] = {"vm", NULL};

static const struct field reboot_args[] = {
    {.name = "grace",
     .type = FIELD_DURATION,
     .max = 3600000,
     .help =
         "How long the guest is asked before it is reset hard (default: its stop_grace, as far as "
         "the deadline allows); 0: at once."},
    {.name = NULL},
};

static const struct field logs_args[] = {
    {.name = "follow",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "Go on with what is written from now on."},
    {.name = "tail",
     .type = FIELD_INT,
     .max = 1000000,
     .help = "Begin with so many last lines (of at most 1 MiB); without it, with the first line."},
    {.name = NULL},
};

static const struct operation reboot = {
    .name = "reboot",
    .kinds = vms,
    .args = reboot_args,
    .changes = true,
    .deadline_ms = 60000,
    .help = "Ask the guest to reboot, and after its grace reset it; done when it begins to boot.",
};

static const struct operation logs = {
    .name = "logs",
    .kinds = vms,
    .args = logs_args,
    .streams = true,
    .deadline_ms = 10000,
    .help = "What the guest wrote on its serial console, as it was written to its file.",
};

const struct operation *const operations[] = {
    &reboot,
    &logs,
    NULL,
};
