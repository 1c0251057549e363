/* Frames that somebody on the network sent: whatever they hold, they are a claim of the address or nothing. The
 * first byte says of which address, the rest is the frame. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netalloc/vip_frame.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool names_it(const uint8_t *frame, size_t len, const struct vip_address *a)
{
    return memmem(frame, len, a->bytes, vip_address_size(a)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t own[6] = {0x02, 0x00, 0x5e, 0x10, 0x20, 0x30};
    struct vip_address a;
    struct vip_claim claim = {.mac = {0xaa}};
    struct hm_error err;
    if (size == 0)
        return 0;
    vip_address_parse(*data & 1 ? "2001:db8::10/64" : "192.0.2.10/24", &a, &err);
    char *frame = hm_memdup(data + 1, size - 1);
    if (vip_frame_claim((const uint8_t *)frame, size - 1, &a, own, &claim))
        FUZZ_REQUIRE(names_it((const uint8_t *)frame, size - 1, &a) &&
                     memcmp(claim.mac, own, 6) != 0);
    else
        FUZZ_REQUIRE(claim.mac[0] == 0xaa);
    free(frame);
    return 0;
}
