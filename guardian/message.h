/*
 * Messages of the agent as they come off the socket: is this one, and which. Pure; nothing is copied.
 * Thread: any.
 */
#ifndef HM_GUARDIAN_MESSAGE_H
#define HM_GUARDIAN_MESSAGE_H

#include <stddef.h>

#include "guardian/plan.h"
#include "guardian/protocol.h"

/* A buffer for one packet. */
union message {
    struct guard_header header;
    struct guard_hello hello;
    struct guard_plan plan;
    struct guard_set set;
    unsigned char bytes[GUARD_MESSAGE_MAX];
};

_Static_assert(_Alignof(union message) == 8, "entries of a plan lie at multiples of 8");

/* GUARD_OK: header.type says what `size` bytes are, and all of its values are in range. Otherwise `why`
 * is a sentence about it. */
enum guard_error message_check(const union message *m, size_t size, char why[PLAN_TEXT_MAX]);

/* Is it for the guardian of this site and group? */
enum guard_error message_hello(const struct guard_hello *hello, const char *site, const char *group,
                               char why[PLAN_TEXT_MAX]);

/* A name as sites and groups have: 1 to GUARD_NAME_MAX of A-Z a-z 0-9 . _ -, not beginning with '.'. */
bool message_is_name(const char *name);

#endif
