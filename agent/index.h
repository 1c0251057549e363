/*
 * A hash index from a pair of texts (kind, name) to a pointer. The keys are borrowed: they must
 * outlive the index. Built anew for each pass, so there is no removal. Thread: one at a time.
 */
#ifndef HM_AGENT_INDEX_H
#define HM_AGENT_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_slot {
    const char *kind, *name;
    void *value;
    uint32_t hash;
};
struct index {
    struct index_slot *slots;
    size_t size; /* a power of two */
    size_t count;
};

void index_init(struct index *index, size_t expected);
void index_free(struct index *index);
/* An equal key that is there already is replaced; the old value is returned (else NULL). */
void *index_put(struct index *index, const char *kind, const char *name, void *value);
void *index_get(const struct index *index, const char *kind, const char *name);

#endif
