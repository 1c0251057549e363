/* What qemu-img says about an image, which may be anybody's. */
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/image_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_info(const struct image_info *info)
{
    json_t *shown = image_info_json(info);
    FUZZ_REQUIRE(info->format && info->size >= 0);
    FUZZ_REQUIRE(json_is_object(shown)); /* its texts are UTF-8 */
    for (size_t i = 0; i < info->snapshot_count; i++)
        FUZZ_REQUIRE(image_info_find(info, info->snapshots[i].name) != NULL);
    json_decref(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    struct image_info info = {0};
    struct hm_error err;
    int rc = image_info_parse(text, size, &info, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_info(&info);
    image_info_clear(&info);
    return 0;
}
