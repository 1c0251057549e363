/*
 * prune: what agents call orphans (ours by its mark, and no document speaks of it) gets the delete marker
 * that is missing, by compare-and-swap on "no such key". From there it goes the way of every deletion: the
 * agent verifies the mark, keeps what is protected, and says when it is gone (ADR 33).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/plan_request.h"
#include "ctl/run.h"
#include "ctl/show.h"
#include "ctl/wait.h"
#include "proto/doc.h"

struct pruning {
    struct invocation *in;
    struct session *session;
    json_t *sites;
    json_t *
        found; /* [{"key", "site", "kind", "name", "op", "why"}]: the plan for each, once it is deleted */
    enum ctl_exit code;
    struct wait wait;
};

/* -- What there is ---------------------------------------------------------------------------- */

static void report_silent(struct pruning *p, const json_t *plan)
{
    HM_AUTOFREE char *site = show_cleaned(text_of(plan, "site"));
    HM_AUTOFREE char *why = show_cleaned(text_of(json_object_get(plan, "error"), "text"));
    fprintf(p->in->err, "site %s: %s; its orphans are not known\n", site, why);
    p->code = CTL_FAILED;
}

/* The keys that the agents call orphans, once each: those of primary lie on several sites. */
static json_t *orphan_keys(struct pruning *p)
{
    json_t *request = json_pack("{s:[], s:[]}", "documents", "deletes");
    json_t *plans = plan_ask(p->session, p->sites, request), *keys = json_object(), *plan, *orphan;
    size_t i, k;
    json_array_foreach(plans, i, plan)
    {
        if (json_object_get(plan, "error"))
            report_silent(p, plan);
        json_array_foreach(json_object_get(plan, "orphans"), k, orphan)
        {
            char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
            if (doc_key_split(text_of(orphan, "key"), where, kind, name, NULL) >= 0)
                json_object_set_new(keys, text_of(orphan, "key"), json_true());
        }
    }
    json_decref(plans);
    json_decref(request);
    return keys;
}

static void take_steps(struct pruning *p, const json_t *keys, const json_t *plan)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        if (json_object_get(keys, text_of(step, "key")))
            json_array_append_new(
                p->found, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", text_of(step, "key"),
                                    "site", text_of(plan, "site"), "kind", text_of(step, "kind"),
                                    "name", text_of(step, "name"), "op", text_of(step, "op"), "why",
                                    text_of(step, "why")));
    }
}

/* What each agent would do if they were deleted: it looks again whether it is its own, and protected. */
static void ask_what_happens(struct pruning *p, const json_t *keys)
{
    const char *key;
    json_t *value, *plan, *list = json_array();
    size_t i;
    json_object_foreach((json_t *)keys, key, value) json_array_append_new(list, json_string(key));
    json_t *request = json_pack("{s:[], s:o}", "documents", "deletes", list);
    json_t *plans = plan_ask(p->session, p->sites, request);
    json_array_foreach(plans, i, plan) take_steps(p, keys, plan);
    json_decref(plans);
    json_decref(request);
}

static bool is_blocked(const json_t *step)
{
    return strcmp(text_of(step, "op"), "blocked") == 0;
}

/* One site that keeps it is enough: the marker would be for all. */
static bool is_kept(const struct pruning *p, const char *key)
{
    size_t i;
    json_t *step;
    json_array_foreach(p->found, i, step)
    {
        if (is_blocked(step) && !strcmp(text_of(step, "key"), key))
            return true;
    }
    return false;
}

/* -- Telling and asking ----------------------------------------------------------------------- */

static void tell(const struct pruning *p, FILE *to)
{
    size_t i;
    json_t *step;
    json_array_foreach(p->found, i, step)
    {
        HM_AUTOFREE char *site = show_cleaned(text_of(step, "site"));
        HM_AUTOFREE char *key = show_cleaned(text_of(step, "key"));
        HM_AUTOFREE char *why = show_cleaned(text_of(step, "why"));
        fprintf(to, "  %s %s on %s%s%s\n", is_blocked(step) ? "kept" : "removed", key, site,
                *why ? ": " : "", why);
    }
}

static bool anything_goes(const struct pruning *p)
{
    size_t i;
    json_t *step;
    json_array_foreach(p->found, i, step)
    {
        if (!is_kept(p, text_of(step, "key")))
            return true;
    }
    return false;
}

static enum ctl_exit confirm(const struct pruning *p)
{
    char answer[8] = "";
    if (flag_is_set(p->in, "yes"))
        return CTL_OK;
    if (!isatty(STDIN_FILENO)) {
        fprintf(p->in->err,
                "nothing was removed: nobody is there to ask, and --yes was not given\n");
        return CTL_REFUSED;
    }
    fprintf(p->in->err, "remove? [y/N] ");
    fflush(p->in->err);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return CTL_OK;
    fprintf(p->in->err, "nothing was removed\n");
    return CTL_REFUSED;
}

/* -- Doing it --------------------------------------------------------------------------------- */

static void mark_deleted(struct pruning *p, const char *key)
{
    struct hm_error err;
    uint64_t revision = 0;
    if (session_put(p->session, BUCKET_DESIRED, key, NULL, 0, &revision, &err) < 0) {
        p->code = report_error(p->in, &err);
        return;
    }
    if (strcmp(output_format(p->in), "json") != 0)
        fprintf(p->in->out, "%s pruned (rev %llu)\n", key, (unsigned long long)revision);
    wait_add(&p->wait, key, revision, true);
}

static void mark_all(struct pruning *p)
{
    json_t *done = json_object(), *step;
    size_t i;
    json_array_foreach(p->found, i, step)
    {
        const char *key = text_of(step, "key");
        if (is_kept(p, key) || json_object_get(done, key))
            continue;
        json_object_set_new(done, key, json_true());
        mark_deleted(p, key);
    }
    json_decref(done);
    fflush(p->in->out);
}

static void print_json(struct pruning *p)
{
    struct hm_buf text = {0};
    json_t *o = json_pack("{s:O}", "orphans", p->found);
    json_render(o, &text);
    json_decref(o);
    print_buf(p->in, &text);
}

static enum ctl_exit prune(struct pruning *p)
{
    bool as_json = strcmp(output_format(p->in), "json") == 0;
    json_t *keys = orphan_keys(p);
    if (json_object_size(keys) > 0)
        ask_what_happens(p, keys);
    json_decref(keys);
    if (as_json)
        print_json(p);
    else if (json_array_size(p->found) == 0)
        fprintf(p->in->out, "no orphans\n");
    else
        tell(p, p->in->err);
    if (!anything_goes(p) || flag_is_set(p->in, "dry-run"))
        return p->code;
    enum ctl_exit code = confirm(p);
    if (code != CTL_OK)
        return code;
    mark_all(p);
    if (p->code == CTL_OK && flag_is_set(p->in, "wait"))
        p->code = wait_for(p->in, p->session, &p->wait);
    return p->code;
}

static enum ctl_exit choose_sites(struct pruning *p)
{
    const char *site;
    for (size_t i = 0; (site = flag_nth(p->in, "site", i)); i++)
        json_array_append_new(p->sites, json_string(site));
    return json_array_size(p->sites) ? CTL_OK : plan_sites(p->in, p->session, p->sites);
}

enum ctl_exit run_prune(struct invocation *in)
{
    struct pruning p = {.in = in, .sites = json_array(), .found = json_array()};
    enum ctl_exit code = open_or_report(in, &p.session);
    if (code == CTL_OK)
        code = choose_sites(&p);
    if (code == CTL_OK)
        code = prune(&p);
    wait_clear(&p.wait);
    json_decref(p.sites);
    json_decref(p.found);
    session_close(p.session);
    return code;
}
