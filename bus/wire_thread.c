#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/server_version.h"
#include "bus/wire_internal.h"
#include "bus/wire_options.h"
#include "proto/text.h"

enum {
    DETAIL_MAX = 160,
    VERSION_TRIES = 2,
    VERSION_RETRY_MS = 5000,
    BACK_OFF_FIRST_MS = 100,
    BACK_OFF_MAX_MS = 2000,
    STABLE_MS = 5000, /* a connection that lasted this long was a good one */
};

/* -- libnats's callbacks, on its threads ------------------------------------------------------ */

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    (void)connection;
    (void)subscription;
    const struct subscription *mine = closure;
    struct wire_event *event = wire_new_event(WIRE_MESSAGE);
    event->message = message;
    event->subscription = mine->id;
    wire_post(mine->wire, event);
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
    char *copy = hm_alloc(WIRE_TEXT_MAX);
    text_clean(text, copy, WIRE_TEXT_MAX);
    pthread_mutex_lock(&living_lock);
    struct wire *wire = living;
    while (wire && wire != closure)
        wire = wire->next_living;
    if (wire)
        wire_post_text(wire, WIRE_COMPLAINT, copy);
    else
        free(copy);
    pthread_mutex_unlock(&living_lock);
}

void wire_begin_living(struct wire *wire)
{
    pthread_mutex_lock(&living_lock);
    wire->next_living = living;
    living = wire;
    pthread_mutex_unlock(&living_lock);
}

void wire_end_living(struct wire *wire)
{
    pthread_mutex_lock(&living_lock);
    struct wire **place = &living;
    while (*place != wire)
        place = &(*place)->next_living;
    *place = wire->next_living;
    pthread_mutex_unlock(&living_lock);
}

int wire_set_callbacks(struct wire *wire, struct hm_error *err)
{
    natsStatus s = natsOptions_SetClosedCB(wire->options, on_closed, wire);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(wire->options, on_complaint, wire);
    return s == NATS_OK ? 0 : hm_fail(err, HM_E_NATS, "nats: %s", natsStatus_GetText(s));
}

/* -- The wire thread -------------------------------------------------------------------------- */

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

/* Another connection to the same server, only to read its greeting: it can fail when ours did not. */
static bool learn_version(struct wire *wire, int ret_version[3])
{
    char url[512] = "";
    natsConnection_GetConnectedUrl(wire->connection, url, sizeof url);
    for (int tries = 0; tries < VERSION_TRIES; tries++)
        if (bus_fetch_server_version(url, ret_version))
            return true;
    wire->ask_version_ns = hm_boottime_ns() + VERSION_RETRY_MS * HM_MS;
    return false;
}

static void announce_connection(struct wire *wire)
{
    struct wire_event *event = wire_new_event(WIRE_CONNECTED);
    wire->ask_version_ns = INT64_MAX;
    learn_version(wire, event->version);
    event->inbox = hm_strdup(wire->inbox);
    event->max_payload = natsConnection_GetMaxPayload(wire->connection);
    uv_mutex_lock(&wire->lock);
    wire->session++;
    uv_mutex_unlock(&wire->lock);
    wire_post(wire, event);
}

static void announce_version(struct wire *wire)
{
    int version[3];
    wire->ask_version_ns = INT64_MAX;
    if (!learn_version(wire, version))
        return;
    struct wire_event *event = wire_new_event(WIRE_VERSION);
    memcpy(event->version, version, sizeof version);
    wire_post(wire, event);
}

/* libnats begins its sentences with the place in its source: "(conn.c:733): SSL handshake ...", and
 * what follows can be the server's. */
static void clean_detail(const char *detail, char *out, size_t size)
{
    const char *place = detail && *detail == '(' ? strstr(detail, "): ") : NULL;
    text_clean(place ? place + 3 : detail ? detail : "", out, size);
}

/* With TLS 1.3 a server looks at our certificate after our side of the handshake is over, so all that
 * libnats sees of a refusal is that the connection ends. */
static const char *advice(const struct wire *wire, natsStatus status)
{
    bool may_be_refused = wire->tls && (status == NATS_IO_ERROR || status == NATS_PROTOCOL_ERROR ||
                                        status == NATS_CONNECTION_CLOSED);
    return may_be_refused ? "; the server may want a client certificate, or refuse this one" : "";
}

static void report_failure(struct wire *wire, natsStatus status)
{
    natsStatus same;
    char detail[DETAIL_MAX];
    clean_detail(nats_GetLastError(&same), detail, sizeof detail);
    if (!strcmp(detail, natsStatus_GetText(status))) /* libnats says it twice */
        *detail = '\0';
    wire_post_text(wire, WIRE_NOT_CONNECTED,
                   hm_printf("can't connect to NATS at %s: %s%s%s%s", wire->servers,
                             natsStatus_GetText(status), *detail ? ": " : "", detail,
                             advice(wire, status)));
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

/* The server that was lost is not among those of the first try; if that fails, it is again. */
static natsStatus connect_elsewhere(struct wire *wire)
{
    struct hm_error err;
    if (wire_options_servers(wire->options, wire->urls, wire->lost, &err) < 0)
        return NATS_INVALID_ARG; /* never: they were good at the start */
    wire->lost[0] = '\0';
    uv_mutex_lock(&wire->lock);
    int64_t ping_ms = wire->ping_ms;
    uv_mutex_unlock(&wire->lock);
    natsStatus s = natsOptions_SetPingInterval(wire->options, ping_ms);
    return s == NATS_OK ? natsConnection_Connect(&wire->connection, wire->options) : s;
}

static bool open_connection(struct wire *wire)
{
    wire->closed = false;
    natsStatus s = connect_elsewhere(wire);
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

static void report_unsent(struct wire *wire, uint64_t id, natsStatus status)
{
    struct wire_event *event = wire_new_event(WIRE_NOT_SENT);
    event->id = id;
    event->code = status == NATS_MAX_PAYLOAD ? HM_E_TOO_LARGE : HM_E_CONNECTION;
    event->text =
        hm_strdup(status == NATS_MAX_PAYLOAD ? "larger than the server's max_payload allows"
                                             : natsStatus_GetText(status));
    wire_post(wire, event);
}

static void send_one(struct wire *wire, struct outgoing *one)
{
    bool fresh = one->session == wire->session && hm_boottime_ns() <= one->not_after_ns;
    if (fresh) {
        natsStatus s = natsConnection_PublishMsg(wire->connection, one->message);
        if (s != NATS_OK)
            report_unsent(wire, one->id, s);
    }
    wire_free_outgoing(one);
}

/* With the lock held: until there is something to do, which may be to ask for the version. */
static void wait_for_work(struct wire *wire)
{
    if (wire->ask_version_ns == INT64_MAX) {
        uv_cond_wait(&wire->changed, &wire->lock);
        return;
    }
    int64_t left_ns = wire->ask_version_ns - hm_boottime_ns();
    if (left_ns > 0)
        uv_cond_timedwait(&wire->changed, &wire->lock, (uint64_t)left_ns);
}

/* Without the lock. */
static void work(struct wire *wire, struct outgoing *one, bool adjust)
{
    if (adjust)
        adjust_subscriptions(wire); /* fails only when the connection is about to be gone */
    if (one)
        send_one(wire, one);
    if (hm_boottime_ns() >= wire->ask_version_ns)
        announce_version(wire);
}

/* Work until the connection is gone, or all is sent after wire_stop(). */
static void serve(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    while (!wire->closed && wire->given_up != wire->session && (!wire->stopping || wire->out)) {
        if (!wire->out && !wire->subscriptions_changed)
            wait_for_work(wire);
        struct outgoing *one = wire_next_outgoing(wire);
        bool adjust = wire->subscriptions_changed;
        uv_mutex_unlock(&wire->lock);
        work(wire, one, adjust);
        uv_mutex_lock(&wire->lock);
    }
    uv_mutex_unlock(&wire->lock);
}

static bool is_given_up(struct wire *wire)
{
    uv_mutex_lock(&wire->lock);
    bool given_up = wire->given_up == wire->session;
    uv_mutex_unlock(&wire->lock);
    return given_up;
}

static void announce_loss(struct wire *wire)
{
    const char *text = NULL;
    char detail[DETAIL_MAX];
    natsStatus s = natsConnection_GetLastError(wire->connection, &text);
    if (is_given_up(wire))
        text = "it did not answer, another server is tried";
    clean_detail(text && *text ? text : natsStatus_GetText(s), detail, sizeof detail);
    wire_post_text(wire, WIRE_DISCONNECTED,
                   hm_printf("lost the connection to NATS at %s: %s", wire->servers, detail));
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

void wire_run(void *arg)
{
    struct wire *wire = arg;
    while (!is_stopping(wire)) {
        if (open_connection(wire)) {
            natsConnection_GetConnectedUrl(wire->connection, wire->lost, sizeof wire->lost);
            serve(wire);
            announce_loss(wire);
            close_connection(wire);
            if (hm_boottime_ns() - wire->connected_ns > STABLE_MS * HM_MS)
                wire->failures = 0;
        }
        if (!is_stopping(wire))
            back_off(wire);
    }
    wire_end_living(wire);
    wire_post(wire, wire_new_event(WIRE_FINISHED));
}
