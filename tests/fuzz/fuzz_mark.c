/*
 * The mark of a thing: with virsh, or in its file, anybody may have changed what was applied to it. Whatever is
 * taken for a spec can be compared, planned with and built from.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/drivers.h"
#include "agent/plan.h"
#include "base/alloc.h"
#include "tests/fuzz/check.h"
#include "vmm/ch.h"
#include "vmm/disk_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 4 };

/* A document of each kind, in the order of a plan; each needs those before it. */
static const struct {
    const char *key, *name, *text;
} declared[KINDS] = {
    {"site-a.network.lan", "lan",
     "{\"subnet\":\"192.168.90.1/24\",\"dhcp\":{\"hosts\":[{\"mac\":\"52:54:00:00:00:01\","
     "\"ip\":\"192.168.90.7\"}]},\"dns\":{\"hosts\":[{\"ip\":\"192.168.90.8\",\"names\":[\"a\"]}]}"
     "}"},
    {"site-a.image-file.linux", "linux",
     "{\"url\":\"https://example.org/linux.iso\",\"format\":\"iso\","
     "\"sha256_url\":\"https://example.org/SHA256SUMS\"}"},
    {"site-a.disk.data", "data",
     "{\"size\":\"2GiB\",\"snapshots\":[\"monday\"],\"depends_on\":[\"network/lan\"]}"},
    {"site-a.vm.web", "web",
     "{\"vcpus\":2,\"max_vcpus\":4,\"memory\":\"512MiB\",\"max_memory\":\"1GiB\","
     "\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"},{\"device\":\"logs\",\"disk\":\"data\"}],"
     "\"cdroms\":[{\"image\":\"linux\"}],\"networks\":[{\"network\":\"lan\","
     "\"ip\":\"192.168.90.9\"},{\"bridge\":\"br0\"}],\"health\":{\"tcp\":{\"port\":80}}}"},
};

static struct plan_doc docs[KINDS];
static json_t *specs[KINDS];
static const char *const all_kinds[] = {"network", "image-file", "disk", "vm", NULL};
static const struct driver driver = {.name = "libvirt", .kinds = all_kinds};

static void declare(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *kind = kind_find(all_kinds[i]);
        json_t *given = json_loads(declared[i].text, 0, NULL);
        struct hm_error err;
        FUZZ_REQUIRE(kind_verify(kind, given, &specs[i], NULL, &err) >= 0);
        FUZZ_REQUIRE(fields_have_form(kind->fields, specs[i]));
        docs[i] = (struct plan_doc){.key = declared[i].key,
                                    .where = "site-a",
                                    .name = declared[i].name,
                                    .kind = kind,
                                    .spec = specs[i],
                                    .hash = "as declared"};
        json_decref(given);
    }
}

/* -- A plan in which one thing has that mark -------------------------------------------------------- */

static struct thing thing_of(size_t i, json_t *spec, const char *hash, enum thing_state state)
{
    return (struct thing){.kind = (char *)(uintptr_t)all_kinds[i],
                          .name = (char *)(uintptr_t)declared[i].name,
                          .state = state,
                          .marked = true,
                          .mark_site = (char *)(uintptr_t) "site-a",
                          .mark_key = (char *)(uintptr_t)declared[i].key,
                          .mark_hash = (char *)(uintptr_t)hash,
                          .spec = spec};
}

static void plan(size_t odd, json_t *spec, enum thing_state state, bool is_declared)
{
    struct thing items[KINDS];
    struct things things = {items, KINDS};
    struct quota quota = {{INT64_MAX / 2, 0, INT64_MAX / 2}};
    struct plan_backend backend = {.driver = &driver, .things = &things};
    struct plan_doc of[KINDS];
    struct plan_input in = {.site = "site-a",
                            .docs = of,
                            .doc_count = KINDS,
                            .backends = &backend,
                            .backend_count = 1,
                            .quota = &quota};
    struct plan made;
    for (size_t i = 0; i < KINDS; i++)
        items[i] = i == odd ? thing_of(i, spec, "of a mark", state)
                            : thing_of(i, specs[i], "as declared", THING_RUNNING);
    memcpy(of, docs, sizeof of);
    of[odd].deleted = !is_declared;
    plan_make(&in, &made);
    json_t *json = plan_to_json(&in, &made);
    HM_AUTOFREE char *text = json_dumps(json, JSON_COMPACT);
    FUZZ_REQUIRE(text);
    json_decref(json);
    plan_clear(&made);
}

/* -- A VM, and a disk ------------------------------------------------------------------------------- */

static void build(const json_t *spec)
{
    struct vm_disks disks;
    struct hm_error err;
    json_t *config = NULL;
    vm_disks_of(spec, &disks);
    for (size_t i = 0; i < disks.count; i++) {
        disks.items[i].path = hm_strdup("/pool/x");
        disks.items[i].format = hm_strdup("qcow2");
    }
    struct ch_build b = {.key = "site-a.vm.web",
                         .spec = spec,
                         .placed = json_object_get(spec, "networks"),
                         .disks = &disks,
                         .firmware = "/firmware",
                         .plugged = "/plugged",
                         .has_taps = true};
    int r = ch_config(&b, &config, &err);
    if (r < 0)
        fuzz_require_sentence(r, &err);
    json_decref(config);
    vm_disks_clear(&disks);
    size_t i;
    json_t *disk;
    json_array_foreach(json_object_get(spec, "disks"), i, disk)
        FUZZ_REQUIRE(disk_spec_bytes(disk) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!specs[0])
        declare();
    for (size_t i = 0; i < KINDS; i++) {
        struct mark mark;
        struct hm_error err;
        int r = mark_from_json(json, kind_find(all_kinds[i])->fields, &mark, &err);
        if (r < 0) {
            fuzz_require_sentence(r, &err);
            continue;
        }
        plan(i, mark.spec, THING_RUNNING, true);
        plan(i, mark.spec, THING_OFF, true);
        plan(i, mark.spec, THING_RUNNING, false);
        if (!strcmp(all_kinds[i], "vm"))
            build(mark.spec);
        mark_clear(&mark);
    }
    json_decref(json);
    return 0;
}
