/*
 * The addresses of one network: who has which. Pure: no clock; order is counted.
 *
 * An owner (alias.h: a NIC of a VM) gets the same address for as long as it is held, and after it was
 * given back until somebody else needs it. A new owner gets the lowest address that nobody ever had;
 * when there is none, the one that was given back longest ago. No address has two holders: that is
 * checked when a record is read, too. Addresses that the network reserves (host, static entries) are
 * never given to another. Numbers are in host byte order. Zeroed is an empty pool. Thread: one at a
 * time.
 */
#ifndef HM_NETALLOC_POOL_H
#define HM_NETALLOC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "netalloc/alias.h"

enum { LEASE_NAME_MAX = 63, POOL_RECORD_MAX = 16 << 20 };

struct lease {
    uint32_t address;
    uint64_t given_back; /* 0: held; else the how-many-th return it was */
    uint8_t mac[6];
    bool tap;                      /* its owner is attached by a TAP of ours */
    char name[LEASE_NAME_MAX + 1]; /* host name; empty: none */
    char owner[OWNER_MAX + 1];
};

struct pool {
    struct lease *items; /* by address */
    size_t count;
    uint64_t returns;
};

struct pool_range {
    uint32_t first, last;
    const uint32_t *reserved; /* ascending */
    size_t reserved_count;
};

struct pool_request {
    const char *owner;
    uint32_t wanted; /* 0: any */
    uint8_t mac[6];
    bool tap;
    const char *name; /* NULL: none */
};

/*
 * Hold an address; what the owner held before is kept if it fits, else given back. 1: the pool has
 * changed; 0: it holds just this already. Fails when the wanted address is another's or outside of the
 * subnet's hosts (first..last, or reserved), and when none is left.
 */
int pool_take(struct pool *pool, const struct pool_range *range, const struct pool_request *request,
              uint32_t *ret_address, struct hm_error *err);

bool pool_give_back(struct pool *pool, const char *owner); /* false: it held none */
const struct lease *pool_held_by(const struct pool *pool, const char *owner);
const struct lease *pool_at(const struct pool *pool, uint32_t address);
void pool_clear(struct pool *pool);

/* The record: JSON; the caller's to free. Reading one verifies every word of it: HM_E_INVALID. On
 * failure *ret is untouched. */
char *pool_to_text(const struct pool *pool);
int pool_from_text(const char *text, size_t len, struct pool *ret, struct hm_error *err);

#endif
