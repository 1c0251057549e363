/*
 * An incident as people and programs read it. Pure; any thread.
 */
#ifndef HM_CTL_INCIDENT_VIEW_H
#define HM_CTL_INCIDENT_VIEW_H

#include <stdbool.h>

#include <jansson.h>

#include "base/buf.h"
#include "ctl/cause.h"
#include "ctl/incident.h"

/* What happened at an instant, or in a span of time. */
struct story_line {
    int64_t from_ns, to_ns;
    char *text;
};
enum { STORY_MAX = 8 };
struct story {
    struct story_line lines[STORY_MAX]; /* in order */
    size_t count;
};
void story_make(const struct incident *i, struct story *ret);
void story_clear(struct story *s);

/* "epoch 6 -> 7  site-a -> site-b", for the first line and for titles; the caller frees it. */
char *incident_title(const struct incident *i);
/* "outage 8.5 s from the last heartbeat: ..."; NULL when nobody led before, or nobody has served since. The
 * caller frees it. */
char *incident_outage(const struct incident *i);

void incident_render(const struct incident *i, const struct cause *c, bool colour,
                     struct hm_buf *out);
json_t *incident_json(const struct incident *i, const struct cause *c);

#endif
