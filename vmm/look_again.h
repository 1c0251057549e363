/*
 * When to look again at what could not be looked into: after 10 s, and then after twice the time before, 5 min at
 * most. Pure: times are BOOTTIME, in ns.
 */
#ifndef HM_VMM_LOOK_AGAIN_H
#define HM_VMM_LOOK_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

struct look_again {
    int64_t at_ns, wait_ns; /* zeroed: nothing failed */
};

bool look_again_is_due(const struct look_again *again, int64_t now_ns);
/* After each look, also one for another reason: that does not put the next one off. */
void look_again_note(struct look_again *again, bool failed, int64_t now_ns);

#endif
