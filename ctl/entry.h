/*
 * Entries of a bucket, held in memory: what session.h reads and the views render. One thread at a
 * time.
 */
#ifndef HM_CTL_ENTRY_H
#define HM_CTL_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct entry {
    char *key;
    char *value; /* NUL-terminated as well; "" when deleted */
    size_t len;
    uint64_t revision;
    int64_t stamp_ns; /* the server's wall clock */
    bool deleted;
};

struct entries {
    struct entry *items;
    size_t count;
};

/* Append a copy. */
void entries_add(struct entries *list, const struct entry *entry);
/* Sort by key, and keep only the highest revision of each. */
void entries_keep_last(struct entries *list);
/* The entry of this key, deleted or not; NULL: none. Borrowed. Only after entries_keep_last(). */
const struct entry *entries_find(const struct entries *list, const char *key);
void entry_clear(struct entry *entry);
void entries_clear(struct entries *list);
/* The value as a JSON object (a new reference), NULL when it is deleted or not one. */
json_t *entry_object(const struct entry *entry);

#endif
