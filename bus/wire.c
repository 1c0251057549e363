#include "bus/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/spent.h"
#include "bus/wire_internal.h"
#include "bus/wire_options.h"

enum {
    EVENTS_MAX_BYTES = 64 * 1024 * 1024,
    OUT_MAX_BYTES = 64 * 1024 * 1024,
    OUT_MAX_COUNT = 65536,
};

/* -- Events ----------------------------------------------------------------------------------- */

void wire_event_free(struct wire_event *event)
{
    if (!event)
        return;
    spent_put(event->message);
    free(event->inbox);
    free(event->text);
    free(event);
}

static size_t event_size(const struct wire_event *event)
{
    return WIRE_MESSAGE_OVERHEAD +
           (event->message ? (size_t)natsMsg_GetDataLength(event->message) : 0);
}

struct wire_event *wire_new_event(enum wire_event_kind kind)
{
    struct wire_event *event = hm_alloc(sizeof *event);
    event->kind = kind;
    event->arrived_ns = hm_boottime_ns();
    return event;
}

/* A message beyond the bound is dropped: whoever waits for it sees a timeout or a gap, both of
 * which it handles anyway. Everything else is small and rare, and must arrive. */
void wire_post(struct wire *wire, struct wire_event *event)
{
    uv_mutex_lock(&wire->lock);
    event->session = wire->session;
    bool room = wire->events_bytes < EVENTS_MAX_BYTES || event->kind != WIRE_MESSAGE;
    if (room) {
        wire->events_bytes += event_size(event);
        *wire->events_end = event;
        wire->events_end = &event->next;
        uv_async_send(wire->wake);
    }
    uv_mutex_unlock(&wire->lock);
    if (!room)
        wire_event_free(event);
}

void wire_post_text(struct wire *wire, enum wire_event_kind kind, char *text)
{
    struct wire_event *event = wire_new_event(kind);
    event->text = text;
    wire_post(wire, event);
}

struct wire_event *wire_take(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    struct wire_event *list = wire->events;
    wire->events = NULL;
    wire->events_end = &wire->events;
    wire->events_bytes = 0;
    uv_mutex_unlock(&wire->lock);
    return list;
}

struct outgoing *wire_next_outgoing(struct wire *wire)
{
    struct outgoing *one = wire->out;
    if (!one)
        return NULL;
    wire->out = one->next;
    if (!wire->out)
        wire->out_end = &wire->out;
    wire->out_count--;
    wire->out_bytes -= one->size;
    return one;
}

void wire_free_outgoing(struct outgoing *one)
{
    spent_put(one->message);
    free(one);
}

/* -- From the loop ---------------------------------------------------------------------------- */

static void add_subscription(struct wire *wire, uint64_t id, const char *subject)
{
    struct subscription *mine = hm_alloc(sizeof *mine);
    *mine = (struct subscription){
        .wire = wire, .id = id, .subject = hm_strdup(subject), .wanted = true};
    uv_mutex_lock(&wire->lock);
    mine->next = wire->subscriptions;
    wire->subscriptions = mine;
    wire->subscriptions_changed = true;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

static void release(struct wire *wire)
{
    while (wire->out)
        wire_free_outgoing(wire_next_outgoing(wire));
    for (struct wire_event *event = wire->events, *next; event; event = next) {
        next = event->next;
        wire_event_free(event);
    }
    spent_flush();
    if (wire->pinned)
        return;
    for (struct subscription *mine = wire->subscriptions, *next; mine; mine = next) {
        next = mine->next;
        free(mine->subject);
        free(mine);
    }
    natsOptions_Destroy(wire->options);
    uv_cond_destroy(&wire->changed);
    uv_mutex_destroy(&wire->lock);
    free(wire->servers);
    free(wire->urls);
    free(wire);
}

int wire_start(const struct bus_options *options, uv_async_t *wake, struct wire **ret,
               struct hm_error *err)
{
    natsOptions *nats;
    int failed = wire_options(options, &nats, err);
    if (failed)
        return failed;
    struct wire *wire = hm_alloc(sizeof *wire);
    *wire = (struct wire){.wake = wake, .options = nats};
    wire->servers = wire_servers_text(options->servers);
    wire->urls = hm_strdup(options->servers);
    wire->ping_ms = WIRE_PING_MAX_MS;
    wire->several = strchr(wire->servers, ',') != NULL;
    wire->tls = wire_uses_tls(options);
    wire->events_end = &wire->events;
    wire->out_end = &wire->out;
    if (uv_mutex_init(&wire->lock) || uv_cond_init(&wire->changed))
        abort(); /* out of memory */
    add_subscription(wire, 0, "");
    wire_begin_living(wire);
    failed = wire_set_callbacks(wire, err);
    if (!failed && uv_thread_create(&wire->thread, wire_run, wire))
        failed = hm_fail(err, HM_E_NATS, "can't start the thread of the NATS connection");
    if (failed) {
        wire_end_living(wire);
        release(wire);
        return failed;
    }
    *ret = wire;
    return 0;
}

int wire_publish(struct wire *wire, natsMsg *message, uint64_t id, uint64_t session,
                 int64_t not_after_ns, struct hm_error *err)
{
    struct outgoing *one = hm_alloc(sizeof *one);
    *one = (struct outgoing){
        .message = message, .id = id, .session = session, .not_after_ns = not_after_ns};
    one->size = WIRE_MESSAGE_OVERHEAD + (size_t)natsMsg_GetDataLength(message);
    uv_mutex_lock(&wire->lock);
    bool room = wire->out_count < OUT_MAX_COUNT && wire->out_bytes < OUT_MAX_BYTES;
    if (room) {
        *wire->out_end = one;
        wire->out_end = &one->next;
        wire->out_count++;
        wire->out_bytes += one->size;
    }
    uv_mutex_unlock(&wire->lock);
    if (room) {
        uv_cond_signal(&wire->changed); /* not under the lock, which its thread needs at once */
        return 0;
    }
    wire_free_outgoing(one);
    return hm_fail(err, HM_E_BUSY, "too many messages wait to be sent to NATS");
}

void wire_subscribe(struct wire *wire, uint64_t id, const char *subject)
{
    add_subscription(wire, id, subject);
}

void wire_unsubscribe(struct wire *wire, uint64_t id)
{
    uv_mutex_lock(&wire->lock);
    for (struct subscription *mine = wire->subscriptions; mine; mine = mine->next)
        if (mine->id == id)
            mine->wanted = false;
    wire->subscriptions_changed = true;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

void wire_set_ping(struct wire *wire, int64_t interval_ms)
{
    int64_t least = interval_ms < WIRE_PING_MAX_MS ? interval_ms : WIRE_PING_MAX_MS;
    uv_mutex_lock(&wire->lock);
    if (wire->several) /* else there is nowhere to go, and the questions cost something */
        wire->ping_ms = least > WIRE_PING_MIN_MS ? least : WIRE_PING_MIN_MS;
    uv_mutex_unlock(&wire->lock);
}

void wire_give_up(struct wire *wire, uint64_t session)
{
    uv_mutex_lock(&wire->lock);
    if (wire->several)
        wire->given_up = session;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

void wire_stop(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    wire->stopping = true;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

void wire_free(struct wire *wire)
{
    uv_thread_join(&wire->thread);
    release(wire);
}
