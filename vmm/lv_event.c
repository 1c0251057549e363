#include "vmm/lv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/lv_fault.h"
#include "vmm/xml.h"

/*
 * libvirt has been seen to list a guest that died before the connection was opened as running, and
 * to correct that within a second without an event. So a new connection asks to be looked at again.
 */
enum { SECOND_LOOK_MS = 1500 };

/* -- The event thread, one per process --------------------------------------------------------- */

static void *run_events(void *unused)
{
    (void)unused;
    for (;;)
        if (virEventRunDefaultImpl() < 0) /* only a broken poll(2) fails; don't spin on it */
            nanosleep(&(struct timespec){.tv_nsec = 100 * HM_MS}, NULL);
    return NULL;
}

static void stay_silent(void *unused, virErrorPtr error)
{
    (void)unused;
    (void)error; /* every caller turns it into a typed error (lv_fail) */
}

static void start_event_thread(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int failed = pthread_create(&thread, NULL, run_events, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        abort();
    pthread_setname_np(thread, "libvirt-events");
    pthread_detach(thread);
}

static void setup(void)
{
    xml_setup();
    virSetErrorFunc(NULL, stay_silent);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        abort();
    start_event_thread();
}

void lv_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
}

/* -- What changed ------------------------------------------------------------------------------ */

static void dirty_domain(struct lv_dirty *dirty, uint64_t hash)
{
    for (size_t i = 0; i < dirty->domain_count; i++)
        if (dirty->domains[i] == hash)
            return;
    if (dirty->domain_count == LV_DIRTY_MAX)
        dirty->all_domains = true;
    else
        dirty->domains[dirty->domain_count++] = hash;
}

void lv_touch_domain(struct lv *lv, virDomainPtr dom)
{
    const char *name = virDomainGetName(dom);
    if (!name)
        return;
    pthread_mutex_lock(&lv->lock);
    dirty_domain(&lv->dirty, lv_name_hash(name));
    pthread_mutex_unlock(&lv->lock);
}

void lv_touch_networks(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    lv->dirty.networks = true;
    pthread_mutex_unlock(&lv->lock);
}

void lv_touch_pools(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    lv->dirty.pools = true;
    pthread_mutex_unlock(&lv->lock);
}

void lv_touch_image(struct lv *lv, const char *path)
{
    struct lv_dirty *dirty = &lv->dirty;
    pthread_mutex_lock(&lv->lock);
    if (dirty->image_count == LV_DIRTY_MAX)
        dirty->all_images = true;
    else
        dirty->images[dirty->image_count++] = lv_name_hash(path);
    dirty->pools = true;
    pthread_mutex_unlock(&lv->lock);
}

void lv_take_dirty(struct lv *lv, struct lv_dirty *ret)
{
    pthread_mutex_lock(&lv->lock);
    *ret = lv->dirty;
    lv->dirty.domain_count = lv->dirty.image_count = 0;
    lv->dirty.all_images = false;
    lv->dirty.all_domains = lv->dirty.networks = lv->dirty.pools = lv->without_events;
    lv->dirty.addresses = false;
    pthread_mutex_unlock(&lv->lock);
}

void lv_wait_event(struct lv *lv, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms * HM_MS;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&lv->lock);
    pthread_cond_timedwait(&lv->changed, &lv->lock, &until);
    pthread_mutex_unlock(&lv->lock);
}

/* -- Callbacks: event thread ------------------------------------------------------------------- */

/* Called with the lock held, so that none comes after close() has set `closing`. */
static void tell(struct lv *lv)
{
    pthread_cond_broadcast(&lv->changed);
    if (!lv->closing && lv->on_change)
        lv->on_change(lv->data);
}

static void note_domain(struct lv *lv, virDomainPtr dom)
{
    lv_touch_domain(lv, dom);
    pthread_mutex_lock(&lv->lock);
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

static void note_networks(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    lv->dirty.networks = true;
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

static void note_pools(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    lv->dirty.pools = true;
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

static void on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *data)
{
    (void)conn, (void)detail;
    if (event == VIR_DOMAIN_EVENT_STOPPED)
        lv_faults_forget(data, dom);
    note_domain(data, dom);
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri, void *data)
{
    (void)conn, (void)type, (void)uri;
    note_domain(data, dom);
}

static void on_device(virConnectPtr conn, virDomainPtr dom, const char *alias, void *data)
{
    (void)conn, (void)alias;
    note_domain(data, dom);
}

/* What stops the guest is an event of its life, too, and can be asked for. A disk that fails may do so a thousand
 * times a second: only the first one is news. */
static void on_io_error(virConnectPtr conn, virDomainPtr dom, const char *path, const char *alias,
                        int action, const char *reason, void *data)
{
    (void)conn, (void)alias, (void)reason;
    if (action != VIR_DOMAIN_EVENT_IO_ERROR_PAUSE && lv_fault_note(data, dom, path))
        note_domain(data, dom);
}

static void on_network(virConnectPtr conn, virNetworkPtr net, int event, int detail, void *data)
{
    (void)conn, (void)net, (void)event, (void)detail;
    note_networks(data);
}

static void on_pool(virConnectPtr conn, virStoragePoolPtr pool, int event, int detail, void *data)
{
    (void)conn, (void)pool, (void)event, (void)detail;
    note_pools(data);
}

static void on_pool_refresh(virConnectPtr conn, virStoragePoolPtr pool, void *data)
{
    (void)conn, (void)pool;
    note_pools(data);
}

static void on_closed(virConnectPtr conn, int reason, void *data)
{
    (void)conn, (void)reason;
    struct lv *lv = data;
    pthread_mutex_lock(&lv->lock);
    lv->lost = true;
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

/* States are asked for at each look; nothing else went stale. */
static void on_second_look(int timer, void *data)
{
    struct lv *lv = data;
    virEventRemoveTimeout(timer);
    pthread_mutex_lock(&lv->lock);
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

static void on_address_timer(int timer, void *data)
{
    struct lv *lv = data;
    virEventRemoveTimeout(timer);
    pthread_mutex_lock(&lv->lock);
    lv->looking = false;
    lv->dirty.addresses = true;
    tell(lv);
    pthread_mutex_unlock(&lv->lock);
}

static void drop_ref(void *data)
{
    lv_unref(data);
}

/* -- Registration ------------------------------------------------------------------------------ */

static int watch_domains(struct lv *lv, int event, virConnectDomainEventGenericCallback callback)
{
    lv_ref(lv);
    int id = virConnectDomainEventRegisterAny(lv->conn, NULL, event, callback, lv, drop_ref);
    if (id < 0)
        lv_unref(lv);
    return id;
}

static int watch_networks(struct lv *lv)
{
    lv_ref(lv);
    int id =
        virConnectNetworkEventRegisterAny(lv->conn, NULL, VIR_NETWORK_EVENT_ID_LIFECYCLE,
                                          VIR_NETWORK_EVENT_CALLBACK(on_network), lv, drop_ref);
    if (id < 0)
        lv_unref(lv);
    return id;
}

static int watch_pools(struct lv *lv, int event, virConnectStoragePoolEventGenericCallback callback)
{
    lv_ref(lv);
    int id = virConnectStoragePoolEventRegisterAny(lv->conn, NULL, event, callback, lv, drop_ref);
    if (id < 0)
        lv_unref(lv);
    return id;
}

/* Not every backend has it; a failing call tells too. The test driver says yes, does nothing and never
 * lets go of the callback. */
static void watch_connection(struct lv *lv)
{
    if (!lv->is_qemu)
        return;
    lv_ref(lv);
    if (virConnectRegisterCloseCallback(lv->conn, on_closed, lv, drop_ref) < 0)
        lv_unref(lv);
}

static void ask_for_second_look(struct lv *lv)
{
    lv_ref(lv);
    if (virEventAddTimeout(SECOND_LOOK_MS, on_second_look, lv, drop_ref) < 0)
        lv_unref(lv);
}

void lv_look_later(struct lv *lv, int ms)
{
    pthread_mutex_lock(&lv->lock);
    bool is_set = lv->looking;
    lv->looking = true;
    pthread_mutex_unlock(&lv->lock);
    if (is_set)
        return;
    lv_ref(lv);
    if (virEventAddTimeout(ms, on_address_timer, lv, drop_ref) < 0)
        lv_unref(lv);
}

void lv_watch(struct lv *lv)
{
    if (lv->watching)
        return;
    lv->watching = true;
    int *id = lv->domain_events;
    id[0] =
        watch_domains(lv, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
    id[1] = watch_domains(lv, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                          VIR_DOMAIN_EVENT_CALLBACK(on_metadata));
    id[2] =
        watch_domains(lv, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device));
    id[3] =
        watch_domains(lv, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device));
    id[4] = watch_domains(lv, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                          VIR_DOMAIN_EVENT_CALLBACK(on_io_error));
    lv->network_events = watch_networks(lv);
    lv->pool_events = watch_pools(lv, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                  VIR_STORAGE_POOL_EVENT_CALLBACK(on_pool));
    lv->pool_refresh_events = watch_pools(lv, VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                          VIR_STORAGE_POOL_EVENT_CALLBACK(on_pool_refresh));
    lv->without_events = id[0] < 0;
    watch_connection(lv);
    if (lv->is_qemu)
        ask_for_second_look(lv);
}

void lv_unwatch(struct lv *lv)
{
    pthread_mutex_lock(&lv->lock);
    lv->closing = true;
    pthread_mutex_unlock(&lv->lock);
    if (!lv->watching)
        return;
    for (size_t i = 0; i < LV_DOMAIN_EVENTS; i++)
        if (lv->domain_events[i] >= 0)
            virConnectDomainEventDeregisterAny(lv->conn, lv->domain_events[i]);
    if (lv->network_events >= 0)
        virConnectNetworkEventDeregisterAny(lv->conn, lv->network_events);
    if (lv->pool_events >= 0)
        virConnectStoragePoolEventDeregisterAny(lv->conn, lv->pool_events);
    if (lv->pool_refresh_events >= 0)
        virConnectStoragePoolEventDeregisterAny(lv->conn, lv->pool_refresh_events);
    virConnectUnregisterCloseCallback(lv->conn, on_closed);
}
