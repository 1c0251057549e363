/*
 * Heartbeats, as a lease record and as a replica's. What is accepted fits its rendering, which is read
 * back as the same; what is not gets a clean sentence.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "proto/heartbeat.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rendering(const struct heartbeat *hb, bool is_lease)
{
    char text[HB_TEXT_MAX], again[HB_TEXT_MAX];
    struct heartbeat back;
    struct hm_error err;
    size_t len = heartbeat_render(hb, is_lease, text);
    FUZZ_REQUIRE(len > 0 && len < HB_TEXT_MAX && text[len] == '\0');
    FUZZ_REQUIRE(heartbeat_parse(text, len, is_lease, &back, &err) >= 0);
    FUZZ_REQUIRE(heartbeat_render(&back, is_lease, again) == len && !memcmp(text, again, len));
}

static void check_record(const struct heartbeat *hb, bool is_lease)
{
    FUZZ_REQUIRE(hb->epoch <= HB_EPOCH_MAX && hb->counter <= HB_EPOCH_MAX);
    FUZZ_REQUIRE(hb->expires_in_ms >= 0 && hb->expires_in_ms <= HB_PROMISE_MAX_MS);
    if (is_lease)
        FUZZ_REQUIRE(hb_site_is_set(&hb->site) == (hb->status != HB_RELEASED));
    else
        FUZZ_REQUIRE(hb_site_is_set(&hb->site));
    check_rendering(hb, is_lease);
}

static void parse(const char *text, size_t len, bool is_lease)
{
    struct heartbeat hb;
    struct hm_error err;
    int rc = heartbeat_parse(text, len, is_lease, &hb, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_record(&hb, is_lease);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    parse(text, size, true);
    parse(text, size, false);
    return 0;
}
