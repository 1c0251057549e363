/* Marks of a console's log: where an answer begins lies in the log, and no earlier instant begins later. */
#include <stdint.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/console_times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct console_seen now = {.inode = 7, .length = 1000};
    HM_AUTOFREE char *text = hm_memdup(data, size);
    HM_AUTOFREE char *thin = hm_alloc(size + 1);
    int64_t before = 0;
    for (int64_t since = 0; since < 1000; since += 50) {
        int64_t from = console_times_find(text, size, &now, since);
        FUZZ_REQUIRE(from >= before && from <= now.length);
        before = from;
    }
    FUZZ_REQUIRE(console_times_thin(text, size, thin) <= size);
    return 0;
}
