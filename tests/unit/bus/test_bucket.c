#include "tests/unit/bus/fixture.h"

START_TEST(recorder_settings)
{
    ck_assert(!create("harmony_failover", 64, true).failed);
    struct outcome o = info("harmony_failover");
    ck_assert(o.bucket.exists && o.bucket.file_storage && o.bucket.deny_purge);
    ck_assert(!o.bucket.allow_rollup && !o.bucket.allow_direct && !o.bucket.is_mirror);
    ck_assert_int_eq(o.bucket.history, 64);
    ck_assert_int_eq(o.bucket.replicas, 1);
    ck_assert_int_eq(o.bucket.max_age_ns, 0);
    ck_assert_int_eq(o.bucket.max_value, -1);
    ck_assert_uint_eq(o.bucket.messages, 0);
    int64_t age_ns = hm_wall_ns() - o.bucket.created_ns;
    ck_assert(age_ns >= 0 && age_ns < 60000 * HM_MS);
}
END_TEST

START_TEST(documents_settings)
{
    ck_assert(!create("harmony_desired", 16, false).failed);
    put_text("harmony_desired", "k", "1", 0);
    put_text("harmony_desired", "k", "2", 1);
    struct outcome o = info("harmony_desired");
    ck_assert(o.bucket.allow_rollup && o.bucket.allow_direct && !o.bucket.deny_purge);
    ck_assert_int_eq(o.bucket.history, 16);
    ck_assert_uint_eq(o.bucket.messages, 2);
    ck_assert_uint_eq(o.bucket.first_revision, 1);
    ck_assert_uint_eq(o.bucket.last_revision, 2);
}
END_TEST

START_TEST(an_existing_one_is_left_alone)
{
    ck_assert(!create("b", 8, false).failed);
    put_text("b", "k", "1", 0);
    ck_assert(!create("b", 8, false).failed);
    struct outcome other = create("b", 9, false);
    ck_assert_int_eq(other.err.code, HM_E_CONFLICT);
    struct outcome o = info("b");
    ck_assert_int_eq(o.bucket.history, 8);
    ck_assert_uint_eq(o.bucket.messages, 1);
}
END_TEST

START_TEST(absent_and_refused)
{
    struct outcome none = info("absent");
    ck_assert(!none.failed && !none.bucket.exists);
    ck_assert_int_eq(info("not a name").err.code, HM_E_INVALID);
    ck_assert_int_eq(create("not a name", 8, false).err.code, HM_E_INVALID);
    struct outcome too_long = create("b", 65, false);
    ck_assert_int_eq(too_long.failed, false); /* 64 is a limit of KV clients, not of streams */
}
END_TEST

/* The recorder can't be erased by a writer of the bucket. */
START_TEST(recorder_refuses_purge)
{
    ck_assert(!create("b", 64, true).failed);
    put_text("b", "k", "1", 0);
    AUTO_OUTCOME purge = request("$JS.API.STREAM.PURGE.KV_b", "", 5000);
    ck_assert_ptr_nonnull(strstr(purge.value, "\"error\""));
    ck_assert_uint_eq(info("b").bucket.messages, 1);
}
END_TEST

START_TEST(no_jetstream)
{
    close_bus();
    nats_server_close(&server);
    nats_server_start_without_jetstream(&server);
    struct bus_options options = default_options();
    connect_bus(&options);
    ck_assert_int_eq(info("b").err.code, HM_E_NATS);
    ck_assert_int_eq(create("b", 8, false).err.code, HM_E_NATS);
    AUTO_OUTCOME none = get("b", "k");
    ck_assert_int_eq(none.err.code, HM_E_NATS);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        recorder_settings,  documents_settings,     an_existing_one_is_left_alone,
        absent_and_refused, recorder_refuses_purge, no_jetstream};
    return run_bus_suite("bucket", tests, HM_COUNT(tests));
}
