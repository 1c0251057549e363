/* The table of commands. Words here are what people read: help and the reference page are made from
 * it. */
#include "ctl/command.h"

#include "ctl/run.h"

const struct flag global_flags[] = {
    {"server", 's', "URL", false,
     "NATS servers, separated by commas (default: NATS_URL, else the nats CLI's context)"},
    {"context", 0, "NAME", false,
     "a context of the nats CLI (default: NATS_CONTEXT, else the selected one)"},
    {"creds", 0, "FILE", false, "credentials file (default: NATS_CREDS)"},
    {"user", 0, "NAME", false,
     "user name; without a password it is taken as a token (default: NATS_USER)"},
    {"password", 0, "TEXT", false,
     "password; other users of this host can see it: prefer NATS_PASSWORD"},
    {"tls-ca", 0, "FILE", false,
     "certificates that the server's must be signed by (default: NATS_CA)"},
    {"tls-cert", 0, "FILE", false, "our certificate (default: NATS_CERT)"},
    {"tls-key", 0, "FILE", false, "our private key (default: NATS_KEY)"},
    {"group", 0, "NAME", false, "the failover group (default: HARMONY_GROUP, else \"default\")"},
    {"output", 'o', "FORMAT", false, "how to print: text, or what the command lists"},
    {"timeout", 0, "TIME", false,
     "how long to wait for each answer (default 5s; with --wait for all, default 2m)"},
    {"color", 0, "WHEN", false, "auto (on a terminal, unless NO_COLOR is set), always or never"},
    {"help", 'h', NULL, false, "explain the command"},
    {0},
};

static const struct flag apply_flags[] = {
    {"file", 'f', "FILE|DIR", true, "YAML or JSON file, or a folder of them"},
    {"wait", 0, NULL, false, "until the agents report that these revisions are applied"},
    {0},
};

static const struct flag validate_flags[] = {
    {"file", 'f', "FILE|DIR", true, "YAML or JSON file, or a folder of them"},
    {0},
};

static const struct flag plan_flags[] = {
    {"file", 'f', "FILE|DIR", true,
     "documents as if they were applied (default: what is declared now)"},
    {"site", 0, "SITE", true, "ask only this site's agent (default: all)"},
    {"detailed-exitcode", 0, NULL, false, "exit with 10 instead of 0 when there are changes"},
    {0},
};

static const struct flag get_flags[] = {
    {"site", 0, "WHERE", false, "only documents of this site, or of \"primary\""},
    {0},
};

static const struct flag delete_flags[] = {
    {"file", 'f', "FILE|DIR", true, "delete the documents that these files declare"},
    {"site", 0, "WHERE", false,
     "the document's site, or \"primary\": needed if several have one of this name"},
    {"yes", 'y', NULL, false, "do not ask"},
    {"wait", 0, NULL, false, "until the agents report that it is gone"},
    {0},
};

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
    {0},
};

static const struct flag failover_history_flags[] = {
    {"since", 0, "TIME", false, "only the last part of it (\"10m\")"},
    {0},
};

const struct command commands[] = {
    {"apply", "", 0, 0, "text", apply_flags, "declare documents: write them to harmony_desired",
     "Everything is verified first; if anything is wrong, nothing is written. A document whose "
     "stored\n"
     "form is the same is left alone (\"unchanged\"). Writes are compare-and-swap: if someone else "
     "changed\n"
     "a document meanwhile, it is refused. Absence is not deletion: a document that is missing "
     "from the\n"
     "files stays declared.",
     run_apply},
    {"validate", "", 0, 0, "text|json", validate_flags, "check documents; needs no server",
     "Prints every error with file and line.", run_validate},
    {"plan", "", 0, 0, "text|json|yaml", plan_flags, "what the agents would do; nothing is changed",
     "The plan is made by the agent that would execute it. ~ changes, + creates, - removes, ! is "
     "blocked\n"
     "and needs a decision, = needs nothing.",
     run_plan},
    {"get", "[KIND [NAME]]", 0, 2, "text|wide|json|yaml", get_flags,
     "what is declared, and what the agents report about it",
     "REV is the applied revision; \"11 -> 12\" means that 12 is declared and not applied yet, "
     "\"-> 12\" that none is.",
     run_get},
    {"delete", "[KIND NAME]", 0, 2, "text", delete_flags, "remove documents, and what they declare",
     "Says what will happen and asks first. A document with protect: true is refused. What is not "
     "declared\n"
     "gives a warning only.",
     run_delete},
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
    {"version", "", 0, 0, "text|json", NULL, "the version of harmonyctl", "", run_version},
    {"help", "[COMMAND...]", 0, 2, "text|markdown", NULL, "explain a command", "", run_help},
    {0},
};
