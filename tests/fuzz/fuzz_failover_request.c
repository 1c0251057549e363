/* `request` of a failover group: what is accepted is rendered, and read back as the same. */
#include <string.h>

#include "base/alloc.h"
#include "proto/failover_request.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct failover_request *request)
{
    char text[FAILOVER_REQUEST_TEXT_MAX], again[FAILOVER_REQUEST_TEXT_MAX];
    struct failover_request back;
    struct hm_error err;
    FUZZ_REQUIRE(hb_site_is_set(&request->site));
    size_t len = failover_request_render(request, text);
    FUZZ_REQUIRE(len > 0 && len < FAILOVER_REQUEST_TEXT_MAX);
    FUZZ_REQUIRE(failover_request_parse(text, len, &back, &err) >= 0);
    FUZZ_REQUIRE(failover_request_render(&back, again) == len && !memcmp(text, again, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    struct failover_request request;
    struct hm_error err;
    int rc = failover_request_parse(text, size, &request, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_request(&request);
    return 0;
}
