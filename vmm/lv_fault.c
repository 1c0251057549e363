#include "vmm/lv_fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "proto/field.h"

enum { FAULTS_MAX = 256, DISKS_MAX = 64 };

/* -- What guests were told ----------------------------------------------------------------------- */

static bool is_noted(const struct lv *lv, uint64_t domain, const char *path)
{
    for (size_t i = 0; i < lv->fault_count; i++)
        if (lv->faults[i].domain == domain && !strcmp(lv->faults[i].path, path))
            return true;
    return false;
}

bool lv_fault_note(struct lv *lv, virDomainPtr dom, const char *path)
{
    const char *name = virDomainGetName(dom);
    if (!name || !path)
        return false;
    uint64_t domain = lv_name_hash(name);
    pthread_mutex_lock(&lv->lock);
    bool is_new = lv->fault_count < FAULTS_MAX && !is_noted(lv, domain, path);
    if (is_new) {
        lv->faults = hm_realloc_array(lv->faults, lv->fault_count + 1, sizeof *lv->faults);
        lv->faults[lv->fault_count++] =
            (struct lv_fault){domain, hm_strdup(path), hm_wall_ns() / HM_MS};
    }
    pthread_mutex_unlock(&lv->lock);
    return is_new;
}

void lv_faults_forget(struct lv *lv, virDomainPtr dom)
{
    const char *name = virDomainGetName(dom);
    uint64_t domain = name ? lv_name_hash(name) : 0;
    size_t kept = 0;
    pthread_mutex_lock(&lv->lock);
    for (size_t i = 0; i < lv->fault_count; i++) {
        if (lv->faults[i].domain == domain)
            free(lv->faults[i].path);
        else
            lv->faults[kept++] = lv->faults[i];
    }
    lv->fault_count = kept;
    pthread_mutex_unlock(&lv->lock);
}

void lv_faults_clear(struct lv *lv)
{
    for (size_t i = 0; i < lv->fault_count; i++)
        free(lv->faults[i].path);
    free(lv->faults);
    lv->faults = NULL;
    lv->fault_count = 0;
}

/* -- In words ------------------------------------------------------------------------------------ */

static const char *target_of(const struct domain_info *live, const char *path)
{
    size_t i;
    const json_t *disk;
    json_array_foreach(live->disks, i, disk)
    {
        if (!strcmp(spec_str(disk, "path"), path))
            return spec_str(disk, "target");
    }
    return NULL;
}

static const char *path_of(const struct domain_info *live, const char *target)
{
    size_t i;
    const json_t *disk;
    json_array_foreach(live->disks, i, disk)
    {
        if (!strcmp(spec_str(disk, "target"), target))
            return spec_str(disk, "path");
    }
    return NULL;
}

static void say_disk(struct hm_buf *words, const char *target, const char *path)
{
    hm_buf_printf(words, "its disk %s", target ? target : path);
    if (target && path)
        hm_buf_printf(words, " (%s)", path);
}

/* -- What stopped it ----------------------------------------------------------------------------- */

static void say_stopped(struct hm_buf *words, const struct domain_info *live,
                        const virDomainDiskError *disk)
{
    bool full = disk->error == VIR_DOMAIN_DISK_ERROR_NO_SPACE;
    if (words->len > 0)
        hm_buf_puts(words, "; ");
    hm_buf_puts(words, full ? "the host has no room left for " : "an I/O error of ");
    say_disk(words, disk->disk, path_of(live, disk->disk));
}

static void read_stopped(virDomainPtr dom, const struct lv_fault_look *look,
                         struct thing_fault *ret)
{
    virDomainDiskError disks[DISKS_MAX];
    int count = virDomainGetDiskErrors(dom, disks, DISKS_MAX, 0);
    struct hm_buf words = {0};
    *ret =
        (struct thing_fault){.code = HM_E_IO, .since_ms = look->stopped_ms, .stands_still = true};
    for (int i = 0; i < count; i++) {
        if (disks[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE)
            ret->code = HM_E_NO_SPACE;
        say_stopped(&words, look->live, &disks[i]);
        free(disks[i].disk);
    }
    if (words.len == 0) /* libvirt could not be asked, or does not know which */
        hm_buf_puts(&words, "an I/O error of one of its disks");
    ret->text = hm_buf_steal(&words);
}

char *lv_fault_reason(const struct thing_fault *fault)
{
    return hm_printf("by QEMU, after an I/O error: %s", fault->text);
}

/* -- The whole ----------------------------------------------------------------------------------- */

/* Called with the lock held. */
static void read_told(const struct lv *lv, uint64_t domain, const struct domain_info *live,
                      struct thing_fault *ret)
{
    struct hm_buf words = {0};
    for (size_t i = 0; i < lv->fault_count; i++) {
        const struct lv_fault *f = &lv->faults[i];
        if (f->domain != domain)
            continue;
        if (words.len > 0)
            hm_buf_puts(&words, "; ");
        else
            ret->since_ms = f->at_ms;
        say_disk(&words, target_of(live, f->path), f->path);
    }
    if (words.len == 0)
        return;
    hm_buf_puts(&words,
                " failed (I/O error), and the guest was told: look at the host's disk, then at "
                "what the guest made of it");
    ret->code = HM_E_IO;
    ret->text = hm_buf_steal(&words);
}

void lv_faults_read(struct lv *lv, virDomainPtr dom, const struct lv_fault_look *look,
                    struct thing_fault *ret)
{
    uint64_t domain = lv_name_hash(virDomainGetName(dom));
    *ret = (struct thing_fault){0};
    if (!look->live->name)
        return;
    if (look->stopped_ms) {
        read_stopped(dom, look, ret);
        return;
    }
    pthread_mutex_lock(&lv->lock);
    read_told(lv, domain, look->live, ret);
    pthread_mutex_unlock(&lv->lock);
}
