#include "vmm/vm_uuid.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* -- SHA-1 (RFC 3174): for this name alone, not for anything that has to be secret ---------------- */

enum { BLOCK = 64, ROUNDS = 80, WORDS = 5 };

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999u;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1u;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
    return (b ^ c ^ d) + 0xca62c1d6u;
}

static void add_block(uint32_t h[WORDS], const unsigned char *block)
{
    uint32_t w[ROUNDS], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static void pad(struct hm_buf *text)
{
    static const char zeros[BLOCK], one = (char)0x80;
    uint64_t bits = (uint64_t)text->len * 8;
    unsigned char length[8];
    for (unsigned i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    hm_buf_add(text, &one, 1);
    hm_buf_add(text, zeros, (BLOCK + BLOCK - sizeof length - text->len % BLOCK) % BLOCK);
    hm_buf_add(text, length, sizeof length);
}

static void sha1(struct hm_buf *text, uint32_t h[WORDS])
{
    static const uint32_t begin[WORDS] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u,
                                          0xc3d2e1f0u};
    memcpy(h, begin, sizeof begin);
    pad(text);
    for (size_t at = 0; at < text->len; at += BLOCK)
        add_block(h, (const unsigned char *)text->data + at);
}

/* -- The name ------------------------------------------------------------------------------------ */

static const unsigned char NAMESPACE[16] = {0xb6, 0xc1, 0xe8, 0xa2, 0x53, 0xf0, 0x4c, 0x1d,
                                            0x9a, 0x57, 0x0d, 0x6f, 0x6b, 0x3e, 0x7c, 0x11};

void vm_uuid(const char *site, const char *key, char out[VM_UUID_TEXT])
{
    uint32_t h[WORDS];
    struct hm_buf name = {0};
    hm_buf_add(&name, NAMESPACE, sizeof NAMESPACE);
    hm_buf_printf(&name, "%s/%s", site, key);
    sha1(&name, h);
    hm_buf_free(&name);
    h[1] = (h[1] & 0xffff0fffu) | 0x5000u;     /* version 5 */
    h[2] = (h[2] & 0x3fffffffu) | 0x80000000u; /* of RFC 9562 */
    snprintf(out, VM_UUID_TEXT, "%08x-%04x-%04x-%04x-%04x%08x", h[0], h[1] >> 16, h[1] & 0xffff,
             h[2] >> 16, h[2] & 0xffff, h[3]);
}
