#include "ctl/incident_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/show.h"

enum { TIME_WIDTH = 23 }; /* "14:03:05.4 - 14:03:12.4" */

/* -- What happened ------------------------------------------------------------------------------ */

/* `text` is taken. */
static void add_line(struct story *s, int64_t from_ns, int64_t to_ns, char *text)
{
    s->lines[s->count++] = (struct story_line){from_ns, to_ns, text};
}

struct beats {
    int64_t first_ns, last_ns, rtt_min_us, rtt_max_us;
    size_t count;
    uint32_t failures;
};

static struct beats beats_of_leader(const struct incident *i)
{
    struct beats b = {.rtt_min_us = -1, .rtt_max_us = -1};
    for (size_t n = 0; n < i->beat_count; n++) {
        const struct incident_beat *beat = &i->beats[n];
        if (!hb_site_equal(&beat->site, &i->from) || beat->epoch != i->from_epoch)
            continue;
        b.first_ns = b.count++ ? b.first_ns : beat->stamp_ns;
        b.last_ns = beat->stamp_ns;
        if (beat->failures > b.failures)
            b.failures = beat->failures;
        if (beat->rtt_us < 0)
            continue;
        if (b.rtt_min_us < 0 || beat->rtt_us < b.rtt_min_us)
            b.rtt_min_us = beat->rtt_us;
        if (beat->rtt_us > b.rtt_max_us)
            b.rtt_max_us = beat->rtt_us;
    }
    return b;
}

static void tell_rhythm(const struct incident *i, const struct beats *b, struct story *s)
{
    char every[SHOW_TIME_MAX] = "?", rtt[SHOW_TIME_MAX] = "not known";
    if (b->count < 2)
        return;
    show_latency((b->last_ns - b->first_ns) / 1000 / (int64_t)(b->count - 1), every);
    if (b->rtt_max_us >= 0)
        show_latencies(b->rtt_min_us, b->rtt_max_us, rtt);
    HM_AUTOFREE char *failures =
        b->failures ? hm_printf("up to %u failed in a row", b->failures) : hm_strdup("no failures");
    add_line(s, b->first_ns, b->last_ns,
             hm_printf("%s: %zu heartbeats every %s, rtt %s, %s", i->from.text, b->count, every,
                       rtt, failures));
}

static void tell_silence(const struct incident *i, const struct incident_beat *last,
                         struct story *s)
{
    char silent[SHOW_TIME_MAX], gap[SHOW_TIME_MAX];
    show_span(i->taken_ns - last->stamp_ns, silent);
    show_span(i->gap_ms * HM_MS, gap);
    HM_AUTOFREE char *own =
        i->gap_ms < 0
            ? hm_printf("%s heard its own heartbeats all the time", i->to.text)
            : hm_printf("%s did not hear the store either for %s of it, which counts as no silence",
                        i->to.text, gap);
    add_line(s, last->stamp_ns, i->taken_ns,
             hm_printf("%s silent for %s; %s", i->from.text, silent, own));
}

static void tell_end_of_old(const struct incident *i, const struct incident_beat *last,
                            struct story *s)
{
    const struct incident_beat *newest = &i->beats[i->beat_count - 1];
    add_line(s, last->stamp_ns, last->stamp_ns,
             hm_printf("last heartbeat of %s (counter %" PRIu64 ")", i->from.text, last->counter));
    if (i->ended != HB_REASON_NONE)
        add_line(s, newest->stamp_ns, newest->stamp_ns,
                 hm_printf("%s gives the role up: %s", i->from.text, hb_reason_text(i->ended)));
    else
        tell_silence(i, last, s);
}

static void tell_start_of_new(const struct incident *i, struct story *s)
{
    add_line(s, i->taken_ns, i->taken_ns,
             hm_printf("%s takes the lease, epoch %" PRIu64 " (%s), and starts its workload",
                       i->to.text, i->epoch, hb_reason_text(i->reason)));
    int64_t serving_ns = i->taken_ns + i->serving_ms * HM_MS;
    if (i->serving_ms >= 0)
        add_line(s, serving_ns, serving_ns, hm_printf("%s serves", i->to.text));
}

void story_make(const struct incident *i, struct story *ret)
{
    struct beats beats = beats_of_leader(i);
    const struct incident_beat *last = incident_last_beat(i);
    *ret = (struct story){0};
    tell_rhythm(i, &beats, ret);
    if (last)
        tell_end_of_old(i, last, ret);
    tell_start_of_new(i, ret);
}

void story_clear(struct story *s)
{
    for (size_t n = 0; n < s->count; n++)
        free(s->lines[n].text);
    *s = (struct story){0};
}

/* -- Its sums ------------------------------------------------------------------------------------- */

char *incident_title(const struct incident *i)
{
    bool has_from = hb_site_is_set(&i->from);
    return hm_printf("epoch %" PRIu64 " -> %" PRIu64 "   %s -> %s", i->from_epoch, i->epoch,
                     has_from ? i->from.text : "(nobody)", i->to.text);
}

char *incident_outage(const struct incident *i)
{
    char all[SHOW_TIME_MAX], lease[SHOW_TIME_MAX], start[SHOW_TIME_MAX];
    if (i->last_ms < 0 || i->serving_ms < 0)
        return NULL;
    show_span((i->last_ms + i->serving_ms) * HM_MS, all);
    show_span(i->last_ms * HM_MS, lease);
    show_span(i->serving_ms * HM_MS, start);
    return hm_printf("outage %s from the last heartbeat: %s until %s had the lease, %s until its "
                     "workload served",
                     all, lease, i->to.text, start);
}

/* -- Text ------------------------------------------------------------------------------------------- */

static enum mood mood_of(const struct cause *c)
{
    bool is_meant =
        c->id == CAUSE_OPERATOR || c->id == CAUSE_HAND_BACK || c->id == CAUSE_FIRST_LEADER;
    return is_meant ? MOOD_GOOD : c->id == CAUSE_UNKNOWN ? MOOD_CHANGE : MOOD_BAD;
}

static void add_head(const struct incident *i, const struct cause *c, bool colour,
                     struct hm_buf *out)
{
    char date[SHOW_TIME_MAX], clock[SHOW_TIME_MAX];
    HM_AUTOFREE char *title = incident_title(i);
    HM_AUTOFREE char *cause =
        hm_printf("cause: %s (%s)", cause_text(c->id), confidence_text(c->confidence));
    show_date(i->taken_ns, date);
    show_clock(i->taken_ns, clock);
    hm_buf_printf(out, "%s   %s %s UTC   ", title, date, clock);
    show_mood(out, cause, mood_of(c), colour);
    hm_buf_puts(out, "\n");
}

static void add_story_line(const struct story_line *line, struct hm_buf *out)
{
    char from[SHOW_TIME_MAX], to[SHOW_TIME_MAX];
    show_clock(line->from_ns, from);
    show_clock(line->to_ns, to);
    hm_buf_printf(out, "  %s", from);
    if (strcmp(from, to) != 0)
        hm_buf_printf(out, " - %s", to);
    else
        show_pad(out, strlen(from), TIME_WIDTH);
    hm_buf_printf(out, "  %s\n", line->text);
}

void incident_render(const struct incident *i, const struct cause *c, bool colour,
                     struct hm_buf *out)
{
    struct story story;
    HM_AUTOFREE char *outage = incident_outage(i);
    add_head(i, c, colour, out);
    story_make(i, &story);
    for (size_t n = 0; n < story.count; n++)
        add_story_line(&story.lines[n], out);
    story_clear(&story);
    for (size_t n = 0; n < c->because_count; n++)
        hm_buf_printf(out, "  %s %s\n", n ? "       " : "because", c->because[n]);
    if (c->but)
        hm_buf_printf(out, "  note    %s\n", c->but);
    if (outage)
        hm_buf_printf(out, "  %s\n", outage);
}

/* -- JSON ---------------------------------------------------------------------------------------------- */

static json_t *site_json(const struct hb_site *site)
{
    return hb_site_is_set(site) ? json_string(site->text) : json_null();
}

static json_t *number_json(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *time_json(int64_t ns)
{
    char text[HM_TIME_TEXT_MAX];
    hm_time_text(ns, text);
    return json_string(text);
}

static json_t *story_json(const struct incident *i)
{
    struct story story;
    json_t *list = json_array();
    story_make(i, &story);
    for (size_t n = 0; n < story.count; n++)
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s}", "from", time_json(story.lines[n].from_ns), "to",
                            time_json(story.lines[n].to_ns), "text", story.lines[n].text));
    story_clear(&story);
    return list;
}

static json_t *cause_json(const struct cause *c)
{
    json_t *lines = json_array();
    for (size_t n = 0; n < c->because_count; n++)
        json_array_append_new(lines, json_string(c->because[n]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", cause_name(c->id), "text",
                     cause_text(c->id), "confidence", confidence_text(c->confidence), "because",
                     lines, "note", c->but ? json_string(c->but) : json_null());
}

json_t *incident_json(const struct incident *i, const struct cause *c)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "epoch",
                     (json_int_t)i->epoch, "from_epoch", (json_int_t)i->from_epoch, "from",
                     site_json(&i->from), "to", site_json(&i->to), "reason",
                     hb_reason_name(i->reason), "taken_at", time_json(i->taken_ns), "silence_ms",
                     number_json(i->last_ms), "serving_ms", number_json(i->serving_ms), "cause",
                     cause_json(c), "story", story_json(i));
}
