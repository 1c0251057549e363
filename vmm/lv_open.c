#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "vmm/accel.h"
#include "vmm/libvirt.h"
#include "vmm/lv.h"
#include "vmm/lv_fault.h"

enum { KEEPALIVE_S = 5, KEEPALIVE_COUNT = 3 }; /* a silent server is given up after 20 s */

void lv_domain_free(virDomainPtr *dom)
{
    if (*dom)
        virDomainFree(*dom);
}

void lv_network_free(virNetworkPtr *net)
{
    if (*net)
        virNetworkFree(*net);
}

void lv_pool_free(virStoragePoolPtr *pool)
{
    if (*pool)
        virStoragePoolFree(*pool);
}

void lv_volume_free(virStorageVolPtr *vol)
{
    if (*vol)
        virStorageVolFree(*vol);
}

void lv_ref(struct lv *lv)
{
    atomic_fetch_add(&lv->refs, 1);
}

void lv_unref(struct lv *lv)
{
    if (atomic_fetch_sub(&lv->refs, 1) != 1)
        return;
    pthread_cond_destroy(&lv->changed);
    pthread_mutex_destroy(&lv->lock);
    lv_cache_free(lv->cache);
    lv_faults_clear(lv);
    free(lv->uri);
    free(lv->image_dir);
    free(lv->image_ca);
    free(lv->site);
    free(lv->arch);
    free(lv->domain_type);
    free(lv->accel_reason);
    free(lv->runtime_dir);
    free(lv);
}

static void init_lock(struct lv *lv)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lv->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&lv->lock, NULL);
}

static struct lv *new_instance(const struct driver_options *o)
{
    struct lv *lv = hm_alloc(sizeof *lv);
    atomic_init(&lv->refs, 1);
    init_lock(lv);
    lv->uri = hm_strdup(o->uri);
    lv->image_dir = hm_strdup(o->image_dir ? o->image_dir : "/var/lib/libvirt/images");
    lv->image_ca = o->image_ca ? hm_strdup(o->image_ca) : NULL;
    lv->image_stall_ms = o->image_stall_ms;
    lv->site = hm_strdup(o->site ? o->site : "");
    lv->on_change = o->on_change;
    lv->data = o->data;
    lv->is_local = !libvirt_uri_is_remote(o->uri);
    for (size_t i = 0; i < LV_DOMAIN_EVENTS; i++)
        lv->domain_events[i] = -1;
    lv->network_events = lv->pool_events = lv->pool_refresh_events = -1;
    lv->dirty.all_domains = lv->dirty.networks = lv->dirty.pools = true;
    return lv;
}

/* ssh must never ask on a terminal: an agent started by hand would hang in it. */
static char *uri_to_open(const char *uri)
{
    HM_AUTOFREE char *no_tty = libvirt_uri_parameter(uri, "no_tty");
    if (!strstr(uri, "+ssh://") || no_tty)
        return hm_strdup(uri);
    return hm_printf("%s%cno_tty=1", uri, strchr(uri, '?') ? '&' : '?');
}

static int connect_to(struct lv *lv, struct hm_error *err)
{
    HM_AUTOFREE char *uri = uri_to_open(lv->uri);
    lv->conn = virConnectOpen(uri);
    if (!lv->conn)
        return lv_connect_failed(lv->uri, err);
    /* Not every backend has it (1), and one that lost the server at once tells later. */
    virConnectSetKeepAlive(lv->conn, KEEPALIVE_S, KEEPALIVE_COUNT);
    return 0;
}

static void choose_accel(struct lv *lv, const struct driver_options *o)
{
    struct accel_host host = {
        .dev = ACCEL_DEV, .modules = ACCEL_MODULES, .runtime_dir = o->runtime_dir};
    struct accel chosen;
    accel_choose(o->accel, &host, &chosen);
    lv->domain_type = hm_strdup(chosen.kvm ? "kvm" : "qemu");
    lv->accel_reason = hm_strdup(chosen.reason);
    if (chosen.trial_awaited && o->runtime_dir && lv->is_qemu)
        lv->runtime_dir = hm_strdup(o->runtime_dir);
}

static int look_at_host(struct lv *lv, const struct driver_options *o, struct hm_error *err)
{
    const char *type = virConnectGetType(lv->conn);
    virNodeInfo node;
    if (!type || virNodeGetInfo(lv->conn, &node) < 0)
        return lv_fail(lv, err, "%s: what kind of host it is", lv->uri);
    lv->is_qemu = !strcmp(type, "QEMU");
    lv->arch = hm_strdup(node.model);
    choose_accel(lv, o);
    if (lv->is_qemu)
        return 0;
    free(lv->domain_type);
    lv->domain_type = hm_strdup(type);
    for (char *c = lv->domain_type; *c; c++)
        *c = (char)(*c | 0x20);
    return 0;
}

int lv_open(const struct driver_options *options, struct lv **ret, struct hm_error *err)
{
    int r = libvirt_check_uri(options->uri, err);
    if (r < 0)
        return r;
    lv_setup();
    struct lv *lv = new_instance(options);
    r = connect_to(lv, err);
    if (r >= 0)
        r = look_at_host(lv, options, err);
    if (r < 0) {
        lv_close(lv);
        return r;
    }
    *ret = lv;
    return 0;
}

void lv_close(struct lv *lv)
{
    if (!lv)
        return;
    if (lv->conn) {
        lv_unwatch(lv);
        virConnectClose(lv->conn);
    }
    lv_unref(lv);
}
