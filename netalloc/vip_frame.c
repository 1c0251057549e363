#include "netalloc/vip_frame.h"

#include <string.h>

/* Where things lie in a frame. */
enum {
    TO = 0,
    FROM = 6,
    TYPE = 12,
    ETHERNET = 14, /* its length, and where the rest begins */

    ARP_OPERATION = ETHERNET + 6,
    ARP_SENDER_MAC = ETHERNET + 8,
    ARP_SENDER_IP = ETHERNET + 14,
    ARP_TARGET_IP = ETHERNET + 24,
    ARP_END = ETHERNET + 28,

    IP6_LENGTH = ETHERNET + 4,
    IP6_NEXT = ETHERNET + 6,
    IP6_HOPS = ETHERNET + 7,
    IP6_FROM = ETHERNET + 8,
    IP6_TO = ETHERNET + 24,

    ND_TYPE = ETHERNET + 40,
    ND_CODE = ND_TYPE + 1,
    ND_CHECKSUM = ND_TYPE + 2,
    ND_FLAGS = ND_TYPE + 4,
    ND_TARGET = ND_TYPE + 8,
    ND_OPTIONS = ND_TYPE + 24,
};

enum {
    TYPE_ARP = 0x0806,
    TYPE_IP6 = 0x86dd,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    NEXT_ICMP6 = 58,
    ND_SOLICIT = 135,
    ND_ADVERT = 136,
    ND_ROUTER = 0x80,
    ND_OVERRIDE = 0x20,
    OPTION_TARGET_MAC = 2,
};

/* Ethernet, IPv4, of 6 and 4 bytes. */
static const uint8_t ARP_FIXED[6] = {0, 1, 8, 0, 6, 4};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static bool is_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i])
            return false;
    return true;
}

/* -- Announcing ---------------------------------------------------------------------- */

static size_t arp_announcement(const struct vip_address *a, const uint8_t mac[6], uint8_t *out)
{
    memset(out + TO, 0xff, 6);
    memcpy(out + FROM, mac, 6);
    put16(out + TYPE, TYPE_ARP);
    memcpy(out + ETHERNET, ARP_FIXED, sizeof ARP_FIXED);
    put16(out + ARP_OPERATION, ARP_REQUEST);
    memcpy(out + ARP_SENDER_MAC, mac, 6);
    memcpy(out + ARP_SENDER_IP, a->bytes, 4);
    memcpy(out + ARP_TARGET_IP, a->bytes, 4);
    return ARP_END;
}

static uint32_t sum(uint32_t so_far, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        so_far += get16(at + i);
    return len % 2 ? so_far + ((uint32_t)at[len - 1] << 8) : so_far;
}

/* Of the ICMPv6 message of this length with its pseudo header (RFC 8200, 8.1); 0 where it is right already. */
static unsigned checksum(const uint8_t *frame, size_t message_len)
{
    uint32_t s = (uint32_t)message_len + NEXT_ICMP6;
    s = sum(s, frame + IP6_FROM, 32);
    s = sum(s, frame + ND_TYPE, message_len);
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return ~s & 0xffff;
}

static size_t nd_announcement(const struct vip_address *a, const uint8_t mac[6], bool is_router,
                              uint8_t *out)
{
    static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    enum { MESSAGE = 32 };
    memcpy(out + TO, all_nodes_mac, 6);
    memcpy(out + FROM, mac, 6);
    put16(out + TYPE, TYPE_IP6);
    out[ETHERNET] = 0x60;
    put16(out + IP6_LENGTH, MESSAGE);
    out[IP6_NEXT] = NEXT_ICMP6;
    out[IP6_HOPS] = 255;
    memcpy(out + IP6_FROM, a->bytes, 16);
    memcpy(out + IP6_TO, all_nodes, 16);
    out[ND_TYPE] = ND_ADVERT;
    out[ND_FLAGS] = (uint8_t)(ND_OVERRIDE | (is_router ? ND_ROUTER : 0));
    memcpy(out + ND_TARGET, a->bytes, 16);
    out[ND_OPTIONS] = OPTION_TARGET_MAC;
    out[ND_OPTIONS + 1] = 1; /* of 8 bytes */
    memcpy(out + ND_OPTIONS + 2, mac, 6);
    put16(out + ND_CHECKSUM, checksum(out, MESSAGE));
    return ND_TYPE + MESSAGE;
}

size_t vip_frame_announcement(const struct vip_address *a, const uint8_t mac[6], bool is_router,
                              uint8_t out[VIP_FRAME_MAX])
{
    memset(out, 0, VIP_FRAME_MAX);
    return a->is_v6 ? nd_announcement(a, mac, is_router, out) : arp_announcement(a, mac, out);
}

/* -- Others' claims ------------------------------------------------------------------- */

/* RFC 5227, 2.4: the address as sender is a claim; a request about it without a sender is a probe. */
static bool arp_claim(const uint8_t *f, size_t len, const struct vip_address *a,
                      struct vip_claim *ret)
{
    if (len < ARP_END || get16(f + TYPE) != TYPE_ARP ||
        memcmp(f + ETHERNET, ARP_FIXED, sizeof ARP_FIXED) != 0)
        return false;
    unsigned operation = get16(f + ARP_OPERATION);
    if (operation != ARP_REQUEST && operation != ARP_REPLY)
        return false;
    memcpy(ret->mac, f + ARP_SENDER_MAC, 6);
    if (!memcmp(f + ARP_SENDER_IP, a->bytes, 4))
        ret->kind = VIP_CLAIM;
    else if (operation == ARP_REQUEST && is_zero(f + ARP_SENDER_IP, 4) &&
             !memcmp(f + ARP_TARGET_IP, a->bytes, 4))
        ret->kind = VIP_PROBE;
    else
        return false;
    return true;
}

/* Length of the message, 0: it is none of neighbour discovery's, or was tampered with on the way. */
static size_t nd_length(const uint8_t *f, size_t len)
{
    if (len < ND_OPTIONS || get16(f + TYPE) != TYPE_IP6 || f[ETHERNET] >> 4 != 6 ||
        f[IP6_NEXT] != NEXT_ICMP6 || f[IP6_HOPS] != 255 || f[ND_CODE] != 0)
        return 0;
    size_t message = get16(f + IP6_LENGTH);
    if (message < ND_OPTIONS - ND_TYPE || message > len - ND_TYPE)
        return 0;
    return checksum(f, message) == 0 ? message : 0;
}

/* The link-layer address that an advertisement gives; false: its options can't be read. */
static bool read_target_mac(const uint8_t *f, size_t end, uint8_t mac[6])
{
    for (size_t at = ND_OPTIONS; at < end;) {
        size_t size = at + 1 < end ? 8u * f[at + 1] : 0;
        if (size == 0 || size > end - at)
            return false;
        if (f[at] == OPTION_TARGET_MAC)
            memcpy(mac, f + at + 2, 6);
        at += size;
    }
    return true;
}

/* RFC 4862, 5.4: a solicitation without a sender is a probe; an advertisement is a claim. */
static bool nd_claim(const uint8_t *f, size_t len, const struct vip_address *a,
                     struct vip_claim *ret)
{
    size_t message = nd_length(f, len);
    if (message == 0 || memcmp(f + ND_TARGET, a->bytes, 16) != 0)
        return false;
    memcpy(ret->mac, f + FROM, 6);
    if (f[ND_TYPE] == ND_SOLICIT && is_zero(f + IP6_FROM, 16)) {
        ret->kind = VIP_PROBE;
        return true;
    }
    ret->kind = VIP_CLAIM;
    return f[ND_TYPE] == ND_ADVERT && read_target_mac(f, ND_TYPE + message, ret->mac);
}

bool vip_frame_claim(const uint8_t *frame, size_t len, const struct vip_address *a,
                     const uint8_t own_mac[6], struct vip_claim *ret)
{
    struct vip_claim claim = {0};
    if (a->is_v6 ? !nd_claim(frame, len, a, &claim) : !arp_claim(frame, len, a, &claim))
        return false;
    if (!memcmp(claim.mac, own_mac, 6))
        return false;
    *ret = claim;
    return true;
}

/* -- The kernel's sieve ---------------------------------------------------------------- */

enum { DROP = 0, TAKE = VIP_FRAME_READ_MAX };

struct filter {
    struct sock_filter *out;
    unsigned short count;
};

static void add(struct filter *f, unsigned code, uint32_t k, unsigned if_true, unsigned if_false)
{
    f->out[f->count++] = (struct sock_filter){
        .code = (uint16_t)code, .jt = (uint8_t)if_true, .jf = (uint8_t)if_false, .k = k};
}

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void load(struct filter *f, unsigned at)
{
    add(f, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
}

static void load_byte(struct filter *f, unsigned at)
{
    add(f, BPF_LD | BPF_B | BPF_ABS, at, 0, 0);
}

/* Goes on with the next instruction if it is `k`, else drops. */
static void require(struct filter *f, uint32_t k)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0);
    add(f, BPF_RET | BPF_K, DROP, 0, 0);
}

static void end(struct filter *f)
{
    add(f, BPF_RET | BPF_K, TAKE, 0, 0);
}

static void arp_filter(struct filter *f, const struct vip_address *a)
{
    load(f, ARP_SENDER_IP);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, word(a->bytes), 4, 0);
    require(f, 0);
    load(f, ARP_TARGET_IP);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, word(a->bytes), 0, 1);
    end(f);
    add(f, BPF_RET | BPF_K, DROP, 0, 0);
}

static void nd_filter(struct filter *f, const struct vip_address *a)
{
    load_byte(f, IP6_NEXT);
    require(f, NEXT_ICMP6);
    for (unsigned i = 0; i < 16; i += 4) {
        load(f, ND_TARGET + i);
        require(f, word(a->bytes + i));
    }
    load_byte(f, ND_TYPE);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, ND_ADVERT, 8, 0);
    require(f, ND_SOLICIT);
    load(f, IP6_FROM);
    require(f, 0);
    load(f, IP6_FROM + 12);
    require(f, 0);
    end(f);
}

unsigned short vip_frame_filter(const struct vip_address *a, struct sock_filter out[VIP_FILTER_MAX])
{
    struct filter f = {.out = out};
    if (a->is_v6)
        nd_filter(&f, a);
    else
        arp_filter(&f, a);
    return f.count;
}
