/* Another agent with this site's id: a host that was cloned, or an agent started by hand. */
#include "failover/core.h"

/* Beats of one foreign run before it counts: those of the run before this one may be stored late. */
enum { TWIN_BEATS = 3 };

static void foreign_beat(struct fo_run *r, const struct heartbeat *record)
{
    struct fo_state *s = r->s;
    if (record->nonce != s->twin.nonce) {
        s->twin.nonce = record->nonce;
        s->twin.counter = record->counter;
        s->twin.beats = 0;
    } else if (record->counter > s->twin.counter) {
        s->twin.counter = record->counter;
        if (++s->twin.beats == TWIN_BEATS)
            fo_emit_note(r, FO_NOTE_ALARM_TWIN, (int64_t)record->counter);
    }
}

/* Written by this very run? A heartbeat under the own site by another run is taken note of. */
bool fo_is_own_beat(struct fo_run *r, const struct heartbeat *record)
{
    if (record->nonce == r->s->nonce)
        return true;
    if (hb_site_equal(&record->site, &r->s->site))
        foreign_beat(r, record);
    return false;
}
