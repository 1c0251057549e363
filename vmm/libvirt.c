#include "vmm/libvirt.h"

#include <string.h>

#include "base/alloc.h"
#include "vmm/accel_trial.h"
#include "vmm/lv.h"
#include "vmm/lv_vm.h"

static const struct lv_kind *const kinds[] = {&lv_vm_kind, &lv_network_kind, &lv_disk_kind, NULL};
static const char *const kind_names[] = {"vm", "network", "disk", NULL};

static int check_options(const struct driver_options *options, struct hm_error *err)
{
    return libvirt_check_uri(options->uri, err);
}

static int open_instance(const struct driver_options *options, void **ret_self,
                         struct hm_error *err)
{
    struct lv *lv = NULL;
    int r = lv_open(options, &lv, err);
    if (r >= 0)
        *ret_self = lv;
    return r;
}

static void close_instance(void *self)
{
    lv_close(self);
}

static char *version_text(unsigned long v)
{
    return hm_printf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

static int probe(void *self, json_t **ret_facts, struct hm_error *err)
{
    struct lv *lv = self;
    unsigned long library = 0, hypervisor = 0;
    virNodeInfo node;
    if (virConnectGetLibVersion(lv->conn, &library) < 0 || virNodeGetInfo(lv->conn, &node) < 0)
        return lv_fail(lv, err, "%s: ask for its version", lv->uri);
    if (virConnectGetVersion(lv->conn, &hypervisor) < 0)
        hypervisor = 0; /* not every backend knows */
    HM_AUTOFREE char *version = version_text(library), *emulator = version_text(hypervisor);
    *ret_facts = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "backend", "libvirt", "uri", lv->uri,
        "version", version, "hypervisor", virConnectGetType(lv->conn), "hypervisor_version",
        emulator, "accel", lv->is_qemu ? lv->domain_type : "none", "accel_reason",
        lv->is_qemu ? lv->accel_reason : "the backend emulates nothing", "cpus",
        (json_int_t)node.cpus, "memory", (json_int_t)node.memory * 1024, "arch", lv->arch);
    return 0;
}

static int observe(void *self, struct things *ret, struct hm_error *err)
{
    return lv_observe(self, ret, err);
}

/* Opened before a trial of the accelerator had ended: a new instance will know better. The fence's,
 * which never observes, is left alone: it defines nothing. */
static bool is_outdated(const struct lv *lv)
{
    struct accel_record record = {0};
    if (lv->runtime_dir && atomic_load(&lv->observes))
        accel_record_read(lv->runtime_dir, &record);
    return record.result != ACCEL_TRIAL_UNKNOWN;
}

static int stats(void *self, struct vm_stats_list *ret, struct hm_error *err)
{
    return lv_stats(self, ret, err);
}

static bool is_alive(void *self)
{
    return lv_check_alive(self, NULL) >= 0 && !is_outdated(self);
}

static const struct lv_kind *kind_of(const struct order *o)
{
    for (const struct lv_kind *const *k = kinds; *k; k++)
        if (!strcmp((*k)->name, o->kind))
            return *k;
    return NULL;
}

#define VERB(verb)                                                                                 \
    static int verb_##verb(void *self, const struct order *o, struct hm_error *err)                \
    {                                                                                              \
        const struct lv_kind *kind = kind_of(o);                                                   \
        if (!kind)                                                                                 \
            return hm_fail(err, HM_E_UNSUPPORTED, "libvirt holds no %s", o->kind);                 \
        if (!kind->verb)                                                                           \
            return hm_fail(err, HM_E_UNSUPPORTED, "a %s has no " #verb, o->kind);                  \
        int r = lv_check_alive(self, err);                                                         \
        return r < 0 ? r : kind->verb(self, o, err);                                               \
    }
DRIVER_VERBS(VERB)
#undef VERB

const struct driver libvirt_driver = {
    .name = "libvirt",
    .kinds = kind_names,
    .check_options = check_options,
    .open = open_instance,
    .close = close_instance,
    .probe = probe,
    .observe = observe,
    .stats = stats,
#define VERB_ROW(verb) .verb = verb_##verb,
    DRIVER_VERBS(VERB_ROW)
#undef VERB_ROW
        .kill_seen = lv_vm_kill_seen,
    .is_alive = is_alive,
    .operations = lv_operations,
};
