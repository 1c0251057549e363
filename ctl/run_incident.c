/* harmonyctl incident list and show. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/incident_html.h"
#include "ctl/incident_view.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "ctl/show.h"
#include "ctl/table.h"

/* What both begin with: everything that is stored of the group. */
static enum ctl_exit read_history(struct invocation *in, struct entries *ret)
{
    struct session *s = NULL;
    struct hm_error err;
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK && session_list(s, BUCKET_FAILOVER, filter, true, ret, &err) < 0)
        code = report_error(in, &err);
    session_close(s);
    return code;
}

static bool wants_json(const struct invocation *in)
{
    return !strcmp(output_format(in), "json");
}

/* -- show ------------------------------------------------------------------------------------------- */

static int parse_epoch(const char *text, uint64_t *ret, struct hm_error *err)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || number == 0)
        return hm_fail(
            err, HM_E_INVALID,
            "\"%s\" is not the number of an incident (its epoch; harmonyctl incident list)", text);
    *ret = number;
    return 0;
}

static void print_incident(struct invocation *in, const struct incident *i,
                           const struct entries *history)
{
    struct hm_buf text = {0};
    struct cause cause;
    cause_infer(i, &cause);
    if (wants_json(in)) {
        json_t *json = incident_json(i, &cause);
        json_render(json, &text);
        json_decref(json);
    } else if (!strcmp(output_format(in), "html")) {
        incident_html(i, &cause, history, group_name(in), &text);
    } else {
        incident_render(i, &cause, wants_colour(in), &text);
    }
    cause_clear(&cause);
    print_buf(in, &text);
}

enum ctl_exit run_incident_show(struct invocation *in)
{
    struct entries history = {0};
    struct incident incident;
    struct hm_error err;
    uint64_t epoch = 0;
    if (parse_epoch(in->arguments[0], &epoch, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = read_history(in, &history);
    if (code == CTL_OK && incident_read(&history, group_name(in), epoch, &incident, &err) < 0)
        code = report_error(in, &err);
    else if (code == CTL_OK)
        print_incident(in, &incident, &history);
    entries_clear(&history);
    return code;
}

/* -- list ------------------------------------------------------------------------------------------- */

static void add_listed(struct table *t, const struct incident *i)
{
    char at[HM_TIME_TEXT_MAX], outage[SHOW_TIME_MAX] = "-";
    struct cause cause;
    cause_infer(i, &cause);
    HM_AUTOFREE char *epoch = hm_printf("%llu", (unsigned long long)i->epoch);
    HM_AUTOFREE char *why =
        hm_printf("%s (%s)", cause_text(cause.id), confidence_text(cause.confidence));
    hm_time_text(i->taken_ns, at);
    if (i->last_ms >= 0 && i->serving_ms >= 0)
        show_span((i->last_ms + i->serving_ms) * HM_MS, outage);
    table_add(t, epoch, MOOD_PLAIN);
    table_add(t, at, MOOD_PLAIN);
    table_add(t, hb_site_is_set(&i->from) ? i->from.text : NULL, MOOD_PLAIN);
    table_add(t, i->to.text, MOOD_PLAIN);
    table_add(t, outage, MOOD_PLAIN);
    table_add(t, why, MOOD_PLAIN);
    cause_clear(&cause);
}

static void list_as_text(const struct incident *items, size_t count, bool colour,
                         struct hm_buf *out)
{
    static const char *const titles[] = {"EPOCH", "AT", "FROM", "TO", "OUTAGE", "CAUSE"};
    struct table t;
    table_start(&t, titles, HM_COUNT(titles));
    for (size_t n = 0; n < count; n++)
        add_listed(&t, &items[n]);
    table_finish(&t, 0, colour, out);
}

static void list_as_json(const struct incident *items, size_t count, struct hm_buf *out)
{
    json_t *list = json_array();
    for (size_t n = 0; n < count; n++) {
        struct cause cause;
        cause_infer(&items[n], &cause);
        json_array_append_new(list, incident_json(&items[n], &cause));
        cause_clear(&cause);
    }
    json_render(list, out);
    json_decref(list);
}

/* A record that makes no sense is told of, and the others are listed. */
static size_t read_all(struct invocation *in, const struct entries *history, struct incident **ret)
{
    HM_AUTOFREE uint64_t *epochs = NULL;
    size_t count = incident_epochs(history, group_name(in), &epochs), good = 0;
    struct incident *items = hm_alloc((count ? count : 1) * sizeof *items);
    struct hm_error err;
    for (size_t n = 0; n < count; n++)
        if (incident_read(history, group_name(in), epochs[n], &items[good], &err) < 0)
            report_error(in, &err);
        else
            good++;
    *ret = items;
    return good;
}

enum ctl_exit run_incident_list(struct invocation *in)
{
    struct entries history = {0};
    struct hm_buf text = {0};
    struct incident *items = NULL;
    enum ctl_exit code = read_history(in, &history);
    if (code != CTL_OK) {
        entries_clear(&history);
        return code;
    }
    size_t count = read_all(in, &history, &items);
    if (wants_json(in))
        list_as_json(items, count, &text);
    else
        list_as_text(items, count, wants_colour(in), &text);
    print_buf(in, &text);
    free(items);
    entries_clear(&history);
    return CTL_OK;
}
