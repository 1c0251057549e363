/* The record of a VMM's process: a file that anybody may have edited. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "vmm/ch_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_process p = {0};
    struct hm_error err;
    int rc = ch_process_parse((const char *)data, size, &p, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    FUZZ_REQUIRE((rc < 0) == (p.socket == NULL));
    FUZZ_REQUIRE(rc < 0 || p.pid.pid > 0);
    ch_process_clear(&p);
    return 0;
}
