#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/load.h"
#include "ctl/open.h"
#include "ctl/plan_request.h"
#include "ctl/plan_view.h"
#include "ctl/run.h"

static json_t *proposed_documents(const struct doc_list *docs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < docs->count; i++) {
        const struct doc *d = &docs->items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:O}", "where", d->where, "kind",
                                              d->kind->name, "name", d->name, "spec", d->given));
    }
    return list;
}

/* The sites that are to be asked: those of --site, else every one whose agent has ever reported. */
static enum ctl_exit sites_to_ask(struct invocation *in, struct session *s, json_t *sites)
{
    const char *site;
    for (size_t i = 0; (site = flag_nth(in, "site", i)); i++)
        json_array_append_new(sites, json_string(site));
    if (json_array_size(sites) > 0)
        return CTL_OK;
    enum ctl_exit code = plan_sites(in, s, sites);
    if (code == CTL_OK && json_array_size(sites) == 0) {
        fprintf(in->err, "no agent has reported to %s yet: nobody can make a plan\n",
                session_servers(s));
        code = CTL_NOT_FOUND;
    }
    return code;
}

static enum ctl_exit print_plans(struct invocation *in, json_t *plans)
{
    struct hm_buf text = {0};
    const char *format = output_format(in);
    if (strcmp(format, "json") == 0)
        json_render(plans, &text);
    else if (strcmp(format, "yaml") == 0)
        yaml_render(plans, &text);
    else
        plan_render(plans, wants_colour(in), &text);
    print_buf(in, &text);
    size_t i;
    json_t *plan;
    enum ctl_exit code = CTL_OK;
    json_array_foreach(plans, i, plan)
    {
        if (json_object_get(plan, "error"))
            return CTL_FAILED;
        if (plan_has_changes(plan) && flag_is_set(in, "detailed-exitcode"))
            code = CTL_CHANGES;
    }
    return code;
}

static enum ctl_exit plan_documents(struct invocation *in, const struct doc_list *docs)
{
    struct session *s = NULL;
    json_t *sites = json_array();
    json_t *request = json_pack("{s:o, s:[]}", "documents", proposed_documents(docs), "deletes");
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = sites_to_ask(in, s, sites);
    if (code == CTL_OK) {
        json_t *plans = plan_ask(s, sites, request);
        code = print_plans(in, plans);
        json_decref(plans);
    }
    json_decref(request);
    json_decref(sites);
    session_close(s);
    return code;
}

enum ctl_exit run_plan(struct invocation *in)
{
    struct loaded l = {0};
    enum ctl_exit code = flag_value(in, "file") ? load_or_report(in, &l) : CTL_OK;
    if (code == CTL_OK)
        code = plan_documents(in, &l.docs);
    loaded_clear(&l);
    return code;
}
