/* Frames byte by byte, as RFC 826, 5227 and 4861 draw them; what others send; and the kernel's sieve, in the
 * kernel (a socket pair runs the same filters as a packet socket does). */
#include "netalloc/vip_frame.h"

#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

static const uint8_t own[6] = {0x02, 0x00, 0x5e, 0x10, 0x20, 0x30};
static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x99};
static uint8_t frame[1024];

static struct vip_address address(const char *text)
{
    struct vip_address a = {0};
    struct hm_error err;
    ck_assert_int_eq(vip_address_parse(text, &a, &err), 0);
    return a;
}

/* -- Announcements ---------------------------------------------------------------- */

START_TEST(an_arp_announcement_is_as_rfc_5227_says)
{
    static const uint8_t expected[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* to all */
        0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, /* from us */
        0x08, 0x06,                         /* ARP */
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, /* Ethernet, IPv4, 6 and 4 bytes */
        0x00, 0x01,                         /* request */
        0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, /* sender's hardware address */
        192,  0,    2,    10,               /* sender's address */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* target's hardware address: none */
        192,  0,    2,    10,               /* target's address: the same */
    };
    struct vip_address a = address("192.0.2.10/24");
    ck_assert_uint_eq(vip_frame_announcement(&a, own, true, frame), sizeof expected);
    ck_assert_mem_eq(frame, expected, sizeof expected);
}
END_TEST

/* The checksum was computed apart from the code. */
static const uint8_t advertisement[] = {
    0x33, 0x33, 0x00, 0x00, 0x00, 0x01,             /* to all nodes */
    0x02, 0x00, 0x5e, 0x10, 0x20, 0x30,             /* from us */
    0x86, 0xdd,                                     /* IPv6 */
    0x60, 0x00, 0x00, 0x00,                         /* version, class, flow */
    0x00, 0x20, 0x3a, 0xff,                         /* 32 bytes of ICMPv6, hop limit 255 */
    0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, /* from 2001:db8::10 */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, /**/
    0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* to ff02::1 */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, /**/
    0x88, 0x00, 0x7a, 0xcd,                         /* Neighbor Advertisement */
    0x20, 0x00, 0x00, 0x00,                         /* Override */
    0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, /* target 2001:db8::10 */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, /**/
    0x02, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, /* target link-layer address */
};

START_TEST(a_neighbour_advertisement_is_as_rfc_4861_says)
{
    struct vip_address a = address("2001:db8::10/64");
    ck_assert_uint_eq(vip_frame_announcement(&a, own, false, frame), sizeof advertisement);
    ck_assert_mem_eq(frame, advertisement, sizeof advertisement);
}
END_TEST

START_TEST(a_router_says_that_it_is_one)
{
    struct vip_address a = address("2001:db8::10/64");
    vip_frame_announcement(&a, own, true, frame);
    ck_assert_uint_eq(frame[58], 0xa0);
    ck_assert_uint_eq((unsigned)frame[56] << 8 | frame[57], 0xfacc); /* 0x7acd, 0x8000 less */
}
END_TEST

/* -- Claims ------------------------------------------------------------------------- */

static const uint8_t vip4[4] = {192, 0, 2, 10}, host4[4] = {192, 0, 2, 77}, none4[4];

static size_t arp(unsigned operation, const uint8_t mac[6], const uint8_t sender[4],
                  const uint8_t target[4])
{
    struct vip_address a = address("192.0.2.10/24");
    size_t len = vip_frame_announcement(&a, mac, false, frame);
    frame[21] = (uint8_t)operation;
    memcpy(frame + 28, sender, 4);
    memcpy(frame + 38, target, 4);
    return len;
}

/* A message of neighbour discovery with a right checksum. */
static size_t discovery(unsigned type, const uint8_t mac[6], bool has_sender, size_t options)
{
    struct vip_address a = address("2001:db8::10/64");
    vip_frame_announcement(&a, mac, false, frame);
    size_t message = 24 + options;
    frame[19] = (uint8_t)message;
    frame[54] = (uint8_t)type;
    if (!has_sender)
        memset(frame + 22, 0, 16);
    frame[56] = frame[57] = 0;
    uint32_t sum = (uint32_t)message + 58;
    for (size_t i = 22; i < 54 + message; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[56] = (uint8_t)(~sum >> 8);
    frame[57] = (uint8_t)~sum;
    return 54 + message;
}

/* Does the kernel let it through a socket with our filter? */
static bool passes_filter(const struct vip_address *a, size_t len)
{
    struct sock_filter instructions[VIP_FILTER_MAX];
    struct sock_fprog filter = {.len = vip_frame_filter(a, instructions), .filter = instructions};
    uint8_t received[sizeof frame];
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
    ssize_t sent = send(pair[0], frame, len, MSG_DONTWAIT);
    ssize_t got = recv(pair[1], received, sizeof received, MSG_DONTWAIT);
    (void)sent; /* what is dropped may be told to the sender */
    close(pair[0]);
    close(pair[1]);
    return got >= 0;
}

static const char *const kinds[] = {[VIP_PROBE] = "probe", [VIP_CLAIM] = "claim"};

/* What it is, by both: "nothing", "filtered", "probe", "claim". */
static const char *heard(const char *text, size_t len)
{
    struct vip_address a = address(text);
    struct vip_claim claim;
    bool is_claim = vip_frame_claim(frame, len, &a, own, &claim);
    bool passes = passes_filter(&a, len);
    ck_assert_msg(passes || !is_claim, "the filter drops a %s", kinds[claim.kind]);
    if (!is_claim)
        return passes ? "nothing" : "filtered";
    ck_assert_mem_eq(claim.mac, other, 6);
    return kinds[claim.kind];
}

#define V4 "192.0.2.10/24"
#define V6 "2001:db8::10/64"

START_TEST(arp_of_others)
{
    ck_assert_str_eq(heard(V4, arp(1, other, vip4, vip4)), "claim"); /* an announcement */
    ck_assert_str_eq(heard(V4, arp(1, other, vip4, host4)), "claim");
    ck_assert_str_eq(heard(V4, arp(2, other, vip4, host4)), "claim");
    ck_assert_str_eq(heard(V4, arp(1, other, none4, vip4)), "probe");
    ck_assert_str_eq(heard(V4, arp(2, other, none4, vip4)), "nothing");
    ck_assert_str_eq(heard(V4, arp(1, other, host4, vip4)), "filtered"); /* asks for us */
    ck_assert_str_eq(heard(V4, arp(1, other, none4, host4)), "filtered");
    ck_assert_str_eq(heard(V4, arp(1, own, vip4, vip4)), "nothing");
    ck_assert_str_eq(heard(V4, arp(3, other, vip4, vip4)), "nothing"); /* RARP */
}
END_TEST

START_TEST(neighbour_discovery_of_others)
{
    ck_assert_str_eq(heard(V6, discovery(136, other, true, 8)), "claim");
    ck_assert_str_eq(heard(V6, discovery(136, other, true, 0)), "claim"); /* by its frame */
    ck_assert_str_eq(heard(V6, discovery(135, other, false, 0)), "probe");
    ck_assert_str_eq(heard(V6, discovery(135, other, true, 8)), "filtered"); /* asks for us */
    ck_assert_str_eq(heard(V6, discovery(134, other, true, 8)), "filtered");
    ck_assert_str_eq(heard(V6, discovery(136, own, true, 8)), "nothing");
    size_t len = discovery(136, other, true, 8);
    frame[77] ^= 1; /* the target is another */
    ck_assert_str_eq(heard(V6, len), "filtered");
}
END_TEST

START_TEST(discovery_that_was_tampered_with_is_nothing)
{
    size_t len = discovery(136, other, true, 8);
    frame[57] ^= 1;
    ck_assert_str_eq(heard(V6, len), "nothing");
    len = discovery(136, other, true, 8);
    frame[21] = 254; /* came through a router */
    ck_assert_str_eq(heard(V6, len), "nothing");
    len = discovery(136, other, true, 8);
    ck_assert_str_eq(heard(V6, len - 1), "nothing");
    len = discovery(136, other, true, 8);
    frame[79] = 0; /* an option of no length */
    frame[57] = (uint8_t)(frame[57] + 1);
    ck_assert_str_eq(heard(V6, len), "nothing");
}
END_TEST

/* Whatever is cut off: nothing is read beyond the end (SAN=1 sees it). */
START_TEST(what_is_cut_short_is_nothing)
{
    struct vip_claim claim;
    struct vip_address a4 = address(V4), a6 = address(V6);
    size_t len = arp(1, other, vip4, vip4);
    for (size_t i = 0; i < len; i++) {
        uint8_t *cut = malloc(i + 1);
        memcpy(cut, frame, i);
        ck_assert(!vip_frame_claim(cut, i, &a4, own, &claim));
        free(cut);
    }
    len = discovery(136, other, true, 8);
    for (size_t i = 0; i < len; i++) {
        uint8_t *cut = malloc(i + 1);
        memcpy(cut, frame, i);
        ck_assert(!vip_frame_claim(cut, i, &a6, own, &claim));
        free(cut);
    }
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("vip_frame");
    tcase_add_test(c, an_arp_announcement_is_as_rfc_5227_says);
    tcase_add_test(c, a_neighbour_advertisement_is_as_rfc_4861_says);
    tcase_add_test(c, a_router_says_that_it_is_one);
    tcase_add_test(c, arp_of_others);
    tcase_add_test(c, neighbour_discovery_of_others);
    tcase_add_test(c, discovery_that_was_tampered_with_is_nothing);
    tcase_add_test(c, what_is_cut_short_is_nothing);
    return run_case("vip_frame", c);
}
