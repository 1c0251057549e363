/* Marks of a console's log: where an answer begins lies in the log, and no earlier instant begins later. */
#include <stdint.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/console_times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct console_seen files[] = {{.inode = 7, .length = 1000}, {.inode = 6, .length = 300}};
    HM_AUTOFREE char *text = hm_memdup(data, size);
    HM_AUTOFREE char *thin = hm_alloc(size + 1);
    struct console_place before = {1, 0};
    for (int64_t since = 0; since < 1000; since += 50) {
        struct console_place at = console_times_find(text, size, files, 2, since);
        FUZZ_REQUIRE(at.back < 2 && at.from >= 0 && at.from <= files[at.back].length);
        FUZZ_REQUIRE(at.back < before.back || (at.back == before.back && at.from >= before.from));
        before = at;
    }
    FUZZ_REQUIRE(console_times_thin(text, size, thin) <= size);
    return 0;
}
