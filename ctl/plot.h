/*
 * Heartbeats as a picture: for each site a lane with a stroke for every record, gaps shaded, and the
 * round trips below on one scale; what happened stands above. SVG, without script or asset, in the
 * colours of ctl/page.h. Times are the server's stamps. Pure; any thread.
 */
#ifndef HM_CTL_PLOT_H
#define HM_CTL_PLOT_H

#include <stdint.h>

#include "base/buf.h"
#include "ctl/entry.h"
#include "ctl/incident.h"
#include "ctl/show.h"
#include "proto/heartbeat.h"

enum { PLOT_LANES_MAX = 8, PLOT_EVENTS_MAX = 24 };

struct plot_mark {
    int64_t at_ns;
    int64_t rtt_us; /* -1: not known */
    bool is_lease;  /* of the leader; else of a replica */
    bool is_ill;    /* heartbeats failed before it */
};
struct plot_lane {
    struct hb_site site;
    struct plot_mark *marks; /* by time */
    size_t count;
};
struct plot_event {
    int64_t at_ns;
    char *text;
    enum mood mood;
};
struct plot {
    int64_t from_ns, to_ns;
    struct plot_lane lanes[PLOT_LANES_MAX]; /* by site */
    size_t lane_count;
    struct plot_event events[PLOT_EVENTS_MAX];
    size_t event_count;
};

/* All heartbeats of the group from `from_ns` on. More sites than PLOT_LANES_MAX are left out. */
void plot_make(const struct entries *history, const char *group, int64_t from_ns, int64_t to_ns,
               struct plot *ret);
/* Those that only the incident still knows. */
void plot_add_beats(struct plot *p, const struct incident *i);
void plot_add_event(struct plot *p, int64_t at_ns, enum mood mood, const char *text);
/* Nothing when there is no span of time to show. */
void plot_render(struct plot *p, struct hm_buf *out);
void plot_clear(struct plot *p);

#endif
