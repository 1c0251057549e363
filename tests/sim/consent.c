/* Failsafe by consent: the links between the sites, their faults, and whether a leader may go on. */
#include <string.h>

#include "sim.h"

/* -- messages ----------------------------------------------------------------------------------- */

static unsigned index_of(const struct sim *w, const struct hb_site *site)
{
    unsigned i = 0;
    while (i + 1 < w->shape.sites && !hb_site_equal(&w->configs[0].sites[i], site))
        i++;
    return i;
}

static int64_t delay(struct sim *w, const struct peer_link *l)
{
    int64_t d = 1 + l->latency + rng_below(&w->rng, l->jitter) + l->slow;
    if (l->late > 0 && rng_chance(&w->rng, 400))
        d += rng_below(&w->rng, 6 * w->shape.period);
    return d;
}

static uint32_t message(struct sim *w, unsigned from, const struct fo_effect *e)
{
    uint32_t i = item_new(w);
    struct item *m = &w->items[i];
    m->site = (uint8_t)from;
    m->run = w->sites[from].run;
    m->sent_at = w->now;
    m->hb.nonce = e->consent.nonce;
    m->asked = e->consent.era;
    m->hb.generation = e->consent.lease.generation;
    m->hb.expires_in_ms = e->consent.promise_ms;
    m->hb.fit = e->consent.granted;
    m->hb.epoch = e->consent.lease.epoch;
    return i;
}

/* A request or an answer; with faults late, twice, overtaken, or never. */
void consent_send(struct sim *w, unsigned from, const struct fo_effect *e)
{
    unsigned to = index_of(w, &e->consent.to);
    const struct peer_link *l = &w->peers[from][to];
    bool asks = e->type == FO_DO_CONSENT_ASK;
    if (w->trace)
        trace_line(w, (int)from, "  -> %s %s in epoch %llu", asks ? "asks" : "answers",
                   e->consent.to.text, (unsigned long long)e->consent.era.epoch);
    w->stats->asked += asks;
    if (l->cut > 0 || !w->sites[to].up || rng_chance(&w->rng, l->loss))
        return;
    uint32_t item = message(w, from, e);
    enum sim_kind kind = asks ? K_CONSENT_ASKED : K_CONSENT_ANSWERED;
    queue_push(w, w->now + delay(w, l), kind, to, item, 0, 0);
    if (l->late > 0 && rng_chance(&w->rng, 300)) {
        item_hold(w, item);
        queue_push(w, w->now + delay(w, l), kind, to, item, 0, 0);
    }
}

static struct fo_event event_of(const struct sim *w, const struct entry *e)
{
    const struct item *m = &w->items[e->item];
    const struct hb_site *from = &w->configs[0].sites[m->site];
    if (e->kind == K_CONSENT_ASKED)
        return (struct fo_event){.type = FO_EV_CONSENT_REQUEST,
                                 .request = {.from = *from,
                                             .nonce = m->hb.nonce,
                                             .era = m->asked,
                                             .promise_ms = m->hb.expires_in_ms}};
    return (struct fo_event){.type = FO_EV_CONSENT_ANSWER,
                             .answer = {.from = *from,
                                        .nonce = m->hb.nonce,
                                        .era = m->asked,
                                        .granted = m->hb.fit,
                                        .lease = hb_era_of(&m->hb)}};
}

/* What was asked by a site that is gone, or long ago, binds the voter all the same. */
static void note_late(struct sim *w, const struct item *m)
{
    const struct site *s = &w->sites[m->site];
    bool late = w->now - m->sent_at > w->shape.period || !s->up || s->run != m->run;
    if (w->healed && w->served_after == 0 && late)
        check_healed(w);
}

struct fo_event consent_received(struct sim *w, const struct entry *e)
{
    const struct item *m = &w->items[e->item];
    struct fo_event event = event_of(w, e);
    if (e->kind == K_CONSENT_ASKED)
        note_late(w, m);
    if (w->trace && e->kind == K_CONSENT_ASKED)
        trace_line(w, e->site, "  <- asked by %s", event.request.from.text);
    else if (w->trace)
        trace_line(w, e->site, "  <- %s by %s, its lease: epoch %llu",
                   event.answer.granted ? "granted" : "refused", event.answer.from.text,
                   (unsigned long long)event.answer.lease.epoch);
    return event;
}

/* -- faults ------------------------------------------------------------------------------------- */

static void cut(struct sim *w, const struct timed_fault *f, int by)
{
    for (unsigned i = 0; i < w->shape.sites; i++) {
        if (f->amount % 4 != 0)
            w->peers[f->site][i].cut += by;
        if (f->amount % 4 != 1)
            w->peers[i][f->site].cut += by;
    }
}

static void spoil(struct sim *w, const struct timed_fault *f, bool begins)
{
    for (unsigned i = 0; i < w->shape.sites; i++) {
        struct peer_link *links[] = {&w->peers[f->site][i], &w->peers[i][f->site]};
        for (unsigned k = 0; k < 2; k++) {
            if (f->type == FAULT_PEER_SLOW)
                links[k]->slow = begins ? f->amount % (3 * w->shape.period) : 0;
            else if (f->type == FAULT_PEER_LATE)
                links[k]->late += begins ? 1 : -1;
            else
                links[k]->loss = begins ? (unsigned)(50 + f->amount % 700) : 0;
        }
    }
}

/* Other voters, or failsafe on or off. */
static bool change_voters(struct sim *w, const struct timed_fault *f)
{
    struct cluster_config *c = fault_another_config(w);
    unsigned addressed = 0;
    if (!c)
        return false;
    if (f->amount % 5 < 3)
        c->failsafe = !c->failsafe;
    else
        consent_draw_voters(w, c);
    for (unsigned i = 0; i < c->site_count; i++)
        addressed += c->addresses[i][0] != '\0';
    c->failsafe = c->failsafe && addressed >= 2;
    return true;
}

/* Longer times reach the leader alone, which can't promise them any more, and are taken back. */
static void lengthen_for_leader(struct sim *w, const struct timed_fault *f)
{
    const struct cluster_config before = w->configs[w->config_count - 1];
    struct cluster_config *c = fault_another_config(w);
    if (!c)
        return;
    fault_lengthen(w, c);
    fault_tell(w, (unsigned)f->site, 0);
    c = fault_another_config(w);
    if (c)
        *c = before;
}

/* It reaches the leader alone, whose next heartbeats are stored and not answered, or neither; or it
 * reaches the others alone; or everybody. */
static void switch_failsafe(struct sim *w, const struct timed_fault *f, bool begins)
{
    struct link *l = &w->sites[f->site].link;
    int by = begins ? 1 : -1;
    l->cut_down += f->amount % 7 < 5 ? by : 0;
    l->cut_up += f->amount % 7 < 2 ? by : 0;
    if (!begins) {
        fault_tell_all(w, w->shape.period);
    } else if (f->amount % 7 == 0) {
        lengthen_for_leader(w, f);
    } else if (change_voters(w, f)) {
        for (unsigned i = 0; i < w->shape.sites; i++)
            if (f->amount % 3 == 0 || (i == (unsigned)f->site) == (f->amount % 3 == 1))
                fault_tell(w, i, 0);
    }
}

/* Nobody reaches the store, or the leader alone does not; for long. */
static void away(struct sim *w, const struct timed_fault *f, bool begins)
{
    struct link *l = &w->sites[f->site].link;
    if (f->amount % 2 == 0) {
        fault_outage(w, begins);
    } else {
        l->cut_up += begins ? 1 : -1;
        l->cut_down += begins ? 1 : -1;
    }
}

void consent_fault(struct sim *w, const struct timed_fault *f, bool begins)
{
    if (f->type == FAULT_AWAY)
        away(w, f, begins);
    else if (f->type == FAULT_FAILSAFE)
        switch_failsafe(w, f, begins);
    else if (f->type == FAULT_PEER_CUT)
        cut(w, f, begins ? 1 : -1);
    else if (f->type == FAULT_PEER_SLOW || f->type == FAULT_PEER_LATE || f->type == FAULT_PEER_LOSS)
        spoil(w, f, begins);
}

/* Does the writer of `lost` count on being asked for what `left` lets others do unasked? */
bool consent_counts_on(const struct heartbeat *lost, const struct heartbeat *left)
{
    if (lost->failsafe && !left->failsafe)
        return true;
    for (unsigned i = 0; lost->failsafe && i < left->voter_count; i++)
        if (!heartbeat_names_voter(lost, &left->voters[i]))
            return true;
    return false;
}

int64_t consent_binds_ms(const struct sim *w)
{
    int64_t longest = 0;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        int64_t left = w->sites[i].core.vote.until - site_clock(&w->sites[i], w->now);
        if (w->sites[i].up && left / SIM_MS + 1 > longest)
            longest = left / SIM_MS + 1;
    }
    return longest;
}

/* -- a schedule --------------------------------------------------------------------------------- */

/* All of the group, or two of three. */
void consent_draw_voters(struct sim *w, struct cluster_config *c)
{
    unsigned without = c->site_count == 3 && rng_chance(&w->rng, 500)
                           ? (unsigned)rng_below(&w->rng, 3)
                           : c->site_count;
    memset(c->addresses, 0, sizeof(c->addresses));
    for (unsigned i = 0; i < c->site_count; i++)
        if (i != without)
            memcpy(c->addresses[i], "host:1", sizeof("host:1"));
}

void consent_draw(struct sim *w)
{
    struct cluster_config *c = &w->configs[0];
    struct rng *r = &w->rng;
    memset(w->peers, 0, sizeof(w->peers));
    w->trouble = 0;
    w->trouble_ended = 0;
    w->shape.failsafe = rng_chance(r, 500);
    if (!w->shape.failsafe)
        return;
    consent_draw_voters(w, c);
    c->failsafe = rng_chance(r, 850);
    if (!w->shape.short_faults && rng_chance(r, 300))
        c->max_promise_ms = cluster_config_promise_ms(c);
    int64_t latency = w->shape.period / 4000;
    for (int doublings = (int)rng_below(r, 10); doublings > 0; doublings--)
        latency *= 2;
    for (unsigned i = 0; i < SIM_SITES_MAX * SIM_SITES_MAX; i++)
        w->peers[i / SIM_SITES_MAX][i % SIM_SITES_MAX] =
            (struct peer_link){.latency = latency, .jitter = rng_below(r, latency / 2 + 1)};
}

static enum fault_type draw_type(struct rng *r)
{
    static const struct {
        enum fault_type type;
        unsigned weight;
    } types[] = {{FAULT_AWAY, 32},      {FAULT_FAILSAFE, 18},  {FAULT_PEER_CUT, 20},
                 {FAULT_PEER_LATE, 14}, {FAULT_PEER_SLOW, 10}, {FAULT_PEER_LOSS, 6}};
    unsigned at = (unsigned)rng_below(r, 100), i = 0;
    while (at >= types[i].weight)
        at -= types[i++].weight;
    return types[i].type;
}

static void add(struct sim *w, enum fault_type type, int64_t begin, int64_t length)
{
    schedule_fault(w,
                   (struct timed_fault){.type = type,
                                        .begin = begin,
                                        .length = length,
                                        .site = -1,
                                        .at_leader = type == FAULT_AWAY || type == FAULT_FAILSAFE,
                                        .amount = rng_below(&w->rng, INT64_MAX / 16)});
}

/* A voter consents, is cut off and starts anew: it does not remember. */
static void draw_forgetful_voter(struct sim *w, int64_t begin)
{
    int64_t timeout = w->configs[0].failover_timeout_ms * SIM_MS;
    int64_t cut = begin + rng_below(&w->rng, timeout);
    add(w, FAULT_FAILSAFE, begin, 3 * timeout);
    w->faults[w->fault_count - 1].amount *= rng_chance(&w->rng, 700) ? 7 : 1;
    add(w, FAULT_PEER_CUT, cut, 2 * timeout);
    add(w, FAULT_RESTART, cut + rng_below(&w->rng, timeout / 2), 1 + w->shape.period / 4);
}

/* The store away for long, and beside it what may spoil the consent. */
void consent_draw_faults(struct sim *w)
{
    struct rng *r = &w->rng;
    int64_t room = w->shape.faults_until - w->shape.faults_from;
    int64_t timeout = w->configs[0].failover_timeout_ms * SIM_MS;
    if (!w->shape.failsafe || w->shape.short_faults)
        return;
    for (int64_t more = rng_range(r, 1, 3); more > 0; more--)
        add(w, draw_type(r), w->shape.faults_from + rng_below(r, room),
            1 + rng_below(r, 3 * timeout));
    int64_t begin = w->shape.faults_from + rng_below(r, room);
    if (rng_chance(r, 150))
        draw_forgetful_voter(w, begin);
    add(w, FAULT_AWAY, begin, timeout + rng_below(r, 3 * timeout));
    if (rng_chance(r, 700))
        add(w, draw_type(r), begin - timeout / 2 + rng_below(r, 2 * timeout),
            1 + rng_below(r, 2 * timeout));
    if (rng_chance(r, 150)) { /* for longer than the longest promise, at times */
        add(w, FAULT_AWAY, begin, 5 * timeout);
        add(w, FAULT_UNREADABLE, begin, 6 * timeout);
    }
    if (rng_chance(r, 200))
        add(w, FAULT_RESTART, begin + rng_below(r, 2 * timeout), 1 + rng_below(r, timeout));
}

/* -- I14: with the store away and all peers reachable, a healthy primary keeps serving -------------- */

static bool is_of_the_store(enum fault_type type)
{
    static const enum fault_type types[] = {
        FAULT_PARTITION,  FAULT_CUT_UP,     FAULT_CUT_DOWN,   FAULT_LOSS,       FAULT_SLOW,
        FAULT_FLAP,       FAULT_OUTAGE,     FAULT_ELECTION,   FAULT_STALE_NODE, FAULT_WATCH_DEAD,
        FAULT_WATCH_SLOW, FAULT_LATE_READS, FAULT_DUPLICATES, FAULT_REFUSE,     FAULT_AWAY};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i] == type)
            return true;
    return false;
}

/* Whatever is not of the store alone may have spoilt the consent, until some time after it. */
void consent_note_fault(struct sim *w, enum fault_type type, bool begins)
{
    if (is_of_the_store(type))
        return;
    w->trouble += begins ? 1 : -1;
    consent_note_trouble(w, w->now);
}

void consent_note_trouble(struct sim *w, int64_t until)
{
    if (until > w->trouble_ended)
        w->trouble_ended = until;
}

static bool is_calm(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[w->config_count - 1];
    int64_t longest = 2 * w->configs[0].failover_timeout_ms + c->failover_timeout_ms;
    if (w->trouble > 0 || w->now - w->trouble_ended < 2 * longest * SIM_MS || w->healed)
        return false;
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (!w->sites[i].up || w->sites[i].frozen || w->sites[i].config != w->config_count - 1)
            return false;
    return true;
}

/* Does this voter hear the leader well, and know its lease? */
static bool can_consent(const struct sim *w, unsigned leader, const struct fo_voter *voter)
{
    const struct fo_state *core = &w->sites[leader].core;
    unsigned i = index_of(w, &voter->site);
    const struct peer_link *there = &w->peers[leader][i], *back = &w->peers[i][leader];
    const struct fo_known *known = &w->sites[i].core.known;
    int64_t round_trip = there->latency + there->jitter + back->latency + back->jitter;
    return round_trip < core->terms.period / 8 && known->has_record && known->readable &&
           hb_site_equal(&known->record.site, &core->site) &&
           known->record.epoch == core->lease.epoch &&
           known->record.expires_in_ms >= core->consent.promise_ms;
}

/* A leader begins to fence itself. */
void check_goes_on(struct sim *w, unsigned site, const struct fo_effect *note)
{
    const struct fo_state *core = &w->sites[site].core;
    bool by_time =
        note->note.reason == HB_REASON_HEARTBEATS_FAILED || note->note.reason == HB_REASON_DEADLINE;
    if (note->note.from != HB_ROLE_LEADER || !by_time || !core->consent.usable || !is_calm(w))
        return;
    /* A loop that was late tells of it only now: what counted was how things were when it fired. */
    if (w->sites[site].guardian.fired.epoch == core->lease.epoch)
        return;
    for (unsigned i = 0; i < core->consent.voter_count; i++)
        if (!can_consent(w, site, &core->consent.voters[i]))
            return;
    violate(w, SIM_I14, "%s fences (%s) while all of its voters can consent",
            w->configs[0].sites[site].text, hb_reason_text(note->note.reason));
}
