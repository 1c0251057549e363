/*
 * What a failover group costs: the cores of many groups in one process, on one connection.
 *
 *     bench_groups URL SITE COUNT T_MS
 *
 * Drives COUNT groups g0.. as SITE: "site-a" makes the bucket and the first records, and leads them all;
 * "site-b" is their replica. Workloads are nothing, started and stopped at once. One watch for all groups.
 * Prints {"state_bytes": N} at first and "settled" when every group is led by site-a and, as site-a, when
 * all are served; then goes on until SIGTERM and prints how much was sent and how long each core step took.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lead_records.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "failover/failover.h"
#include "failover/rules.h"

enum { NAME_MAX_BYTES = 24, BUCKET_TIMEOUT_MS = 10000 };

struct group {
    struct fo_state core;
    struct bench *bench;
    char name[NAME_MAX_BYTES];
    bool led;
};

struct bench {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t term;
    struct bus *bus;
    const char *site;
    struct cluster_config config;
    size_t count, led, made;
    struct group *groups;
    int64_t *due;    /* of each group: apart from the cores, since it is searched at every turn */
    bool stored;     /* the answer that is waited for has come */
    int64_t wake_ns; /* when the timer rings */
    uint64_t steps, sends;
    int64_t step_ns; /* spent in the cores */
};

static void step(struct group *g, const struct fo_event *event);

/* -- Effects ----------------------------------------------------------------------------------- */

struct sent {
    struct group *group;
    enum fo_key key;
    uint64_t counter;
    unsigned send;
};

static void send_answered(void *data, const struct bus_put_result *result)
{
    static const enum fo_write_outcome outcomes[] = {
        [BUS_PUT_STORED] = FO_WRITE_STORED,     [BUS_PUT_DUPLICATE] = FO_WRITE_DUPLICATE,
        [BUS_PUT_CONFLICT] = FO_WRITE_CONFLICT, [BUS_PUT_REFUSED] = FO_WRITE_REFUSED,
        [BUS_PUT_UNKNOWN] = FO_WRITE_UNKNOWN,
    };
    struct sent *s = data;
    struct fo_event event = {.type = FO_EV_WRITE};
    event.write.key = s->key;
    event.write.counter = s->counter;
    event.write.send = s->send;
    event.write.outcome = outcomes[result->outcome];
    event.write.revision = result->revision;
    event.write.err_code = result->err_code;
    step(s->group, &event);
    free(s);
}

static void send_record(struct group *g, const struct fo_effect *effect)
{
    char key[LEAD_KEY_MAX + 1], name[LEAD_KEY_MAX + 1], id[LEAD_MESSAGE_ID_MAX], text[HB_TEXT_MAX];
    bool lease = effect->send.key == FO_KEY_LEASE;
    struct heartbeat record = *effect->send.record;
    record.timestamp_ms = hm_wall_ns() / HM_MS;
    snprintf(name, sizeof name, "%s", lease ? "primary_heartbeat" : "replica_heartbeat.");
    lead_key(g->name, name, key);
    if (!lease)
        strncat(key, g->core.site.text, LEAD_KEY_MAX - strlen(key));
    lead_message_id(&record, &g->core.site, id);
    struct bus_put put = {.bucket = LEAD_BUCKET,
                          .key = key,
                          .value = text,
                          .len = heartbeat_render(&record, lease, text),
                          .expect_revision = effect->send.expect_revision == FO_ANY_REVISION
                                                 ? BUS_ANY_REVISION
                                                 : effect->send.expect_revision,
                          .msg_id = id,
                          .timeout_ms = effect->send.timeout_ns / HM_MS + 1};
    struct sent *s = hm_alloc(sizeof *s);
    *s = (struct sent){g, effect->send.key, effect->send.counter, effect->send.send};
    g->bench->sends++;
    bus_put(g->bench->bus, &put, send_answered, s);
}

struct asked {
    struct group *group;
    uint32_t request;
};

static const struct heartbeat *parse(const struct bus_entry *entry, bool lease,
                                     struct heartbeat *into)
{
    struct hm_error why;
    return !entry->deleted && heartbeat_parse(entry->value, entry->len, lease, into, &why) >= 0
               ? into
               : NULL;
}

static void read_answered(void *data, const struct bus_entry *entry, const struct hm_error *err)
{
    struct asked *a = data;
    struct heartbeat record;
    struct fo_event event = {.type = FO_EV_READ};
    event.read.request = a->request;
    event.read.outcome = entry                         ? FO_READ_FOUND
                         : err->code == HM_E_NOT_FOUND ? FO_READ_MISSING
                                                       : FO_READ_FAILED;
    if (entry) {
        event.read.record = parse(entry, true, &record);
        event.read.revision = entry->revision;
        event.read.stamp_ns = entry->stamp_ns;
    }
    step(a->group, &event);
    free(a);
}

static void read_lease(struct group *g, const struct fo_effect *effect)
{
    char key[LEAD_KEY_MAX + 1];
    struct asked *a = hm_alloc(sizeof *a);
    *a = (struct asked){g, effect->read.request};
    lead_key(g->name, "primary_heartbeat", key);
    bus_get(g->bench->bus, LEAD_BUCKET, key, effect->read.timeout_ns / HM_MS + 1, read_answered, a);
}

/* True, with the event, for an effect that is over at once. */
static bool carry_out(struct group *g, const struct fo_effect *effect, struct fo_event *ret)
{
    if (effect->type == FO_DO_SEND)
        send_record(g, effect);
    else if (effect->type == FO_DO_READ)
        read_lease(g, effect);
    bool start = effect->type == FO_DO_START_WORKLOAD, stop = effect->type == FO_DO_STOP_WORKLOAD;
    if (start || stop) {
        *ret = (struct fo_event){.type = start ? FO_EV_WORKLOAD_STARTED : FO_EV_WORKLOAD_STOPPED};
        ret->workload.epoch = effect->workload.epoch;
    }
    return start || stop;
}

/* -- Steps ------------------------------------------------------------------------------------- */

static void note_settled(struct group *g)
{
    struct bench *b = g->bench;
    bool led =
        !strcmp(b->site, "site-a") ? g->core.role == HB_ROLE_LEADER : fo_leader(&g->core) != NULL;
    if (led == g->led)
        return;
    g->led = led;
    b->led += led ? 1 : (size_t)-1;
    if (b->led == b->count) {
        puts("settled");
        fflush(stdout);
    }
}

static void on_timer(uv_timer_t *timer);

static void wake_at(struct bench *b, int64_t at_ns)
{
    if (at_ns >= b->wake_ns)
        return;
    int64_t wait_ns = at_ns - hm_boottime_ns();
    b->wake_ns = at_ns;
    uv_update_time(&b->loop);
    uv_timer_start(&b->timer, on_timer, wait_ns > 0 ? (uint64_t)(wait_ns / HM_MS) + 1 : 0, 0);
}

static void step(struct group *g, const struct fo_event *event)
{
    struct bench *b = g->bench;
    struct fo_effects effects;
    struct fo_event next;
    bool more = false;
    int64_t now_ns = hm_boottime_ns();
    fo_step(&g->core, event, now_ns, &effects);
    b->step_ns += hm_boottime_ns() - now_ns;
    b->steps++;
    b->due[g - b->groups] = effects.next_ns;
    for (unsigned i = 0; i < effects.count; i++)
        more = carry_out(g, &effects.items[i], &next) || more;
    note_settled(g);
    wake_at(b, effects.next_ns);
    if (more)
        step(g, &next);
}

static void on_timer(uv_timer_t *timer)
{
    struct bench *b = timer->data;
    int64_t now_ns = hm_boottime_ns();
    b->wake_ns = INT64_MAX;
    for (size_t i = 0; i < b->count; i++)
        if (b->due[i] <= now_ns)
            step(&b->groups[i], &(struct fo_event){.type = FO_EV_TIMER});
        else
            wake_at(b, b->due[i]);
}

static void entry_event(struct group *g, enum fo_event_type type, const struct heartbeat *record,
                        const struct bus_entry *entry)
{
    struct fo_event event = {.type = type};
    event.entry.record = record;
    event.entry.revision = entry->revision;
    event.entry.stamp_ns = entry->stamp_ns;
    step(g, &event);
}

static void on_entry(void *data, const struct bus_entry *entry)
{
    struct bench *b = data;
    struct heartbeat record;
    size_t number = entry->key[0] == 'g' ? strtoul(entry->key + 1, NULL, 10) : b->count;
    if (number >= b->count)
        return;
    struct group *g = &b->groups[number];
    const char *name = lead_key_name(g->name, entry->key);
    bool lease = name && !strcmp(name, "primary_heartbeat");
    const struct heartbeat *read = parse(entry, lease, &record);
    if (lease)
        entry_event(g, FO_EV_LEASE, read, entry);
    else if (name && read)
        entry_event(g, hb_site_equal(&read->site, &g->core.site) ? FO_EV_ECHO : FO_EV_PEER, read,
                    entry);
}

/* -- Setup ------------------------------------------------------------------------------------- */

static void give_up(const char *what)
{
    fprintf(stderr, "bench_groups: %s\n", what);
    exit(1);
}

static void on_connected(void *data)
{
    ((struct bench *)data)->stored = true;
}

static void on_created(void *data, const struct hm_error *err)
{
    if (err)
        give_up(err->text);
    ((struct bench *)data)->stored = true;
}

static void on_first_record(void *data, const struct bus_put_result *result)
{
    struct bench *b = data;
    if (result->outcome != BUS_PUT_STORED)
        give_up(result->error.text);
    b->stored = ++b->made == b->count;
}

static void wait_stored(struct bench *b)
{
    while (!b->stored)
        uv_run(&b->loop, UV_RUN_ONCE);
    b->stored = false;
}

static void make_groups(struct bench *b)
{
    static const char released[] =
        "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":0,\"next\":\"site-a\"}";
    struct bus_bucket_config bucket = {
        .bucket = LEAD_BUCKET, .history = 64, .replicas = 1, .recorder = true, .max_value = -1};
    bus_bucket_create(b->bus, &bucket, BUCKET_TIMEOUT_MS, on_created, b);
    wait_stored(b);
    for (size_t i = 0; i < b->count; i++) {
        char key[LEAD_KEY_MAX + 1];
        lead_key(b->groups[i].name, "primary_heartbeat", key);
        bus_put(b->bus,
                &(struct bus_put){.bucket = LEAD_BUCKET,
                                  .key = key,
                                  .value = released,
                                  .len = sizeof released - 1,
                                  .expect_revision = BUS_ANY_REVISION,
                                  .timeout_ms = BUCKET_TIMEOUT_MS},
                on_first_record, b);
        if (i % 64 == 63) /* the bus has a bound of what may be under way */
            while (b->made <= i)
                uv_run(&b->loop, UV_RUN_ONCE);
    }
    wait_stored(b);
}

static void start_group(struct bench *b, size_t i)
{
    struct group *g = &b->groups[i];
    struct fo_setup setup = {
        .nonce = (uint64_t)hm_wall_ns() + i, .seed = i + 1, .rules = FO_RULES_ALL};
    hb_site_from(b->site, &setup.site);
    fo_init(&g->core, &setup, hm_boottime_ns());
    struct fo_event config = {.type = FO_EV_CONFIG};
    config.config.config = &b->config;
    config.config.revision = 1;
    step(g, &config);
    step(g, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true}});
    struct fo_event start = {.type = FO_EV_START};
    start.start.workload_stopped = true;
    step(g, &start);
    step(g, &(struct fo_event){.type = FO_EV_CONNECTED});
}

static void take_config(struct bench *b, const char *t_ms)
{
    struct hm_error err;
    int64_t t = strtoll(t_ms, NULL, 10);
    HM_AUTOFREE char *text =
        hm_printf("{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\",\"heartbeat_"
                  "interval_ms\":%" PRId64 ",\"failover_timeout_ms\":%" PRId64 "}",
                  t, 3 * t + 3000);
    if (cluster_config_parse(text, strlen(text), &b->config, &err) < 0)
        give_up(err.text);
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void open_all(struct bench *b, const char *url)
{
    struct bus_options options = {
        .servers = url, .name = b->site, .on_connected = on_connected, .data = b};
    uv_loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->timer);
    b->timer.data = b;
    if (bus_open(&b->loop, &options, &b->bus, NULL) < 0)
        give_up("the URL is not good");
    wait_stored(b);
    if (!strcmp(b->site, "site-a"))
        make_groups(b);
    bus_watch_start(b->bus,
                    &(struct bus_watch_options){
                        .bucket = LEAD_BUCKET, .filter = ">", .on_entry = on_entry, .data = b});
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct bench b = {.site = argv[2], .count = strtoul(argv[3], NULL, 10), .wake_ns = INT64_MAX};
    b.groups = hm_alloc(b.count * sizeof *b.groups);
    b.due = hm_alloc(b.count * sizeof *b.due);
    take_config(&b, argv[4]);
    for (size_t i = 0; i < b.count; i++) {
        b.groups[i].bench = &b;
        b.due[i] = INT64_MAX;
        snprintf(b.groups[i].name, sizeof b.groups[i].name, "g%zu", i);
    }
    printf("{\"state_bytes\": %zu}\n", sizeof(struct fo_state));
    fflush(stdout);
    open_all(&b, argv[1]);
    for (size_t i = 0; i < b.count; i++)
        start_group(&b, i);
    uv_signal_init(&b.loop, &b.term);
    uv_signal_start(&b.term, on_term, SIGTERM);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    printf("{\"steps\": %" PRIu64 ", \"sends\": %" PRIu64 ", \"step_ns\": %" PRId64
           ", \"led\": %zu}\n",
           b.steps, b.sends, b.step_ns, b.led);
    return 0;
}
