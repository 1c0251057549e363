/* The commands that ask a site's agent for something at once. */
#include "ctl/command.h"
#include "ctl/run.h"

static const struct flag reboot_flags[] = {
    {"grace", 0, "TIME", false,
     "how long the guest is asked before it is reset hard (default: its stop_grace); 0: at once"},
    {"site", 0, "SITE", false,
     "the site where it is (default: the document's; for primary the leader)"},
    {0},
};

static const struct flag logs_flags[] = {
    {"follow", 'f', NULL, false, "go on with what is written from now on"},
    {"tail", 0, "N", false, "begin with the last N lines (of at most 1 MiB)"},
    {"site", 0, "SITE", false,
     "the site where it is (default: the document's; for primary the leader)"},
    {0},
};

const struct command operate_commands[] = {
    {"reboot", "KIND NAME", 2, 2, "text", reboot_flags, "reboot a VM; it stays defined and on",
     "The guest is asked, and after its grace reset. Returns when it begins to boot. --timeout is "
     "for "
     "all of it\n"
     "(default 60s).",
     run_reboot},
    {"logs", "KIND NAME", 2, 2, "text", logs_flags, "what a VM wrote on its serial console",
     "Comes from the file that the VM's site keeps of it. On a terminal, control characters of the "
     "guest are\n"
     "shown as '?'; elsewhere every byte is passed on as it is. -f ends with ^C.",
     run_logs},
    {0},
};
