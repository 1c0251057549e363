#include "ctl/plan_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/open.h"
#include "ctl/show.h"
#include "proto/doc.h"

static const char agent_suffix[] = ".agent";

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

enum ctl_exit plan_sites(struct invocation *in, struct session *s, json_t *sites)
{
    struct entries agents = {0};
    enum ctl_exit code = list_or_report(in, s, BUCKET_STATUS, "*.agent", &agents);
    if (agents.count > 0)
        qsort(agents.items, agents.count, sizeof *agents.items, by_key);
    for (size_t i = 0; i < agents.count; i++) {
        size_t len = strlen(agents.items[i].key);
        if (!agents.items[i].deleted && len > strlen(agent_suffix))
            json_array_append_new(sites,
                                  json_stringn(agents.items[i].key, len - strlen(agent_suffix)));
    }
    entries_clear(&agents);
    return code;
}

static json_t *no_plan(const char *site, const struct hm_error *err)
{
    HM_AUTOFREE char *text = show_cleaned(err->text);
    return json_pack("{s:s, s:{s:s, s:s}}", "site", site, "error", "code", hm_code_name(err->code),
                     "text", text);
}

static int ask_site(struct session *s, const char *site, const char *request, json_t **ret,
                    struct hm_error *err)
{
    if (!name_is_valid(site))
        return hm_fail(err, HM_E_INVALID, "is not the name of a site");
    HM_AUTOFREE char *subject = hm_printf("harmony.plan.%s", site);
    HM_AUTOFREE char *reply = NULL;
    int result = session_request(s, subject, request, &reply, err);
    if (result == -HM_E_NOT_FOUND)
        return hm_fail(err, HM_E_NOT_FOUND, "its agent is not connected to %s", session_servers(s));
    if (result < 0)
        return result;
    *ret = json_loads(reply, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*ret))
        return 0;
    json_decref(*ret);
    return hm_fail(err, HM_E_INTERNAL, "its agent's answer is not a plan");
}

json_t *plan_ask(struct session *s, const json_t *sites, const json_t *request)
{
    json_t *plans = json_array(), *site;
    size_t i;
    char *payload = json_dumps(request, JSON_COMPACT);
    json_array_foreach(sites, i, site)
    {
        json_t *plan = NULL;
        struct hm_error err;
        if (ask_site(s, json_string_value(site), payload, &plan, &err) < 0)
            plan = no_plan(json_string_value(site), &err);
        else
            json_object_set(plan, "site", site);
        json_array_append_new(plans, plan);
    }
    free(payload);
    return plans;
}
