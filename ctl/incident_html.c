#include "ctl/incident_html.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/incident_view.h"
#include "ctl/page.h"
#include "ctl/plot.h"
#include "ctl/show.h"

enum { AROUND_INTERVALS = 10 }; /* that are shown before and after an incident */

static void add_row(struct hm_buf *out, int64_t from_ns, int64_t to_ns, const char *site,
                    const char *class, const char *text)
{
    char from[SHOW_TIME_MAX], to[SHOW_TIME_MAX];
    show_clock(from_ns, from);
    show_clock(to_ns, to);
    HM_AUTOFREE char *times = strcmp(from, to) ? hm_printf("%s - %s", from, to) : hm_strdup(from);
    hm_buf_puts(out, "<tr>");
    page_element(out, "td", NULL, times);
    if (site)
        page_element(out, "td", NULL, site);
    page_element(out, "td", class, text);
    hm_buf_puts(out, "</tr>\n");
}

/* -- An incident ------------------------------------------------------------------------------------ */

static int64_t begin_of(const struct incident *i)
{
    return i->beat_count ? i->beats[0].stamp_ns : i->taken_ns;
}

static int64_t end_of(const struct incident *i)
{
    return i->taken_ns + (i->serving_ms >= 0 ? i->serving_ms * HM_MS : 0);
}

/* Not beyond what is stored. */
static int64_t newest_ns(const struct entries *history, int64_t at_least_ns)
{
    int64_t newest = at_least_ns;
    for (size_t n = 0; n < history->count; n++)
        if (history->items[n].stamp_ns > newest)
            newest = history->items[n].stamp_ns;
    return newest;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void add_incident_plot(const struct incident *i, const struct entries *history,
                              const char *group, struct hm_buf *out)
{
    int64_t around_ns = AROUND_INTERVALS * (i->interval_ms > 0 ? i->interval_ms : 1000) * HM_MS;
    int64_t to_ns = earlier(end_of(i) + around_ns, newest_ns(history, end_of(i)));
    struct plot plot;
    plot_make(history, group, begin_of(i) - around_ns / 5, to_ns, &plot);
    plot_add_beats(&plot, i);
    const struct incident_beat *last = incident_last_beat(i);
    if (last)
        plot_add_event(&plot, last->stamp_ns, MOOD_BAD, "last heartbeat");
    plot_add_event(&plot, i->taken_ns, MOOD_CHANGE, i->to.text);
    if (i->serving_ms >= 0)
        plot_add_event(&plot, end_of(i), MOOD_GOOD, "serves");
    plot_render(&plot, out);
    plot_clear(&plot);
}

static void add_cause(const struct cause *c, struct hm_buf *out)
{
    HM_AUTOFREE char *head =
        hm_printf("cause: %s (%s)", cause_text(c->id), confidence_text(c->confidence));
    page_element(out, "h2", NULL, head);
    hm_buf_puts(out, "<ul>\n");
    for (size_t n = 0; n < c->because_count; n++)
        page_element(out, "li", NULL, c->because[n]);
    hm_buf_puts(out, "</ul>\n");
    if (c->but)
        page_element(out, "p", "faint", c->but);
}

static void add_story(const struct incident *i, struct hm_buf *out)
{
    struct story story;
    story_make(i, &story);
    page_element(out, "h2", NULL, "what happened");
    hm_buf_puts(out, "<table>\n");
    for (size_t n = 0; n < story.count; n++)
        add_row(out, story.lines[n].from_ns, story.lines[n].to_ns, NULL, NULL, story.lines[n].text);
    hm_buf_puts(out, "</table>\n");
    story_clear(&story);
}

void incident_html(const struct incident *i, const struct cause *c, const struct entries *history,
                   const char *group, struct hm_buf *out)
{
    char at[HM_TIME_TEXT_MAX];
    HM_AUTOFREE char *title = incident_title(i), *outage = incident_outage(i);
    hm_time_text(i->taken_ns, at);
    HM_AUTOFREE char *where = hm_printf("group %s, %s (the server's clock)", group, at);
    page_begin(out, title);
    page_element(out, "h1", NULL, title);
    page_element(out, "p", "faint", where);
    if (outage)
        page_element(out, "p", NULL, outage);
    add_incident_plot(i, history, group, out);
    add_cause(c, out);
    add_story(i, out);
    page_end(out);
}

/* -- A timeline ---------------------------------------------------------------------------------------- */

static bool is_turn(const struct tl_item *item)
{
    return item->type == TL_PROMOTION || item->type == TL_RELEASE || item->type == TL_SERVING;
}

static const char *turn_text(const struct tl_item *item)
{
    return item->type == TL_PROMOTION ? "promotes"
           : item->type == TL_RELEASE ? "releases"
                                      : "serves";
}

/* Of the records that are kept for long, only what lies where heartbeats still are. */
static int64_t first_beat(const struct timeline *t, int64_t from_ns)
{
    int64_t first = t->last_ns;
    for (size_t n = 0; n < t->count; n++) {
        const struct tl_item *item = &t->items[n];
        bool is_run = item->type == TL_LEADING || item->type == TL_STANDING_BY;
        if (is_run && item->beats > 1 && item->to_ns >= from_ns && item->from_ns < first)
            first = item->from_ns;
    }
    return first > from_ns ? first : from_ns;
}

static void add_history_plot(const struct timeline *t, const struct entries *history,
                             const char *group, int64_t from_ns, struct hm_buf *out)
{
    struct plot plot;
    plot_make(history, group, first_beat(t, from_ns), t->last_ns, &plot);
    for (size_t n = 0; n < t->count; n++) {
        const struct tl_item *item = &t->items[n];
        HM_AUTOFREE char *text = hm_printf("%s %s", item->site.text, turn_text(item));
        if (is_turn(item))
            plot_add_event(&plot, item->from_ns, timeline_mood(item), text);
    }
    plot_render(&plot, out);
    plot_clear(&plot);
}

static const char *class_of(enum mood mood)
{
    return mood == MOOD_GOOD     ? "good"
           : mood == MOOD_BAD    ? "bad"
           : mood == MOOD_CHANGE ? "change"
                                 : NULL;
}

static void add_items(const struct timeline *t, int64_t from_ns, struct hm_buf *out)
{
    hm_buf_puts(out, "<table>\n");
    for (size_t n = 0; n < t->count; n++) {
        const struct tl_item *item = &t->items[n];
        struct hm_buf words = {0};
        if (item->to_ns < from_ns)
            continue;
        timeline_describe(item, &words);
        add_row(out, item->from_ns, item->to_ns, item->site.text, class_of(timeline_mood(item)),
                words.data);
        hm_buf_free(&words);
    }
    hm_buf_puts(out, "</table>\n");
}

void history_html(const struct timeline *t, const struct entries *history, const char *group,
                  int64_t from_ns, struct hm_buf *out)
{
    char date[SHOW_TIME_MAX];
    show_date(t->last_ns, date);
    HM_AUTOFREE char *title = hm_printf("failover group %s", group);
    HM_AUTOFREE char *where =
        hm_printf("until %s, %zu records; times are UTC, by the server's clock", date, t->records);
    page_begin(out, title);
    page_element(out, "h1", NULL, title);
    page_element(out, "p", "faint", where);
    add_history_plot(t, history, group, from_ns, out);
    add_items(t, from_ns, out);
    page_end(out);
}
