/* harmonyctl completion, which prints a shell's script, and complete, which that script asks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/complete.h"
#include "ctl/group.h"
#include "ctl/incident.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "proto/doc.h"

#define FILES_WANTED ":files" /* the script's word for it */

/* Nothing of a word is ever evaluated by the shell: mapfile takes lines as they are. */
static const char bash_script[] =
    "# bash completion of harmonyctl: source <(harmonyctl completion bash)\n"
    "_harmonyctl() {\n"
    "    local found\n"
    "    mapfile -t found < <(harmonyctl complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
    "2>/dev/null)\n"
    "    if [ \"${found[0]-}\" = \"" FILES_WANTED "\" ]; then\n"
    "        compopt -o default\n"
    "        COMPREPLY=()\n"
    "    else\n"
    "        COMPREPLY=(\"${found[@]}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _harmonyctl harmonyctl\n";

enum ctl_exit run_completion(struct invocation *in)
{
    struct hm_error err;
    if (strcmp(in->arguments[0], "bash") != 0) {
        hm_fail(&err, HM_E_UNSUPPORTED, "there is no completion for \"%.50s\", only for bash",
                in->arguments[0]);
        report_error(in, &err);
        return CTL_USAGE;
    }
    fputs(bash_script, in->out);
    return CTL_OK;
}

/* -- What only the buckets know. No server, no names: a shell wants no errors. ------------------------- */

static void offer_name(struct completion *c, const struct entry *e)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    struct hm_error ignored;
    if (e->deleted || doc_key_split(e->key, where, kind, name, &ignored) < 0)
        return;
    if (c->what == COMPLETE_NAMES && !strcmp(kind, c->kind))
        complete_offer(c, name);
    else if (c->what == COMPLETE_WHERE)
        complete_offer(c, where);
}

/* "<site>.agent" */
static void offer_site(struct completion *c, const struct entry *e)
{
    const char *dot = strchr(e->key, '.');
    if (e->deleted || !dot || strcmp(dot, ".agent") != 0)
        return;
    HM_AUTOFREE char *site = hm_strndup(e->key, (size_t)(dot - e->key));
    if (name_is_valid(site))
        complete_offer(c, site);
}

static void offer_epochs(struct completion *c, const struct entries *list, const char *group)
{
    HM_AUTOFREE uint64_t *epochs = NULL;
    size_t count = incident_epochs(list, group, &epochs);
    for (size_t i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)epochs[i]);
        complete_offer(c, text);
    }
}

static void offer_entries(struct invocation *in, struct completion *c, const struct entries *list)
{
    if (c->what == COMPLETE_EPOCHS)
        offer_epochs(c, list, group_name(in));
    for (size_t i = 0; i < list->count && c->what != COMPLETE_EPOCHS; i++)
        if (c->what == COMPLETE_SITES)
            offer_site(c, &list->items[i]);
        else
            offer_name(c, &list->items[i]);
}

static const char *bucket_of(enum complete_what what)
{
    switch (what) {
    case COMPLETE_NAMES:
    case COMPLETE_WHERE:
        return BUCKET_DESIRED;
    case COMPLETE_SITES:
        return BUCKET_STATUS;
    case COMPLETE_EPOCHS:
        return BUCKET_FAILOVER;
    case COMPLETE_NOTHING:
    case COMPLETE_WORDS:
    case COMPLETE_FILES:
        break;
    }
    return NULL;
}

static void look_up(struct invocation *in, struct completion *c)
{
    struct session *s = NULL;
    struct entries list = {0};
    struct hm_error ignored;
    const char *bucket = bucket_of(c->what);
    if (!bucket || open_or_report(in, &s) != CTL_OK)
        return;
    if (session_list(s, bucket, ">", false, &list, &ignored) >= 0)
        offer_entries(in, c, &list);
    entries_clear(&list);
    session_close(s);
}

enum ctl_exit run_complete(struct invocation *in)
{
    struct completion c;
    complete_line(in->arguments, in->argument_count, &c);
    look_up(in, &c);
    if (c.what == COMPLETE_FILES)
        fprintf(in->out, FILES_WANTED "\n");
    for (size_t i = 0; i < c.count; i++)
        fprintf(in->out, "%s\n", c.words[i]);
    complete_clear(&c);
    return CTL_OK;
}
