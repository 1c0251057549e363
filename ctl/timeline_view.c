/* A timeline as people and programs read it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/show.h"
#include "ctl/timeline.h"

enum { TIME_WIDTH = 23 }; /* "14:03:05.4 - 14:03:12.4" */

static void add_rhythm(const struct tl_item *run, struct hm_buf *out)
{
    char text[SHOW_TIME_MAX];
    hm_buf_printf(out, "%llu heartbeat%s", (unsigned long long)run->beats,
                  run->beats == 1 ? "" : "s");
    if (run->beats > 1) {
        show_latency((run->to_ns - run->from_ns) / 1000 / (int64_t)(run->beats - 1), text);
        hm_buf_printf(out, " every %s", text);
    }
    if (run->rtt_max_us >= 0) {
        show_latencies(run->rtt_min_us, run->rtt_max_us, text);
        hm_buf_printf(out, ", rtt %s", text);
    }
}

static void describe_leading(const struct tl_item *i, struct hm_buf *out)
{
    if (i->role == HB_ROLE_LEADER)
        hm_buf_puts(out, "leads");
    else
        hm_buf_printf(out, "holds the lease, %s", hb_role_name(i->role));
    hm_buf_printf(out, ", epoch %llu: ", (unsigned long long)i->epoch);
    add_rhythm(i, out);
    if (i->failures)
        hm_buf_printf(out, ", up to %u failed in a row", i->failures);
    else
        hm_buf_puts(out, ", no failures");
    hm_buf_puts(out, i->paused ? ", paused" : "");
}

static void describe_standing_by(const struct tl_item *i, struct hm_buf *out)
{
    hm_buf_printf(out, "%s: ", hb_role_name(i->role));
    add_rhythm(i, out);
    if (i->failures)
        hm_buf_printf(out, ", up to %u failed in a row", i->failures);
    if (i->lag > 0)
        hm_buf_printf(out, ", lag %lld B", (long long)i->lag);
}

static void describe_gap(const struct tl_item *i, struct hm_buf *out)
{
    char text[SHOW_TIME_MAX];
    show_span(i->to_ns - i->from_ns, text);
    hm_buf_printf(out, "no heartbeat for %s", text);
}

static void describe_promotion(const struct tl_item *i, struct hm_buf *out)
{
    hm_buf_printf(out, "promotes: epoch %llu -> %llu", (unsigned long long)i->old_epoch,
                  (unsigned long long)i->epoch);
    if (hb_site_is_set(&i->other))
        hm_buf_printf(out, ", after %s", i->other.text);
    hm_buf_printf(out, " (%s; revision %llu)", hb_reason_text(i->reason),
                  (unsigned long long)i->revision);
}

static void describe_serving(const struct tl_item *i, struct hm_buf *out)
{
    char text[SHOW_TIME_MAX];
    hm_buf_printf(out, "serves, epoch %llu", (unsigned long long)i->epoch);
    if (!i->since_last_ns)
        return;
    show_span(i->since_last_ns, text);
    hm_buf_printf(out, ", %s after the last heartbeat of the leader before", text);
}

static void describe_release(const struct tl_item *i, struct hm_buf *out)
{
    if (hb_site_is_set(&i->site))
        hm_buf_printf(out, "gives the role up, epoch %llu", (unsigned long long)i->epoch);
    else
        hm_buf_printf(out, "no leader, epoch %llu", (unsigned long long)i->epoch);
    hm_buf_printf(out, ", next: %s", hb_site_is_set(&i->other) ? i->other.text : "anyone");
    if (i->reason != HB_REASON_NONE)
        hm_buf_printf(out, " (%s)", hb_reason_text(i->reason));
}

void timeline_describe(const struct tl_item *i, struct hm_buf *out)
{
    switch (i->type) {
    case TL_LEADING:
        describe_leading(i, out);
        return;
    case TL_STANDING_BY:
        describe_standing_by(i, out);
        return;
    case TL_GAP:
        describe_gap(i, out);
        return;
    case TL_PROMOTION:
        describe_promotion(i, out);
        return;
    case TL_SERVING:
        describe_serving(i, out);
        return;
    case TL_RELEASE:
        describe_release(i, out);
        return;
    case TL_CONFIG:
        hm_buf_printf(out, "cluster_config rev %llu: %s", (unsigned long long)i->revision, i->text);
        return;
    case TL_INCIDENT:
    case TL_OPERATOR:
    case TL_UNREADABLE:
    case TL_DELETED:
        hm_buf_puts(out, i->text);
        return;
    }
}

enum mood timeline_mood(const struct tl_item *i)
{
    switch (i->type) {
    case TL_GAP:
    case TL_UNREADABLE:
    case TL_DELETED:
        return MOOD_BAD;
    case TL_PROMOTION:
    case TL_RELEASE:
    case TL_OPERATOR:
        return MOOD_CHANGE;
    case TL_SERVING:
        return MOOD_GOOD;
    case TL_LEADING:
    case TL_STANDING_BY:
        return i->failures ? MOOD_CHANGE : MOOD_PLAIN;
    case TL_CONFIG:
    case TL_INCIDENT:
        return MOOD_PLAIN;
    }
    return MOOD_PLAIN;
}

/* -- Text ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct tl_item *i, int64_t from_ns)
{
    return i->to_ns >= from_ns;
}

static size_t widest_site(const struct timeline *t, int64_t from_ns)
{
    size_t width = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t own = show_width(t->items[i].site.text);
        if (is_wanted(&t->items[i], from_ns) && own > width)
            width = own;
    }
    return width;
}

static void add_times(const struct tl_item *i, struct hm_buf *out)
{
    char from[SHOW_TIME_MAX], to[SHOW_TIME_MAX];
    show_clock(i->from_ns, from);
    show_clock(i->to_ns, to);
    hm_buf_puts(out, from);
    if (strcmp(from, to) == 0) {
        show_pad(out, strlen(from), TIME_WIDTH);
        return;
    }
    hm_buf_printf(out, " - %s", to);
}

static void add_item_line(const struct tl_item *i, size_t site_width, bool colour,
                          struct hm_buf *out)
{
    struct hm_buf words = {0};
    hm_buf_puts(out, "  ");
    add_times(i, out);
    hm_buf_printf(out, "  %s", i->site.text);
    show_pad(out, show_width(i->site.text), site_width + 2);
    timeline_describe(i, &words);
    show_mood(out, words.data, timeline_mood(i), colour);
    hm_buf_puts(out, "\n");
    hm_buf_free(&words);
}

/* The date stands once above the items that begin on it. */
static void add_date(const struct tl_item *i, char shown[SHOW_TIME_MAX], struct hm_buf *out)
{
    char date[SHOW_TIME_MAX];
    show_date(i->from_ns, date);
    if (strcmp(date, shown) == 0)
        return;
    memcpy(shown, date, SHOW_TIME_MAX);
    hm_buf_printf(out, "%s (UTC)\n", date);
}

void timeline_render(const struct timeline *t, const char *group, int64_t from_ns, bool colour,
                     struct hm_buf *out)
{
    char date[SHOW_TIME_MAX] = "";
    HM_AUTOFREE char *name = show_cleaned(group);
    size_t width = widest_site(t, from_ns);
    hm_buf_printf(out, "group %s    %zu record%s\n", name, t->records, t->records == 1 ? "" : "s");
    for (size_t i = 0; i < t->count; i++) {
        if (!is_wanted(&t->items[i], from_ns))
            continue;
        add_date(&t->items[i], date, out);
        add_item_line(&t->items[i], width, colour, out);
    }
}

/* -- JSON ---------------------------------------------------------------------------------- */

static void set_site(json_t *object, const char *name, const struct hb_site *site)
{
    if (hb_site_is_set(site))
        json_object_set_new(object, name, json_string(site->text));
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, json_integer(number));
}

static void add_run_facts(json_t *object, const struct tl_item *i)
{
    set_number(object, "heartbeats", (int64_t)i->beats);
    set_number(object, "failures", i->failures);
    json_object_set_new(object, "role", json_string(hb_role_name(i->role)));
    json_object_set_new(object, "paused", json_boolean(i->paused));
    if (i->beats > 1)
        set_number(object, "interval_us", (i->to_ns - i->from_ns) / 1000 / (int64_t)(i->beats - 1));
    if (i->rtt_max_us >= 0) {
        set_number(object, "rtt_min_us", i->rtt_min_us);
        set_number(object, "rtt_max_us", i->rtt_max_us);
    }
    if (i->lag >= 0)
        set_number(object, "lag", i->lag);
}

static void add_move_facts(json_t *object, const struct tl_item *i)
{
    bool is_release = i->type == TL_RELEASE;
    set_site(object, is_release ? "next" : "after", &i->other);
    json_object_set_new(object, "reason", json_string(hb_reason_name(i->reason)));
    if (!is_release)
        set_number(object, "old_epoch", (int64_t)i->old_epoch);
}

static json_t *item_json(const struct tl_item *i)
{
    char from[HM_TIME_TEXT_MAX], to[HM_TIME_TEXT_MAX];
    hm_time_text(i->from_ns, from);
    hm_time_text(i->to_ns, to);
    json_t *object = json_pack("{s:s, s:s, s:s, s:I}", "type", tl_type_name(i->type), "from", from,
                               "to", to, "revision", (json_int_t)i->revision);
    set_site(object, "site", &i->site);
    if (i->type <= TL_RELEASE)
        set_number(object, "epoch", (int64_t)i->epoch);
    if (i->type == TL_LEADING || i->type == TL_STANDING_BY)
        add_run_facts(object, i);
    if (i->type == TL_PROMOTION || i->type == TL_RELEASE)
        add_move_facts(object, i);
    if (i->since_last_ns)
        set_number(object, "since_last_heartbeat_ms", i->since_last_ns / HM_MS);
    if (i->text)
        json_object_set_new(object, "text", json_string(i->text));
    return object;
}

json_t *timeline_json(const struct timeline *t, const char *group, int64_t from_ns)
{
    json_t *items = json_array();
    for (size_t i = 0; i < t->count; i++)
        if (is_wanted(&t->items[i], from_ns))
            json_array_append_new(items, item_json(&t->items[i]));
    return json_pack("{s:s, s:I, s:o}", "group", group, "records", (json_int_t)t->records, "items",
                     items);
}
