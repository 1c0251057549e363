/*
 * A plan as it came in a message: checked once, then walked.
 *
 * Nothing is copied or allocated: entries point into the message, which must be aligned to 8 and outlive
 * them. Pure. Thread: any.
 */
#ifndef HM_GUARDIAN_PLAN_H
#define HM_GUARDIAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "guardian/protocol.h"

enum { PLAN_TEXT_MAX = GUARD_PATH_MAX + 1 };

struct plan_entry {
    enum guard_entry_type type;
    unsigned words;
    const char *word[GUARD_WORDS_MAX + 1]; /* NULL after the last one: an argv */
};

struct plan_address {
    int family; /* AF_INET, AF_INET6 */
    unsigned prefix;
    unsigned char bytes[16];
};

/* `size` bytes are there, the header's size says so too. False: why, in a sentence. */
bool plan_check(const struct guard_plan *plan, size_t size, char why[PLAN_TEXT_MAX]);

/* The next entry of a plan that was checked; *at is 0 for the first one, and is moved on. */
bool plan_next(const struct guard_plan *plan, size_t *at, struct plan_entry *ret);

/* The next one of this type. */
bool plan_next_of(const struct guard_plan *plan, enum guard_entry_type type, size_t *at,
                  struct plan_entry *ret);

enum guard_rung plan_rung_of(enum guard_entry_type type);
bool plan_has(const struct guard_plan *plan, enum guard_rung rung); /* the kill: always */

/* How long this rung may take (protocol.h), ns. `fence_limit_ns` is the lease's. */
int64_t plan_limit_ns(const struct guard_plan *plan, enum guard_rung rung, int64_t fence_limit_ns);

bool plan_address_parse(const char *text, struct plan_address *ret);
size_t plan_address_size(const struct plan_address *a); /* bytes, 4 or 16 */
/* Digits only, without leading zeros, above 0. */
bool plan_number_parse(const char *text, uint64_t *ret);

/* A plan without entries, for a guardian that has none yet. */
void plan_make_empty(struct guard_plan *ret);

#endif
