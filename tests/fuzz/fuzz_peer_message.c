/* Messages between agents: what is accepted is within its limits, and is written as it was read. */
#include <string.h>

#include "proto/peer_message.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t in[PEER_MESSAGE_SIZE] = {0}, again[PEER_MESSAGE_SIZE];
    struct peer_message m;
    struct hm_error err;
    memcpy(in, data, size < sizeof(in) ? size : sizeof(in));
    int rc = peer_message_decode(in, &m, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return 0;
    }
    FUZZ_REQUIRE(m.kind <= PEER_ANSWER && hb_site_is_set(&m.group));
    FUZZ_REQUIRE(m.promise_ms >= 0 && m.promise_ms <= HB_PROMISE_MAX_MS);
    FUZZ_REQUIRE(m.era.epoch <= HB_EPOCH_MAX && m.lease.epoch <= HB_EPOCH_MAX);
    peer_message_encode(&m, again);
    FUZZ_REQUIRE(!memcmp(in, again, sizeof(in)));
    return 0;
}
