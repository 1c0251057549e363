/* The tables of commands, one for each area. Words here are what people read: help and the reference
 * page are made from it. */
#include "base/alloc.h"
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

static const struct flag import_flags[] = {
    {"name", 0, "NAME", false, "of the VM"},
    {"site", 0, "SITE", false, "where it is to run"},
    {"network", 0, "NAME", false,
     "the network document that its cards are on (default: one is made for the address of each "
     "TAP)"},
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

static const struct flag watch_flags[] = {
    {"site", 0, "WHERE", false, "only of this site, or of \"primary\""},
    {0},
};

static const struct command document_commands[] = {
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
    {"import", "FILE|DIR", 1, 1, "text", import_flags,
     "documents from a vm-config.json of cloud-hypervisor; needs no server",
     "Prints them, for a file that apply -f takes; declares nothing. In a folder it reads "
     "vm-config.json. "
     "A disk that\n"
     "nobody may write to (in a read-only store) becomes a volume on top of it. Run it where the "
     "disks are.",
     run_import},
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
    {"watch", "[KIND [NAME]]", 0, 2, "text|json", watch_flags,
     "documents and statuses as they change, one line for each change",
     "Begins with what changes next. -o json prints one object a line. Ends with ^C.", run_watch},
    {"explain", "KIND[.FIELD...]", 1, 1, "text|json", NULL,
     "what a kind of document, or a field, is; needs no server",
     "As in explain vm.disks.size: value, range, default, and what a change of it costs.",
     run_explain},
    {0},
};

static const struct command other_commands[] = {
    {"completion", "SHELL", 1, 1, "text", NULL, "print the script that completes for a shell: bash",
     "source <(harmonyctl completion bash)", run_completion},
    {"complete", "[WORD...]", 0, INVOCATION_ARGUMENTS_MAX, "text", NULL,
     "what may stand next on a command line; for the scripts of completion",
     "After --, the words of the line; the last one is being written.", run_complete},
    {"version", "", 0, 0, "text|json", NULL, "the version of harmonyctl", "", run_version},
    {"help", "[COMMAND...]", 0, 2, "text|markdown|man", NULL, "explain a command", "", run_help},
    {0},
};

/* In the order in which help shows them. */
static const struct command *const tables[] = {document_commands, operate_commands,
                                               failover_commands, other_commands};

const struct command *command_next(const struct command *after)
{
    if (after && after[1].name)
        return after + 1;
    for (size_t i = 0; i < HM_COUNT(tables); i++) {
        const struct command *c = tables[i];
        if (!after)
            return c;
        while (c->name && c != after)
            c++;
        if (c == after && i + 1 < HM_COUNT(tables))
            return tables[i + 1];
    }
    return NULL;
}
