#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/lv.h"
#include "vmm/xml.h"

void lv_disk_use_clear(struct lv_disk_use *use)
{
    lv_domain_free(&use->dom);
    free(use->vm);
    free(use->target);
    free(use->alias);
    memset(use, 0, sizeof *use);
}

/* The <disk> whose file this is. */
static xmlNodePtr disk_of(xmlNodePtr root, const char *path)
{
    for (xmlNodePtr d = xml_at(root, "devices/disk"); d; d = xml_next(d)) {
        HM_AUTOFREE char *file = xml_get(xml_at(d, "source"), "file");
        if (file && !strcmp(file, path))
            return d;
    }
    return NULL;
}

static bool is_ours(const struct lv *lv, xmlNodePtr root)
{
    struct mark mark = {0};
    bool ours = mark_from_xml(root, kind_find("vm")->fields, &mark) > 0 && mark.site &&
                !strcmp(mark.site, lv->site);
    mark_clear(&mark);
    return ours;
}

/* 1: this one; 0: it has no such disk, or is gone. */
static int look_at(struct lv *lv, virDomainPtr dom, const char *path, struct lv_disk_use *ret,
                   struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr doc = NULL;
    HM_AUTOFREE char *xml = virDomainGetXMLDesc(dom, 0);
    if (!xml)
        return lv_last_is(VIR_ERR_NO_DOMAIN) ? 0 : lv_fail(lv, err, "find out who uses %s", path);
    int r = xml_parse(xml, &doc, err);
    xmlNodePtr disk = r < 0 ? NULL : disk_of(xml_root(doc), path);
    if (!disk)
        return r;
    virDomainRef(dom);
    *ret = (struct lv_disk_use){.dom = dom,
                                .vm = hm_strdup(virDomainGetName(dom)),
                                .target = xml_get(xml_at(disk, "target"), "dev"),
                                .alias = xml_get(xml_at(disk, "alias"), "name"),
                                .ours = is_ours(lv, xml_root(doc))};
    return 1;
}

int lv_disk_running_user(struct lv *lv, const char *path, struct lv_disk_use *ret,
                         struct hm_error *err)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(lv->conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (count < 0)
        return lv_fail(lv, err, "find out who uses %s", path);
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (found == 0)
            found = look_at(lv, domains[i], path, ret, err);
        virDomainFree(domains[i]);
    }
    free(domains);
    return found;
}

int lv_disk_check_ours(const struct lv_disk_use *use, const char *what, struct hm_error *err)
{
    if (use->ours)
        return 0;
    return hm_fail(err, HM_E_CONFLICT,
                   "%s is in use by the VM %s, which harmony did not make; it is changed only "
                   "when that VM is off",
                   what, use->vm);
}

int lv_disk_grow_live(struct lv *lv, const struct lv_disk_use *use, const char *volume,
                      int64_t bytes, struct hm_error *err)
{
    int r = lv_disk_check_ours(use, volume, err);
    if (r >= 0 && virDomainBlockResize(use->dom, use->target, (unsigned long long)bytes,
                                       VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
        r = lv_fail(lv, err, "volume %s: grow it to %lld bytes in the running VM %s", volume,
                    (long long)bytes, use->vm);
    return r;
}
