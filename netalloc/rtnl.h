/*
 * A socket of rtnetlink (libmnl): one question at a time, its answers to the last.
 *
 * Nothing is waited for longer than 5 s; what is left of a question that was given up is thrown away. Fails
 * with -1 and errno; EINTR from a dump: it changed while it was read. Blocks: not for the loop.
 * Thread: one at a time. Source: rtnetlink(7).
 */
#ifndef HM_NETALLOC_RTNL_H
#define HM_NETALLOC_RTNL_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "base/error.h"

enum {
    RTNL_REQUEST_MAX = 2048,
    RTNL_DUMP_TRIES = 20, /* of one that changes while it is read */
};

struct rtnl;

/* HM_E_UNSUPPORTED: this host gives no such socket. */
int rtnl_open(struct rtnl **ret, struct hm_error *err);
void rtnl_close(struct rtnl *r); /* NULL is allowed */

/* What is made of an answer's messages. False: it can't be understood, errno EPROTO. */
struct rtnl_answer {
    bool (*read)(const struct nlmsghdr *message,
                 void *into); /* NULL: only the end is of interest */
    void *into;
    char words[256]; /* the kernel's, of an error: " (...)" */
};

/* `message` lies in a buffer of RTNL_REQUEST_MAX; its sequence is set here. */
int rtnl_ask(struct rtnl *r, struct nlmsghdr *message, struct rtnl_answer *answer);
int rtnl_dump(struct rtnl *r, uint16_t type, unsigned char family, struct rtnl_answer *answer);
/* Ask for a change; a failure leaves its errno, too. `what` and `name` are for the sentence: "give an address to", "eth0". */
int rtnl_change(struct rtnl *r, struct nlmsghdr *message, const char *name, const char *what,
                struct hm_error *err);

#endif
