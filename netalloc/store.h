/*
 * What native networks need beyond what the kernel remembers, as files: which networks are defined, and
 * who holds which address.
 *
 * STATE_DIR/native/NAME.network.json: the mark (site, key, hash, spec) and whether it shall be up, as
 * libvirt keeps it for its own networks; NAME.addresses.json: the pool. Written atomically and fsynced.
 * They are compared with what is there before anything is done. A lock makes one change at a time, also
 * among instances of the driver. Blocks: not for the loop. Thread: any.
 */
#ifndef HM_NETALLOC_STORE_H
#define HM_NETALLOC_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "netalloc/pool.h"
#include "vmm/mark.h"

struct store {
    char *dir; /* STATE_DIR/native */
};

struct definition {
    char *name;
    struct mark mark; /* spec is NULL: the file can't be understood */
    bool active;      /* it shall be up */
};
struct definitions {
    struct definition *items;
    size_t count;
};

void store_init(struct store *s, const char *state_dir);
void store_clear(struct store *s);

/* A descriptor that holds the lock until it is closed; makes the folder. */
int store_lock(const struct store *s, struct hm_error *err);

/* Sorted by name. None, when no network was ever defined. */
int store_list(const struct store *s, struct definitions *ret, struct hm_error *err);
void definition_clear(struct definition *d);
void definitions_clear(struct definitions *list);

/* 1: read; 0: there is none. One that can't be understood is read, with mark.spec NULL. */
int store_read(const struct store *s, const char *name, struct definition *ret,
               struct hm_error *err);
int store_write(const struct store *s, const struct definition *d, struct hm_error *err);
int store_remove(const struct store *s, const char *name, struct hm_error *err);

/* An absent record is an empty pool; one that can't be understood is an error: nothing is guessed. */
int store_read_pool(const struct store *s, const char *name, struct pool *ret,
                    struct hm_error *err);
int store_write_pool(const struct store *s, const char *name, const struct pool *pool,
                     struct hm_error *err);

/* Where dnsmasq keeps the leases of that network; the caller's to free. */
char *store_leases_path(const struct store *s, const char *name);

#endif
