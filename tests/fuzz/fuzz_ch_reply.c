/* What a VMM (cloud-hypervisor), which a guest may have taken over, answers. The first byte says to what. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/ch.h"
#include "vmm/ch_drift.h"
#include "vmm/ch_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void visit(void *data, const char *device, const char *name, uint64_t value)
{
    size_t *visited = data;
    (void)value;
    FUZZ_REQUIRE(strlen(device) < 64 && strlen(name) < 64);
    ++*visited;
}

static void counters(const char *text, size_t size)
{
    size_t visited = 0;
    struct hm_error err;
    int rc = ch_counters_parse(text, size, visit, &visited, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
}

/* What it says of its devices is compared, and shown. */
static void drift(const struct ch_info *info)
{
    static json_t *spec;
    static const char given[] =
        "{\"vcpus\":1,\"memory\":134217728,\"networks\":[{\"bridge\":\"br0\"}],"
        "\"disks\":[{\"device\":\"root\",\"size\":1,\"format\":\"qcow2\"}]}";
    if (!spec)
        spec = json_loads(given, 0, NULL);
    struct ch_given g = {.vm = "a",
                         .key = "site-a.vm.a",
                         .plugged = "/plugged/a",
                         .spec = spec,
                         .placed = json_object_get(spec, "networks")};
    HM_AUTOFREE char *words = ch_drift(&g, info);
    for (const char *c = words; c && *c; c++)
        FUZZ_REQUIRE((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* What memory that is saved is said to belong to. */
static void hold(const struct ch_info *info)
{
    static const char given[] =
        "{\"cpus\":{\"boot_vcpus\":1},\"memory\":{\"size\":134217728,\"hotplug_size\":134217728},"
        "\"disks\":[{\"id\":\"disk-root\"}],\"net\":[]}";
    json_t *config = json_loads(given, 0, NULL), *whole = NULL;
    struct hm_error err;
    int rc = ch_config_held("a", config, info->config, &whole, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        FUZZ_REQUIRE(ch_config_is_same_hardware(config, whole));
    json_decref(whole);
    json_decref(config);
}

static void info(long status, const char *text, size_t size)
{
    struct ch_info info = {0};
    struct hm_error err;
    int rc = ch_info_parse("vm a: ask for its state", status, text, size, &info, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    FUZZ_REQUIRE(rc >= 0 || !info.config);
    drift(&info);
    hold(&info);
    ch_info_clear(&info);
}

static void ping(const char *text, size_t size)
{
    struct hm_error err;
    struct ch_version version;
    int rc = ch_ping_parse(text, size, &version, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
}

static void failure(const char *text, size_t size)
{
    struct hm_error err;
    int rc = ch_reply_check("vm a: boot it", 500, text, size, &err);
    fuzz_require_sentence(rc, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_version version;
    if (size == 0)
        return 0;
    HM_AUTOFREE char *text = hm_memdup(data + 1, size - 1);
    switch (data[0]) {
    case 'c':
        counters(text, size - 1);
        break;
    case 'i':
        info(200, text, size - 1);
        break;
    case 'p':
        ping(text, size - 1);
        break;
    case 'v':
        ch_version_parse(text, &version);
        break;
    default:
        failure(text, size - 1);
        info(404, text, size - 1);
    }
    return 0;
}
