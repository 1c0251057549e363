/*
 * The plan for links: what rtnetlink is asked to do so that wanted bridges and TAPs are there. Pure.
 *
 * One walk through two lists sorted by name. Only a link that carries our mark is touched: one of the
 * wanted name without it is a conflict, and so is an address that overlaps one of another link. A
 * want with a conflict has no steps; the others go on. Steps come in the order in which they can be
 * carried out: what goes, then bridges, then TAPs; carried out and planned again there is none.
 *
 * A bridge that carries no alias and the MAC address that follows from its owner (alias.h) was begun by
 * us, and is gone on with. Nothing takes over a bridge that somebody else made: it may carry the host's
 * own traffic, and would be deleted with its document.
 *
 * The steps point into the lists that they were made from. Thread: any.
 */
#ifndef HM_NETALLOC_LINK_PLAN_H
#define HM_NETALLOC_LINK_PLAN_H

#include "base/error.h"
#include "netalloc/link.h"

#define LINK_VERDICTS(X)                                                                           \
    X(FINE, "fine")                                                                                \
    X(FOREIGN, "foreign")               /* harmony did not make it */                              \
    X(OTHER_SITE, "other-site")         /* the agent of another site on this host did */           \
    X(OTHER_OWNER, "other-owner")       /* made from another document of this site */              \
    X(WRONG_KIND, "wrong-kind")         /* ours or not, it is no bridge, or no TAP */              \
    X(SUBNET_IN_USE, "subnet-in-use")   /* another link has an address in this subnet */           \
    X(SUBNET6_IN_USE, "subnet6-in-use") /* the same, of IPv6 */                                    \
    X(MASTER_MISSING, "master-missing") /* the bridge of a TAP is neither there nor wanted */

enum link_verdict {
#define LINK_VERDICT_ENUM(id, text) LINK_##id,
    LINK_VERDICTS(LINK_VERDICT_ENUM)
#undef LINK_VERDICT_ENUM
};

struct link_want {
    char name[LINK_NAME_MAX + 1];
    enum link_kind kind;
    char owner[OWNER_MAX + 1];
    char alias[ALIAS_MAX + 1];
    uint8_t mac[6];                 /* of a bridge */
    uint32_t mtu;                   /* 0: whatever it is */
    char master[LINK_NAME_MAX + 1]; /* of a TAP; empty: none */
    uint32_t address;
    unsigned prefix; /* of a bridge; 0: no address */
    uint8_t address6[16];
    unsigned prefix6; /* the same; 0: no IPv6 */
    bool gone;        /* it shall not be there */
    /* Set by the plan: */
    enum link_verdict verdict;
    const struct link *against; /* the link that it is in conflict with, or NULL */
};

enum link_verb { LINK_CREATE, LINK_SET, LINK_ADDRESS, LINK_ADDRESS6, LINK_DELETE };
enum link_attribute {
    SET_ALIAS = 1,
    SET_MTU = 2,
    SET_MASTER = 4,
    SET_UP = 8,
};

struct link_step {
    enum link_verb verb;
    unsigned attributes;          /* of LINK_SET: several of enum link_attribute */
    const struct link_want *want; /* NULL: what is swept */
    const struct link *seen;      /* NULL: not there before */
};
struct link_steps {
    struct link_step *items;
    size_t count;
};

/* `wants` is sorted by name (no two alike) and by this site; verdicts are written into it. */
void link_plan(const char *site, const struct links *seen, struct link_want *wants, size_t count,
               struct link_steps *ret);

/* TAPs with our mark that no want speaks of: leaked. Bridges are never swept: absence is not deletion.
 * What a process has open is left by who carries it out. */
void link_plan_sweep(const char *site, const struct links *seen, const struct link_want *wants,
                     size_t count, struct link_steps *ret);

void link_steps_clear(struct link_steps *steps);
void link_wants_sort(struct link_want *wants, size_t count);

/* Fails with the sentence for a verdict that is not FINE; 0 for one that is. */
int link_verdict_check(const struct link_want *want, struct hm_error *err);
const char *link_verdict_name(enum link_verdict verdict);

#endif
