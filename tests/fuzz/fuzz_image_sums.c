/* A publisher's checksums: 64 digits in lower case that stand in the text, or a sentence. */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/image_sums.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    char found[SHA256_TEXT + 1] = "";
    struct hm_error err;
    int rc = image_sums_find(text, size, "x.img", found, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        FUZZ_REQUIRE(!*found);
        return 0;
    }
    FUZZ_REQUIRE(sha256_is_valid(found));
    for (size_t i = 0; i < size; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
    FUZZ_REQUIRE(memmem(text, size, found, SHA256_TEXT) != NULL);
    return 0;
}
