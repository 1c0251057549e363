#include <string.h>

#include "ctl/group_listen.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"

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

enum ctl_exit run_failover_status(struct invocation *in)
{
    struct session *s = NULL;
    struct group_now now;
    struct entries last;
    struct hm_error err;
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK && group_listen(in, s, &now, &last, &err) < 0) {
        code = report_error(in, &err);
    } else if (code == CTL_OK) {
        group_hear_statuses(s, &now);
        print_group(in, &now);
        group_clear(&now);
        entries_clear(&last);
    }
    session_close(s);
    return code;
}
