/*
 * What libvirt says of a domain: anybody who may use virsh can have written it. Two texts, apart by a zero
 * byte, are what runs and what is defined; one is both.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/domain_xml.h"
#include "vmm/hot.h"
#include "vmm/shape.h"
#include "vmm/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *xml)
{
    struct domain_info info = {0};
    struct hm_error err;
    int rc = domain_read(xml, &info, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    char *same = shape_difference(info.shape, info.shape);
    FUZZ_REQUIRE(!same);
    FUZZ_REQUIRE(info.run.began_ms >= 0 && info.run.loop_since_ms >= 0);
    domain_info_clear(&info);
}

static void plan(const char *live, const char *defined)
{
    struct hot_steps steps = {0};
    struct hm_error err;
    int rc = hot_plan(live, defined, &steps, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    for (size_t i = 0; i < steps.count; i++)
        FUZZ_REQUIRE(steps.items[i].what > HOT_MEMORY || steps.items[i].number > 0);
    hot_steps_clear(&steps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *live = hm_memdup(data, size);
    const char *defined = strlen(live) < size ? live + strlen(live) + 1 : live;
    xml_setup();
    look(live);
    look(defined);
    plan(live, defined);
    return 0;
}
