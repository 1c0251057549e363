/* Messages between agents: written, read back, and refused. */
#include "proto/peer_message.h"

#include <check.h>
#include <string.h>

static struct peer_message full(enum peer_kind kind)
{
    struct peer_message m = {.kind = kind, .nonce = 0xFEDCBA9876543210u};
    ck_assert(hb_site_from("default", &m.group));
    if (kind == PEER_ASK || kind == PEER_ANSWER)
        m.era = (struct hb_era){3, 7};
    if (kind == PEER_ASK)
        m.promise_ms = 4753;
    if (kind == PEER_ANSWER) {
        m.granted = true;
        m.lease = (struct hb_era){3, HB_EPOCH_MAX};
    }
    return m;
}

START_TEST(reads_back)
{
    uint8_t bytes[PEER_MESSAGE_SIZE];
    struct peer_message m = full((enum peer_kind)_i), back;
    peer_message_encode(&m, bytes);
    ck_assert_int_eq(peer_message_decode(bytes, &back, NULL), 0);
    ck_assert_int_eq(back.kind, m.kind);
    ck_assert_str_eq(back.group.text, "default");
    ck_assert_uint_eq(back.nonce, m.nonce);
    ck_assert_int_eq(hb_era_compare(back.era, m.era), 0);
    ck_assert_int_eq(hb_era_compare(back.lease, m.lease), 0);
    ck_assert_int_eq(back.promise_ms, m.promise_ms);
    ck_assert(back.granted == m.granted);
}
END_TEST

/* On the wire it is what the header says, so that another version can rely on it. */
START_TEST(the_bytes_are_fixed)
{
    uint8_t bytes[PEER_MESSAGE_SIZE];
    struct peer_message m = full(PEER_ASK);
    static const uint8_t head[] = {'H',  'M',  'P',  '1',  2,    0,    0, 0, 0xFE, 0xDC,
                                   0xBA, 0x98, 0x76, 0x54, 0x32, 0x10, 0, 0, 0,    0,
                                   0,    0,    0,    3,    0,    0,    0, 0, 0,    0,
                                   0,    7,    0,    0,    0,    0,    0, 0, 0x12, 0x91};
    peer_message_encode(&m, bytes);
    ck_assert_mem_eq(bytes, head, sizeof(head));
    ck_assert_mem_eq(bytes + 56, "default", 8);
}
END_TEST

/* One byte of a good message changed. */
static const struct {
    enum peer_kind kind;
    unsigned at;
    uint8_t to;
} bad[] = {
    {PEER_PING, 0, 'X'},   {PEER_PING, 3, '2'},  {PEER_PING, 4, 4},    {PEER_PING, 5, 2},
    {PEER_PING, 6, 1},     {PEER_PING, 56, 'D'}, {PEER_PING, 56, 0},   {PEER_PING, 64, 'x'},
    {PEER_PING, 119, 'x'}, {PEER_PING, 120, 1},  {PEER_PING, 127, 1},  {PEER_ASK, 32, 0x80},
    {PEER_ASK, 35, 1},     {PEER_ANSWER, 39, 1}, {PEER_ANSWER, 24, 1}, {PEER_ANSWER, 16, 1},
    {PEER_ANSWER, 48, 1},  {PEER_PONG, 39, 1},
};

START_TEST(anything_else_is_refused)
{
    uint8_t bytes[PEER_MESSAGE_SIZE];
    struct peer_message m = full(bad[_i].kind), before = m;
    struct hm_error err = {0};
    peer_message_encode(&m, bytes);
    bytes[bad[_i].at] = bad[_i].to;
    ck_assert_int_eq(peer_message_decode(bytes, &m, &err), -HM_E_INVALID);
    ck_assert_mem_eq(&m, &before, sizeof(m));
    ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(no_promise_is_asked_for_nothing)
{
    uint8_t bytes[PEER_MESSAGE_SIZE];
    struct peer_message m = full(PEER_ASK);
    m.promise_ms = 0;
    peer_message_encode(&m, bytes);
    ck_assert_int_lt(peer_message_decode(bytes, &m, NULL), 0);
    m.promise_ms = (int64_t)HB_PROMISE_MAX_MS + 1;
    peer_message_encode(&m, bytes);
    ck_assert_int_lt(peer_message_decode(bytes, &m, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peer_message");
    TCase *tc = tcase_create("peer_message");
    tcase_add_loop_test(tc, reads_back, PEER_PING, PEER_ANSWER + 1);
    tcase_add_test(tc, the_bytes_are_fixed);
    tcase_add_loop_test(tc, anything_else_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, no_promise_is_asked_for_nothing);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
