/*
 * What is remembered between two observations, so that a pass in which nothing changed costs one
 * call.
 *
 * Domains are kept by name in an open-addressing table; an entry holds the shared thing that was
 * read from the domain's XML and whether it was running then. (By name and not by UUID: libvirt formats
 * the UUID for its debug log at every virDomainGetUUID(), which would cost as much as all the rest.) Networks and volumes are few: plain
 * lists, read anew when an event, a verb of ours or the pool's folder says that they changed.
 * Thread: one at a time (lv_observe()).
 */
#ifndef HM_VMM_LV_CACHE_H
#define HM_VMM_LV_CACHE_H

#include "vmm/console_times.h"
#include "vmm/look_again.h"
#include "vmm/lv.h"
#include "vmm/thing.h"

struct lv_entry {
    uint64_t hash;               /* lv_name_hash() */
    struct thing_shared *shared; /* NULL: must be read */
    bool active;                 /* what it was when it was read */
    bool stale;
    int64_t
        stopped_ms; /* wall clock when QEMU was seen to have stopped it after an I/O error; 0: it has not */
    bool used;           /* the slot holds an entry */
    bool waits;          /* for an address that DHCP has not given yet */
    unsigned char looks; /* how often it was looked for since the guest started */
    unsigned pass;       /* of the last observation that listed it */
    struct console_seen console;
    struct look_again images; /* of its disks, if one could not be looked into */
};

struct lv_pool_memory {
    char *name, *dir;
    int64_t changed_ns; /* the folder's mtime when it was read; 0: read it again */
};

struct lv_cache {
    struct lv_entry *slots;
    size_t size, count; /* size is a power of two */
    unsigned pass;
    struct things networks, disks;
    struct lv_processes processes; /* of the present pass, if it needed them */
    struct lv_pool_memory *pools;
    size_t pool_count;
    json_t *leases; /* {network: {mac: {mac, ip, name}}}; NULL: not read yet */
    int64_t leases_written_ns;
    struct look_again images; /* of disk documents */
    int64_t pass_began_ns,
        look_until_ns; /* BOOTTIME: no image is looked into after that, in the present pass */
};

struct lv_cache *lv_cache_new(void);
/* The entry of a name, made if missing. Valid until the next call. */
struct lv_entry *lv_cache_entry(struct lv_cache *cache, const char *name);
/* The same if it is there, else NULL. */
const struct lv_entry *lv_cache_find(const struct lv_cache *cache, const char *name);
void lv_cache_mark_stale(struct lv_cache *cache, uint64_t hash);
void lv_cache_mark_all_stale(struct lv_cache *cache);
/* Forget the entries that the present pass did not list; `listed` is how many it did. */
void lv_cache_sweep(struct lv_cache *cache, size_t listed);

/*
 * Leases (lv_lease.c): read when it is time; returns whether any changed. Guests whose address changed are
 * stale then.
 */
bool lv_observe_leases(struct lv *lv, const struct lv_dirty *dirty);
/* Those of a network as {mac, ip, name} by address, the first LV_LEASES_SHOWN: a new reference. */
enum { LV_LEASES_SHOWN = 256 };
json_t *lv_leases_of(const struct lv_cache *cache, const char *network);
/* The addresses of a running guest, into its details' networks. Returns whether one of its cards on a
 * network has none yet. */
bool lv_add_addresses(const struct lv_cache *cache, json_t *details);
/* That was so: be asked to look again, later with every look, and not for ever. */
void lv_look_for_address_later(struct lv *lv, struct lv_entry *e);

/*
 * Images (lv_image.c): what qemu-img says about one, or {"error"}; a new reference. Some milliseconds each,
 * so only of what changed or is due again (vmm/look_again.h), and only for so long in a pass: NULL when that is
 * over (another pass will follow), and where images are not files of this host.
 */
void lv_images_begin(struct lv *lv);
bool lv_images_are_files(const struct lv *lv);
json_t *lv_image_look(struct lv *lv, const char *path, const char *format);
/* The disks of a VM (NULL: it has none of ours) into its details, all of them. False: there was no time. */
bool lv_image_add_disks(struct lv *lv, const json_t *disks, json_t *details,
                        struct look_again *again);

/* Volumes (lv_observe_storage.c): the disk things into cache->disks, if anything changed. */
int lv_observe_storage(struct lv *lv, const struct lv_dirty *dirty, struct hm_error *err);

#endif
