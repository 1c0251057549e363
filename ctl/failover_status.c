#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/group_view.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"

enum { LISTEN_MS = 2000 };

/*
 * Stamps are of the server's clock, which need not be ours. A heartbeat that arrives while we
 * listen was stamped just now, so it tells how far the clocks are apart.
 */
struct listening {
    struct entries last;
    bool all_stored_seen;
    int64_t behind_ns; /* server's clock minus ours */
};

static bool on_entry(void *data, const struct entry *entry)
{
    struct listening *l = data;
    entries_add(&l->last, entry);
    if (!l->all_stored_seen)
        return false;
    l->behind_ns = entry->stamp_ns - hm_wall_ns();
    return true;
}

static bool on_all_given(void *data)
{
    struct listening *l = data;
    l->all_stored_seen = true;
    return false;
}

static void print_group(struct invocation *in, const struct group_now *g)
{
    const char *format = output_format(in);
    struct hm_buf text = {0};
    json_t *json = group_json(g);
    if (strcmp(format, "json") == 0)
        json_render(json, &text);
    else if (strcmp(format, "yaml") == 0)
        yaml_render(json, &text);
    else
        group_render(g, wants_colour(in), &text);
    print_buf(in, &text);
    json_decref(json);
}

static enum ctl_exit look_and_print(struct invocation *in, struct session *s, struct listening *l)
{
    struct bus_bucket bucket = {0};
    struct hm_error err;
    struct group_now now;
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    int result =
        session_watch(s, BUCKET_FAILOVER, filter, LISTEN_MS, on_entry, on_all_given, l, &err);
    if (result < 0 && (err.code != HM_E_TIMEOUT || !l->all_stored_seen))
        return report_error(in, &err);
    if (session_bucket(s, BUCKET_FAILOVER, &bucket, &err) < 0)
        return report_error(in, &err);
    entries_keep_last(&l->last);
    group_look(&l->last, group_name(in), hm_wall_ns() + l->behind_ns, bucket.replicas, &now);
    print_group(in, &now);
    group_clear(&now);
    return CTL_OK;
}

enum ctl_exit run_failover_status(struct invocation *in)
{
    struct listening l = {0};
    struct session *s = NULL;
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = look_and_print(in, s, &l);
    entries_clear(&l.last);
    session_close(s);
    return code;
}
