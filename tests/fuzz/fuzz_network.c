/*
 * What libvirt says of a network and a pool: anybody who may use virsh can have written it. Two texts, apart by a zero
 * byte, are what is active and what is defined; one is both.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/network_change.h"
#include "vmm/network_xml.h"
#include "vmm/shape.h"
#include "vmm/volume_xml.h"
#include "vmm/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The mark's own shape is the other side of drift. */
static void look(const char *xml)
{
    struct network_info info = {0};
    struct hm_error err;
    int rc = network_read(xml, &info, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    HM_AUTOFREE char *same = shape_difference(info.shape, info.shape);
    HM_AUTOFREE char *drift = info.marked ? shape_difference(info.mark.made, info.shape) : NULL;
    FUZZ_REQUIRE(!same && (info.marked || !drift));
    network_info_clear(&info);
}

static void look_at_pool(const char *xml)
{
    struct pool_info info = {0};
    struct hm_error err;
    int rc = pool_read(xml, &info, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    pool_info_clear(&info);
}

/* Each change is an element by itself. */
static void change(const char *active, const char *defined)
{
    struct network_changes changes = {0};
    struct hm_error err;
    int rc = network_changes_between(active, defined, &changes, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    for (size_t i = 0; i < changes.count; i++) {
        xmlDocPtr doc = NULL;
        FUZZ_REQUIRE(xml_parse(changes.items[i].xml, &doc, &err) >= 0);
        xml_free(&doc);
    }
    network_changes_clear(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *active = hm_memdup(data, size);
    const char *defined = strlen(active) < size ? active + strlen(active) + 1 : active;
    xml_setup();
    look(active);
    look(defined);
    look_at_pool(active);
    change(active, defined);
    return 0;
}
