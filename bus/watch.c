#include "bus/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/jetstream.h"
#include "bus/names.h"

enum {
    IDLE_DEFAULT_MS = 5000,
    IDLE_MIN_MS = 100, /* the server's own minimum */
    CREATE_MIN_MS = 1000,
    CREATE_MAX_MS = 5000,
    REST_FIRST_MS = 50,
    REST_MAX_MS = 5000,
};

struct watch_call {
    struct bus_call call;
    struct bus_watch *watch; /* NULL: nobody wants the answer any more */
};

static void make(struct bus_watch *watch);

void watch_enter(struct bus_watch *watch)
{
    watch->in_callback++;
}

static void free_watch(struct bus_watch *watch)
{
    free((char *)watch->options.bucket);
    free((char *)watch->options.filter);
    free(watch);
}

bool watch_leave(struct bus_watch *watch)
{
    watch->in_callback--;
    if (!watch->stopped)
        return true;
    if (!watch->in_callback)
        free_watch(watch);
    return false;
}

void watch_drop_backlog(struct bus_watch *watch)
{
    for (struct wire_event *event = watch->backlog, *next; event; event = next) {
        next = event->next;
        wire_event_free(event);
    }
    watch->backlog = NULL;
    watch->backlog_end = &watch->backlog;
}

static int64_t silence_ms(const struct bus_watch *watch)
{
    return 2 * watch->options.idle_heartbeat_ms;
}

static int64_t patience_end_ns(const struct bus_watch *watch)
{
    return watch->heard_ns + silence_ms(watch) * HM_MS;
}

static int64_t rest_ns(unsigned failures)
{
    int64_t limit = REST_FIRST_MS;
    while (failures-- > 0 && limit < REST_MAX_MS)
        limit *= 2;
    if (limit > REST_MAX_MS)
        limit = REST_MAX_MS;
    uint32_t random = 0;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    return (limit / 2 + random % (limit / 2 + 1)) * HM_MS;
}

/* The server would go on feeding a consumer that we have given up: our inbox still listens. One of
 * an earlier connection has nobody who listens, and ends by itself. */
static void delete_consumer(struct bus_watch *watch)
{
    if (!watch->consumer[0] || watch->session != watch->bus->session || !watch->bus->connected)
        return;
    HM_AUTOFREE char *subject =
        hm_printf("$JS.API.CONSUMER.DELETE.KV_%s.%s", watch->options.bucket, watch->consumer);
    bus_publish_soon(watch->bus, subject, "", 0);
}

static void give_up_consumer(struct bus_watch *watch)
{
    if (watch->consumer[0])
        wire_unsubscribe(watch->bus->wire, watch->id);
    delete_consumer(watch);
    watch_drop_backlog(watch);
    deadline_clear(&watch->bus->deadlines, &watch->deadline);
    if (watch->creating)
        watch->creating->watch = NULL;
    watch->creating = NULL;
    watch->consumer[0] = '\0';
    watch->ready = false;
}

static void tell_broken(struct bus_watch *watch, const struct hm_error *why)
{
    if (watch->told && watch->told_code == why->code)
        return;
    watch->told = true;
    watch->told_code = why->code;
    if (!watch->options.on_broken)
        return;
    watch_enter(watch);
    watch->options.on_broken(watch->options.data, why);
    watch_leave(watch);
}

void watch_break(struct bus_watch *watch, const struct hm_error *why)
{
    if (watch->delivered) /* whoever counts entries must hear that they begin again */
        watch->told = false;
    give_up_consumer(watch);
    watch->state = watch->bus->connected ? WATCH_RESTING : WATCH_WAITING;
    if (watch->state == WATCH_RESTING)
        bus_set_deadline(watch->bus, &watch->deadline,
                         hm_boottime_ns() + rest_ns(watch->failures++));
    tell_broken(watch, why);
}

void watch_become_ready(struct bus_watch *watch)
{
    if (watch->ready)
        return;
    watch->ready = true;
    watch->told = false;
    watch->failures = 0;
    if (!watch->options.on_ready)
        return;
    watch_enter(watch);
    watch->options.on_ready(watch->options.data);
    watch_leave(watch);
}

static void run(struct bus_watch *watch, const struct js_consumer *consumer)
{
    watch->state = WATCH_RUNNING;
    watch->expected = consumer->pending;
    watch->heard_ns = hm_boottime_ns();
    bus_set_deadline(watch->bus, &watch->deadline, patience_end_ns(watch));
    if (watch->delivered >= watch->expected)
        watch_become_ready(watch);
}

static int read_answer(const struct bus_watch *watch, const struct call_answer *answer,
                       struct js_consumer *ret, struct hm_error *err)
{
    const char *bucket = watch->options.bucket;
    if (answer->no_responders)
        return hm_fail(err, HM_E_NATS, "watch %s: no JetStream answers", bucket);
    if (answer->err) {
        *err = *answer->err;
        return -(int)err->code;
    }
    if (js_parse_consumer(answer->data, answer->len, ret, err) < 0)
        return hm_wrap(err, "watch %s", bucket);
    if (ret->error.err_code == JS_STREAM_NOT_FOUND)
        return hm_fail(err, HM_E_NOT_FOUND, "watch %s: there is no such bucket", bucket);
    if (ret->error.code)
        return hm_fail(err, HM_E_NATS, "watch %s: the server refused: %s (err_code %d)", bucket,
                       ret->error.text, ret->error.err_code);
    return 0;
}

static void consumer_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct watch_call *mine = (struct watch_call *)call;
    struct bus_watch *watch = mine->watch;
    free(mine);
    if (!watch)
        return;
    struct js_consumer consumer;
    struct hm_error err;
    watch->creating = NULL;
    if (read_answer(watch, answer, &consumer, &err) < 0)
        watch_break(watch, &err);
    else
        run(watch, &consumer);
}

static int64_t create_timeout_ms(const struct bus_watch *watch)
{
    int64_t ms = silence_ms(watch);
    return ms < CREATE_MIN_MS ? CREATE_MIN_MS : ms > CREATE_MAX_MS ? CREATE_MAX_MS : ms;
}

/* The names of bucket and filter are checked here, so that a bad one is told like any other
 * failure. */
static void request_consumer(struct bus_watch *watch)
{
    const struct bus_watch_options *o = &watch->options;
    struct hm_error err;
    bool refused = bus_check_bucket(o->bucket, &err) < 0 || bus_check_filter(o->filter, &err) < 0;
    HM_AUTOFREE char *deliver_to = hm_printf("%s.w.%" PRIx64, watch->bus->inbox, watch->id);
    HM_AUTOFREE char *subject = hm_printf("$JS.API.CONSUMER.CREATE.KV_%s.%s.$KV.%s.%s", o->bucket,
                                          watch->consumer, o->bucket, o->filter);
    HM_AUTOFREE char *body = refused ? hm_strdup("")
                                     : js_create_consumer_request(&(struct js_watch_request){
                                           .bucket = o->bucket,
                                           .filter = o->filter,
                                           .consumer = watch->consumer,
                                           .deliver_to = deliver_to,
                                           .history = o->history,
                                           .idle_heartbeat_ms = o->idle_heartbeat_ms});
    wire_subscribe(watch->bus->wire, watch->id, deliver_to);
    struct watch_call *mine = hm_alloc(sizeof *mine);
    mine->call.answered = consumer_answered;
    mine->watch = watch;
    watch->creating = mine;
    call_start_api(watch->bus, &mine->call, hm_printf("watch %s", o->bucket), subject, body,
                   create_timeout_ms(watch), refused ? &err : NULL);
}

static void make(struct bus_watch *watch)
{
    struct bus *bus = watch->bus;
    give_up_consumer(watch);
    watch->state = WATCH_WAITING;
    if (!bus->connected)
        return;
    watch->remakes += watch->id != 0;
    watch->id = ++bus->serial;
    watch->session = bus->session;
    watch->delivered = watch->expected = 0;
    snprintf(watch->consumer, sizeof watch->consumer, "hm_%s_%" PRIx64,
             strrchr(bus->inbox, '.') + 1, watch->id);
    watch->state = WATCH_CREATING;
    request_consumer(watch);
}

static void on_deadline(struct deadline *deadline)
{
    struct bus_watch *watch =
        (struct bus_watch *)((char *)deadline - offsetof(struct bus_watch, deadline));
    if (watch->state == WATCH_RESTING) {
        make(watch);
        return;
    }
    if (patience_end_ns(watch) > hm_boottime_ns()) {
        bus_set_deadline(watch->bus, deadline, patience_end_ns(watch));
        return;
    }
    struct hm_error err;
    hm_fail(&err, HM_E_TIMEOUT, "watch %s: silent for %" PRId64 " ms; making it anew",
            watch->options.bucket, silence_ms(watch));
    watch_break(watch, &err);
}

/* -- For the bus ------------------------------------------------------------------------------ */

void watch_connected(struct bus *bus)
{
    for (struct bus_watch *watch = bus->watches; watch; watch = watch->next)
        make(watch);
}

static struct bus_watch *next_to_tell(struct bus *bus)
{
    struct bus_watch *watch = bus->watches;
    while (watch && !watch->disconnect_pending)
        watch = watch->next;
    return watch;
}

/* Each callback may stop any watch, so the list is searched anew after each. */
void watch_disconnected(struct bus *bus, const char *why)
{
    for (struct bus_watch *watch = bus->watches; watch; watch = watch->next)
        watch->disconnect_pending = true;
    for (struct bus_watch *watch; (watch = next_to_tell(bus)) != NULL;) {
        struct hm_error err;
        watch->disconnect_pending = false;
        hm_fail(&err, HM_E_CONNECTION, "watch %s: %s", watch->options.bucket, why);
        watch_break(watch, &err);
    }
}

void watch_free_all(struct bus *bus)
{
    while (bus->watches)
        bus_watch_stop(bus->watches);
}

/* -- Public ----------------------------------------------------------------------------------- */

struct bus_watch *bus_watch_start(struct bus *bus, const struct bus_watch_options *options)
{
    struct bus_watch *watch = hm_alloc(sizeof *watch);
    *watch = (struct bus_watch){.next = bus->watches, .bus = bus, .options = *options};
    watch->options.bucket = hm_strdup(options->bucket ? options->bucket : "");
    watch->options.filter = hm_strdup(options->filter ? options->filter : "");
    if (!options->idle_heartbeat_ms)
        watch->options.idle_heartbeat_ms = IDLE_DEFAULT_MS;
    if (watch->options.idle_heartbeat_ms < IDLE_MIN_MS)
        watch->options.idle_heartbeat_ms = IDLE_MIN_MS;
    watch->backlog_end = &watch->backlog;
    watch->deadline.expired = on_deadline;
    bus->watches = watch;
    make(watch);
    return watch;
}

void bus_watch_restart(struct bus_watch *watch)
{
    make(watch);
}

void bus_watch_stop(struct bus_watch *watch)
{
    if (!watch || watch->stopped)
        return;
    give_up_consumer(watch);
    struct bus_watch **place = &watch->bus->watches;
    while (*place != watch)
        place = &(*place)->next;
    *place = watch->next;
    if (watch->bus->watch_turn == watch)
        watch->bus->watch_turn = watch->next;
    watch->stopped = true;
    if (!watch->in_callback)
        free_watch(watch);
}

uint64_t bus_watch_remakes(const struct bus_watch *watch)
{
    return watch->remakes;
}
