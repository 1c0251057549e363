/* The table of operations: one row each; harmonyctl's help and docs/reference/operations.md come of it. */
#include "proto/operation.h"

static const char *const vms[] = {"vm", NULL};
static const char *const with_disks[] = {"vm", "disk", NULL};

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
    {.name = "since",
     .type = FIELD_DURATION,
     .max = 3650LL * 86400 * 1000,
     .help = "Nothing that is known to have been written longer ago than this."},
    {.name = NULL},
};

#define SNAPSHOT_ARG(text)                                                                         \
    {                                                                                              \
        .name = "snapshot", .type = FIELD_NAME, .required = true, .help = text                     \
    }

static const struct field no_args[] = {{.name = NULL}};
static const struct field snapshot_args[] = {
    SNAPSHOT_ARG("Its name; it begins with a letter."),
    {.name = NULL},
};
static const struct field snapshot_create_args[] = {
    SNAPSHOT_ARG("Its name; it begins with a letter."),
    {.name = "memory",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "With what the guest holds in memory: a VM on cloud-hypervisor that runs. It stands "
             "still while that is written and read."},
    {.name = NULL},
};
static const struct field snapshot_apply_args[] = {
    SNAPSHOT_ARG("The one to go back to."),
    {.name = "disk_only",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "The disks alone, also of a snapshot with memory: the next start boots the guest."},
    {.name = "discard",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help =
         "Do not keep what the disks hold now in a snapshot of its own; what `protect` protects "
         "is kept all the same."},
    {.name = NULL},
};

static const struct field console_args[] = {
    {.name = "force",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "Take it over from whoever has it open."},
    {.name = NULL},
};

static const struct operation check = {
    .name = "check",
    .args = no_args,
    .deadline_ms = 5000,
    .help =
        "What only the host itself can say for `harmonyctl doctor`: its clock, room on its disks.",
};

static const struct operation console = {
    .name = "console",
    .kinds = vms,
    .args = console_args,
    .streams = true,
    .deadline_ms = 10000,
    .help = "The serial console, to read and to type; one at a time for each VM.",
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

static const struct operation metrics = {
    .name = "metrics",
    .args = no_args,
    .deadline_ms = 5000,
    .help = "What the VMs of the site use (cpu, memory, disks, cards), as measured within the last "
            "10 s.",
};

static const struct operation snapshot_create = {
    .name = "snapshot-create",
    .kinds = with_disks,
    .args = snapshot_create_args,
    .changes = true,
    .deadline_ms = 300000,
    .help = "A snapshot of a disk, or of all disks of a VM at one instant, also while it runs. Of "
            "qcow2 "
            "disks that harmony makes.",
};

static const struct operation snapshot_list = {
    .name = "snapshot-list",
    .kinds = with_disks,
    .args = no_args,
    .deadline_ms = 10000,
    .help = "What snapshots the disk, or the disks of the VM, have.",
};

static const struct operation snapshot_apply = {
    .name = "snapshot-apply",
    .kinds = with_disks,
    .args = snapshot_apply_args,
    .changes = true,
    .deadline_ms = 300000,
    .help = "Make the disks hold what they held then. No guest may run on them.",
};

static const struct operation snapshot_delete = {
    .name = "snapshot-delete",
    .kinds = with_disks,
    .args = snapshot_args,
    .changes = true,
    .deadline_ms = 60000,
    .help =
        "Delete a snapshot, which the document must not declare. What the disks hold now stays.",
};

const struct operation *const operations[] = {
    &check,          &reboot,          &logs,    &console, &snapshot_create, &snapshot_list,
    &snapshot_apply, &snapshot_delete, &metrics, NULL,
};
