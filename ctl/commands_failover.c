/* The commands of the failover group. */
#include "ctl/command.h"
#include "ctl/run.h"

static const struct flag failover_init_flags[] = {
    {"primary", 0, "SITE", false, "the preferred primary (required)"},
    {"replica", 0, "SITE", true, "a replica; repeat in the order of rank (required)"},
    {"failover-timeout", 0, "TIME", false,
     "silence of the leader after which a replica takes over (default 5s)"},
    {"heartbeat-interval", 0, "TIME", false, "time between heartbeats (T; default 1s)"},
    {"failure-threshold", 0, "N", false,
     "failed heartbeats in a row after which a leader fences itself"},
    {"success-threshold", 0, "N", false, "successes in a row before a site counts as up again"},
    {"fence-timeout", 0, "TIME", false, "time within which a fenced workload is stopped"},
    {"yield-after", 0, "TIME", false,
     "how long the preferred primary must be ready before it gets the role back"},
    {"bucket-replicas", 0, "N", false,
     "copies of each bucket among the NATS servers (default 1; 3 survives a lost server)"},
    {0},
};

static const struct flag failover_repair_flags[] = {
    {"yes", 'y', NULL, false, "do it; without this it is only said"},
    {"force", 0, NULL, false,
     "also while a leader may serve, and without waiting: two sites may then serve at once"},
    {"next", 0, "SITE", false, "who may take the lease first (default: anyone)"},
    {"config", 0, "FILE", false, "the cluster_config to write if there is none (JSON)"},
    {"primary", 0, "SITE", false, "instead of --config: the preferred primary"},
    {"replica", 0, "SITE", true, "instead of --config: a replica; repeat in the order of rank"},
    {"failover-timeout", 0, "TIME", false, "as for failover init"},
    {"heartbeat-interval", 0, "TIME", false, "as for failover init"},
    {"failure-threshold", 0, "N", false, "as for failover init"},
    {"success-threshold", 0, "N", false, "as for failover init"},
    {"fence-timeout", 0, "TIME", false, "as for failover init"},
    {"yield-after", 0, "TIME", false, "as for failover init"},
    {"bucket-replicas", 0, "N", false, "copies of the bucket if it is made (default 1)"},
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {0},
};

static const struct flag failover_pause_flags[] = {
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {"force", 0, NULL, false, "also while nobody leads"},
    {0},
};

static const struct flag failover_resume_flags[] = {
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {0},
};

static const struct flag failover_switchover_flags[] = {
    {"to", 0, "SITE", false, "who is to lead"},
    {"at", 0, "TIME", false, "not now but then, in UTC (2026-11-30T01:30:00Z, or 01:30)"},
    {"cancel", 0, NULL, false, "withdraw what was asked for, as long as it has not begun"},
    {"dry-run", 0, NULL, false, "only say what would be done, or why not"},
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {0},
};

static const struct flag failover_promote_flags[] = {
    {"force", 0, NULL, false, "required: there is no other promotion by hand"},
    {"leader-is-off", 0, "SITE", false,
     "your word that the last leader is off, where its silence does not prove it"},
    {"dry-run", 0, NULL, false, "only say what would be done, or why not"},
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {0},
};

static const struct flag failover_site_flags[] = {
    {"nofailover", 0, "WORD", false, "on: it takes the role only by force; off: as others do"},
    {"priority", 0, "N", false, "replicas of a higher one take over first (0 to 1000, else 100)"},
    {"dry-run", 0, NULL, false, "only say what would be changed"},
    {"reason", 0, "TEXT", false, "why, for the history"},
    {"by", 0, "NAME", false, "who, for the history (default: user@host)"},
    {0},
};

static const struct flag failover_history_flags[] = {
    {"since", 0, "TIME", false, "only the last part of it (\"10m\")"},
    {0},
};

const struct command failover_commands[] = {
    {"failover init", "", 0, 0, "text", failover_init_flags,
     "create the buckets and a failover group's first records",
     "Makes the buckets harmony_desired, harmony_status and harmony_failover, the group's "
     "cluster_config,\n"
     "and its first record (no leader, next: the preferred primary). May be repeated: what is "
     "there and as\n"
     "asked is left alone, what is there and different is refused.",
     run_failover_init},
    {"failover repair", "", 0, 0, "text|json", failover_repair_flags,
     "put a group right whose store has lost what it had acknowledged",
     "For sites that hold: the bucket is gone, was made anew, or is older than what they have "
     "seen. "
     "Says which\n"
     "epochs each site has seen and what the bucket holds. With --yes it makes the bucket and "
     "cluster_config if\n"
     "they are missing, listens until whoever led can't serve any more, and releases the lease in "
     "a higher\n"
     "generation, by compare-and-swap. Refuses (5) while a leader's lease is live. Exits with 0 if "
     "nothing has\n"
     "to be repaired or it was, 5 if it was only said, 4 if nothing is known of the group "
     "(failover init makes\n"
     "one), 3 if cluster_config is missing and none was given.",
     run_failover_repair},
    {"failover pause", "", 0, 0, "text", failover_pause_flags,
     "nothing starts, stops or moves by itself, until failover resume",
     "For maintenance, of NATS say. Sets paused in cluster_config and waits until the leader has "
     "acknowledged\n"
     "it: only then does it stop fencing itself. Refused while nobody leads, since it would stay "
     "so.",
     run_failover_pause},
    {"failover resume", "", 0, 0, "text", failover_resume_flags, "end a pause",
     "Waits until the leader has armed its deadline again. Nobody else may take the lease while "
     "its "
     "last record\n"
     "says paused: a leader that died meanwhile has to come back, or an operator decides "
     "(failover promote --force).",
     run_failover_resume},
    {"failover switchover", "", 0, 0, "text", failover_switchover_flags,
     "hand the role over to a site, now or at a time; --cancel: not after all",
     "The leader stops its workload cleanly, verifies that, and releases to the site, which is "
     "then "
     "the\n"
     "operator's choice: it yields to nobody. Refused, with the reason, when the site is not fit, "
     "too far\n"
     "behind, not heard or barred, when nobody leads, under a pause, and while another request is "
     "open. The\n"
     "leader looks again when it is due, by its own clock, and when the workload has stopped: if "
     "the site is\n"
     "gone by then, the role stays. One that nobody has begun within --timeout (default 120s) is "
     "withdrawn; a\n"
     "planned one a minute after it was due.",
     run_failover_switchover},
    {"failover promote", "SITE", 1, 1, "text", failover_promote_flags,
     "by force, over what only people can decide about",
     "For a leader that died under a pause, and for a site that is barred, too far behind, backing "
     "off or without\n"
     "a vote. It does not make anybody serve beside a leader that may serve: refused while the "
     "leader was heard\n"
     "within its promise, and, where silence proves nothing, without your word that it is off. "
     "The site is the\n"
     "operator's choice from then on. A pause of the group goes on.",
     run_failover_promote},
    {"failover site", "SITE", 1, 1, "text", failover_site_flags,
     "nofailover and priority of a site",
     "In cluster_config, live. With nofailover a site takes no role of another's, neither by "
     "silence nor by a\n"
     "release or a switchover, and is not waited for; what it leads it keeps.",
     run_failover_site},
    {"failover status", "", 0, 0, "text|json|yaml", NULL,
     "who leads, who would follow, how they are",
     "Listens for up to 2 s for a fresh heartbeat, to know the server's time.",
     run_failover_status},
    {"failover history", "", 0, 0, "text|json|html", failover_history_flags,
     "a timeline of heartbeats, gaps and transitions, from the bucket alone",
     "Times are UTC, as stamped by the server. -o html prints one self-contained page with a plot.",
     run_failover_history},
    {"incident list", "", 0, 0, "text|json", NULL,
     "every change of the leader, with its outage and its cause", "", run_incident_list},
    {"incident show", "EPOCH", 1, 1, "text|json|html", NULL,
     "what happened when this epoch began, and why",
     "From the bucket alone, also a month later. Says how sure the cause is, and on what evidence. "
     "-o html\n"
     "prints one self-contained page with a plot.",
     run_incident_show},
    {0},
};
