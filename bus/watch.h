/*
 * A watch's own state, shared by the part that keeps its consumer alive (watch.c) and the part that
 * hands out what the consumer delivers (watch_feed.c). Only these two include it.
 *
 * Thread: the loop's.
 */
#ifndef HM_BUS_WATCH_H
#define HM_BUS_WATCH_H

#include "bus/internal.h"

enum watch_state {
    WATCH_WAITING,  /* for a connection */
    WATCH_CREATING, /* asked for a consumer; what it delivers may come before the answer does */
    WATCH_RUNNING,
    WATCH_RESTING, /* broken; made anew at the deadline */
};

struct watch_call;

struct bus_watch {
    struct bus_watch *next;
    struct bus *bus;
    struct bus_watch_options options; /* bucket and filter are our copies */
    struct deadline deadline;         /* end of the rest, or of the patience with silence */
    enum watch_state state;

    uint64_t id;        /* of the present consumer; 0: none was made yet */
    char consumer[128]; /* its name, "hm_<unique>_<id>" */
    uint64_t session;   /* the connection that it was made over */
    struct watch_call *creating;

    struct wire_event *backlog, **backlog_end;
    int64_t heard_ns;   /* when its last message arrived */
    uint64_t delivered; /* consumer sequence */
    uint64_t expected;  /* entries stored when it was made; valid unless CREATING */
    bool ready;

    uint64_t remakes;
    unsigned failures; /* in a row */
    bool told;         /* of being broken, with this code */
    enum hm_code told_code;

    bool disconnect_pending; /* still to be told of the lost connection */
    unsigned in_callback;
    bool stopped; /* freed when the callback returns */
};

/* Give up the present consumer, say why (once for each code), and make another after a rest. */
void watch_break(struct bus_watch *watch, const struct hm_error *why);
void watch_become_ready(struct bus_watch *watch);
void watch_drop_backlog(struct bus_watch *watch);

/* Around every callback: the callback may stop the watch. watch_leave() is false if it did. */
void watch_enter(struct bus_watch *watch);
bool watch_leave(struct bus_watch *watch);

#endif
