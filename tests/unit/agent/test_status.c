/* Statuses over a fake bus: writes wait until the test answers them. */
#include "agent/status.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/lib/turn.h"

static uv_loop_t loop;
static struct status *status;

/* -- The fake bus ---------------------------------------------------------------------------------
 */

enum { MOST_PUTS = 512 };

struct fake_put {
    char *key, *value;
    bus_put_done done;
    void *data;
    bool answered;
};

static struct {
    bool connected;
    struct fake_put puts[MOST_PUTS];
    int count;
    uint64_t revision;
    struct bus_bucket bucket;
    bus_bucket_done bucket_done;
    void *bucket_data;
} fake;

bool bus_is_connected(const struct bus *bus)
{
    (void)bus;
    return fake.connected;
}

void bus_put(struct bus *bus, const struct bus_put *put, bus_put_done done, void *data)
{
    (void)bus;
    ck_assert_str_eq(put->bucket, "harmony_status");
    ck_assert(fake.connected);
    ck_assert_int_lt(fake.count, MOST_PUTS);
    fake.puts[fake.count++] =
        (struct fake_put){hm_strdup(put->key), hm_strndup(put->value, put->len), done, data, false};
}

void bus_bucket_info(struct bus *bus, const char *bucket, int64_t timeout_ms, bus_bucket_done done,
                     void *data)
{
    (void)bus;
    (void)timeout_ms;
    ck_assert_str_eq(bucket, "harmony_status");
    ck_assert_ptr_null(fake.bucket_done); /* one at a time */
    fake.bucket_done = done;
    fake.bucket_data = data;
}

static void answer(int i, enum bus_put_outcome outcome, enum hm_code code)
{
    struct fake_put *p = &fake.puts[i];
    struct bus_put_result result = {.outcome = outcome, .error = {.code = code}};
    ck_assert_int_lt(i, fake.count);
    ck_assert(!p->answered);
    p->answered = true;
    if (outcome == BUS_PUT_STORED)
        result.revision = ++fake.revision;
    p->done(p->data, &result);
}

static void store(int i)
{
    answer(i, BUS_PUT_STORED, HM_OK);
}

/* Answer the question about the bucket, if one was asked. */
static void tell_bucket(int64_t created_ns, uint64_t last_revision)
{
    struct bus_bucket info = {
        .exists = true, .created_ns = created_ns, .last_revision = last_revision};
    bus_bucket_done done = fake.bucket_done;
    ck_assert_ptr_nonnull(done);
    fake.bucket_done = NULL;
    done(fake.bucket_data, &info, NULL);
}

static int waiting_puts(void)
{
    int n = 0;
    for (int i = 0; i < fake.count; i++)
        n += !fake.puts[i].answered;
    return n;
}

static void set_up(void)
{
    uv_loop_init(&loop);
    memset(&fake, 0, sizeof fake);
    fake.connected = true;
    status = status_new(&loop, NULL, "site-a");
}

/* As the daemon ends: what is asked of the bus is cancelled while the statuses are still there. */
static void tear_down(void)
{
    status_free(status);
    for (int i = 0; i < fake.count; i++)
        if (!fake.puts[i].answered)
            answer(i, BUS_PUT_UNKNOWN, HM_E_CANCELLED);
    struct hm_error gone = {.code = HM_E_CANCELLED};
    if (fake.bucket_done)
        fake.bucket_done(fake.bucket_data, NULL, &gone);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    for (int i = 0; i < fake.count; i++) {
        free(fake.puts[i].key);
        free(fake.puts[i].value);
    }
}

static void say(const char *name, const char *phase)
{
    status_set(status, name, json_pack("{s:s}", "phase", phase));
}

static void expect_put(int i, const char *key, const char *phase)
{
    ck_assert_int_lt(i, fake.count);
    ck_assert_str_eq(fake.puts[i].key, key);
    HM_AUTOFREE char *value = hm_printf("{\"phase\":\"%s\"}", phase);
    ck_assert_str_eq(fake.puts[i].value, value);
}

/* -- Words ----------------------------------------------------------------------------------------
 */

START_TEST(what_is_said_is_written_once)
{
    say("vm.web", "Running");
    expect_put(0, "site-a.vm.web", "Running");
    store(0);
    say("vm.web", "Running");
    ck_assert_int_eq(fake.count, 1);
    say("vm.web", "Failed");
    expect_put(1, "site-a.vm.web", "Failed");
    store(1);
}
END_TEST

START_TEST(of_what_is_said_meanwhile_the_last_word_counts)
{
    say("vm.web", "Pending");
    say("vm.web", "Failed");
    say("vm.web", "Running");
    ck_assert_int_eq(fake.count, 1);
    store(0);
    ck_assert_int_eq(fake.count, 2);
    expect_put(1, "site-a.vm.web", "Running");
    say("vm.web", "Failed");
    say("vm.web", "Running"); /* back to what is being written */
    store(1);
    ck_assert_int_eq(fake.count, 2);
}
END_TEST

START_TEST(nothing_is_written_while_away)
{
    fake.connected = false;
    say("vm.web", "Pending");
    say("vm.web", "Running");
    say("agent", "x");
    ck_assert_int_eq(fake.count, 0);
    fake.connected = true;
    status_connected(status);
    ck_assert_int_eq(fake.count, 2);
    expect_put(0, "site-a.vm.web", "Running");
    expect_put(1, "site-a.agent", "x");
}
END_TEST

START_TEST(writes_under_way_are_bounded)
{
    char name[40];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "vm.n%d", i);
        say(name, "Running");
    }
    ck_assert_int_eq(fake.count, 32);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_le(waiting_puts(), 32);
        store(i);
    }
    ck_assert_int_eq(fake.count, 200);
    expect_put(199, "site-a.vm.n199", "Running");
}
END_TEST

static const struct {
    enum bus_put_outcome outcome;
    enum hm_code code;
} failures[] = {
    {BUS_PUT_REFUSED, HM_E_NATS},
    {BUS_PUT_UNKNOWN, HM_E_TIMEOUT},
    {BUS_PUT_UNKNOWN, HM_E_CONNECTION},
};

START_TEST(what_failed_is_tried_again)
{
    say("vm.web", "Running");
    answer(0, failures[_i].outcome, failures[_i].code);
    ck_assert_int_eq(fake.count, 1); /* not at once */
    say("vm.db", "Running");
    TURN_UNTIL(&loop, fake.count >= 3 || (fake.count == 2 && waiting_puts() == 2));
    bool again = false;
    for (int i = 1; i < fake.count; i++)
        again |= !strcmp(fake.puts[i].key, "site-a.vm.web");
    ck_assert(again);
}
END_TEST

START_TEST(what_failed_comes_with_the_next_connection)
{
    say("vm.web", "Running");
    fake.connected = false;
    answer(0, BUS_PUT_UNKNOWN, HM_E_CONNECTION);
    fake.connected = true;
    status_connected(status);
    ck_assert_int_eq(fake.count, 2);
    expect_put(1, "site-a.vm.web", "Running");
}
END_TEST

/* -- The bucket -----------------------------------------------------------------------------------
 */

static void write_two(void)
{
    status_connected(status);
    tell_bucket(1000, 0);
    say("vm.web", "Running");
    say("vm.db", "Running");
    store(0);
    store(1);
}

START_TEST(same_bucket_nothing_again)
{
    write_two();
    status_connected(status);
    tell_bucket(1000, 57);
    ck_assert_int_eq(fake.count, 2);
}
END_TEST

START_TEST(bucket_made_anew_gets_everything)
{
    write_two();
    status_connected(status);
    tell_bucket(2000, 0);
    ck_assert_int_eq(fake.count, 4);
    store(2);
    store(3);
    status_connected(status);
    tell_bucket(2000, fake.revision);
    ck_assert_int_eq(fake.count, 4);
}
END_TEST

START_TEST(bucket_rolled_back_gets_everything)
{
    write_two();
    status_connected(status);
    tell_bucket(1000, 1); /* our second write is not in it any more */
    ck_assert_int_eq(fake.count, 4);
}
END_TEST

/* A write that was on its way may have gone to the old bucket. */
START_TEST(write_on_its_way_is_repeated_too)
{
    write_two();
    say("vm.web", "Failed");
    status_connected(status);
    tell_bucket(2000, 0);
    ck_assert_int_eq(waiting_puts(), 2);
    store(2);
    ck_assert_int_eq(waiting_puts(), 2);
    expect_put(4, "site-a.vm.web", "Failed");
}
END_TEST

START_TEST(written_while_asking_is_no_roll_back)
{
    write_two();
    status_connected(status);
    say("vm.web", "Failed");
    store(2); /* revision 3, after the server looked */
    tell_bucket(1000, 2);
    ck_assert_int_eq(fake.count, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *c = tcase_create("status");
    tcase_set_timeout(c, 20);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_is_said_is_written_once);
    tcase_add_test(c, of_what_is_said_meanwhile_the_last_word_counts);
    tcase_add_test(c, nothing_is_written_while_away);
    tcase_add_test(c, writes_under_way_are_bounded);
    tcase_add_loop_test(c, what_failed_is_tried_again, 0, 3);
    tcase_add_test(c, what_failed_comes_with_the_next_connection);
    tcase_add_test(c, same_bucket_nothing_again);
    tcase_add_test(c, bucket_made_anew_gets_everything);
    tcase_add_test(c, bucket_rolled_back_gets_everything);
    tcase_add_test(c, write_on_its_way_is_repeated_too);
    tcase_add_test(c, written_while_asking_is_no_roll_back);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
