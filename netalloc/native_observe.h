/*
 * Inside the native driver: what is there, as things. The last list is kept, so that what has not changed
 * is given out as the same shared copy (vmm/thing.h). Thread: one at a time.
 */
#ifndef HM_NETALLOC_NATIVE_OBSERVE_H
#define HM_NETALLOC_NATIVE_OBSERVE_H

#include "netalloc/native_work.h"
#include "vmm/thing.h"

struct native_cache {
    struct thing_shared **items;
    size_t count;
};

int native_observe(const struct native *n, struct native_cache *cache, struct things *ret,
                   struct hm_error *err);
void native_cache_clear(struct native_cache *cache);

#endif
