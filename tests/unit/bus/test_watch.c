#include "tests/unit/bus/fixture.h"

/* What a watch has told: the last value of each of the keys "k.<n>", and every event. */
enum { KEYS = 2000, ROUNDS = 15 };

struct seen {
    struct bus_watch *watch;
    int entries, ready, broken, deleted;
    uint64_t last_revision;
    bool backwards; /* an entry came before one that was stored earlier */
    int values[KEYS];
    struct hm_error why;
    bool stop_on_entry, restart_on_entry, stop_on_broken, close_on_entry;
};

static void note_key(struct seen *seen, const struct bus_entry *entry)
{
    int key;
    HM_AUTOFREE char *value = hm_memdup(entry->value, entry->len);
    if (sscanf(entry->key, "k.%d", &key) == 1 && key >= 0 && key < KEYS)
        seen->values[key] = atoi(value);
}

static void on_entry(void *data, const struct bus_entry *entry)
{
    struct seen *seen = data;
    seen->entries++;
    seen->deleted += entry->deleted;
    seen->backwards = seen->backwards || entry->revision <= seen->last_revision;
    seen->last_revision = entry->revision;
    note_key(seen, entry);
    if (seen->stop_on_entry)
        bus_watch_stop(seen->watch);
    if (seen->restart_on_entry) {
        seen->restart_on_entry = false;
        seen->last_revision = 0;
        bus_watch_restart(seen->watch);
    }
    if (seen->close_on_entry)
        bus_close(bus);
}

static void on_ready(void *data)
{
    struct seen *seen = data;
    seen->ready++;
}

static void on_broken(void *data, const struct hm_error *why)
{
    struct seen *seen = data;
    seen->broken++;
    seen->why = *why;
    seen->last_revision = 0;
    if (seen->stop_on_broken)
        bus_watch_stop(seen->watch);
}

static void watch_with(struct seen *seen, const char *filter, bool history, int64_t idle_ms)
{
    struct bus_watch_options options = {.bucket = "b",
                                        .filter = filter,
                                        .history = history,
                                        .idle_heartbeat_ms = idle_ms,
                                        .on_entry = on_entry,
                                        .on_ready = on_ready,
                                        .on_broken = on_broken,
                                        .data = seen};
    seen->watch = bus_watch_start(bus, &options);
}

static void store(const char *key, int value)
{
    HM_AUTOFREE char *text = hm_printf("%d", value);
    struct outcome o = put_text("b", key, text, BUS_ANY_REVISION);
    ck_assert_msg(o.put.outcome == BUS_PUT_STORED, "%s", o.put.error.text);
}

START_TEST(last_entries_then_changes)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    store("k.1", 2);
    store("k.2", 3);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready);
    ck_assert_int_eq(seen.entries, 2);
    ck_assert_int_eq(seen.values[1], 2);
    ck_assert_int_eq(seen.values[2], 3);
    store("k.2", 4);
    run_until(&loop, seen.entries == 3);
    ck_assert_int_eq(seen.values[2], 4);
    ck_assert_uint_eq(seen.last_revision, 4);
    ck_assert_int_eq(seen.ready, 1);
    ck_assert(!seen.backwards);
}
END_TEST

START_TEST(all_of_history)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    store("k.1", 2);
    store("other", 3);
    struct seen seen = {0};
    watch_with(&seen, "k.*", true, 0);
    run_until(&loop, seen.ready);
    ck_assert_int_eq(seen.entries, 2);
    ck_assert_uint_eq(seen.last_revision, 2);
}
END_TEST

START_TEST(an_empty_bucket_is_ready_too)
{
    ck_assert(!create("b", 8, false).failed);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready);
    ck_assert_int_eq(seen.entries, 0);
    ck_assert_int_eq(seen.broken, 0);
}
END_TEST

START_TEST(markers_are_entries)
{
    ck_assert(!create("b", 8, false).failed);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready); /* else a late consumer gives only the last entry of the key */
    store("k.1", 1);
    struct bus_put gone = {.bucket = "b",
                           .key = "k.1",
                           .expect_revision = BUS_ANY_REVISION,
                           .is_delete = true,
                           .timeout_ms = 5000};
    ck_assert_int_eq(put(&gone).put.outcome, BUS_PUT_STORED);
    run_until(&loop, seen.deleted == 1);
    ck_assert_int_eq(seen.entries, 2);
}
END_TEST

static void put_many(int count, int value)
{
    struct outcome *all = hm_alloc((size_t)count * sizeof *all);
    HM_AUTOFREE char *text = hm_printf("%d", value);
    for (int i = 0; i < count; i++) {
        HM_AUTOFREE char *key = hm_printf("k.%d", i);
        struct bus_put one = {.bucket = "b",
                              .key = key,
                              .value = text,
                              .len = strlen(text),
                              .expect_revision = BUS_ANY_REVISION,
                              .timeout_ms = 15000};
        bus_put(bus, &one, on_put, &all[i]);
    }
    for (int i = 0; i < count; i++) {
        run_until(&loop, all[i].calls);
        ck_assert_int_eq(all[i].put.outcome, BUS_PUT_STORED);
    }
    free(all);
}

START_TEST(many_entries_in_order)
{
    ck_assert(!create("b", 1, false).failed);
    put_many(KEYS, 7);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready);
    ck_assert_int_eq(seen.entries, KEYS);
    ck_assert(!seen.backwards);
    put_many(KEYS, 8);
    run_until(&loop, seen.entries == 2 * KEYS);
    for (int i = 0; i < KEYS; i++)
        ck_assert_int_eq(seen.values[i], 8);
    ck_assert_int_eq(seen.broken, 0);
    ck_assert_uint_eq(bus_watch_remakes(seen.watch), 0);
}
END_TEST

/* The server dies and comes back: everything is told again, and changes go on. */
START_TEST(survives_the_server)
{
    ck_assert(!create("b", 8, false).failed);
    put_many(50, 1);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready);
    nats_server_kill(&server);
    run_until(&loop, seen.broken);
    ck_assert_int_eq(seen.why.code, HM_E_CONNECTION);
    nats_server_restart(&server);
    run_until(&loop, seen.ready == 2);
    ck_assert_int_eq(seen.entries, 100);
    ck_assert_uint_eq(bus_watch_remakes(seen.watch), 1);
    ck_assert_int_eq(connects, 2);
    store("k.7", 5);
    run_until(&loop, seen.entries == 101);
    ck_assert_int_eq(seen.values[7], 5);
}
END_TEST

static struct outcome api(const char *subject, const char *body)
{
    struct outcome o = request(subject, body, 5000);
    ck_assert_msg(!o.failed, "%s", o.err.text);
    ck_assert_msg(!strstr(o.value, "\"error\""), "%s", o.value);
    return o;
}

/* The bucket is deleted and made anew: broken with a reason, then ready again with what is there. */
START_TEST(survives_a_bucket_made_anew)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    struct outcome first = info("b");
    ck_assert(first.bucket.exists);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 200);
    run_until(&loop, seen.ready);
    AUTO_OUTCOME gone = api("$JS.API.STREAM.DELETE.KV_b", "");
    run_until(&loop, seen.broken && seen.why.code == HM_E_NOT_FOUND);
    ck_assert(!info("b").bucket.exists);
    ck_assert(!create("b", 8, false).failed);
    store("k.2", 2);
    run_until(&loop, seen.ready == 2);
    run_until(&loop, seen.values[2] == 2);
    struct outcome second = info("b");
    ck_assert(second.bucket.exists);
    ck_assert(second.bucket.created_ns != first.bucket.created_ns);
}
END_TEST

START_TEST(survives_its_consumer)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 200);
    run_until(&loop, seen.ready);
    AUTO_OUTCOME names = api("$JS.API.CONSUMER.NAMES.KV_b", "");
    char *name = strstr(names.value, "\"hm_");
    ck_assert_ptr_nonnull(name);
    HM_AUTOFREE char *subject =
        hm_printf("$JS.API.CONSUMER.DELETE.KV_b.%.*s", (int)strcspn(name + 1, "\""), name + 1);
    AUTO_OUTCOME gone = api(subject, "");
    run_until(&loop, seen.ready == 2);
    ck_assert_int_eq(seen.why.code, HM_E_TIMEOUT);
    ck_assert_int_eq(seen.entries, 2);
}
END_TEST

static bool consumers_are(int count)
{
    HM_AUTOFREE char *wanted = hm_printf("\"total\":%d,", count);
    AUTO_OUTCOME names = api("$JS.API.CONSUMER.NAMES.KV_b", "");
    return strstr(names.value, wanted) != NULL;
}

/* A restart leaves no consumer behind on the server, which works on API requests side by side. */
START_TEST(restart_replaces_the_consumer)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    for (int i = 1; i <= 5; i++) {
        run_until(&loop, seen.ready == i);
        seen.last_revision = 0;
        bus_watch_restart(seen.watch);
    }
    run_until(&loop, seen.ready == 6);
    ck_assert_int_eq(seen.entries, 6);
    ck_assert_int_eq(seen.broken, 0);
    ck_assert_uint_eq(bus_watch_remakes(seen.watch), 5);
    run_until(&loop, consumers_are(1));
    bus_watch_stop(seen.watch);
    run_until(&loop, consumers_are(0));
}
END_TEST

START_TEST(stays_quiet_when_nothing_happens)
{
    ck_assert(!create("b", 8, false).failed);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 500);
    run_until(&loop, seen.ready);
    run_for(&loop, 2500);
    ck_assert_int_eq(seen.broken, 0);
    ck_assert_int_eq(seen.ready, 1);
}
END_TEST

START_TEST(starts_before_there_is_a_bucket)
{
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.broken);
    ck_assert_int_eq(seen.why.code, HM_E_NOT_FOUND);
    run_for(&loop, 500);
    ck_assert_int_eq(seen.broken, 1); /* told once */
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    run_until(&loop, seen.ready);
    run_until(&loop, seen.values[1] == 1);
}
END_TEST

START_TEST(starts_before_there_is_a_connection)
{
    ck_assert(!create("b", 8, false).failed);
    store("k.1", 1);
    close_bus();
    struct bus_options options = default_options();
    open_bus(&options);
    struct seen seen = {0};
    watch_with(&seen, ">", false, 0);
    run_until(&loop, seen.ready);
    ck_assert_int_eq(seen.entries, 1);
    ck_assert_int_eq(seen.broken, 0);
}
END_TEST

START_TEST(callbacks_may_stop_restart_and_close)
{
    ck_assert(!create("b", 8, false).failed);
    put_many(100, 1);
    struct seen stopped = {.stop_on_entry = true}, again = {.restart_on_entry = true};
    watch_with(&stopped, ">", false, 0);
    watch_with(&again, ">", false, 0);
    run_until(&loop, again.ready && stopped.entries);
    ck_assert_int_eq(again.entries, 101);
    ck_assert_int_eq(stopped.entries, 1);
    struct seen closing = {.close_on_entry = true};
    watch_with(&closing, ">", false, 0);
    run_until(&loop, closing.entries);
    uv_run(&loop, UV_RUN_DEFAULT);
    bus = NULL;
    ck_assert_int_eq(closing.entries, 1);
    ck_assert_int_eq(closing.ready, 0);
}
END_TEST

START_TEST(may_stop_when_told_of_the_lost_connection)
{
    ck_assert(!create("b", 8, false).failed);
    struct seen one = {.stop_on_broken = true}, two = {.stop_on_broken = true}, three = {0};
    watch_with(&one, ">", false, 0);
    watch_with(&two, ">", false, 0);
    watch_with(&three, ">", false, 0);
    run_until(&loop, one.ready && two.ready && three.ready);
    nats_server_kill(&server);
    run_until(&loop, three.broken);
    ck_assert_int_eq(one.broken, 1);
    ck_assert_int_eq(two.broken, 1);
    nats_server_restart(&server);
    run_until(&loop, three.ready == 2);
    ck_assert_int_eq(one.ready, 1);
}
END_TEST

START_TEST(bad_names_are_told)
{
    struct seen seen = {0};
    struct bus_watch_options options = {
        .bucket = "no such.name", .filter = ">", .on_broken = on_broken, .data = &seen};
    bus_watch_start(bus, &options);
    run_until(&loop, seen.broken);
    ck_assert_int_eq(seen.why.code, HM_E_INVALID);
}
END_TEST

/* Thirty thousand entries are on their way: the loop still turns, and an urgent answer is not behind them. */
START_TEST(replay_does_not_hold_up_the_loop)
{
    ck_assert(!create("b", 16, false).failed);
    for (int round = 0; round < ROUNDS; round++)
        put_many(KEYS, round);
    struct seen seen[4] = {0};
    for (size_t i = 0; i < HM_COUNT(seen); i++)
        watch_with(&seen[i], ">", true, 0);
    int puts = 0;
    while (!seen[0].ready || !seen[1].ready || !seen[2].ready || !seen[3].ready) {
        store("urgent", puts++);
    }
    ck_assert_int_ge(seen[3].entries, ROUNDS * KEYS);
    ck_assert_int_ge(puts, 2); /* the first was answered before all had come */
    for (size_t i = 0; i < HM_COUNT(seen); i++)
        ck_assert_int_eq(seen[i].broken, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {last_entries_then_changes,
                            all_of_history,
                            an_empty_bucket_is_ready_too,
                            markers_are_entries,
                            many_entries_in_order,
                            survives_the_server,
                            survives_a_bucket_made_anew,
                            survives_its_consumer,
                            restart_replaces_the_consumer,
                            stays_quiet_when_nothing_happens,
                            starts_before_there_is_a_bucket,
                            starts_before_there_is_a_connection,
                            callbacks_may_stop_restart_and_close,
                            may_stop_when_told_of_the_lost_connection,
                            bad_names_are_told,
                            replay_does_not_hold_up_the_loop};
    return run_bus_suite("watch", tests, HM_COUNT(tests));
}
