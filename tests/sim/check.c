/* The invariants of docs/failover section 2, checked as things happen. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

void violate(struct sim *w, enum sim_invariant which, const char *fmt, ...)
{
    bool judged = !w->loss.voided || which == SIM_I12 || which == SIM_BROKEN;
    if (w->violated != SIM_NONE || !judged)
        return;
    w->violated = which;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->what, sizeof(w->what), fmt, args);
    va_end(args);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const char *name_of(const struct sim *w, unsigned site)
{
    return w->configs[0].sites[site].text;
}

/* -- what is stored: I2, I3, I10, I11 ----------------------------------------------------------- */

/* The first record of an epoch: its holder was named by an operator, or retakes what it was named for. */
static bool is_chosen(const struct sim *w, const struct item *before, const struct item *m)
{
    if (m->hb.reason == HB_REASON_FORCED || !before || before->hb.epoch >= SIM_EPOCHS)
        return m->hb.reason == HB_REASON_FORCED;
    if (before->hb.status == HB_RELEASED)
        return before->hb.reason == HB_REASON_SWITCHOVER &&
               m->hb.reason ==
                   HB_REASON_RELEASED_TO && /* else it could not read that it was named */
               hb_site_equal(&before->hb.next, &m->hb.site);
    return m->hb.reason == HB_REASON_RETAKE && w->holders[before->hb.epoch].chosen &&
           w->holders[before->hb.epoch].generation == before->hb.generation;
}

static void check_epoch(struct sim *w, const struct item *before, const struct item *m)
{
    uint64_t epoch = m->hb.epoch;
    if (epoch >= SIM_EPOCHS) {
        violate(w, SIM_BROKEN, "epoch %llu", (unsigned long long)epoch);
        return;
    }
    if (before && hb_era_compare(hb_era_of(&m->hb), hb_era_of(&before->hb)) < 0)
        violate(w, SIM_I2, "epoch %llu after %llu", (unsigned long long)epoch,
                (unsigned long long)before->hb.epoch);
    bool same_era = w->holders[epoch].generation == m->hb.generation;
    if (same_era && w->holders[epoch].nonce != 0 && w->holders[epoch].nonce != m->hb.nonce)
        violate(w, SIM_I2, "epoch %llu has two holders", (unsigned long long)epoch);
    if (!same_era || w->holders[epoch].nonce == 0)
        w->holders[epoch].chosen = is_chosen(w, before, m);
    if (m->hb.status != HB_RELEASED && before && before->hb.status == HB_RELEASED &&
        epoch == before->hb.epoch)
        violate(w, SIM_I2, "epoch %llu goes on after its release", (unsigned long long)epoch);
    w->holders[epoch].nonce = m->hb.nonce;
    w->holders[epoch].generation = m->hb.generation;
}

/* "If `next` has not taken it in 3T, any eligible site may" (section 3), by the taker's clock and T. */
static bool may_take_release(const struct sim *w, const struct item *before, const struct item *m)
{
    const struct hb_site *next = &before->hb.next;
    if (m->hb.reason == HB_REASON_RELEASED_TO)
        return hb_site_equal(next, &m->hb.site);
    if (m->hb.reason != HB_REASON_RELEASED_OPEN)
        return false;
    if (!hb_site_is_set(next))
        return true;
    int64_t waited = w->now - before->stored_at;
    return waited >= 3 * m->hb.interval_ms * SIM_MS * 999 / 1000;
}

static bool cause_is_true(const struct sim *w, const struct item *before, const struct item *m)
{
    if (m->hb.reason == HB_REASON_FORCED)
        return w->sites[m->site].forced || w->sites[m->site].run != m->run;
    if (before->hb.status == HB_RELEASED)
        return may_take_release(w, before, m);
    bool own = hb_site_equal(&before->hb.site, &m->hb.site);
    bool same_run = before->hb.nonce == m->hb.nonce;
    if (m->hb.reason == HB_REASON_STALE) /* what its marks don't know might be another agent's */
        return !own || !same_run;
    return own && m->hb.reason == HB_REASON_RETAKE;
}

static void check_cause(struct sim *w, const struct item *before, const struct item *m)
{
    bool release = m->hb.status == HB_RELEASED;
    if (release && m->hb.reason == HB_REASON_NONE)
        violate(w, SIM_I10, "a release without a reason");
    if (release || hb_era_compare(hb_era_of(&m->hb), hb_era_of(&before->hb)) == 0)
        return;
    bool unreadable = m->hb.reason == HB_REASON_STALE && m->unread;
    if (!unreadable && !cause_is_true(w, before, m))
        violate(w, SIM_I10, "epoch %llu of %s: \"%s\" is not so", (unsigned long long)m->hb.epoch,
                m->hb.site.text, hb_reason_text(m->hb.reason));
}

static bool is_up(const struct sim *w, const struct hb_site *site)
{
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (hb_site_equal(&w->configs[0].sites[i], site))
            return w->sites[i].up;
    return false;
}

/* Among healthy sites the one that is named takes a release as soon as it hears of it: healthy is who has had
 * its successes (SUCCESSES_FIRST), at the interval in force, since the faults stopped. */
static void check_handover(struct sim *w, const struct item *before, const struct item *m)
{
    bool taken = before->hb.status == HB_RELEASED && m->hb.status != HB_RELEASED;
    int64_t successes = w->configs[w->config_count - 1].success_threshold;
    int64_t settles = (4 + successes) * m->hb.interval_ms * SIM_MS;
    bool calm = w->healed && before->stored_at > w->healed_at + settles &&
                w->shape.rtt < w->shape.period / 8;
    int64_t most = 2 * m->hb.interval_ms * SIM_MS + 2 * w->shape.rtt;
    if (taken && calm && is_up(w, &before->hb.next) && w->now - before->stored_at > most)
        violate(w, SIM_I6, "%s took the role %lld ms after it was released", m->hb.site.text,
                (long long)((w->now - before->stored_at) / SIM_MS));
}

/* A write that was stuck is a fault for as long as it is. */
void check_late(struct sim *w, const struct item *m)
{
    const struct site *s = &w->sites[m->site];
    bool stuck = w->now - m->sent_at > w->shape.period || !s->up || s->run != m->run;
    if (!w->healed || w->served_after != 0)
        return;
    if (stuck)
        check_healed(w);
    else if (w->now - w->healed_at <= w->shape.period) /* by a configuration of before, still */
        w->healed_promise_ms = max64(w->healed_promise_ms, m->hb.expires_in_ms);
}

/* An operator's record is a release of whoever has led. */
static void check_repair(struct sim *w)
{
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].serving && !w->sites[i].excused && !w->sites[i].frozen)
            violate(w, SIM_I11, "repaired while %s serves", name_of(w, i));
}

/* Its own run's, and written before it: one that was stuck is not ahead of what its writer did since. */
static bool is_own_earlier(const struct item *before, const struct item *m)
{
    return before->hb.nonce == m->hb.nonce && before->hb.counter <= m->hb.counter;
}

void check_stored(struct sim *w, const struct item *before, const struct item *m)
{
    const struct site *s = &w->sites[m->site];
    bool unseen = before && before->revision > m->seen_revision;
    bool knows = before && (before->serial <= m->seen_serial || is_own_earlier(before, m));
    if (before && before->revision <= w->loss.top && (unseen || !knows))
        w->loss.voided = true; /* an old write that fits, because its number is used again */
    check_epoch(w, before, m);
    if (unseen)
        violate(w, SIM_I3, "revision %llu by %s, which had not seen %llu",
                (unsigned long long)m->revision, name_of(w, m->site),
                (unsigned long long)before->revision);
    if (m->by_operator) {
        if (m->hb.reason == HB_REASON_OPERATOR)
            check_repair(w);
        return;
    }
    if (before) {
        check_cause(w, before, m);
        check_handover(w, before, m);
    }
    if (m->hb.status == HB_RELEASED && s->serving && s->serving_epoch <= m->hb.epoch)
        violate(w, SIM_I11, "%s released epoch %llu and serves %llu", name_of(w, m->site),
                (unsigned long long)m->hb.epoch, (unsigned long long)s->serving_epoch);
}

/* -- what is sent: I9, I10, I13 ------------------------------------------------------------------ */

static void check_claim(struct sim *w, unsigned site)
{
    const struct site *s = &w->sites[site];
    enum hb_reason reason = s->core.lease.reason;
    if (s->core.config.paused && reason != HB_REASON_FORCED)
        violate(w, SIM_I9, "%s claims under a pause", name_of(w, site));
    if (s->core.barred && reason != HB_REASON_FORCED && reason != HB_REASON_RETAKE)
        violate(w, SIM_I10, "%s claims, and is barred by nofailover", name_of(w, site));
    if (s->has_probe && s->fit_since == 0)
        violate(w, SIM_I10, "%s claims and is not fit", name_of(w, site));
    if (!s->told_guardian)
        violate(w, SIM_I10, "%s claims without a guardian", name_of(w, site));
    const struct cluster_config *c = &s->core.config;
    int64_t least = c->success_threshold * c->heartbeat_interval_ms * SIM_MS * 999 / 1000;
    if (s->ended_at != 0 && w->now - s->ended_at < least)
        violate(w, SIM_I13, "%s claims again after %lld ms", name_of(w, site),
                (long long)((w->now - s->ended_at) / SIM_MS));
}

/* Whom the role is given to by name has been heard within 2T. */
static void check_heard(struct sim *w, unsigned site, const struct hb_site *next)
{
    int64_t slowest = 2 * w->shape.period; /* T that any site may still use */
    int64_t window = 2 * slowest * 1001 / 1000;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        int64_t silent = w->now - w->sites[site].peer_heard[i];
        if (hb_site_equal(&w->configs[0].sites[i], next) && silent > window)
            violate(w, SIM_I13, "%s hands over to %s, not heard for %lld ms", name_of(w, site),
                    name_of(w, i), (long long)(silent / SIM_MS));
    }
}

static void check_release(struct sim *w, unsigned site, const struct heartbeat *hb)
{
    if (hb->reason == HB_REASON_YIELD || hb->reason == HB_REASON_SWITCHOVER)
        check_heard(w, site, &hb->next);
}

void check_send(struct sim *w, unsigned site, const struct fo_effect *e)
{
    const struct heartbeat *hb = e->send.record;
    if (e->send.key != FO_KEY_LEASE || e->send.send != 1)
        return;
    if (w->sites[site].core.lease.held)
        fault_at_send(w, site);
    if (hb->status == HB_RELEASED) {
        check_release(w, site, hb);
    } else if (w->sites[site].core.role == HB_ROLE_CLAIMING && !w->sites[site].core.lease.held) {
        w->stats->claims++;
        check_claim(w, site);
        fault_at_claim(w, site);
    }
}

/* Late records say nothing about the present. */
void check_heard_preferred(struct sim *w, unsigned site, const struct item *m)
{
    struct site *s = &w->sites[site];
    bool newer = m->run > s->preferred.run ||
                 (m->run == s->preferred.run && m->hb.counter > s->preferred.counter);
    if (!newer)
        return;
    s->preferred.run = m->run;
    s->preferred.counter = m->hb.counter;
    if (!m->hb.fit)
        s->preferred.unfit = w->now;
}

static void check_yield(struct sim *w, unsigned site)
{
    const struct fo_lease *lease = &w->sites[site].core.lease;
    if (lease->epoch < SIM_EPOCHS && w->holders[lease->epoch].chosen &&
        w->holders[lease->epoch].generation == lease->generation)
        violate(w, SIM_I13, "%s yields, and an operator chose it", name_of(w, site));
    const struct site *preferred = &w->sites[0];
    int64_t needed = w->sites[site].core.config.yield_after_ms * SIM_MS * 999 / 1000;
    int64_t since = max64(preferred->booted, w->sites[site].preferred.unfit);
    w->stats->yields++;
    /* went and came back sooner than others can tell */
    int64_t unnoticed = 4 * max64(w->shape.period, w->sites[site].core.terms.period);
    /* and who stood still itself hears of it afterwards */
    int64_t could_notice = max64(since, w->sites[site].thaws_at);
    if (w->now - could_notice < (since == preferred->booted ? unnoticed : w->shape.period))
        return;
    if (w->now - since < needed)
        violate(w, SIM_I13, "%s yields after %lld ms, yield_after is %lld ms", name_of(w, site),
                (long long)((w->now - since) / SIM_MS), (long long)(needed / SIM_MS));
}

static void check_switchover(struct sim *w, unsigned site)
{
    const struct fo_state *core = &w->sites[site].core;
    const struct fo_peer *target = NULL;
    w->stats->switchovers++;
    for (unsigned i = 0; i < core->peer_count; i++)
        if (hb_site_equal(&core->peers[i].site, &core->switchover.to))
            target = &core->peers[i];
    if (core->config.paused)
        violate(w, SIM_I9, "%s hands over under a pause", name_of(w, site));
    if (!target || target->barred || target->ready_since == 0)
        violate(w, SIM_I13, "%s hands over to %s, which is not ready", name_of(w, site),
                core->switchover.to.text);
    else
        check_heard(w, site, &target->site);
}

/* Which one a short fault may not have any effect by. */
static enum sim_invariant calm_invariant(const struct sim *w)
{
    bool restart = w->last_fault == FAULT_RESTART || w->last_fault == FAULT_LEAVE;
    return restart ? SIM_I7 : SIM_I5;
}

/* Who was named for the very first epoch, and came late, may not have heard of the leader yet. */
static bool is_settled(const struct sim *w)
{
    return w->settled_at != 0 && w->now - w->settled_at > w->shape.period;
}

void check_stop(struct sim *w, unsigned site)
{
    if (w->shape.short_faults && is_settled(w) && w->sites[site].serving)
        violate(w, calm_invariant(w), "%s stops: %s", name_of(w, site),
                hb_reason_text(w->sites[site].core.reason));
}

void check_role(struct sim *w, unsigned site, const struct fo_effect *note)
{
    w->stats->fences += note->note.role == HB_ROLE_FENCING;
    if (note->note.role == HB_ROLE_FENCING)
        check_goes_on(w, site, note);
    if (note->note.role == HB_ROLE_DEMOTING && note->note.reason == HB_REASON_YIELD)
        check_yield(w, site);
    if (note->note.role == HB_ROLE_DEMOTING && note->note.reason == HB_REASON_SWITCHOVER)
        check_switchover(w, site);
    w->stats->forced +=
        note->note.role == HB_ROLE_CLAIMING && note->note.reason == HB_REASON_FORCED;
    if (note->note.role == HB_ROLE_CLAIMING && w->shape.short_faults && is_settled(w))
        violate(w, calm_invariant(w), "%s claims: %s", name_of(w, site),
                hb_reason_text(note->note.reason));
    if (note->note.reason == HB_REASON_CLAIM_DENIED)
        w->stats->denied++;
}

/* The store is said to have lost something: then it has. A node without quorum may pass a write on and go on
 * showing the past: that one acknowledged and the other read lower can't be told from a loss. */
void check_alarm(struct sim *w, unsigned site, enum fo_note note)
{
    bool says_so = note == FO_NOTE_ALARM_LOWER || note == FO_NOTE_ALARM_MISSING ||
                   note == FO_NOTE_ALARM_OTHER_BUCKET || note == FO_NOTE_ALARM_BACKWARDS;
    const struct link *l = &w->sites[site].link;
    bool read_the_past = l->stale_node > 0 || w->now - l->stale_until < w->shape.period;
    if (says_so && !w->loss.watched && !read_the_past)
        violate(w, SIM_I12, "%s: \"%s\", and nothing was lost", name_of(w, site),
                fo_note_text(note));
}

/* -- what serves: I1, I8, I13 -------------------------------------------------------------------- */

void check_serving(struct sim *w)
{
    int count = 0;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        const struct site *s = &w->sites[i];
        count += s->serving && !s->frozen && !s->excused;
    }
    if (count > 1)
        violate(w, SIM_I1, "%d sites serve at once", count);
}

void check_start(struct sim *w, unsigned site, uint64_t epoch)
{
    const struct site *s = &w->sites[site];
    w->stats->leaders++;
    if (s->acked_epoch != epoch)
        violate(w, SIM_I8, "%s starts in epoch %llu, acknowledged is %llu", name_of(w, site),
                (unsigned long long)epoch, (unsigned long long)s->acked_epoch);
}

static bool serves_well(const struct site *s)
{
    return s->serving && s->up_and_well && !s->dead && !s->frozen && s->probe_fails == 0 &&
           s->core.role == HB_ROLE_LEADER;
}

void check_serves(struct sim *w, unsigned site)
{
    if (!serves_well(&w->sites[site]))
        return;
    if (w->settled_at == 0)
        w->settled_at = w->now;
    if (w->healed && w->served_after == 0)
        w->served_after = w->now;
}

/* -- after the faults: I4, I6 --------------------------------------------------------------------- */

/* "1.001 x max(failover_timeout, promise, success_threshold x T) + 2T + round trip + (rank-1) x 2T +
 * promote limit (back-off of failed promotions and of the watch excepted)" */
static int64_t liveness_bound(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[w->config_count - 1];
    int64_t wait =
        max64(c->failover_timeout_ms, (int64_t)c->success_threshold * c->heartbeat_interval_ms);
    wait = max64(wait, w->healed_promise_ms);
    int64_t period = c->heartbeat_interval_ms * SIM_MS;
    int64_t bound = wait * SIM_MS / 1000 * 1001 + 2 * period + 3 * w->shape.rtt;
    bound += (w->shape.sites - 1) * 2 * period;
    return bound + w->healed_extra + operator_patience(w);
}

/* yield_after, as often doubled as it was; a failed try; stop, release, claim, start. */
static int64_t handover_bound(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[w->config_count - 1];
    unsigned doublings = 0;
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].core.yield.doublings > doublings)
            doublings = w->sites[i].core.yield.doublings;
    int64_t period = 2 * w->shape.period;
    int64_t yield = (c->yield_after_ms * SIM_MS) << doublings;
    int64_t again = (c->success_threshold + 10) * period + c->fence_timeout_ms * SIM_MS;
    return 2 * (yield + again + w->shape.clean_stop) + 40 * period;
}

static bool leads_by_choice(const struct sim *w)
{
    int leader = site_leading(w);
    return leader >= 0 && serves_well(&w->sites[leader]) &&
           fo_leads_by_choice(&w->sites[leader].core);
}

bool check_end(struct sim *w)
{
    const struct cluster_config *c = &w->configs[w->config_count - 1];
    bool nobody_forces = w->needs_force && w->without_operators;
    if (!w->healed || w->shape.rtt > c->heartbeat_interval_ms * SIM_MS / 3 || nobody_forces)
        return w->now >= w->shape.ends; /* nobody can lead where answers take longer than T */
    int64_t since = w->now - w->healed_at, bound = liveness_bound(w);
    if (rollback_waits(w) && since < bound + rollback_patience(w))
        return false; /* for the operator, who was told */
    if (w->served_after == 0 || w->served_after - w->healed_at > bound) {
        if (since > bound)
            violate(w, w->loss.watched ? SIM_I12 : SIM_I4,
                    "nobody serves %lld ms after the last fault (bound %lld ms)",
                    (long long)(since / SIM_MS), (long long)(bound / SIM_MS));
        return false;
    }
    if (w->now < w->shape.ends)
        return false;
    bool gone = w->sites[0].gone || w->sites[0].guardian.gone;
    bool stays = !c->yield_to_primary || gone || leads_by_choice(w);
    if (w->asked.at != 0 || stays || serves_well(&w->sites[0]))
        return operator_has_moved(w);
    if (since > bound + handover_bound(w))
        violate(w, SIM_I6, "%s does not lead %lld ms after the last fault", name_of(w, 0),
                (long long)(since / SIM_MS));
    return w->loss.voided && since > bound + handover_bound(w); /* nobody judges it */
}

static int64_t extra_for(const struct sim *w, const struct site *s)
{
    int64_t period = w->shape.period, clock = site_clock(s, w->now), extra = 0;
    const struct cluster_config *c = &s->core.config;
    if (!s->up)
        return 0;
    if (s->core.back_off.until > clock)
        extra = max64(extra, s->core.back_off.until - clock);
    /* What tells of the time before the faults ended; an agent gives a read up after T. */
    int64_t last = max64(max64(s->watch_last, s->reads_last), s->hears_at);
    int64_t on_its_way = max64(0, last - w->now);
    if (s->watch_dead || on_its_way > period)
        extra = max64(extra, 5 * period + on_its_way + max64(0, s->core.watch.retry - clock));
    if (s->dead) /* n probes, the stop, and the start here or elsewhere */
        extra += (c->failure_threshold + c->success_threshold + 4) * 2 * period +
                 c->fence_timeout_ms * SIM_MS;
    if (s->core.role == HB_ROLE_DEMOTING)
        extra += w->shape.clean_stop;
    if (s->core.role == HB_ROLE_PROMOTING)
        extra += (c->promote_timeout_ms + c->fence_timeout_ms) * SIM_MS + 4 * period;
    return extra;
}

/* "Nobody but its own writer promotes over a paused record; if the writer is dead, promote --force" */
static bool paused_by_the_dead(const struct sim *w)
{
    const struct heartbeat *hb = &w->items[w->store.lease].hb;
    for (unsigned i = 0; i < w->shape.sites; i++)
        if ((w->sites[i].gone || w->sites[i].guardian.gone) &&
            hb_site_equal(&w->configs[0].sites[i], &hb->site))
            return hb->paused;
    return false;
}

/* The faults have stopped: from here on somebody has to serve soon. */
void check_healed(struct sim *w)
{
    w->healed = true;
    w->healed_at = w->now;
    w->healed_extra = w->shape.period / 2; /* starting the workload */
    w->healed_promise_ms = w->store.lease ? w->items[w->store.lease].hb.expires_in_ms : 0;
    w->healed_promise_ms = max64(w->healed_promise_ms, consent_binds_ms(w));
    w->needs_force = paused_by_the_dead(w);
    for (unsigned i = 0; i < w->shape.sites; i++) {
        w->healed_extra += extra_for(w, &w->sites[i]);
        check_serves(w, i);
    }
}

/* -- names ---------------------------------------------------------------------------------------- */

const char *invariant_name(enum sim_invariant which)
{
    static const char *const names[] = {
#define NAME(id, text) [SIM_##id] = #id,
        SIM_INVARIANTS(NAME)
#undef NAME
    };
    return names[which];
}

const char *invariant_text(enum sim_invariant which)
{
    static const char *const texts[] = {
#define TEXT(id, text) [SIM_##id] = text,
        SIM_INVARIANTS(TEXT)
#undef TEXT
    };
    return texts[which];
}

const char *fault_name(enum fault_type type)
{
    static const char *const names[] = {
#define NAME(id, name, weight, text) [FAULT_##id] = name,
        SIM_FAULTS(NAME)
#undef NAME
    };
    return names[type];
}
