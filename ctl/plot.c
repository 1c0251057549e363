#include "ctl/plot.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/group.h"

/* -- Filling it ------------------------------------------------------------------------------------- */

static struct plot_lane *lane_of(struct plot *p, const struct hb_site *site)
{
    size_t at = 0;
    while (at < p->lane_count && strcmp(p->lanes[at].site.text, site->text) < 0)
        at++;
    if (at < p->lane_count && hb_site_equal(&p->lanes[at].site, site))
        return &p->lanes[at];
    if (p->lane_count == PLOT_LANES_MAX)
        return NULL;
    memmove(&p->lanes[at + 1], &p->lanes[at], (p->lane_count - at) * sizeof *p->lanes);
    p->lane_count++;
    p->lanes[at] = (struct plot_lane){.site = *site};
    return &p->lanes[at];
}

static bool has_mark(const struct plot_lane *lane, int64_t at_ns)
{
    const int64_t same_ns = 1000000; /* an incident keeps whole milliseconds */
    for (size_t n = 0; n < lane->count; n++)
        if (llabs(lane->marks[n].at_ns - at_ns) <= same_ns)
            return true;
    return false;
}

static void add_mark(struct plot *p, const struct hb_site *site, struct plot_mark mark)
{
    struct plot_lane *lane = lane_of(p, site);
    if (!lane || mark.at_ns < p->from_ns || mark.at_ns > p->to_ns)
        return;
    lane->marks = hm_realloc_array(lane->marks, lane->count + 1, sizeof *lane->marks);
    lane->marks[lane->count++] = mark;
}

static void add_entry(struct plot *p, const struct entry *e, const char *key)
{
    bool is_lease = !strcmp(key, KEY_LEASE);
    struct heartbeat hb;
    struct hm_error ignored;
    if (e->deleted || (!is_lease && strncmp(key, KEY_REPLICA, strlen(KEY_REPLICA)) != 0) ||
        heartbeat_parse(e->value, e->len, is_lease, &hb, &ignored) < 0 || !hb_site_is_set(&hb.site))
        return;
    add_mark(p, &hb.site, (struct plot_mark){e->stamp_ns, hb.rtt_us, is_lease, hb.failures > 0});
}

void plot_make(const struct entries *history, const char *group, int64_t from_ns, int64_t to_ns,
               struct plot *ret)
{
    *ret = (struct plot){.from_ns = from_ns, .to_ns = to_ns};
    for (size_t n = 0; n < history->count; n++) {
        const char *key = key_in_group(group, history->items[n].key);
        if (key)
            add_entry(ret, &history->items[n], key);
    }
}

void plot_add_beats(struct plot *p, const struct incident *i)
{
    for (size_t n = 0; n < i->beat_count; n++) {
        const struct incident_beat *b = &i->beats[n];
        struct plot_lane *lane = hb_site_is_set(&b->site) ? lane_of(p, &b->site) : NULL;
        if (lane && !has_mark(lane, b->stamp_ns))
            add_mark(p, &b->site,
                     (struct plot_mark){b->stamp_ns, b->rtt_us, true, b->failures > 0});
    }
}

void plot_add_event(struct plot *p, int64_t at_ns, enum mood mood, const char *text)
{
    if (p->event_count == PLOT_EVENTS_MAX || at_ns < p->from_ns || at_ns > p->to_ns)
        return;
    p->events[p->event_count++] = (struct plot_event){at_ns, hm_strdup(text), mood};
}

void plot_clear(struct plot *p)
{
    for (size_t n = 0; n < p->lane_count; n++)
        free(p->lanes[n].marks);
    for (size_t n = 0; n < p->event_count; n++)
        free(p->events[n].text);
    *p = (struct plot){0};
}
