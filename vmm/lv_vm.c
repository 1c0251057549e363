#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "vmm/lv_disk_set.h"
#include "vmm/lv_vm.h"
#include "vmm/shape.h"
#include "vmm/vm_uuid.h"
#include "vmm/xml.h"

/* -- Finding ----------------------------------------------------------------------------------- */

int lv_find_domain(struct lv *lv, const char *name, virDomainPtr *ret, struct hm_error *err)
{
    *ret = virDomainLookupByName(lv->conn, name);
    if (*ret)
        return 1;
    if (lv_last_is(VIR_ERR_NO_DOMAIN))
        return 0;
    return lv_fail(lv, err, "vm %s: look it up", name);
}

int lv_read_domain(struct lv *lv, virDomainPtr dom, unsigned flags, struct domain_info *ret,
                   struct hm_error *err)
{
    const char *name = virDomainGetName(dom);
    HM_AUTOFREE char *xml = virDomainGetXMLDesc(dom, flags);
    if (!xml)
        return lv_fail(lv, err, "vm %s: read its XML", name);
    return domain_read(xml, ret, err) < 0 ? hm_wrap(err, "vm %s", name) : 0;
}

/* A guest may run on after somebody took the mark from its definition: then its own counts. */
static int check_running_mark(struct lv *lv, const struct order *o, virDomainPtr dom,
                              struct hm_error *err)
{
    struct domain_info live = {0};
    int r = lv_read_domain(lv, dom, 0, &live, err);
    if (r >= 0)
        r = mark_check_ours(live.marked ? &live.mark : NULL, o, err);
    domain_info_clear(&live);
    return r;
}

int lv_find_our_domain(struct lv *lv, const struct order *o, virDomainPtr *ret,
                       struct domain_info *info, struct hm_error *err)
{
    int found = lv_find_domain(lv, o->name, ret, err);
    if (found <= 0)
        return found;
    int r = lv_read_domain(lv, *ret, VIR_DOMAIN_XML_INACTIVE, info, err);
    if (r >= 0 && !info->marked && virDomainIsActive(*ret) == 1)
        r = check_running_mark(lv, o, *ret, err);
    else if (r >= 0)
        r = mark_check_ours(info->marked ? &info->mark : NULL, o, err);
    return r < 0 ? r : 1;
}

/* -- Defining ---------------------------------------------------------------------------------- */

static char *console_path(const struct lv *lv, const char *vm)
{
    return hm_printf("%s/console/%s.log", lv->image_dir, vm);
}

static int make_console_folder(const struct lv *lv, struct hm_error *err)
{
    if (!lv->is_local)
        return 0;
    HM_AUTOFREE char *dir = hm_printf("%s/console", lv->image_dir);
    return hm_mkdirs(dir, 0755, err);
}

static bool is_as_made(const struct domain_info *info, const struct mark *wanted)
{
    if (!info->marked || !info->mark.hash || strcmp(info->mark.hash, wanted->hash) != 0)
        return false;
    HM_AUTOFREE char *difference = shape_difference(wanted->made, info->shape);
    return !difference;
}

const char *lv_domain_type(const struct lv *lv, const json_t *spec)
{
    const char *accel = spec_str(spec, "accel");
    if (!lv->is_qemu || !accel || !strcmp(accel, "auto"))
        return lv->domain_type;
    return !strcmp(accel, "kvm") ? "kvm" : "qemu";
}

/*
 * Without VIR_DOMAIN_DEFINE_VALIDATE: libvirt checks what it understands either way, and which elements
 * there are is decided by our code, not by a document. Checking against the schema takes 20 ms and some
 * megabytes each time; the unit tests do it once for every element that we can make.
 */
/* A VM of the primary has a UUID that follows from site and key; renamed, it still has it. */
static int fail_to_define(struct lv *lv, const struct order *o, const char *uuid,
                          struct hm_error *err)
{
    struct hm_error why;
    int r = lv_fail(lv, &why, "vm %s: define it", o->name);
    LV_DOMAIN owner = uuid ? virDomainLookupByUUIDString(lv->conn, uuid) : NULL;
    const char *name = owner ? virDomainGetName(owner) : NULL;
    if (name && strcmp(name, o->name) != 0)
        return hm_fail(
            err, HM_E_VM_EXISTS,
            "vm %s: its UUID %s is that of vm %s; rename that one back (virsh domrename), or "
            "undefine it",
            o->name, uuid, name);
    hm_fail(err, why.code, "%s", why.text);
    return r;
}

static int define_xml(struct lv *lv, const struct order *o, const char *xml, const char *uuid,
                      virDomainPtr *ret, struct hm_error *err)
{
    virDomainPtr dom = virDomainDefineXMLFlags(lv->conn, xml, 0);
    if (!dom)
        return fail_to_define(lv, o, uuid, err);
    lv_domain_free(ret);
    *ret = dom;
    return 0;
}

/* By which the guardian knows it before it is there, and its TPM finds what it sealed. */
static bool has_own_uuid(const struct order *o)
{
    return o->primary || spec_bool(o->spec, "tpm");
}

static int define(struct lv *lv, const struct order *o, const struct domain_info *before,
                  virDomainPtr *ret, struct hm_error *err)
{
    struct vm_disks disks;
    struct mark mark;
    char own_uuid[VM_UUID_TEXT];
    vm_disks_of(o->spec, &disks);
    mark_of_order(o, &mark);
    vm_uuid(o->site, o->key, own_uuid);
    HM_AUTOFREE char *console = console_path(lv, o->name);
    struct vm_build build = {.name = o->name,
                             .uuid = before->uuid || !has_own_uuid(o) ? before->uuid : own_uuid,
                             .type = lv_domain_type(lv, o->spec),
                             .arch = lv->arch,
                             .console = console,
                             .spec = o->placed ? o->placed : o->spec,
                             .disks = &disks,
                             .run = before->run};
    int r = lv_disks_prepare(lv, o, &disks, err);
    vm_disks_keep_places(&disks, before->mark.made);
    HM_AUTOFREE char *xml = r < 0 ? NULL : domain_xml(&build, &mark);
    if (r >= 0 && !is_as_made(before, &mark))
        r = define_xml(lv, o, xml, build.uuid, ret, err);
    if (r >= 0)
        r = lv_cdroms_keep(lv, o, false, err);
    mark_clear(&mark);
    vm_disks_clear(&disks);
    return r;
}

static int forbid_autostart(struct lv *lv, const struct order *o, virDomainPtr dom,
                            struct hm_error *err)
{
    int is = 0;
    if (!o->primary)
        return 0;
    if (virDomainGetAutostart(dom, &is) < 0)
        return lv_fail(lv, err, "vm %s: ask for autostart", o->name);
    if (is && virDomainSetAutostart(dom, 0) < 0)
        return lv_fail(lv, err, "vm %s: take autostart off", o->name);
    return 0;
}

int lv_vm_create(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info before = {0};
    LV_DOMAIN dom = NULL;
    int r = xml_check_text(o->spec, err);
    if (r < 0)
        return hm_wrap(err, "vm %s", o->name);
    r = lv_find_domain(lv, o->name, &dom, err);
    if (r > 0)
        r = lv_read_domain(lv, dom, VIR_DOMAIN_XML_INACTIVE, &before, err);
    if (r >= 0 && dom)
        r = mark_check(before.marked ? &before.mark : NULL, o, err);
    if (r >= 0)
        r = make_console_folder(lv, err);
    if (r >= 0)
        r = lv_disks_protect(lv, o, before.mark.spec, err);
    if (r >= 0)
        r = define(lv, o, &before, &dom, err);
    if (r >= 0)
        r = forbid_autostart(lv, o, dom, err);
    domain_info_clear(&before);
    if (dom)
        lv_touch_domain(lv, dom);
    return r < 0 ? r : 0;
}

/* -- The running guest ------------------------------------------------------------------------- */

/* Nothing of what changed needs a restart. */
static bool is_live_change(const struct domain_info *live, const struct order *o)
{
    struct spec_diff diff;
    spec_diff(kind_find("vm"), live->mark.spec, o->spec, &diff);
    bool is = diff.cost <= COST_LIVE;
    spec_diff_clear(&diff);
    return is;
}

static int set_running_mark(struct lv *lv, const struct order *o, virDomainPtr dom,
                            const struct mark *mark, struct hm_error *err)
{
    HM_AUTOFREE char *element = mark_element(mark);
    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, MARK_PREFIX, MARK_NAMESPACE,
                             VIR_DOMAIN_AFFECT_LIVE) < 0)
        return lv_fail(lv, err, "vm %s: mark the running guest", o->name);
    return 0;
}

/* Its mark comes last: as long as it is the old one, the change is not done. What needs a restart waits
 * for that, with the mark. A guest that was not ours until now is marked and left as it is. */
static int update_running(struct lv *lv, const struct order *o, virDomainPtr dom,
                          const struct domain_info *live, struct hm_error *err)
{
    struct mark mark;
    mark_of_order(o, &mark);
    bool is_ours = live->marked && live->mark.spec;
    bool is_done = live->marked && live->mark.hash && !strcmp(live->mark.hash, mark.hash);
    bool may = is_ours ? is_live_change(live, o) : spec_bool(o->spec, "adopt");
    int r = 0;
    if (!is_done && may && is_ours)
        r = lv_vm_change_running(lv, o, dom, err);
    if (!is_done && may && r >= 0)
        r = set_running_mark(lv, o, dom, &mark, err);
    mark_clear(&mark);
    return r;
}

static int vm_update(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info live = {0};
    LV_DOMAIN dom = NULL;
    int r = lv_vm_create(lv, o, err);
    if (r >= 0)
        r = lv_find_domain(lv, o->name, &dom, err);
    if (r <= 0)
        return r;
    if (virDomainIsActive(dom) == 1)
        r = lv_read_domain(lv, dom, 0, &live, err);
    if (r >= 0 && live.name)
        r = update_running(lv, o, dom, &live, err);
    domain_info_clear(&live);
    lv_touch_domain(lv, dom);
    return r < 0 ? r : 0;
}

/* -- Removing ---------------------------------------------------------------------------------- */

static bool leaves_a_disk(const json_t *spec)
{
    size_t i;
    json_t *disk;
    json_array_foreach(json_object_get(spec, "disks"), i, disk)
    {
        if (!spec_bool(disk, "ephemeral"))
            return true;
    }
    return !spec;
}

/* What its TPM sealed and its firmware remembers belongs to its disks: it stays with them. */
static int undefine(struct lv *lv, const struct order *o, virDomainPtr dom, const json_t *spec,
                    struct hm_error *err)
{
    unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                     VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
    flags |= leaves_a_disk(spec) ? VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM
                                 : VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_TPM;
    int r = virDomainUndefineFlags(dom, flags);
    if (r < 0 && lv_last_is(VIR_ERR_INVALID_ARG)) /* a backend that has none of these */
        r = virDomainUndefineFlags(dom, 0);
    if (r < 0 && !lv_last_is(VIR_ERR_NO_DOMAIN))
        return lv_fail(lv, err, "vm %s: undefine it", o->name);
    return 0;
}

/* Its ephemeral disks go before the definition that names them, so a crash between leaves a VM that
 * is removed again, not a volume that nobody knows. */
static int vm_remove(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int found = lv_find_our_domain(lv, o, &dom, &info, err);
    int r = found;
    if (found > 0)
        r = lv_vm_destroy(lv, o, dom, err);
    if (found > 0 && r >= 0)
        r = lv_disks_remove_ephemeral(lv, o, info.mark.spec, err);
    if (found > 0 && r >= 0)
        r = lv_cdroms_forget(lv, o, err);
    if (found > 0 && r >= 0)
        r = undefine(lv, o, dom, info.mark.spec, err);
    if (dom)
        lv_touch_domain(lv, dom);
    domain_info_clear(&info);
    return r < 0 ? r : found == 0;
}

const struct lv_kind lv_vm_kind = {
    .name = "vm",
    .create = lv_vm_create,
    .update = vm_update,
    .start = lv_vm_start,
    .stop = lv_vm_stop,
    .kill = lv_vm_kill,
    .verify_stopped = lv_vm_verify_stopped,
    .remove = vm_remove,
    .pause = lv_vm_pause,
    .resume = lv_vm_resume,
    .reboot = lv_vm_reboot,
    .note = lv_vm_note,
};
