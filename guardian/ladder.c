#include "guardian/ladder.h"

#include <string.h>

#include "guardian/clock.h"

#define LOOK_FIRST (2 * MS)
#define LOOK_CLIMB (20 * MS)
#define LOOK_OFTEN (100 * MS)
#define LOOK_RARE  (1 * SEC)
#define OFTEN_FOR  (30 * SEC)
#define STOOD      (20 * MS)  /* a call so late means that the host stood still */
#define MORE_TIME  (100 * MS) /* for a rung, then */

void ladder_rest(struct ladder *l)
{
    memset(l, 0, sizeof *l);
}

void ladder_begin(struct ladder *l, const struct guard_plan *plan, int64_t fence_limit_ns,
                  int64_t now_ns)
{
    memset(l, 0, sizeof *l);
    for (unsigned rung = GUARD_RUNG_KILL; rung <= GUARD_RUNG_WATCHDOG; rung++) {
        l->has[rung] = plan_has(plan, (enum guard_rung)rung);
        l->limit_ns[rung] = plan_limit_ns(plan, (enum guard_rung)rung, fence_limit_ns);
    }
    l->mode = LADDER_CLIMBING;
    l->rung = GUARD_RUNG_KILL;
    l->begun_ns = l->rung_ns = now_ns;
}

static void end_verified(struct ladder *l, enum guard_rung rung)
{
    l->mode = LADDER_ENDED;
    l->rung = rung;
    l->verified = true;
}

static void climb(struct ladder *l, int64_t now_ns)
{
    unsigned next = l->rung + 1;
    while (next <= GUARD_RUNG_WATCHDOG && !l->has[next])
        next++;
    if (next > GUARD_RUNG_WATCHDOG) {
        l->mode = LADDER_ENDED;
        return;
    }
    l->rung = (enum guard_rung)next;
    l->rung_ns = now_ns;
    l->extended = false;
}

/* Everything gone is the best end there is, also when it comes late. */
void ladder_looked(struct ladder *l, unsigned left)
{
    l->killed = left == 0;
    if (l->killed && l->mode != LADDER_REST && !l->verified)
        end_verified(l, GUARD_RUNG_KILL);
}

void ladder_worked(struct ladder *l, enum guard_rung rung)
{
    if (l->mode == LADDER_CLIMBING && l->rung == rung)
        end_verified(l, rung);
}

void ladder_failed(struct ladder *l, enum guard_rung rung, int64_t now_ns)
{
    if (l->mode == LADDER_CLIMBING && l->rung == rung)
        climb(l, now_ns);
}

void ladder_tick(struct ladder *l, int64_t now_ns)
{
    int64_t due = ladder_due_ns(l);
    if (now_ns < due)
        return;
    if (now_ns - due > STOOD && !l->extended) {
        l->extended = true;
        l->rung_ns = now_ns + MORE_TIME - l->limit_ns[l->rung];
        return;
    }
    climb(l, now_ns);
}

int64_t ladder_due_ns(const struct ladder *l)
{
    if (l->mode != LADDER_CLIMBING)
        return GUARD_NEVER;
    return clock_later(l->rung_ns, l->limit_ns[l->rung]);
}

int64_t ladder_next_look_ns(const struct ladder *l, int64_t looked_ns)
{
    int64_t age = looked_ns - l->begun_ns;
    if (age > OFTEN_FOR)
        return looked_ns + LOOK_RARE;
    if (l->killed || l->mode != LADDER_CLIMBING)
        return looked_ns + LOOK_OFTEN;
    if (age / 8 > LOOK_CLIMB)
        return looked_ns + LOOK_CLIMB;
    return looked_ns + (age / 8 > LOOK_FIRST ? age / 8 : LOOK_FIRST);
}
