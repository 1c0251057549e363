/*
 * The store goes backwards or disappears, and the operator who puts it right. (docs/failover section 10)
 *
 * What a loss leaves of the invariants is decided when it happens. Nobody can keep I1 to I3 when what was lost
 * said more than what any site that could act has seen: such a run is void from then on, and only its end is
 * judged (I12). In every other run all of them hold.
 */
#include <string.h>

#include "sim.h"

#define OPERATOR_LOOKS (2 * SIM_S)

/* -- history ---------------------------------------------------------------------------------------- */

/* `item` is about to become the last of its key, in the place of `before`. */
void rollback_note(struct sim *w, uint32_t item, uint32_t before)
{
    struct history *h = &w->loss.history;
    const struct item *m = &w->items[item];
    if (m->key == FO_KEY_LEASE && m->hb.expires_in_ms > w->loss.promise_ms)
        w->loss.promise_ms = m->hb.expires_in_ms;
    struct stored *s = &h->ring[h->count % SIM_HISTORY];
    if (h->count - h->first == SIM_HISTORY) {
        item_drop(w, s->item);
        if (s->before != 0)
            item_drop(w, s->before);
        h->first++;
    }
    *s = (struct stored){item, before};
    item_hold(w, item);
    if (before != 0)
        item_hold(w, before);
    h->count++;
}

static void forget_history(struct sim *w)
{
    struct history *h = &w->loss.history;
    for (; h->first < h->count; h->first++) {
        const struct stored *s = &h->ring[h->first % SIM_HISTORY];
        item_drop(w, s->item);
        if (s->before != 0)
            item_drop(w, s->before);
    }
}

/* -- what a loss leaves of the invariants ------------------------------------------------------------ */

static struct hb_era era_known_to(const struct site *s)
{
    return s->up ? s->core.history.seen : s->marks_seen;
}

/* Somebody who may act has not seen this record: what it said of a leader is lost to it. */
static bool is_unknown_to_some(const struct sim *w, const struct item *lost)
{
    for (unsigned i = 0; i < w->shape.sites; i++) {
        const struct site *s = &w->sites[i];
        if (!s->gone && hb_era_compare(era_known_to(s), hb_era_of(&lost->hb)) < 0)
            return true;
    }
    return false;
}

/* A record of the same era may be lost, unless its writer counts on more than what is left says. */
static bool says_more(const struct item *lost, const struct item *left)
{
    return lost->hb.expires_in_ms > left->hb.expires_in_ms || lost->hb.paused ||
           consent_counts_on(&lost->hb, &left->hb);
}

static void judge_lost(struct sim *w, const struct item *lost, const struct item *left)
{
    if (lost->key != FO_KEY_LEASE)
        return;
    bool same_era = left && hb_era_compare(hb_era_of(&lost->hb), hb_era_of(&left->hb)) == 0;
    bool more = left && says_more(lost, left);
    if (more || (!same_era && is_unknown_to_some(w, lost)))
        w->loss.voided = true;
    w->loss.leases++;
}

/* -- losses ------------------------------------------------------------------------------------------ */

static bool lose_last(struct sim *w)
{
    struct history *h = &w->loss.history;
    if (h->count == h->first)
        return false;
    struct stored s = h->ring[--h->count % SIM_HISTORY];
    struct item *m = &w->items[s.item];
    judge_lost(w, m, s.before ? &w->items[s.before] : NULL);
    store_take_back(w, s.item, s.before);
    item_drop(w, s.item);
    return true;
}

/* What was on its way dies with the server, and so does every connection. */
static void restart_store(struct sim *w)
{
    w->store.life++;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        w->sites[i].watch_dead = true;
        if (w->sites[i].up)
            queue_push(w, w->now + 1, K_DISCONNECTED, i, 0, 0, 0);
    }
}

static void lose(struct sim *w, unsigned records)
{
    while (records-- > 0 && lose_last(w))
        ;
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].seen_revision > w->store.seq)
            w->sites[i].seen_revision = w->store.seq;
    if (!w->shape.short_faults)
        restart_store(w);
}

static void delete_bucket(struct sim *w)
{
    if (w->store.lease != 0)
        judge_lost(w, &w->items[w->store.lease], NULL);
    forget_history(w);
    store_clear(w);
    w->store.gone = true;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        w->sites[i].watch_dead = true;
        w->sites[i].seen_revision = 0;
    }
}

static void create_bucket(struct sim *w)
{
    w->store.gone = false;
    w->store.bucket++;
}

static void begin_operator(struct sim *w)
{
    if (!w->loss.watched)
        queue_push(w, w->now + OPERATOR_LOOKS, K_OPERATOR, 0, 0, 0, 0);
    w->loss.watched = true;
}

static struct hb_era highest_seen(const struct sim *w)
{
    struct hb_era most = {0};
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].up && hb_era_compare(w->sites[i].core.history.seen, most) > 0)
            most = w->sites[i].core.history.seen;
    return most;
}

/* It is away for as long as its restart takes. */
static bool restarts_store(const struct sim *w, const struct timed_fault *f)
{
    bool loses = f->type == FAULT_LOST_WRITES || f->type == FAULT_ROLLED_BACK;
    return loses && !w->shape.short_faults;
}

void rollback_fault(struct sim *w, const struct timed_fault *f)
{
    if (restarts_store(w, f))
        w->store.outage++;
    w->stats->losses++;
    w->loss.top = w->store.seq > w->loss.top ? w->store.seq : w->loss.top;
    bool before = w->loss.voided;
    if (f->type == FAULT_LOST_WRITES)
        lose(w, 1 + (unsigned)(f->amount % (4 * w->shape.sites)));
    else if (f->type == FAULT_ROLLED_BACK)
        lose(w, 10 + (unsigned)(f->amount % SIM_HISTORY));
    else if (!w->store.gone)
        delete_bucket(w);
    if (f->type == FAULT_REMADE) {
        create_bucket(w);
        if (f->amount % 3 == 0 &&
            highest_seen(w).epoch > 0) /* and somebody puts the first record by hand */
            store_first_record(w);
    }
    w->stats->voided += w->loss.voided && !before;
    begin_operator(w);
}

void rollback_ends(struct sim *w, const struct timed_fault *f)
{
    if (restarts_store(w, f))
        w->store.outage--;
}

/* -- the operator ------------------------------------------------------------------------------------- */

/* Where nobody has led yet nothing was lost that an alarm could tell of; an agent says that there is no
 * bucket, and what makes one (agent/lead_check.c). */
static bool misses_the_first(const struct fo_state *core)
{
    return core->history.missing && core->seen_epoch == 0;
}

static bool is_told(const struct sim *w)
{
    for (unsigned i = 0; i < w->shape.sites; i++) {
        const struct fo_state *core = &w->sites[i].core;
        if (w->sites[i].up && (core->history.told || misses_the_first(core)))
            return true;
    }
    return false;
}

/* What `harmonyctl failover repair` looks at: the key, and what the sites say that they have seen. */
static bool needs_repair(const struct sim *w)
{
    if (w->store.gone || w->store.lease == 0)
        return true;
    const struct heartbeat *lease = &w->items[w->store.lease].hb;
    return hb_era_compare(hb_era_of(lease), highest_seen(w)) < 0;
}

/* Under an acknowledged pause a leader serves for as long as it likes, and by consent as long as its
 * voters like. */
static bool serves_without_store(const struct sim *w)
{
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].serving &&
            (w->sites[i].core.lease.paused ||
             (w->sites[i].core.lease.held && w->sites[i].core.consent.usable)))
            return true;
    return false;
}

bool rollback_waits(const struct sim *w)
{
    return is_told(w) && needs_repair(w) && !serves_without_store(w);
}

/* As long as anybody who counted on a lost record may serve. */
static int64_t longest_promise(const struct sim *w)
{
    int64_t most = w->loss.promise_ms;
    for (unsigned i = 0; i < w->config_count; i++) {
        int64_t promise = cluster_config_promise_ms(&w->configs[i]);
        most = promise > most ? promise : most;
    }
    return most * SIM_MS / 1000 * 1001;
}

static void repair(struct sim *w)
{
    uint32_t i = item_new(w);
    struct item *m = &w->items[i];
    struct hb_era most = highest_seen(w);
    if (w->store.gone)
        create_bucket(w);
    if (w->store.lease && w->items[w->store.lease].hb.generation > most.generation)
        most.generation = w->items[w->store.lease].hb.generation;
    /* Whose heartbeats are gone with the bucket is not asked. */
    uint64_t epoch = w->loss.repairs % 2 == 0 ? 0 : most.epoch;
    m->hb = (struct heartbeat){.status = HB_RELEASED,
                               .reason = HB_REASON_OPERATOR,
                               .nonce = ~(uint64_t)0 - w->loss.repairs,
                               .generation = most.generation + 1,
                               .epoch = epoch};
    m->key = FO_KEY_LEASE;
    m->by_operator = true;
    m->seen_revision = m->seen_serial = UINT64_MAX;
    w->loss.repairs++;
    w->stats->repairs++;
    if (w->trace)
        trace_line(w, -1, "REPAIR: generation %llu, epoch %llu",
                   (unsigned long long)m->hb.generation, (unsigned long long)epoch);
    store_put(w, i);
    item_drop(w, i);
    if (w->healed) {
        w->served_after = 0;
        check_healed(w);
    }
}

void rollback_operator(struct sim *w)
{
    bool reachable = w->store.outage == 0;
    bool moved = w->loss.lease_then != w->store.lease || !rollback_waits(w);
    if (moved || w->loss.since == 0) {
        w->loss.since = rollback_waits(w) ? w->now : 0;
        w->loss.lease_then = w->store.lease;
    } else if (reachable && w->now - w->loss.since > longest_promise(w)) {
        w->loss.since = 0;
        repair(w);
    }
    queue_push(w, w->now + OPERATOR_LOOKS, K_OPERATOR, 0, 0, 0, 0);
}

/* How long an operator may take until somebody serves again, told once 2T after the fence. */
int64_t rollback_patience(const struct sim *w)
{
    int64_t promises = w->shape.failsafe ? 5 : 3; /* it waits for who goes on by consent, too */
    return w->loss.watched ? promises * longest_promise(w) + 8 * OPERATOR_LOOKS : 0;
}

/* -- drawing ------------------------------------------------------------------------------------------ */

static void draw_one(struct sim *w, struct rng *r)
{
    static const enum fault_type types[] = {FAULT_LOST_WRITES, FAULT_LOST_WRITES, FAULT_ROLLED_BACK,
                                            FAULT_BUCKET_GONE, FAULT_REMADE};
    int64_t room = w->shape.faults_until - w->shape.faults_from, period = w->shape.period;
    const struct timed_fault *f =
        schedule_fault(w, (struct timed_fault){.type = types[rng_below(r, 5)],
                                               .begin = w->shape.faults_from + rng_below(r, room),
                                               .length = 1 + rng_below(r, 2 * period),
                                               .site = -1,
                                               .amount = rng_below(r, INT64_MAX / 2)});
    if (rng_chance(r, 300)) /* what is lost was not seen by all */
        schedule_fault(w, (struct timed_fault){.type = FAULT_WATCH_DEAD,
                                               .begin = f->begin - rng_below(r, 2 * period),
                                               .length = 1,
                                               .site = -1});
    if (!rng_chance(r, 500))
        return;
    schedule_fault(w, (struct timed_fault){.type = FAULT_PARTITION,
                                           .begin = f->begin + rng_below(r, f->length),
                                           .length = 1 + rng_below(r, 10 * period),
                                           .site = -1,
                                           .at_leader = true});
}

/* From a generator of its own, so that all other schedules are what they were without losses. */
void rollback_draw(struct sim *w)
{
    struct rng r = {.x = w->seed ^ 0x5DEECE66DULL};
    memset(&w->loss, 0, sizeof(w->loss));
    rng_next(&r);
    if (w->shape.short_faults) {
        struct timed_fault *f = &w->faults[rng_below(&r, w->fault_count)];
        if (rng_chance(&r, 300))
            *f = (struct timed_fault){.type = FAULT_LOST_WRITES,
                                      .begin = f->begin,
                                      .length = 1,
                                      .site = -1,
                                      .amount = f->amount};
        return;
    }
    if (!rng_chance(&r, 150))
        return;
    draw_one(w, &r);
    if (rng_chance(&r, 200))
        draw_one(w, &r);
}
