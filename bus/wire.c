#include "bus/wire.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/server_version.h"
#include "bus/wire_options.h"

enum {
    EVENTS_MAX_BYTES = 64 * 1024 * 1024,
    OUT_MAX_BYTES = 64 * 1024 * 1024,
    OUT_MAX_COUNT = 65536,
    EVENT_OVERHEAD = 256,
    BACK_OFF_FIRST_MS = 100,
    BACK_OFF_MAX_MS = 2000,
    STABLE_MS = 5000, /* a connection that lasted this long was a good one */
};

struct outgoing {
    struct outgoing *next;
    natsMsg *message;
    size_t size;
    uint64_t id, session;
    int64_t not_after_ns;
};

struct subscription {
    struct subscription *next;
    struct wire *wire;
    uint64_t id; /* 0: the inbox */
    char *subject;
    bool wanted;
    bool dispatching;         /* libnats's thread may still call on_message() */
    natsSubscription *active; /* wire thread only */
};

struct wire {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t changed;
    struct wire *next_living; /* see on_complaint() */

    /* Set once at start. */
    uv_async_t *wake;
    natsOptions *options;
    char *servers;

    /* Under the lock. */
    struct wire_event *events, **events_end;
    size_t events_bytes;
    struct outgoing *out, **out_end;
    size_t out_bytes, out_count;
    struct subscription *subscriptions;
    bool subscriptions_changed, stopping, closed;
    uint64_t session;

    /* The wire thread's own. */
    natsConnection *connection;
    char inbox[WIRE_INBOX_MAX];
    unsigned failures;
    int64_t connected_ns;
    bool pinned; /* a libnats thread may live on that we can't wait for: never free this */
};

/* -- Events ------------------------------------------------------------------------------------ */

void wire_event_free(struct wire_event *event)
{
    if (!event)
        return;
    natsMsg_Destroy(event->message);
    free(event->inbox);
    free(event->text);
    free(event);
}

static size_t event_size(const struct wire_event *event)
{
    return EVENT_OVERHEAD + (event->message ? (size_t)natsMsg_GetDataLength(event->message) : 0);
}

static struct wire_event *new_event(enum wire_event_kind kind)
{
    struct wire_event *event = hm_alloc(sizeof *event);
    event->kind = kind;
    event->arrived_ns = hm_boottime_ns();
    return event;
}

/* A message beyond the bound is dropped: whoever waits for it sees a timeout or a gap, both of
 * which it handles anyway. Everything else is small and rare, and must arrive. */
static void post(struct wire *wire, struct wire_event *event)
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

static void post_text(struct wire *wire, enum wire_event_kind kind, char *text)
{
    struct wire_event *event = new_event(kind);
    event->text = text;
    post(wire, event);
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

/* -- libnats's callbacks, on its threads ---------------------------------------------------------
 */

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    (void)connection;
    (void)subscription;
    const struct subscription *mine = closure;
    struct wire_event *event = new_event(WIRE_MESSAGE);
    event->message = message;
    event->subscription = mine->id;
    post(mine->wire, event);
}

static void on_dispatch_end(void *closure)
{
    struct subscription *mine = closure;
    struct wire *wire = mine->wire;
    uv_mutex_lock(&wire->lock);
    mine->dispatching = false;
    wire->subscriptions_changed = true;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

static void on_closed(natsConnection *connection, void *closure)
{
    (void)connection;
    struct wire *wire = closure;
    uv_mutex_lock(&wire->lock);
    wire->closed = true;
    uv_cond_signal(&wire->changed);
    uv_mutex_unlock(&wire->lock);
}

/* libnats can report an error after it has reported that the connection is closed, when the wire
 * may be gone: so a complaint looks first whether its wire still lives. */
static pthread_mutex_t living_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire *living;

static void on_complaint(natsConnection *connection, natsSubscription *subscription,
                         natsStatus status, void *closure)
{
    (void)subscription;
    const char *text = NULL;
    if (natsConnection_GetLastError(connection, &text) == NATS_OK || !text || !*text)
        text = natsStatus_GetText(status);
    char *copy = hm_strndup(text, WIRE_TEXT_MAX);
    pthread_mutex_lock(&living_lock);
    struct wire *wire = living;
    while (wire && wire != closure)
        wire = wire->next_living;
    if (wire)
        post_text(wire, WIRE_COMPLAINT, copy);
    else
        free(copy);
    pthread_mutex_unlock(&living_lock);
}

static void begin_living(struct wire *wire)
{
    pthread_mutex_lock(&living_lock);
    wire->next_living = living;
    living = wire;
    pthread_mutex_unlock(&living_lock);
}

static void end_living(struct wire *wire)
{
    pthread_mutex_lock(&living_lock);
    struct wire **place = &living;
    while (*place != wire)
        place = &(*place)->next_living;
    *place = wire->next_living;
    pthread_mutex_unlock(&living_lock);
}

/* -- The wire thread -----------------------------------------------------------------------------
 */

static bool is_stopping(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    bool stopping = wire->stopping;
    uv_mutex_unlock(&wire->lock);
    return stopping;
}

static void set_dispatching(struct subscription *mine, bool dispatching)
{
    uv_mutex_lock(&mine->wire->lock);
    mine->dispatching = dispatching;
    uv_mutex_unlock(&mine->wire->lock);
}

static natsStatus subscribe(struct wire *wire, struct subscription *mine)
{
    set_dispatching(mine, true);
    natsStatus s =
        natsConnection_Subscribe(&mine->active, wire->connection, mine->subject, on_message, mine);
    if (s != NATS_OK) {
        mine->active = NULL;
        set_dispatching(mine, false);
    } else if (natsSubscription_SetOnCompleteCB(mine->active, on_dispatch_end, mine) != NATS_OK) {
        wire->pinned = true;
        set_dispatching(mine, false);
    }
    return s;
}

static void unsubscribe(struct subscription *mine)
{
    natsSubscription_Destroy(mine->active);
    mine->active = NULL;
}

static bool is_free_to_go(const struct subscription *mine)
{
    return !mine->wanted && !mine->active && !mine->dispatching && !mine->wire->pinned;
}

/* With the lock held. */
static void sweep_subscriptions(struct wire *wire)
{
    for (struct subscription **place = &wire->subscriptions; *place;) {
        struct subscription *mine = *place;
        if (!is_free_to_go(mine)) {
            place = &mine->next;
            continue;
        }
        *place = mine->next;
        free(mine->subject);
        free(mine);
    }
}

/* The list only grows at its head and is swept by this thread alone, so it may be walked without
 * the lock, which libnats's calls would hold for too long. */
static natsStatus adjust_subscriptions(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    struct subscription *head = wire->subscriptions;
    wire->subscriptions_changed = false;
    uv_mutex_unlock(&wire->lock);
    natsStatus s = NATS_OK;
    for (struct subscription *mine = head; mine && s == NATS_OK; mine = mine->next) {
        uv_mutex_lock(&wire->lock);
        bool wanted = mine->wanted, idle = !mine->dispatching;
        uv_mutex_unlock(&wire->lock);
        if (wanted && !mine->active && idle)
            s = subscribe(wire, mine);
        else if (!wanted && mine->active)
            unsubscribe(mine);
    }
    uv_mutex_lock(&wire->lock);
    sweep_subscriptions(wire);
    uv_mutex_unlock(&wire->lock);
    return s;
}

static void renew_inbox(struct wire *wire)
{
    natsInbox *unique = NULL;
    if (natsInbox_Create(&unique) != NATS_OK)
        abort(); /* out of memory */
    snprintf(wire->inbox, sizeof wire->inbox, "%s", unique);
    natsInbox_Destroy(unique);
    uv_mutex_lock(&wire->lock);
    struct subscription *mine = wire->subscriptions;
    while (mine->id != 0)
        mine = mine->next;
    free(mine->subject);
    mine->subject = hm_printf("%s.*", wire->inbox);
    uv_mutex_unlock(&wire->lock);
}

static void announce_connection(struct wire *wire)
{
    char url[512] = "";
    struct wire_event *event = new_event(WIRE_CONNECTED);
    natsConnection_GetConnectedUrl(wire->connection, url, sizeof url);
    bus_fetch_server_version(url, event->version);
    event->inbox = hm_strdup(wire->inbox);
    uv_mutex_lock(&wire->lock);
    wire->session++;
    uv_mutex_unlock(&wire->lock);
    post(wire, event);
}

static void report_failure(struct wire *wire, natsStatus status)
{
    natsStatus same;
    const char *detail = nats_GetLastError(&same);
    post_text(wire, WIRE_NOT_CONNECTED,
              hm_printf("can't connect to NATS at %s: %s%s%.160s", wire->servers,
                        natsStatus_GetText(status), detail ? ": " : "", detail ? detail : ""));
}

/* Until libnats has called its last callback for this connection. */
static void close_connection(struct wire *wire)
{
    for (struct subscription *mine = wire->subscriptions; mine; mine = mine->next)
        unsubscribe(mine);
    natsConnection_Destroy(wire->connection);
    wire->connection = NULL;
    uv_mutex_lock(&wire->lock);
    bool waiting = true;
    while (waiting) {
        waiting = !wire->closed;
        for (const struct subscription *mine = wire->subscriptions; mine; mine = mine->next)
            waiting = waiting || mine->dispatching;
        if (waiting)
            uv_cond_wait(&wire->changed, &wire->lock);
    }
    sweep_subscriptions(wire);
    uv_mutex_unlock(&wire->lock);
}

static bool open_connection(struct wire *wire)
{
    wire->closed = false;
    natsStatus s = natsConnection_Connect(&wire->connection, wire->options);
    if (s != NATS_OK) {
        report_failure(wire, s);
        return false;
    }
    wire->connected_ns = hm_boottime_ns();
    renew_inbox(wire);
    s = adjust_subscriptions(wire);
    if (s == NATS_OK) {
        announce_connection(wire);
        return true;
    }
    report_failure(wire, s);
    close_connection(wire);
    return false;
}

static struct outgoing *next_outgoing(struct wire *wire)
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

static void free_outgoing(struct outgoing *one)
{
    natsMsg_Destroy(one->message);
    free(one);
}

static void report_unsent(struct wire *wire, uint64_t id, natsStatus status)
{
    struct wire_event *event = new_event(WIRE_NOT_SENT);
    event->id = id;
    event->code = status == NATS_MAX_PAYLOAD ? HM_E_TOO_LARGE : HM_E_CONNECTION;
    event->text =
        hm_strdup(status == NATS_MAX_PAYLOAD ? "larger than the server's max_payload allows"
                                             : natsStatus_GetText(status));
    post(wire, event);
}

static void send_one(struct wire *wire, struct outgoing *one)
{
    bool fresh = one->session == wire->session && hm_boottime_ns() <= one->not_after_ns;
    if (fresh) {
        natsStatus s = natsConnection_PublishMsg(wire->connection, one->message);
        if (s != NATS_OK)
            report_unsent(wire, one->id, s);
    }
    free_outgoing(one);
}

/* Work until the connection is gone, or all is sent after wire_stop(). */
static void serve(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    while (!wire->closed && (!wire->stopping || wire->out)) {
        struct outgoing *one = next_outgoing(wire);
        bool adjust = wire->subscriptions_changed;
        if (!one && !adjust) {
            uv_cond_wait(&wire->changed, &wire->lock);
            continue;
        }
        uv_mutex_unlock(&wire->lock);
        if (adjust)
            adjust_subscriptions(wire); /* fails only when the connection is about to be gone */
        if (one)
            send_one(wire, one);
        uv_mutex_lock(&wire->lock);
    }
    uv_mutex_unlock(&wire->lock);
}

static void announce_loss(struct wire *wire)
{
    const char *text = NULL;
    natsStatus s = natsConnection_GetLastError(wire->connection, &text);
    post_text(wire, WIRE_DISCONNECTED,
              hm_printf("lost the connection to NATS at %s: %.160s", wire->servers,
                        text && *text ? text : natsStatus_GetText(s)));
}

static int64_t back_off_ms(unsigned failures)
{
    int64_t limit = BACK_OFF_FIRST_MS;
    while (failures-- > 0 && limit < BACK_OFF_MAX_MS)
        limit *= 2;
    if (limit > BACK_OFF_MAX_MS)
        limit = BACK_OFF_MAX_MS;
    uint32_t random = 0;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    return limit / 2 + random % (limit / 2 + 1);
}

static void back_off(struct wire *wire)
{
    int64_t until_ns = hm_boottime_ns() + back_off_ms(wire->failures++) * HM_MS;
    uv_mutex_lock(&wire->lock);
    for (int64_t left; !wire->stopping && (left = until_ns - hm_boottime_ns()) > 0;)
        uv_cond_timedwait(&wire->changed, &wire->lock, (uint64_t)left);
    uv_mutex_unlock(&wire->lock);
}

static void run(void *arg)
{
    struct wire *wire = arg;
    while (!is_stopping(wire)) {
        if (open_connection(wire)) {
            serve(wire);
            announce_loss(wire);
            close_connection(wire);
            if (hm_boottime_ns() - wire->connected_ns > STABLE_MS * HM_MS)
                wire->failures = 0;
        }
        if (!is_stopping(wire))
            back_off(wire);
    }
    end_living(wire);
    post(wire, new_event(WIRE_FINISHED));
}

/* -- From the loop -------------------------------------------------------------------------------
 */

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

static int set_callbacks(struct wire *wire, struct hm_error *err)
{
    natsStatus s = natsOptions_SetClosedCB(wire->options, on_closed, wire);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(wire->options, on_complaint, wire);
    return s == NATS_OK ? 0 : hm_fail(err, HM_E_NATS, "nats: %s", natsStatus_GetText(s));
}

static void release(struct wire *wire)
{
    while (wire->out)
        free_outgoing(next_outgoing(wire));
    for (struct wire_event *event = wire->events, *next; event; event = next) {
        next = event->next;
        wire_event_free(event);
    }
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
    wire->events_end = &wire->events;
    wire->out_end = &wire->out;
    if (uv_mutex_init(&wire->lock) || uv_cond_init(&wire->changed))
        abort(); /* out of memory */
    add_subscription(wire, 0, "");
    begin_living(wire);
    failed = set_callbacks(wire, err);
    if (!failed && uv_thread_create(&wire->thread, run, wire))
        failed = hm_fail(err, HM_E_NATS, "can't start the thread of the NATS connection");
    if (failed) {
        end_living(wire);
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
    one->size = EVENT_OVERHEAD + (size_t)natsMsg_GetDataLength(message);
    uv_mutex_lock(&wire->lock);
    bool room = wire->out_count < OUT_MAX_COUNT && wire->out_bytes < OUT_MAX_BYTES;
    if (room) {
        *wire->out_end = one;
        wire->out_end = &one->next;
        wire->out_count++;
        wire->out_bytes += one->size;
        uv_cond_signal(&wire->changed);
    }
    uv_mutex_unlock(&wire->lock);
    if (room)
        return 0;
    free_outgoing(one);
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
