/*
 * The virtual IPs of a failover group on this host: held or given up as a whole, announced, defended.
 *
 * Nothing is believed about what was done before: each call looks at what is there, does what is missing, and
 * looks again. Addresses without our mark are somebody else's: they are never touched, and none of ours is put
 * up beside one. What is put up is on record first (`record`), so that an address that is no longer configured
 * is still found and given up.
 *
 * Announced at once and then at growing intervals, up to a minute, for as long as they are held; and again when
 * another host claims one (RFC 5227, 2.4 (c): at most once in 10 s). Nothing is put up or announced unless
 * `may` says so at that moment: this process may have been stopped since it was told to.
 *
 * Times are ns of CLOCK_BOOTTIME. Blocks: not for the loop. Thread: one at a time.
 */
#ifndef HM_NETALLOC_VIP_SET_H
#define HM_NETALLOC_VIP_SET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "netalloc/link.h"
#include "netalloc/vip_frame.h"

struct vip_want {
    struct vip_address address;
    char link[LINK_NAME_MAX + 1];
};

/* As it was last seen. */
#define VIP_STATES(X)                                                                              \
    X(UNKNOWN, "unknown") /* not looked at yet, or it could not be */                              \
    X(DOWN, "down")       /* not here, and it could be put up */                                   \
    X(UP, "up")           /* here, by us */                                                        \
    X(FAILED, "failed")   /* `why` says what stands in the way */

enum vip_state {
#define VIP_STATE_ENUM(id, name) VIP_IS_##id,
    VIP_STATES(VIP_STATE_ENUM)
#undef VIP_STATE_ENUM
};
const char *vip_state_name(enum vip_state state);

struct vip_now {
    enum vip_state state;
    struct hm_error why;
    bool is_silent;    /* it is up, and nobody can be told: the interface has no carrier */
    bool is_contested; /* another host claimed it within the last minute */
    uint64_t announced, claims, defended;
    struct vip_claim last; /* claim */
};

struct vip_set;

struct vip_set_options {
    const struct vip_want *wants; /* copied */
    size_t count;
    const char *record; /* path; copied */
    bool (*may)(void *data);
    void *data;
};

/* Reads the record. */
int vip_set_new(const struct vip_set_options *options, struct vip_set **ret, struct hm_error *err);
/* What is held stays. NULL is allowed. */
void vip_set_free(struct vip_set *s);

/* All of them are here by us. On failure some may be: the first that is not is named. */
int vip_set_hold(struct vip_set *s, int64_t now, struct hm_error *err);
/* None of them, nor of those on record, is here by us. */
int vip_set_give_up(struct vip_set *s, struct hm_error *err);
/* Only look: could they be put up? */
void vip_set_look(struct vip_set *s);

/* What is due, and what was heard: while they are held. */
void vip_set_attend(struct vip_set *s, int64_t now);
int64_t vip_set_due_ns(const struct vip_set *s); /* INT64_MAX: nothing is */
/* Room for `count` of the wants; returns how many. */
nfds_t vip_set_poll(const struct vip_set *s, int64_t now, struct pollfd *out);

struct vip_now vip_set_now(const struct vip_set *s, size_t i);
/* Has the record any that is not wanted? */
bool vip_set_has_leftovers(const struct vip_set *s);

#endif
