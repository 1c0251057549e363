#include "bus/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/internal.h"
#include "bus/names.h"

/* -- Deadlines -------------------------------------------------------------------------------- */

static void drain(struct bus *bus);

/* What arrived before a deadline is looked at before the deadline is. */
static void on_timer(uv_timer_t *timer)
{
    struct bus *bus = timer->data;
    bus->timer_at_ns = INT64_MAX;
    drain(bus);
    int64_t now_ns = hm_boottime_ns();
    for (struct deadline *due; (due = deadline_take_due(&bus->deadlines, now_ns)) != NULL;)
        due->expired(due);
    bus_arm_timer(bus);
}

void bus_arm_timer(struct bus *bus)
{
    int64_t next_ns = deadline_next(&bus->deadlines);
    if (next_ns >= bus->timer_at_ns || bus->freeing)
        return;
    int64_t delay_ns = next_ns - hm_boottime_ns();
    bus->timer_at_ns = next_ns;
    uv_update_time(bus->timer.loop);
    uv_timer_start(&bus->timer, on_timer,
                   delay_ns > 0 ? (uint64_t)((delay_ns + HM_MS - 1) / HM_MS) : 0, 0);
}

void bus_set_deadline(struct bus *bus, struct deadline *node, int64_t at_ns)
{
    deadline_set(&bus->deadlines, node, at_ns);
    bus_arm_timer(bus);
}

/* -- Sending ---------------------------------------------------------------------------------- */

static natsMsg *new_message(const struct bus_message *message)
{
    natsMsg *out = NULL;
    natsStatus s =
        natsMsg_Create(&out, message->subject, message->reply, message->data, (int)message->len);
    for (int i = 0; i < BUS_HEADERS_MAX && s == NATS_OK; i++)
        if (message->headers[i].value)
            s = natsMsgHeader_Set(out, message->headers[i].name, message->headers[i].value);
    if (s != NATS_OK)
        abort(); /* out of memory: subjects and headers were checked */
    return out;
}

int bus_publish(struct bus *bus, const struct bus_message *message, uint64_t id,
                int64_t not_after_ns, struct hm_error *err)
{
    if (!bus->connected)
        return hm_fail(err, HM_E_CONNECTION, "not connected to NATS%s%s",
                       bus->last_error[0] ? ": " : "", bus->last_error);
    return wire_publish(bus->wire, new_message(message), id, bus->session, not_after_ns, err);
}

enum { SOON_MS = 5000 };

void bus_publish_soon(struct bus *bus, const char *subject, const void *data, size_t len)
{
    struct bus_message message = {.subject = subject, .data = data, .len = len};
    bus_publish(bus, &message, 0, hm_boottime_ns() + SOON_MS * HM_MS, NULL);
}

/* -- What comes in ---------------------------------------------------------------------------- */

static void become_connected(struct bus *bus, const struct wire_event *event)
{
    bus->connected = true;
    bus->session = event->session;
    bus->last_error[0] = '\0';
    snprintf(bus->inbox, sizeof bus->inbox, "%s", event->inbox);
    memcpy(bus->version, event->version, sizeof bus->version);
    bus->max_payload = event->max_payload;
    watch_connected(bus);
    if (bus->on_connected)
        bus->on_connected(bus->data);
}

static void learn_version(struct bus *bus, const struct wire_event *event)
{
    memcpy(bus->version, event->version, sizeof bus->version);
    if (bus->on_connected)
        bus->on_connected(bus->data);
}

void bus_set_ping(struct bus *bus, int64_t interval_ms)
{
    if (!bus->closing)
        wire_set_ping(bus->wire, interval_ms);
}

void bus_try_another_server(struct bus *bus)
{
    if (bus->connected && !bus->closing)
        wire_give_up(bus->wire, bus->session);
}

static void become_disconnected(struct bus *bus, const char *why)
{
    bus->connected = false;
    memset(bus->version, 0, sizeof bus->version);
    snprintf(bus->last_error, sizeof bus->last_error, "%s", why);
    call_fail_all(bus, HM_E_CONNECTION, why);
    talk_fail_all(bus, HM_E_CONNECTION, why);
    if (!bus->closing)
        watch_disconnected(bus, why);
    if (!bus->closing && bus->on_disconnected)
        bus->on_disconnected(bus->data);
}

/* Every try fails in the same words, so they are told once. */
static void note_refusal(struct bus *bus, const char *why)
{
    if (!strcmp(bus->last_error, why))
        return;
    snprintf(bus->last_error, sizeof bus->last_error, "%s", why);
    if (!bus->closing && bus->on_refused)
        bus->on_refused(bus->data);
}

static void note_complaint(struct bus *bus, const char *text)
{
    snprintf(bus->complaint, sizeof bus->complaint, "%s", text);
    bus->complaint_ns = hm_boottime_ns();
    talk_complaint(bus, text);
}

/* "_INBOX.x.1f" -> "1f", or NULL when it is not addressed to the inbox. */
static const char *inbox_token(const struct bus *bus, const char *subject)
{
    size_t len = strlen(bus->inbox);
    return !strncmp(subject, bus->inbox, len) && subject[len] == '.' ? subject + len + 1 : NULL;
}

/* Returns true when the event was taken over. */
static bool take_message(struct bus *bus, struct wire_event *event)
{
    if (event->subscription) {
        if (watch_take(bus, event))
            return true;
        service_deliver(bus, event);
        return false;
    }
    const char *token = inbox_token(bus, natsMsg_GetSubject(event->message));
    if (token && !talk_deliver(bus, token, event->message))
        call_deliver(bus, token, event->message, event->arrived_ns);
    return false;
}

static void begin_free(struct bus *bus);

/* Returns true when the event was taken over. */
static bool take_event(struct bus *bus, struct wire_event *event)
{
    switch (event->kind) {
    case WIRE_MESSAGE:
        return !bus->closing && event->session == bus->session && take_message(bus, event);
    case WIRE_CONNECTED:
        if (!bus->closing)
            become_connected(bus, event);
        break;
    case WIRE_VERSION:
        if (!bus->closing && bus->connected && event->session == bus->session)
            learn_version(bus, event);
        break;
    case WIRE_DISCONNECTED:
        if (bus->connected)
            become_disconnected(bus, event->text);
        break;
    case WIRE_NOT_CONNECTED:
        note_refusal(bus, event->text);
        break;
    case WIRE_NOT_SENT:
        call_not_sent(bus, event->id, event->code, event->text);
        talk_not_sent(bus, event->id, event->code, event->text);
        break;
    case WIRE_COMPLAINT:
        note_complaint(bus, event->text);
        break;
    case WIRE_FINISHED:
        begin_free(bus);
        break;
    }
    return false;
}

static void drain(struct bus *bus)
{
    for (struct wire_event *event = wire_take(bus->wire), *next; event; event = next) {
        next = event->next;
        event->next = NULL;
        if (!take_event(bus, event))
            wire_event_free(event);
    }
}

static void on_wake(uv_async_t *async)
{
    struct bus *bus = async->data;
    drain(bus);
    if (!bus->closing && watch_hand_out(bus))
        uv_async_send(&bus->wake); /* the loop gets its turn in between */
}

static const char CLOSING[] = "the connection is being closed";

/* -- Opening and closing ---------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct bus *bus = handle->data;
    if (--bus->open_handles > 0)
        return;
    if (bus->wire)
        wire_free(bus->wire);
    deadline_heap_free(&bus->deadlines);
    call_table_free(&bus->calls);
    free(bus);
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, on_handle_closed);
}

static void begin_free(struct bus *bus)
{
    call_fail_all(bus, HM_E_CANCELLED, CLOSING);
    bus->freeing = true;
    close_handle((uv_handle_t *)&bus->wake);
    close_handle((uv_handle_t *)&bus->timer);
}

int bus_open(uv_loop_t *loop, const struct bus_options *options, struct bus **ret,
             struct hm_error *err)
{
    struct bus *bus = hm_alloc(sizeof *bus);
    *bus = (struct bus){.on_connected = options->on_connected,
                        .on_disconnected = options->on_disconnected,
                        .on_refused = options->on_refused,
                        .data = options->data,
                        .timer_at_ns = INT64_MAX,
                        .open_handles = 2};
    if (uv_timer_init(loop, &bus->timer) || uv_async_init(loop, &bus->wake, on_wake))
        abort(); /* out of memory or descriptors */
    bus->timer.data = bus->wake.data = bus;
    int failed = wire_start(options, &bus->wake, &bus->wire, err);
    if (failed) {
        begin_free(bus);
        return failed;
    }
    *ret = bus;
    return 0;
}

void bus_close(struct bus *bus)
{
    if (!bus || bus->closing)
        return;
    watch_free_all(bus);
    service_free_all(bus);
    bus->closing = true;
    bus->connected = false;
    snprintf(bus->last_error, sizeof bus->last_error, "%s", CLOSING);
    call_fail_all(bus, HM_E_CANCELLED, CLOSING);
    talk_fail_all(bus, HM_E_CANCELLED, CLOSING);
    wire_stop(bus->wire);
}

bool bus_is_connected(const struct bus *bus)
{
    return bus->connected;
}

void bus_server_version(const struct bus *bus, int ret_version[3])
{
    memcpy(ret_version, bus->version, sizeof bus->version);
}

const char *bus_last_error(const struct bus *bus)
{
    return bus->last_error;
}
