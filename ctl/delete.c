#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/ask.h"
#include "ctl/json_text.h"
#include "ctl/load.h"
#include "ctl/open.h"
#include "ctl/plan_request.h"
#include "ctl/plan_view.h"
#include "ctl/run.h"
#include "ctl/show.h"
#include "ctl/wait.h"

struct deleting {
    struct invocation *in;
    struct session *session;
    struct entries stored;
    const struct entry **chosen; /* borrowed from `stored` */
    size_t chosen_count;
};

static void choose(struct deleting *d, const struct entry *entry)
{
    d->chosen = hm_realloc_array(d->chosen, d->chosen_count + 1, sizeof *d->chosen);
    d->chosen[d->chosen_count++] = entry;
}

static void warn_absent(struct deleting *d, const char *kind, const char *name, const char *where)
{
    HM_AUTOFREE char *shown = show_cleaned(name);
    fprintf(d->in->err, "warning: %s %s: is not declared%s%s; nothing to delete\n", kind, shown,
            where ? " for " : "", where ? where : "");
}

/* -- Which documents ----------------------------------------------------------------------- */

static bool is_named(const struct entry *e, const char *kind, const char *name, const char *where)
{
    char e_where[DOC_NAME_MAX + 1], e_kind[DOC_NAME_MAX + 1], e_name[DOC_NAME_MAX + 1];
    if (e->deleted || doc_key_split(e->key, e_where, e_kind, e_name, NULL) < 0)
        return false;
    return strcmp(kind, e_kind) == 0 && strcmp(name, e_name) == 0 &&
           (!where || strcmp(where, e_where) == 0);
}

static int choose_named(struct deleting *d, const char *kind, const char *name, const char *where,
                        struct hm_error *err)
{
    const struct entry *found = NULL;
    for (size_t i = 0; i < d->stored.count; i++) {
        const struct entry *e = &d->stored.items[i];
        if (!is_named(e, kind, name, where))
            continue;
        if (found)
            return hm_fail(err, HM_E_INVALID,
                           "%s %s: is declared as %s and as %s: say which with --site", kind, name,
                           found->key, e->key);
        found = e;
    }
    if (found)
        choose(d, found);
    else
        warn_absent(d, kind, name, where);
    return 0;
}

static enum ctl_exit choose_by_words(struct deleting *d)
{
    struct hm_error err;
    const struct kind *kind;
    if (doc_find_kind(d->in->arguments[0], &kind, &err) < 0 ||
        choose_named(d, kind->name, d->in->arguments[1], flag_value(d->in, "site"), &err) < 0) {
        report_error(d->in, &err);
        return CTL_USAGE;
    }
    return CTL_OK;
}

static void choose_by_documents(struct deleting *d, const struct doc_list *docs)
{
    for (size_t i = 0; i < docs->count; i++) {
        const struct doc *doc = &docs->items[i];
        char key[DOC_KEY_MAX + 1];
        doc_key(doc, key);
        const struct entry *e = entries_find(&d->stored, key);
        if (e && !e->deleted)
            choose(d, e);
        else
            warn_absent(d, doc->kind->name, doc->name, doc->where);
    }
}

/* -- What will happen ---------------------------------------------------------------------- */

static int check_protection(const struct entry *e, struct hm_error *err)
{
    json_t *document = entry_object(e);
    bool is_protected = json_is_true(json_object_get(document, "protect"));
    json_decref(document);
    if (!is_protected)
        return 0;
    return hm_fail(
        err, HM_E_REFUSED,
        "%s: is protected (protect: true in revision %llu); take that off in a revision of "
        "its own, then delete it",
        e->key, (unsigned long long)e->revision);
}

static enum ctl_exit check_protections(const struct deleting *d)
{
    enum ctl_exit code = CTL_OK;
    struct hm_error err;
    for (size_t i = 0; i < d->chosen_count; i++)
        if (check_protection(d->chosen[i], &err) < 0)
            code = report_error(d->in, &err);
    return code;
}

/* Plans of the agents that answer; what they say of other documents is not asked for here. */
static json_t *plans_of_deletion(const struct deleting *d, const json_t *keys)
{
    json_t *sites = json_array();
    json_t *request = json_pack("{s:[], s:O}", "documents", "deletes", keys), *plans = json_array();
    if (plan_sites(d->in, d->session, sites) == CTL_OK) {
        json_decref(plans);
        plans = plan_ask(d->session, sites, request);
    }
    json_decref(request);
    json_decref(sites);
    return plans;
}

static bool is_key_of(const json_t *keys, const char *key)
{
    size_t i;
    json_t *one;
    json_array_foreach(keys, i, one) if (strcmp(json_string_value(one), key) == 0) return true;
    return false;
}

static void tell_plan(const struct deleting *d, const json_t *plan, const json_t *keys)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        if (!is_key_of(keys, text_of(step, "key")))
            continue;
        HM_AUTOFREE char *site = show_cleaned(text_of(plan, "site"));
        HM_AUTOFREE char *why = show_cleaned(text_of(step, "why"));
        HM_AUTOFREE char *op = show_cleaned(text_of(step, "op"));
        fprintf(d->in->err, "  on %s: %s %s%s%s\n", site, op, text_of(step, "key"),
                *why ? ": " : "", why); /* the key is one of ours */
    }
}

static void tell_consequences(const struct deleting *d)
{
    json_t *keys = json_array(), *plan;
    size_t i;
    fprintf(d->in->err,
            "will be deleted; what they declare is stopped and removed by its agent, disks "
            "outlive their VM:\n");
    for (i = 0; i < d->chosen_count; i++) {
        fprintf(d->in->err, "  %s (rev %llu)\n", d->chosen[i]->key,
                (unsigned long long)d->chosen[i]->revision);
        json_array_append_new(keys, json_string(d->chosen[i]->key));
    }
    json_t *plans = plans_of_deletion(d, keys);
    json_array_foreach(plans, i, plan) tell_plan(d, plan, keys);
    json_decref(plans);
    json_decref(keys);
}

static enum ctl_exit confirm(const struct deleting *d)
{
    if (!flag_is_set(d->in, "yes"))
        tell_consequences(d);
    return ask_first(d->in, "delete?", "not deleted");
}

/* -- Doing it ------------------------------------------------------------------------------ */

static enum ctl_exit delete_chosen(struct deleting *d)
{
    enum ctl_exit code = CTL_OK;
    struct wait wait = {0};
    for (size_t i = 0; i < d->chosen_count; i++) {
        const struct entry *e = d->chosen[i];
        uint64_t revision = 0;
        struct hm_error err;
        char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
        if (session_put(d->session, BUCKET_DESIRED, e->key, NULL, (int64_t)e->revision, &revision,
                        &err) < 0) {
            code = report_error(d->in, &err);
            continue;
        }
        doc_key_split(e->key, where, kind, name, NULL);
        fprintf(d->in->out, "%s/%s deleted (rev %llu), %s\n", kind, name,
                (unsigned long long)revision, where);
        wait_add(&wait, e->key, revision, true);
    }
    fflush(d->in->out);
    if (code == CTL_OK && flag_is_set(d->in, "wait"))
        code = wait_for(d->in, d->session, &wait);
    wait_clear(&wait);
    return code;
}

static enum ctl_exit choose_confirm_delete(struct deleting *d, const struct doc_list *docs)
{
    enum ctl_exit code = list_or_report(d->in, d->session, BUCKET_DESIRED, ">", &d->stored);
    if (code != CTL_OK)
        return code;
    if (d->in->argument_count > 0)
        code = choose_by_words(d);
    else
        choose_by_documents(d, docs);
    if (code == CTL_OK)
        code = check_protections(d);
    if (code == CTL_OK && d->chosen_count > 0)
        code = confirm(d);
    return code == CTL_OK ? delete_chosen(d) : code;
}

static enum ctl_exit delete_on_server(struct invocation *in, const struct doc_list *docs)
{
    struct deleting d = {.in = in};
    enum ctl_exit code = open_or_report(in, &d.session);
    if (code == CTL_OK)
        code = choose_confirm_delete(&d, docs);
    free(d.chosen);
    entries_clear(&d.stored);
    session_close(d.session);
    return code;
}

enum ctl_exit run_delete(struct invocation *in)
{
    struct loaded l = {0};
    bool by_file = flag_value(in, "file") != NULL;
    if (in->argument_count == 1 || (in->argument_count == 2) == by_file) {
        fprintf(in->err, "delete needs KIND NAME, or -f FILE|DIR\n");
        return CTL_USAGE;
    }
    enum ctl_exit code = by_file ? load_or_report(in, &l) : CTL_OK;
    if (code == CTL_OK)
        code = delete_on_server(in, &l.docs);
    loaded_clear(&l);
    return code;
}
