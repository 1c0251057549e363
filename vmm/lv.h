/*
 * Inside the libvirt driver: one instance, its connection, and what its files share.
 *
 * Verbs use only the connection (libvirt's is thread-safe) and lv_touch(); the caches belong to
 * lv_observe(). Event callbacks come from the event thread, note what changed under `lock`, and
 * call on_change. An instance lives until close() and the last callback registration are gone
 * (refs).
 */
#ifndef HM_VMM_LV_H
#define HM_VMM_LV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "base/error.h"
#include "vmm/domain_xml.h"
#include "vmm/driver.h"
#include "vmm/network_xml.h"

struct lv_cache;

enum { LV_UUID_MAX = VIR_UUID_STRING_BUFLEN, LV_DIRTY_MAX = 1024 };

/* What changed since the last look. Too many domains to remember: all of them. */
struct lv_dirty {
    uint64_t domains[LV_DIRTY_MAX]; /* lv_name_hash() */
    size_t domain_count;
    uint64_t images[LV_DIRTY_MAX]; /* lv_name_hash() of the path */
    size_t image_count;
    bool all_domains, all_images, networks, pools;
    bool addresses; /* time to look for those that were missing */
};

enum { LV_DOMAIN_EVENTS = 5 };

/* A guest was told that one of its disks failed (lv_fault.c). */
struct lv_fault {
    uint64_t domain; /* lv_name_hash() */
    char *path;
    int64_t at_ms; /* wall clock */
};

struct lv {
    atomic_uint refs;
    virConnectPtr conn;
    char *uri, *image_dir, *site;
    char *image_ca; /* for downloads; NULL: the system's */
    int64_t image_stall_ms;
    bool is_qemu;  /* real files and processes stand behind it */
    bool is_local; /* and they are on this host */
    char *arch;
    char *domain_type;  /* kvm, qemu, test */
    char *accel_reason; /* why that one, in words */
    char *runtime_dir;  /* not NULL: the end of a trial there would tell more about that */

    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* an event came */
    struct lv_dirty dirty;
    struct lv_fault *faults;
    size_t fault_count;
    bool looking;        /* a timer for missing addresses runs */
    bool lost;           /* the connection is gone */
    bool closing;        /* no more on_change */
    unsigned unanswered; /* questions that a kill gave up waiting for, and that are still open */
    void (*on_change)(void *data);
    void *data;

    int domain_events[LV_DOMAIN_EVENTS]; /* registrations; -1: none */
    int network_events, pool_events, pool_refresh_events;
    bool watching;       /* registrations were made */
    bool without_events; /* the backend has none: everything is always dirty */

    atomic_bool observes;   /* lv_observe() was called: not the fence's instance */
    struct lv_cache *cache; /* of lv_observe(); NULL before the first */
};

/* Instances (lv_open.c). */
int lv_open(const struct driver_options *options, struct lv **ret, struct hm_error *err);
void lv_close(struct lv *lv);
void lv_ref(struct lv *lv);
void lv_unref(struct lv *lv);

/* Events (lv_event.c). lv_setup() is called before anything else of libvirt, from any thread. */
void lv_setup(void);
void lv_watch(struct lv *lv); /* register for events; a second time does nothing */
void lv_unwatch(struct lv *lv);
void lv_touch_domain(struct lv *lv, virDomainPtr dom); /* we changed it: read it again */
void lv_touch_networks(struct lv *lv);
void lv_touch_pools(struct lv *lv);
void lv_touch_image(struct lv *lv, const char *path); /* what it holds or is: look into it again */
/* Once, after that time: look for missing addresses, and on_change. A second call before it is void. */
void lv_look_later(struct lv *lv, int ms);
void lv_take_dirty(struct lv *lv, struct lv_dirty *ret); /* and leave it clean */
void lv_wait_event(struct lv *lv, int64_t ms);           /* at most so long */

/* Errors (lv_error.c): libvirt's last error of this thread as ours, after "context: ". No call of
 * libvirt may come between, not even virDomainGetName(): each forgets the error before. */
int lv_fail(struct lv *lv, struct hm_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int lv_connect_failed(const char *uri, struct hm_error *err); /* virConnectOpen() gave NULL */
bool lv_last_is(int libvirt_code);                            /* VIR_ERR_... */
/* The thing of the order is not there: HM_E_VM_NOT_FOUND, HM_E_NETWORK_NOT_FOUND, HM_E_NOT_FOUND. */
int lv_fail_absent(const struct order *o, struct hm_error *err);
/* A call failed with `why`, which does not matter if what was wanted is so (`settled`). */
int lv_fail_unless(bool settled, const struct hm_error *why, struct hm_error *err);
int lv_check_alive(struct lv *lv, struct hm_error *err);

/* Autocleanup for libvirt's objects. */
void lv_domain_free(virDomainPtr *dom);
void lv_network_free(virNetworkPtr *net);
void lv_pool_free(virStoragePoolPtr *pool);
void lv_volume_free(virStorageVolPtr *vol);
#define LV_DOMAIN  __attribute__((cleanup(lv_domain_free))) virDomainPtr
#define LV_NETWORK __attribute__((cleanup(lv_network_free))) virNetworkPtr
#define LV_POOL    __attribute__((cleanup(lv_pool_free))) virStoragePoolPtr
#define LV_VOLUME  __attribute__((cleanup(lv_volume_free))) virStorageVolPtr

/* Observation (lv_observe.c, lv_cache.c, lv_observe_storage.c). */
int lv_observe(struct lv *lv, struct things *ret, struct hm_error *err);
void lv_cache_free(struct lv_cache *cache);
uint64_t lv_name_hash(const char *name);

/* Pools and volumes (lv_pool.c, lv_volume.c). */
struct lv_place {
    virStoragePoolPtr pool;
    char *name, *dir;
};
/* The pool, active; `default` is made on image_dir when missing. */
int lv_pool_open(struct lv *lv, const char *name, struct lv_place *ret, struct hm_error *err);
void lv_place_clear(struct lv_place *place);

/*
 * Processes (lv_process.c): which QEMU runs which guest, by one walk through /proc. libvirt's API gives
 * no pid, and its pid file may be in a namespace of its own; the UUID on QEMU's command line is the
 * guest's own and never recycled. Empty where the processes are not on this host.
 */
struct lv_process {
    char uuid[LV_UUID_MAX];
    int pid;
};
struct lv_processes {
    struct lv_process *items;
    size_t count;
    bool is_read;
};
void lv_processes_read(const struct lv *lv, struct lv_processes *ret);
void lv_processes_clear(struct lv_processes *list);
int lv_processes_find(const struct lv_processes *list, const char *uuid); /* its pid, or 0 */
/*
 * SIGKILL to the process of this host that carries the UUID, through a pidfd (pidfd_open(2)). 1: it was
 * seen ended; 0: nothing was done, because none, or more than one, is to be seen from here (a pid
 * namespace of its own) or it may not be signalled; HM_E_TIMEOUT: it is still there after wait_ms.
 */
int lv_process_kill(const char *uuid, int64_t wait_ms, struct hm_error *err);

/* Verbs by kind (lv_vm.c, lv_network.c, lv_disk.c); see vmm/driver.h. */
typedef int (*lv_verb)(struct lv *lv, const struct order *o, struct hm_error *err);
struct lv_kind {
    const char *name;
#define LV_VERB_MEMBER(verb) lv_verb verb; /* NULL: this kind has no such verb */
    DRIVER_VERBS(LV_VERB_MEMBER)
#undef LV_VERB_MEMBER
};
extern const struct lv_kind lv_vm_kind, lv_network_kind, lv_disk_kind;

struct vm_stats_list;
int lv_stats(struct lv *lv, struct vm_stats_list *ret, struct hm_error *err); /* lv_stats.c */

/* What can be asked of it beside the verbs (lv_operation.c). */
extern const struct driver_operation lv_operations[];

/* Its definition, or what is active now. */
int lv_read_network(struct lv *lv, virNetworkPtr net, bool definition, struct network_info *ret,
                    struct hm_error *err);

/* A running guest that has this file as a disk (lv_disk_use.c). */
struct lv_disk_use {
    virDomainPtr dom;
    char *vm;     /* its name */
    char *target; /* of the disk: vda */
    char *alias;  /* what QEMU calls it: virtio-disk0 */
    bool ours;    /* it carries this site's mark */
};
/* 1: there is one; 0: none. *ret is to be cleared in every case. */
int lv_disk_running_user(struct lv *lv, const char *path, struct lv_disk_use *ret,
                         struct hm_error *err);
void lv_disk_use_clear(struct lv_disk_use *use);
/* HM_E_CONFLICT if the VM is not ours. */
int lv_disk_check_ours(const struct lv_disk_use *use, const char *what, struct hm_error *err);
/* The guest sees the new size at once. HM_E_CONFLICT if the VM is not ours. */
int lv_disk_grow_live(struct lv *lv, const struct lv_disk_use *use, const char *volume,
                      int64_t bytes, struct hm_error *err);

/* The files behind a VM's disks: volumes made where the VM makes them, found where they are
 * documents of their own. Fills in path and format of each. */
int lv_disks_prepare(struct lv *lv, const struct order *o, struct vm_disks *disks,
                     struct hm_error *err);
/* The file in a CD-ROM drive, or the seed of cloud-init (lv_cdrom.c): brought, found, or made.
 * HM_E_IN_PROGRESS: it is being downloaded. */
int lv_cdrom_prepare(struct lv *lv, const struct order *vm, struct vm_disk *d,
                     struct hm_error *err);
/* The images of the VM's drives by URL are kept from before they come; what the VM had before, only until it
 * is defined anew. Nothing of it is kept, and its seed is removed, before it is undefined. */
int lv_cdroms_keep(struct lv *lv, const struct order *vm, bool and_before, struct hm_error *err);
int lv_cdroms_forget(struct lv *lv, const struct order *vm, struct hm_error *err);
/* Remove the volumes that the VM made and that say `ephemeral`. */
int lv_disks_remove_ephemeral(struct lv *lv, const struct order *o, const json_t *spec,
                              struct hm_error *err);

#endif
