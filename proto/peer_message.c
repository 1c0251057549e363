#include "proto/peer_message.h"

#include <string.h>

/* "HMP1", kind, granted, two zero bytes; six numbers; the group; zero bytes. */
enum { AT_KIND = 4, AT_GRANTED = 5, AT_NUMBERS = 8, NUMBERS = 6, AT_GROUP = 56, AT_REST = 120 };
static const uint8_t magic[4] = {'H', 'M', 'P', '1'};

static void put(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static uint64_t get(const uint8_t *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return value;
}

void peer_message_encode(const struct peer_message *m, uint8_t out[PEER_MESSAGE_SIZE])
{
    const uint64_t numbers[NUMBERS] = {m->nonce,
                                       m->era.generation,
                                       m->era.epoch,
                                       (uint64_t)m->promise_ms,
                                       m->lease.generation,
                                       m->lease.epoch};
    memset(out, 0, PEER_MESSAGE_SIZE);
    memcpy(out, magic, sizeof(magic));
    out[AT_KIND] = (uint8_t)m->kind;
    out[AT_GRANTED] = m->granted;
    for (int i = 0; i < NUMBERS; i++)
        put(out + AT_NUMBERS + 8 * i, numbers[i]);
    memcpy(out + AT_GROUP, m->group.text, sizeof(m->group.text));
}

static bool read_group(const uint8_t *in, struct hb_site *ret)
{
    char text[sizeof(ret->text)];
    memcpy(text, in + AT_GROUP, sizeof(text));
    return memchr(text, '\0', sizeof(text)) && hb_site_from(text, ret);
}

static void read_numbers(const uint8_t *in, struct peer_message *m)
{
    uint64_t n[NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        n[i] = get(in + AT_NUMBERS + 8 * i);
    m->nonce = n[0];
    m->era = (struct hb_era){n[1], n[2]};
    m->promise_ms = n[3] <= INT64_MAX ? (int64_t)n[3] : -1;
    m->lease = (struct hb_era){n[4], n[5]};
}

static bool is_plausible(const struct peer_message *m)
{
    bool longest = m->promise_ms <= HB_PROMISE_MAX_MS;
    bool promise = m->kind == PEER_ASK ? m->promise_ms >= 1 && longest : m->promise_ms == 0;
    return promise && m->era.epoch <= HB_EPOCH_MAX && m->lease.epoch <= HB_EPOCH_MAX &&
           m->era.generation <= HB_EPOCH_MAX && m->lease.generation <= HB_EPOCH_MAX;
}

int peer_message_decode(const uint8_t in[PEER_MESSAGE_SIZE], struct peer_message *ret,
                        struct hm_error *err)
{
    uint8_t again[PEER_MESSAGE_SIZE];
    struct peer_message m = {.kind = PEER_PING};
    if (memcmp(in, magic, sizeof(magic)) != 0)
        return hm_fail(err, HM_E_INVALID, "no message of an agent of this version");
    if (in[AT_KIND] > PEER_ANSWER || in[AT_GRANTED] > 1)
        return hm_fail(err, HM_E_INVALID, "a message of an unknown kind (%u)", in[AT_KIND]);
    if (!read_group(in, &m.group))
        return hm_fail(err, HM_E_INVALID, "a message whose group is no name");
    m.kind = (enum peer_kind)in[AT_KIND];
    m.granted = in[AT_GRANTED] == 1;
    read_numbers(in, &m);
    if (!is_plausible(&m))
        return hm_fail(err, HM_E_INVALID, "a message whose numbers are out of range");
    peer_message_encode(&m, again); /* only what this side would have written itself */
    if (memcmp(in, again, PEER_MESSAGE_SIZE) != 0)
        return hm_fail(err, HM_E_INVALID, "a message with more in it than its kind has");
    *ret = m;
    return 0;
}
