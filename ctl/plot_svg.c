/* A plot as SVG. Lengths are in units of its viewBox. */
#include <math.h>
#include <stdlib.h>

#include "ctl/page.h"
#include "ctl/plot.h"

enum {
    WIDTH = 960,
    LEFT = 90, /* names, and the scale of the round trips */
    RIGHT = 16,
    TOP = 6,
    EVENT_ROW = 15, /* texts above the lanes, in rows that don't overlap */
    EVENT_ROWS = 3,
    LANE = 40,
    RTT = 130,
    AXIS = 22,
    TICKS = 5,
    COLOURS = 4, /* --s0 to --s3 (ctl/page.c) */
};

static const char *mood_class(enum mood mood)
{
    static const char *const classes[] = {[MOOD_PLAIN] = "faint",
                                          [MOOD_GOOD] = "good",
                                          [MOOD_CHANGE] = "change",
                                          [MOOD_BAD] = "bad",
                                          [MOOD_FAINT] = "faint"};
    return classes[mood];
}

static double x_of(const struct plot *p, int64_t at_ns)
{
    double part = (double)(at_ns - p->from_ns) / (double)(p->to_ns - p->from_ns);
    return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static int lanes_top(void)
{
    return TOP + EVENT_ROWS * EVENT_ROW + 6;
}

static int rtt_top(const struct plot *p)
{
    return lanes_top() + (int)p->lane_count * LANE + 12;
}

static int height(const struct plot *p)
{
    return rtt_top(p) + RTT + AXIS;
}

static int by_time(const void *a, const void *b)
{
    const struct plot_mark *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

/* -- Lanes -------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The rhythm of the lane: the median of its intervals; 0: there is none. */
static int64_t rhythm_ns(const struct plot_lane *lane)
{
    if (lane->count < 3)
        return 0;
    size_t count = lane->count - 1;
    int64_t *intervals = malloc(count * sizeof *intervals);
    if (!intervals)
        abort();
    for (size_t n = 0; n < count; n++)
        intervals[n] = lane->marks[n + 1].at_ns - lane->marks[n].at_ns;
    qsort(intervals, count, sizeof *intervals, by_size);
    int64_t median = intervals[count / 2];
    free(intervals);
    return median;
}

static void add_gaps(const struct plot *p, const struct plot_lane *lane, int y, struct hm_buf *out)
{
    int64_t rhythm = rhythm_ns(lane);
    for (size_t n = 0; rhythm && n + 1 < lane->count; n++) {
        const struct plot_mark *a = &lane->marks[n], *b = a + 1;
        if ((b->at_ns - a->at_ns) / 3 <= rhythm) /* a rhythm of a century can't be multiplied */
            continue;
        double x = x_of(p, a->at_ns);
        hm_buf_printf(out,
                      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"var(--bad)\" "
                      "fill-opacity=\".13\"/>\n",
                      x, y + 6, x_of(p, b->at_ns) - x, LANE - 12);
    }
}

static void add_marks(const struct plot *p, const struct plot_lane *lane, int y, struct hm_buf *out)
{
    for (size_t n = 0; n < lane->count; n++) {
        const struct plot_mark *m = &lane->marks[n];
        const char *colour = m->is_ill ? "--change" : m->is_lease ? "--good" : "--faint";
        int reach = m->is_lease ? 12 : 6;
        hm_buf_printf(out, "<path d=\"M%.1f %dv%d\" stroke=\"var(%s)\" stroke-width=\"2\"/>\n",
                      x_of(p, m->at_ns), y + LANE / 2 - reach, 2 * reach, colour);
    }
}

static void add_lane(const struct plot *p, size_t index, struct hm_buf *out)
{
    const struct plot_lane *lane = &p->lanes[index];
    int y = lanes_top() + (int)index * LANE;
    hm_buf_printf(out, "<text x=\"4\" y=\"%d\" fill=\"var(--s%zu)\">", y + LANE / 2 + 4,
                  index % COLOURS);
    page_text(out, lane->site.text);
    hm_buf_printf(out, "</text><path d=\"M%d %dH%d\" stroke=\"var(--line)\"/>\n", LEFT,
                  y + LANE / 2, WIDTH - RIGHT);
    add_gaps(p, lane, y, out);
    add_marks(p, lane, y, out);
}

/* -- Round trips ---------------------------------------------------------------------------------------- */

static int64_t longest_rtt_us(const struct plot *p)
{
    int64_t longest = 1000;
    for (size_t l = 0; l < p->lane_count; l++)
        for (size_t n = 0; n < p->lanes[l].count; n++)
            if (p->lanes[l].marks[n].rtt_us > longest)
                longest = p->lanes[l].marks[n].rtt_us;
    return longest;
}

/* Logarithmic from 0.1 ms on, since what is interesting is by what factor it grew. */
static double y_of(const struct plot *p, int64_t rtt_us, int64_t longest_us)
{
    const int64_t least = 100;
    double times = (double)(rtt_us < least ? least : rtt_us) / (double)least;
    double part = log(times) / log((double)longest_us / (double)least);
    return rtt_top(p) + RTT - part * (RTT - 12);
}

static void add_scale(const struct plot *p, int64_t longest_us, struct hm_buf *out)
{
    char text[SHOW_TIME_MAX];
    for (int64_t us = 100; us <= longest_us; us *= 10) {
        double y = y_of(p, us, longest_us);
        show_latency(us, text);
        hm_buf_printf(out,
                      "<path d=\"M%d %.1fH%d\" stroke=\"var(--line)\"/><text x=\"%d\" y=\"%.1f\" "
                      "text-anchor=\"end\" class=\"faint\">%s</text>\n",
                      LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, text);
    }
    hm_buf_printf(out, "<text x=\"4\" y=\"%d\" class=\"faint\">round trip</text>\n",
                  rtt_top(p) + 8);
}

static void add_curve(const struct plot *p, size_t index, int64_t longest_us, struct hm_buf *out)
{
    const struct plot_lane *lane = &p->lanes[index];
    hm_buf_puts(out, "<polyline fill=\"none\" stroke-width=\"1.5\" ");
    hm_buf_printf(out, "stroke=\"var(--s%zu)\" points=\"", index % COLOURS);
    for (size_t n = 0; n < lane->count; n++)
        if (lane->marks[n].rtt_us >= 0)
            hm_buf_printf(out, "%.1f,%.1f ", x_of(p, lane->marks[n].at_ns),
                          y_of(p, lane->marks[n].rtt_us, longest_us));
    hm_buf_puts(out, "\"/>\n");
}

/* -- Time and events ------------------------------------------------------------------------------------- */

static void add_axis(const struct plot *p, struct hm_buf *out)
{
    char text[SHOW_TIME_MAX];
    for (int n = 0; n <= TICKS; n++) {
        int64_t at_ns = p->from_ns + (p->to_ns - p->from_ns) / TICKS * n;
        const char *anchor = n == TICKS ? "end" : n == 0 ? "start" : "middle";
        show_clock(at_ns, text);
        hm_buf_printf(out,
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\" class=\"faint\">%s</text>\n",
                      x_of(p, at_ns), height(p) - 6, anchor, text);
    }
}

static void add_event(const struct plot *p, size_t index, struct hm_buf *out)
{
    const struct plot_event *e = &p->events[index];
    const char *class = mood_class(e->mood);
    double x = x_of(p, e->at_ns);
    bool is_right = x > WIDTH * 2 / 3;
    int y = TOP + (int)(index % EVENT_ROWS + 1) * EVENT_ROW - 3;
    hm_buf_printf(out,
                  "<path d=\"M%.1f %dV%d\" stroke=\"currentColor\" stroke-dasharray=\"3 3\" "
                  "class=\"%s\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\" class=\"%s\">",
                  x, y + 3, rtt_top(p) + RTT, class, is_right ? x - 4 : x + 4, y,
                  is_right ? "end" : "start", class);
    page_text(out, e->text);
    hm_buf_puts(out, "</text>\n");
}

void plot_render(struct plot *p, struct hm_buf *out)
{
    if (p->to_ns <= p->from_ns || p->lane_count == 0)
        return;
    int64_t longest_us = longest_rtt_us(p);
    hm_buf_printf(out,
                  "<div class=\"plot\"><svg viewBox=\"0 0 %d %d\" role=\"img\" "
                  "aria-label=\"heartbeats over time\" font-size=\"12\" fill=\"currentColor\">\n",
                  WIDTH, height(p));
    add_scale(p, longest_us, out);
    for (size_t l = 0; l < p->lane_count; l++) {
        if (p->lanes[l].count > 0) /* one that was never heard has no marks to sort, and no array */
            qsort(p->lanes[l].marks, p->lanes[l].count, sizeof *p->lanes[l].marks, by_time);
        add_lane(p, l, out);
        add_curve(p, l, longest_us, out);
    }
    for (size_t n = 0; n < p->event_count; n++)
        add_event(p, n, out);
    add_axis(p, out);
    hm_buf_puts(out, "</svg></div>\n");
}
