/* What QEMU, which a guest may have taken over, answers on its monitor. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/qmp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    json_t *value = NULL;
    struct hm_error err;
    int rc = qmp_reply_parse(text, size, &value, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        qmp_reply_node(value, "virtio-disk0");
    FUZZ_REQUIRE((rc < 0) == (value == NULL));
    json_decref(value);
    return 0;
}
