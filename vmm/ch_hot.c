/*
 * Changes of a running VM. What the VMM says of its own configuration is compared with what the spec wants, so that
 * after a crash the rest comes out, and each step is done when vm.info shows it. What somebody else has changed is put
 * right the same way (ch_drift.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/doc.h"
#include "proto/text.h"
#include "vmm/ch.h"
#include "vmm/ch_drift.h"
#include "vmm/qemu_img.h"

enum {
    CONSENT_WAIT_MS = 20000, /* how long a guest has to let go of a device */
    POLL_MS = 50,
    MEMORY_STEP = 128 << 20,
};

struct change {
    struct ch *ch;
    const struct order *o;
    const struct ch_vm *vm;
    struct ch_given given; /* what it shall have */
    struct ch_info info;   /* as it was before the step */
};

static int put(const struct change *c, const char *what, const char *call, json_t *body,
               struct hm_error *err)
{
    return ch_put(c->ch, c->o->name, c->vm->socket, what, call, body, CH_BOOT_MS, err);
}

static int look(struct change *c, struct hm_error *err)
{
    ch_info_clear(&c->info);
    return ch_ask_info(c->ch, c->o->name, c->vm->socket, &c->info, err);
}

/* -- Processors and memory -------------------------------------------------------------------------- */

static int set_vcpus(const struct change *c, struct hm_error *err)
{
    json_int_t wanted = spec_int(c->o->spec, "vcpus", 0);
    const json_t *cpus = json_object_get(c->info.config, "cpus");
    if (wanted == json_integer_value(json_object_get(cpus, "boot_vcpus")))
        return 0;
    return put(c, "set its vcpus", "vm.resize", json_pack("{s:I}", "desired_vcpus", wanted), err);
}

static int set_memory(const struct change *c, struct hm_error *err)
{
    json_int_t wanted = spec_int(c->o->spec, "memory", 0);
    json_int_t more = wanted - (json_int_t)c->info.memory_bytes;
    if (more == 0)
        return 0;
    if (more > 0 && more % MEMORY_STEP)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: while it runs cloud-hypervisor gives memory in steps of 128 MiB; it has %lld "
            "MiB: choose another size, or restart it",
            c->o->name, (long long)(c->info.memory_bytes >> 20));
    return put(c, "set its memory", "vm.resize", json_pack("{s:I}", "desired_ram", wanted), err);
}

/* -- Devices ---------------------------------------------------------------------------------------- */

static const json_t *device(const struct change *c, const char *list, const char *id)
{
    return ch_config_find(json_object_get(c->info.config, list), id);
}

/* An id is the VMM's word, which may be a guest's that has taken it over. */
static char *shown(const char *id)
{
    char text[CH_ID_MAX];
    text_clean(id, text, sizeof text);
    return hm_strdup(text);
}

/* It leaves the configuration as soon as it was asked for, and the tree of devices once the guest has let go. */
static bool is_there(const struct change *c, const char *list, const char *id)
{
    return device(c, list, id) || json_object_get(c->info.devices, id);
}

static int unplug(struct change *c, const char *list, const char *id, struct hm_error *err)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * HM_MS};
    HM_AUTOFREE char *name = shown(id), *what = hm_printf("unplug %s", name);
    int64_t until = hm_boottime_ns() + CONSENT_WAIT_MS * HM_MS;
    int r = device(c, list, id)
                ? put(c, what, "vm.remove-device", json_pack("{s:s}", "id", id), err)
                : 0;
    while (r >= 0 && (r = look(c, err)) >= 0 && is_there(c, list, id)) {
        if (hm_boottime_ns() >= until)
            return hm_fail(err, HM_E_TIMEOUT,
                           "vm %s: its guest has not let go of %s within %d s; it has been asked",
                           c->o->name, name, CONSENT_WAIT_MS / 1000);
        nanosleep(&pause, NULL);
    }
    return r;
}

/* -- Disks ------------------------------------------------------------------------------------------ */

static const struct vm_disk *disk_with_id(const struct vm_disks *disks, const char *id)
{
    char its[CH_ID_MAX];
    for (size_t i = 0; i < disks->count; i++) {
        ch_disk_id(&disks->items[i], its);
        if (!strcmp(its, id))
            return &disks->items[i];
    }
    return NULL;
}

/* Ids of what is there, whoever gave it, or is one of ours on its way out, of one sort: an object with them as keys. */
static json_t *ids_of(const struct change *c, const char *list, const char *prefix)
{
    size_t i;
    json_t *item, *ids = json_object();
    const char *id;
    json_array_foreach(json_object_get(c->info.config, list), i, item)
    {
        id = spec_str(item, "id");
        if (id)
            json_object_set(ids, id, item);
    }
    json_object_foreach(c->info.devices, id, item)
    {
        if (!strncmp(id, prefix, strlen(prefix)) && !json_object_get(ids, id))
            json_object_set_new(ids, id, json_object());
    }
    return ids;
}

/* The link by which its VMM is let open a disk: by id, since files of two disks may have one name. */
static char *link_of(const struct change *c, const char *id)
{
    HM_AUTOFREE char *folder = ch_plugged_path(c->ch, c->o->name);
    return hm_printf("%s/%s", folder, id);
}

/* Its folder is the VMM's to write in, and the id its word. */
static void forget_link(const struct change *c, const char *id)
{
    HM_AUTOFREE char *path = link_of(c, id);
    if (!strchr(id, '/'))
        unlink(path);
}

/* Another file under its id is not taken away: the guest may run from it. */
static int check_file(const struct change *c, const struct vm_disk *d, struct hm_error *err)
{
    char id[CH_ID_MAX];
    ch_disk_id(d, id);
    const json_t *found = device(c, "disks", id);
    if (!found || ch_drift_is_disk(&c->given, d, found))
        return 0;
    return hm_fail(
        err, HM_E_REFUSED,
        "vm %s: somebody gave its guest another disk as %s, which is left alone while it "
        "runs; restart the VM",
        c->o->name, id);
}

static int check_files(const struct change *c, const struct vm_disks *wanted, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < wanted->count && r >= 0; i++)
        r = check_file(c, &wanted->items[i], err);
    return r;
}

/* One of somebody else's may not say it. */
static bool may_be_qcow2(const struct change *c, const char *id)
{
    const json_t *disk = device(c, "disks", id);
    const char *type = spec_str(disk, "image_type");
    return disk && (!type || strcmp(type, "Raw") != 0);
}

static int check_unplug(const struct change *c, const char *id, struct hm_error *err)
{
    struct ch_version version;
    if (!may_be_qcow2(c, id))
        return 0;
    int r = ch_ping(c->ch, c->o->name, c->vm->socket, &version, err);
    if (r < 0 || ch_version_can_unplug_qcow2(&version))
        return r;
    HM_AUTOFREE char *name = shown(id);
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "vm %s: cloud-hypervisor %s ends when a qcow2 disk is unplugged (v53 does not); "
                   "switch the VM off "
                   "and on, and %s is out",
                   c->o->name, version.text, name);
}

static int unplug_disks(struct change *c, const struct vm_disks *wanted, struct hm_error *err)
{
    json_t *ids = ids_of(c, "disks", "disk-"), *item;
    const char *id;
    int r = 0;
    json_object_foreach(ids, id, item)
    {
        bool leaves = json_object_size(item) == 0; /* also one that is to come back */
        if (r < 0 || (!leaves && disk_with_id(wanted, id)))
            continue;
        r = check_unplug(c, id, err);
        if (r >= 0)
            r = unplug(c, "disks", id, err);
        if (r >= 0)
            forget_link(c, id);
    }
    json_decref(ids);
    return r;
}

/* Landlock lets the VMM open what it was configured with at its start, and what is in this folder. */
static int let_open(const struct change *c, struct vm_disk *d, struct hm_error *err)
{
    if (!c->ch->has_landlock)
        return 0;
    char id[CH_ID_MAX];
    ch_disk_id(d, id);
    HM_AUTOFREE char *folder = ch_plugged_path(c->ch, c->o->name);
    char *path = link_of(c, id);
    int r = hm_mkdirs(folder, 0700, err);
    unlink(path);
    if (r >= 0 && link(d->path, path) < 0)
        r = hm_fail(err, HM_E_UNSUPPORTED,
                    "vm %s: the disk %s can't be plugged in while it runs, since its VMM may not "
                    "open files "
                    "outside of %s's file system (%s); restart the VM",
                    c->o->name, d->path, c->ch->image_dir, strerror(errno));
    if (r < 0) {
        free(path);
        return r;
    }
    free(d->path);
    d->path = path;
    return 0;
}

static int plug_disk(const struct change *c, struct vm_disk *d, struct hm_error *err)
{
    char id[CH_ID_MAX];
    int r = let_open(c, d, err);
    ch_disk_id(d, id);
    HM_AUTOFREE char *what = hm_printf("plug in the disk %s", id);
    return r < 0 ? r : put(c, what, "vm.add-disk", ch_config_disk(d), err);
}

/* Of the file as it is now; a VMM grows it, and tells the guest. */
static int grow_disk(const struct change *c, const struct vm_disk *d, struct hm_error *err)
{
    struct image_info info = {0};
    char id[CH_ID_MAX];
    int64_t wanted = spec_int(d->spec, "size", 0);
    if (wanted == 0)
        return 0;
    int r = qemu_img_info(d->path, d->format, &info, err);
    bool is_smaller = r >= 0 && info.size < wanted;
    image_info_clear(&info);
    if (!is_smaller)
        return r;
    ch_disk_id(d, id);
    return put(c, "grow its disk", "vm.resize-disk",
               json_pack("{s:s, s:I}", "id", id, "desired_size", (json_int_t)wanted), err);
}

static int plug_disks(const struct change *c, struct vm_disks *disks, struct hm_error *err)
{
    char id[CH_ID_MAX];
    int r = 0;
    for (size_t i = 0; i < disks->count && r >= 0; i++) {
        struct vm_disk *d = &disks->items[i];
        ch_disk_id(d, id);
        r = device(c, "disks", id) ? grow_disk(c, d, err) : plug_disk(c, d, err);
    }
    return r;
}

static int change_disks(struct change *c, struct hm_error *err)
{
    struct vm_disks disks;
    vm_disks_of(c->o->spec, &disks);
    int r = ch_disks_prepare(c->ch, c->o, true, &disks, err);
    if (r >= 0)
        r = check_files(c, &disks, err);
    if (r >= 0)
        r = unplug_disks(c, &disks, err);
    if (r >= 0)
        r = plug_disks(c, &disks, err);
    vm_disks_clear(&disks);
    return r;
}

/* -- Network cards ----------------------------------------------------------------------------------- */

static const json_t *cards_of(const struct order *o)
{
    return json_object_get(o->placed ? o->placed : o->spec, "networks");
}

/* With the TAP and the address that it has: another card under its id goes, and it comes anew. */
static bool is_wanted(const json_t *nics, const char *id, const json_t *found)
{
    size_t i;
    json_t *nic;
    json_array_foreach((json_t *)(uintptr_t)nics, i, nic)
    {
        if (!strcmp(spec_str(nic, "id"), id))
            return ch_drift_is_nic(nic, found);
    }
    return false;
}

static int unplug_nics(struct change *c, const json_t *wanted, struct hm_error *err)
{
    json_t *ids = ids_of(c, "net", "net-"), *item;
    const char *id;
    int r = 0;
    json_object_foreach(ids, id, item)
    {
        if (r >= 0 && !is_wanted(wanted, id, item))
            r = unplug(c, "net", id, err);
    }
    json_decref(ids);
    return r;
}

static int plug_nics(const struct change *c, const json_t *nics, struct hm_error *err)
{
    size_t i;
    json_t *nic;
    int r = 0;
    json_array_foreach((json_t *)(uintptr_t)nics, i, nic)
    {
        if (r < 0 || device(c, "net", spec_str(nic, "id")))
            continue;
        r = ch_tap_check(c->o->name, json_array_get(cards_of(c->o), i), err);
        if (r >= 0)
            r = put(c, "plug in a network card", "vm.add-net", json_incref(nic), err);
    }
    return r < 0 ? r : ch_bridges_join(c->o->key, cards_of(c->o), err);
}

static int nics_wanted(const struct order *o, json_t **ret, struct hm_error *err)
{
    json_t *list = json_array(), *nic = NULL;
    for (size_t i = 0; i < json_array_size(cards_of(o)); i++) {
        if (ch_config_nic(o->key, cards_of(o), i, &nic, err) < 0) {
            json_decref(list);
            return hm_wrap(err, "vm %s", o->name);
        }
        json_array_append_new(list, nic);
    }
    *ret = list;
    return 0;
}

static int change_nics(struct change *c, struct hm_error *err)
{
    json_t *wanted = NULL;
    int r = nics_wanted(c->o, &wanted, err);
    if (r >= 0)
        r = unplug_nics(c, wanted, err);
    if (r >= 0)
        r = plug_nics(c, wanted, err);
    json_decref(wanted);
    return r;
}

/* -- What no document has ------------------------------------------------------------------------------ */

static int unplug_strangers(struct change *c, struct hm_error *err)
{
    size_t i;
    json_t *ids = ch_drift_strangers(c->info.config), *id;
    int r = 0;
    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id);
        HM_AUTOFREE char *name = shown(text), *what = hm_printf("unplug %s", name);
        if (r >= 0)
            r = put(c, what, "vm.remove-device", json_pack("{s:s}", "id", text), err);
    }
    json_decref(ids);
    return r;
}

/* -- All of it ----------------------------------------------------------------------------------------- */

static int change_guest(struct change *c, struct hm_error *err)
{
    int r = look(c, err);
    if (r >= 0 && c->info.state != CH_STATE_RUNNING && c->info.state != CH_STATE_PAUSED)
        return hm_fail(err, HM_E_REFUSED, "vm %s: its guest does not run", c->o->name);
    if (r >= 0)
        r = set_vcpus(c, err);
    if (r >= 0)
        r = set_memory(c, err);
    if (r >= 0)
        r = change_disks(c, err);
    if (r >= 0)
        r = change_nics(c, err);
    return r < 0 ? r : unplug_strangers(c, err);
}

/* Its mark comes last: as long as it is the old one, the change is not done. */
static int mark_run(const struct ch *ch, const struct order *o, const struct ch_vm *vm,
                    struct hm_error *err)
{
    struct ch_process run = vm->run;
    run.placed = (json_t *)(uintptr_t)cards_of(o);
    run.taps = ch_taps(o->key, run.placed);
    mark_of_order(o, &run.mark);
    int r = ch_record_write_process(ch->records, o->name, &run, err);
    json_decref(run.taps);
    mark_clear(&run.mark);
    return r;
}

/* Nothing of what changed needs a restart. */
static bool is_live_change(const struct ch_vm *vm, const struct order *o)
{
    struct spec_diff diff;
    spec_diff(kind_find("vm"), vm->run.mark.spec, o->spec, &diff);
    bool is = diff.cost <= COST_LIVE;
    spec_diff_clear(&diff);
    return is;
}

static bool is_marked_so(const struct ch_vm *vm, const struct order *o)
{
    struct mark wanted;
    mark_of_order(o, &wanted);
    bool is = vm->run.mark.hash && !strcmp(vm->run.mark.hash, wanted.hash);
    mark_clear(&wanted);
    return is;
}

/* One that runs as it is marked was changed by somebody else, or not at all. 1: there is something to do. */
static int needs_change(struct change *c, struct hm_error *err)
{
    if (!is_marked_so(c->vm, c->o))
        return is_live_change(c->vm, c->o);
    int r = look(c, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *drift = ch_drift(&c->given, &c->info);
    HM_AUTOFREE char *left = ch_bridges_left(c->given.key, c->given.placed);
    return drift || left;
}

int ch_vm_change_running(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                         struct hm_error *err)
{
    if (!vm->has_process || !vm->run.mark.spec)
        return 0;
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, o->name);
    struct change c = {.ch = ch,
                       .o = o,
                       .vm = vm,
                       .given = {.vm = o->name,
                                 .key = o->key,
                                 .plugged = plugged,
                                 .spec = o->spec,
                                 .placed = cards_of(o)}};
    int r = needs_change(&c, err);
    if (r > 0)
        r = change_guest(&c, err) < 0 ? -(int)err->code : mark_run(ch, o, vm, err);
    ch_info_clear(&c.info);
    return r;
}
