#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/incident_html.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "ctl/timeline.h"

static void print_timeline(struct invocation *in, const struct timeline *t,
                           const struct entries *history, int64_t since_ms)
{
    struct hm_buf text = {0};
    int64_t from_ns = since_ms ? t->last_ns - since_ms * HM_MS : 0;
    if (strcmp(output_format(in), "json") == 0) {
        json_t *json = timeline_json(t, group_name(in), from_ns);
        json_render(json, &text);
        json_decref(json);
    } else if (strcmp(output_format(in), "html") == 0) {
        history_html(t, history, group_name(in), from_ns, &text);
    } else {
        timeline_render(t, group_name(in), from_ns, wants_colour(in), &text);
    }
    print_buf(in, &text);
}

static enum ctl_exit show_history(struct invocation *in, struct session *s, int64_t since_ms)
{
    struct entries history = {0};
    struct timeline timeline;
    struct hm_error err;
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    if (session_list(s, BUCKET_FAILOVER, filter, true, &history, &err) < 0)
        return report_error(in, &err);
    timeline_make(&history, group_name(in), &timeline);
    print_timeline(in, &timeline, &history, since_ms);
    timeline_clear(&timeline);
    entries_clear(&history);
    return CTL_OK;
}

enum ctl_exit run_failover_history(struct invocation *in)
{
    struct session *s = NULL;
    struct hm_error err;
    int64_t since_ms;
    if (flag_duration(in, "since", 0, &since_ms, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = show_history(in, s, since_ms);
    session_close(s);
    return code;
}
