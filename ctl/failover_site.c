/* harmonyctl failover site: nofailover and priority of a site, in cluster_config. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/config_change.h"
#include "ctl/group.h"
#include "ctl/group_config.h"
#include "ctl/group_listen.h"
#include "ctl/open.h"
#include "ctl/operator.h"
#include "ctl/run.h"

struct setting {
    struct invocation *in;
    struct session *s;
    struct group_now now;
    struct entries last;
    struct hb_site site;
    int64_t priority; /* -1: as it is */
};

/* Its entry in `sites`, made if it is not there. Borrowed. */
static json_t *entry_of(json_t *config, const char *site)
{
    size_t i;
    json_t *one, *list = json_object_get(config, "sites");
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(config, "sites", list);
    }
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "site"));
        if (name && !strcmp(name, site))
            return one;
    }
    json_t *made = json_pack("{s:s}", "site", site);
    json_array_append_new(list, made);
    return made;
}

/* The configuration as people wrote it, with these fields changed. */
static json_t *changed_config(const struct setting *w)
{
    HM_AUTOFREE char *key = group_key(group_name(w->in), KEY_CONFIG);
    json_t *config = entry_object(entries_find(&w->last, key));
    json_t *one = entry_of(config, w->site.text);
    const char *bars = flag_value(w->in, "nofailover");
    if (bars)
        json_object_set_new(one, "nofailover", json_boolean(!strcmp(bars, "on")));
    if (w->priority >= 0)
        json_object_set_new(one, "priority", json_integer(w->priority));
    return config;
}

static void say_warnings(const struct setting *w, const struct cluster_config *config)
{
    struct hm_error found[CLUSTER_WARNINGS_MAX];
    unsigned count = cluster_config_warnings(config, false, found);
    for (unsigned i = 0; i < count; i++)
        fprintf(w->in->err, "warning: %s\n", found[i].text);
}

static enum ctl_exit put(struct setting *w, const char *text, const char *change)
{
    struct hm_error err;
    uint64_t revision;
    HM_AUTOFREE char *key = group_key(group_name(w->in), KEY_CONFIG);
    HM_AUTOFREE char *action = hm_printf("site %s: %s", w->site.text, change);
    if (flag_is_set(w->in, "dry-run")) {
        fprintf(w->in->out, "would change cluster_config: %s\n", change);
        return CTL_OK;
    }
    if (session_put(w->s, BUCKET_FAILOVER, key, text, (int64_t)w->now.config_revision, &revision,
                    &err) < 0)
        return report_error(w->in, &err);
    operator_note(w->in, w->s, action);
    fprintf(w->in->out, "cluster_config rev %" PRIu64 ": %s\n", revision, change);
    return CTL_OK;
}

static enum ctl_exit change(struct setting *w)
{
    struct cluster_config config;
    struct hm_error err;
    if (group_check_site(&w->now, &w->site, &err) < 0)
        return report_error(w->in, &err);
    HM_AUTOFREE char *key = group_key(group_name(w->in), KEY_CONFIG);
    json_t *before = entry_object(entries_find(&w->last, key)), *after = changed_config(w);
    HM_AUTOFREE char *words = config_change_text(before, after);
    HM_AUTOFREE char *text = json_dumps(after, JSON_COMPACT);
    bool same = json_equal(before, after);
    json_decref(before);
    json_decref(after);
    if (cluster_config_parse(text, strlen(text), &config, &err) < 0)
        return report_error(w->in, &err);
    if (same || cluster_config_equal(&config, &w->now.config)) {
        fprintf(w->in->out, "unchanged (cluster_config rev %" PRIu64 ")\n", w->now.config_revision);
        return CTL_OK;
    }
    say_warnings(w, &config);
    return put(w, text, words);
}

static int take_line(struct setting *w, struct hm_error *err)
{
    const char *bars = flag_value(w->in, "nofailover");
    if (!hb_site_from(w->in->arguments[0], &w->site))
        return hm_fail(err, HM_E_INVALID, "\"%.60s\" is not the name of a site",
                       w->in->arguments[0]);
    if (!bars && !flag_value(w->in, "priority"))
        return hm_fail(err, HM_E_INVALID,
                       "failover site needs --nofailover on|off or --priority N");
    if (bars && strcmp(bars, "on") != 0 && strcmp(bars, "off") != 0)
        return hm_fail(err, HM_E_INVALID, "--nofailover %.20s: is neither on nor off", bars);
    return flag_number(w->in, "priority", -1, &w->priority, err);
}

enum ctl_exit run_failover_site(struct invocation *in)
{
    struct setting w = {.in = in};
    struct hm_error err;
    if (take_line(&w, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &w.s);
    if (code == CTL_OK && group_listen(in, w.s, &w.now, &w.last, &err) < 0) {
        code = report_error(in, &err);
    } else if (code == CTL_OK) {
        code = change(&w);
        group_clear(&w.now);
        entries_clear(&w.last);
    }
    session_close(w.s);
    return code;
}
