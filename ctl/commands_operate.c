/* The commands of every day: power, and what a site's agent is asked for at once. */
#include "ctl/command.h"
#include "ctl/run.h"

#define SITE_FLAG                                                                                  \
    {                                                                                              \
        "site", 0, "SITE", false,                                                                  \
            "the site where it is (default: the document's; for primary the leader)"               \
    }
static const struct flag power_flags[] = {
    {"wait", 0, NULL, false, "until the agent reports that this revision is applied"},
    {"site", 0, "WHERE", false,
     "the document's site, or \"primary\": needed if several have one of this name"},
    {0},
};

static const struct flag prune_flags[] = {
    {"yes", 'y', NULL, false, "do not ask"},
    {"dry-run", 0, NULL, false, "only say what would be removed"},
    {"site", 0, "SITE", true, "only what this site's agent calls an orphan (default: all)"},
    {"wait", 0, NULL, false, "until the agents report that it is gone"},
    {0},
};

static const struct flag top_flags[] = {
    {"once", 0, NULL, false, "print it once"},
    {"site", 0, "SITE", true, "only this site (default: all)"},
    {0},
};

static const struct flag reboot_flags[] = {
    {"grace", 0, "TIME", false,
     "how long the guest is asked before it is reset hard (default: its stop_grace); 0: at once"},
    SITE_FLAG,
    {0},
};

static const struct flag console_flags[] = {
    {"force", 0, NULL, false, "take it over from whoever has it open"},
    {"site", 0, "SITE", false,
     "the site where it is (default: the document's; for primary the leader)"},
    {0},
};

static const struct flag logs_flags[] = {
    {"follow", 'f', NULL, false, "go on with what is written from now on"},
    {"tail", 0, "N", false, "begin with the last N lines (of at most 1 MiB)"},
    {"since", 0, "TIME", false, "only what was written within the last TIME (10m, 2h, 3d)"},
    SITE_FLAG,
    {0},
};

static const struct flag snapshot_flags[] = {SITE_FLAG, {0}};

static const struct flag snapshot_create_flags[] = {
    {"memory", 0, NULL, false, "with what the guest holds in memory (cloud-hypervisor)"},
    SITE_FLAG,
    {0},
};

static const struct flag snapshot_apply_flags[] = {
    {"disk-only", 0, NULL, false, "the disks alone: the next start boots the guest"},
    {"discard", 0, NULL, false, "do not keep what the disks hold now in a snapshot of its own"},
    {"yes", 'y', NULL, false, "with --discard: do not ask"},
    SITE_FLAG,
    {0},
};

static const struct flag snapshot_delete_flags[] = {
    {"yes", 'y', NULL, false, "do not ask"},
    SITE_FLAG,
    {0},
};

const struct command operate_commands[] = {
    {"start", "KIND NAME", 2, 2, "text|json", power_flags, "declare power: on",
     "Changes this one field of the document, by compare-and-swap; the agent does the rest, and "
     "keeps "
     "it so.",
     run_start},
    {"stop", "KIND NAME", 2, 2, "text|json", power_flags, "declare power: off",
     "The guest is asked, and stopped hard after its stop_grace. It stays off until it is started.",
     run_stop},
    {"pause", "KIND NAME", 2, 2, "text|json", power_flags, "declare power: paused",
     "Its processors stand still, its memory stays.", run_pause},
    {"resume", "KIND NAME", 2, 2, "text|json", power_flags, "declare power: on for what is paused",
     "What is declared off is refused: start starts it.", run_resume},
    {"reboot", "KIND NAME", 2, 2, "text", reboot_flags, "reboot a VM; it stays defined and on",
     "The guest is asked, and after its grace reset. Returns when it begins to boot. --timeout is "
     "for "
     "all of it\n"
     "(default 60s).",
     run_reboot},
    {"console", "KIND NAME", 2, 2, "text", console_flags, "talk to a VM on its serial console",
     "Ctrl-] ends it; every other key goes to the guest. One at a time: a second one is refused, "
     "or "
     "takes over\n"
     "with --force. NATS permissions and the site's configuration decide who may "
     "(docs/operations.md).",
     run_console},
    {"logs", "KIND NAME", 2, 2, "text", logs_flags, "what a VM wrote on its serial console",
     "Comes from the file that the VM's site keeps of it. On a terminal, control characters of the "
     "guest are\n"
     "shown as '?'; elsewhere every byte is passed on as it is. --since may begin some seconds "
     "early,\n"
     "and earlier where no agent ran: a console's lines carry no times. -f ends with ^C.",
     run_logs},
    {"snapshot create", "KIND NAME SNAPSHOT", 3, 3, "text", snapshot_create_flags,
     "take a snapshot of a disk, or of all disks of a VM",
     "Also while the VM runs: of all its disks at one instant, as a power cut would leave them. Of "
     "qcow2 "
     "disks that\nharmony makes. With --memory, on cloud-hypervisor, of the guest as it is: it "
     "stands "
     "still meanwhile.",
     run_snapshot_create},
    {"snapshot list", "KIND NAME", 2, 2, "text|json", snapshot_flags,
     "what snapshots a disk, or the disks of a VM, have",
     "Names that begin with auto- were made by harmony: before a snapshot was applied, and before "
     "risky "
     "changes of\nwhat `protect` protects.",
     run_snapshot_list},
    {"snapshot apply", "KIND NAME SNAPSHOT", 3, 3, "text", snapshot_apply_flags,
     "make the disks hold what they held then",
     "No guest may run on them: stop the VM first. What the disks hold now is kept in a snapshot "
     "of its "
     "own, whose\nname is said, unless --discard is given; of what `protect` protects it is always "
     "kept. After one with\nmemory the next start goes on from there, unless --disk-only is given.",
     run_snapshot_apply},
    {"snapshot delete", "KIND NAME SNAPSHOT", 3, 3, "text", snapshot_delete_flags,
     "delete a snapshot",
     "What the disks hold now stays. One that the disk's document declares is taken out of "
     "`snapshots` "
     "there first.",
     run_snapshot_delete},
    {"prune", "", 0, 0, "text|json", prune_flags,
     "remove orphans: ours, and no document speaks of them",
     "Says what each site would do and asks first. What is protected is kept, and so is everything "
     "that\n"
     "harmony did not make. An orphan gets a delete marker, and goes the way of every deletion.",
     run_prune},
    {"doctor", "", 0, 0, "text|json", NULL, "look at everything, say what is wrong and what to do",
     "Server, buckets, clocks, agents, guardians, backends, disks. Exits with 1 if there is a "
     "problem; "
     "warnings\n"
     "alone are 0.",
     run_doctor},
    {"top", "", 0, 0, "text|json", top_flags, "what the VMs use",
     "As measured by their agents within the last 10 s. CPU: 100% is one processor. Disk and "
     "network "
     "are what\n"
     "was moved since the VM's process began. On a terminal it goes on until ^C; -o json prints it "
     "once.",
     run_top},
    {0},
};
