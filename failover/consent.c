/*
 * Failsafe by consent: a leader that can't write asks the voters themselves. (docs/failover 9)
 *
 * As leader it knows, of the last acknowledged record and of all sent after it, whoever of them may
 * be stored: the voters that they name, and the shortest times. As long as each of these voters has
 * promised not to promote, nobody may, and the deadline moves. As voter it keeps what it promised.
 */
#include "failover/core.h"

enum { PPM = 1000000 };

static struct hb_era held_era(const struct fo_state *s)
{
    return (struct hb_era){s->lease.generation, s->lease.epoch};
}

/* -- the leader: which records may be stored ------------------------------------------------------ */

static void add_voter(struct fo_consent *c, const struct hb_site *site)
{
    for (unsigned i = 0; i < c->voter_count; i++)
        if (hb_site_equal(&c->voters[i].site, site))
            return;
    if (c->voter_count == FO_VOTERS_MAX)
        c->usable = false; /* nobody changes a group so fast: until the next acknowledgement */
    else
        c->voters[c->voter_count++] = (struct fo_voter){.site = *site};
}

static void add_record(struct fo_state *s, const struct fo_attempt *a)
{
    struct fo_consent *c = &s->consent;
    if (!a->record.failsafe && fo_rule_on(s, FO_RULE_CONSENT_FAILSAFE_ON))
        c->usable = false;
    for (unsigned i = 0; i < a->record.voter_count; i++)
        add_voter(c, &a->record.voters[i]);
    c->fence_start = fo_min(c->fence_start, a->terms.fence_start);
    c->promise_ms = fo_min(c->promise_ms, a->terms.promise_ms);
}

/* Before the first send of a heartbeat: it may be stored from now on. */
void fo_consent_sending(struct fo_run *r, const struct fo_attempt *a)
{
    if (fo_rule_on(r->s, FO_RULE_CONSENT_SENT_SINCE))
        add_record(r->s, a);
}

/* This record is the only one that may be stored now. What its voters answered still counts. */
void fo_consent_stored(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_consent *c = &r->s->consent;
    struct fo_voter before[FO_VOTERS_MAX];
    unsigned count = c->voter_count;
    memcpy(before, c->voters, count * sizeof(before[0]));
    c->usable = true;
    c->voter_count = 0;
    c->fence_start = a->terms.fence_start;
    c->promise_ms = a->terms.promise_ms;
    add_record(r->s, a);
    for (unsigned i = 0; i < c->voter_count; i++)
        for (unsigned k = 0; k < count; k++)
            if (hb_site_equal(&c->voters[i].site, &before[k].site))
                c->voters[i] = before[k];
}

/* The lease is taken or resumed: nothing that was asked or answered before counts. Rounds are numbered
 * above any that an earlier run can have used with this nonce: it asked less than 64 times for each of
 * its attempts. */
void fo_consent_reset(struct fo_run *r)
{
    uint64_t rounds = r->s->consent.rounds, above = r->s->counter * 64;
    if (rounds < above)
        rounds = above;
    r->s->consent = (struct fo_consent){.rounds = rounds, .first_round = rounds + 1};
}

/* -- the leader: asking ------------------------------------------------------------------------- */

/* From a quarter of T without an answer on: a threshold of 1 fences at the first failure. */
static int64_t ask_at(const struct fo_state *s)
{
    const struct fo_consent *c = &s->consent;
    if (!s->lease.held || s->lease.paused || !c->usable || c->voter_count == 0)
        return FO_NEVER;
    if (s->failures > 0)
        return c->due;
    if (s->lease_try.kind != FO_TRY_HEARTBEAT)
        return FO_NEVER;
    return fo_max(c->due, s->lease_try.begun + s->terms.period / FO_SENDS_PER_ATTEMPT);
}

static int64_t *sent_at(struct fo_consent *c, uint64_t round)
{
    return &c->sent[round % FO_CONSENT_ROUNDS];
}

void fo_consent_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    struct fo_consent *c = &s->consent;
    if (r->now < ask_at(s))
        return;
    c->due = r->now + s->terms.period / 2;
    c->rounds++;
    *sent_at(c, c->rounds) = r->now;
    bool shortest = fo_rule_on(s, FO_RULE_CONSENT_SHORTEST);
    int64_t promise_ms = shortest ? c->promise_ms : s->terms.promise_ms;
    c->asked_start[c->rounds % FO_CONSENT_ROUNDS] =
        shortest ? c->fence_start : s->terms.fence_start;
    c->asked_limit[c->rounds % FO_CONSENT_ROUNDS] = s->lease.fence_limit;
    for (unsigned i = 0; i < c->voter_count; i++)
        fo_emit_consent_ask(r, &c->voters[i].site, s->nonce + c->rounds, promise_ms);
}

int64_t fo_consent_next(const struct fo_state *s)
{
    return ask_at(s);
}

/* -- the leader: answers ------------------------------------------------------------------------ */

/* A fence that takes longer than it would have when this was asked begins sooner by as much: what was
 * promised is when it ends. */
static int64_t longer_fence(const struct fo_state *s, const struct fo_voter *v)
{
    bool counts = fo_rule_on(s, FO_RULE_CONSENT_SHORTEST);
    return counts ? fo_max(0, s->lease.fence_limit - v->fence_limit) : 0;
}

/* "goes on past F only while every voter's answer is fresh" (9): until when that is; 0: it is not. */
static int64_t consented_until(const struct fo_state *s)
{
    const struct fo_consent *c = &s->consent;
    bool all = fo_rule_on(s, FO_RULE_CONSENT_ALL);
    int64_t first = FO_NEVER, last = 0;
    if (!c->usable || c->voter_count == 0)
        return 0;
    for (unsigned i = 0; i < c->voter_count; i++) {
        const struct fo_voter *v = &c->voters[i];
        /* A shorter time that was sent since is a shorter promise, should the voter start anew. */
        int64_t start = fo_rule_on(s, FO_RULE_CONSENT_SHORTEST)
                            ? fo_min(v->fence_start, c->fence_start)
                            : v->fence_start;
        int64_t until = v->asked != 0 ? v->asked + start - longer_fence(s, v) : 0;
        first = fo_min(first, until);
        last = fo_max(last, until);
    }
    return all ? first : last;
}

bool fo_consent_holds(const struct fo_state *s, int64_t now)
{
    return consented_until(s) > now && fo_rule_on(s, FO_RULE_CONSENT_OUTLASTS);
}

/* The round that this nonce asked; 0: none that still counts. */
static uint64_t round_of(const struct fo_state *s, uint64_t nonce)
{
    const struct fo_consent *c = &s->consent;
    if (!fo_rule_on(s, FO_RULE_CONSENT_ECHO))
        return c->rounds;
    uint64_t round = nonce - s->nonce;
    bool known =
        round >= c->first_round && round <= c->rounds && c->rounds - round < FO_CONSENT_ROUNDS;
    return known ? round : 0;
}

static void count(struct fo_run *r, struct fo_voter *voter, uint64_t round)
{
    struct fo_state *s = r->s;
    bool from_send = fo_rule_on(s, FO_RULE_CONSENT_FROM_SEND);
    int64_t asked = from_send ? *sent_at(&s->consent, round) : r->now;
    if (asked <= voter->asked)
        return;
    voter->asked = asked;
    voter->fence_start = s->consent.asked_start[round % FO_CONSENT_ROUNDS];
    voter->fence_limit = s->consent.asked_limit[round % FO_CONSENT_ROUNDS];
    s->lease.deadline = fo_max(s->lease.deadline, consented_until(s));
}

static struct fo_voter *find(struct fo_consent *c, const struct hb_site *site)
{
    for (unsigned i = 0; i < c->voter_count; i++)
        if (hb_site_equal(&c->voters[i].site, site))
            return &c->voters[i];
    return NULL;
}

/* "A higher epoch in an answer fences at once." (9) */
static bool tells_of_another(struct fo_run *r, struct hb_era other)
{
    struct fo_state *s = r->s;
    if (hb_era_compare(other, held_era(s)) <= 0 || !fo_rule_on(s, FO_RULE_CONSENT_HIGHER))
        return false;
    if (other.epoch > s->seen_epoch + FO_EPOCH_JUMP_MAX ||
        other.generation > s->history.seen.generation + FO_EPOCH_JUMP_MAX) {
        fo_emit_note(r, FO_NOTE_ALARM_EPOCH, (int64_t)other.epoch);
        return false;
    }
    return true;
}

void fo_consent_answered(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    struct fo_voter *voter = find(&s->consent, &event->answer.from);
    uint64_t round = round_of(s, event->answer.nonce);
    if (!s->lease.held || !voter || round == 0 ||
        hb_era_compare(event->answer.era, held_era(s)) != 0)
        return;
    if (tells_of_another(r, event->answer.lease)) {
        fo_epoch_seen(r, event->answer.lease.epoch);
        fo_lease_end(r, HB_REASON_LOST);
    } else if (event->answer.granted && s->consent.usable) {
        count(r, voter, round);
    }
}

/* -- the voter ---------------------------------------------------------------------------------- */

/* A claim of this run that may still be stored: no other revision has come after what it expects. */
static bool has_claimed(const struct fo_state *s)
{
    if (!fo_rule_on(s, FO_RULE_CONSENT_CLAIMED))
        return false;
    /* An operator who raised the generation has put the numbers right, and waited. */
    bool of_now = s->history.seen.generation == s->vote.claim_generation;
    return s->vote.claimed && of_now && s->known.revision <= s->vote.claim_expects;
}

/* "only to the holder of the last record that it knows in that epoch" (9). A voter that knows none
 * since its start keeps its promise as well as any other. */
static bool asks_as_holder(const struct fo_state *s, const struct fo_event *event)
{
    const struct fo_known *known = &s->known;
    if (!known->any)
        return s->config.failsafe && cluster_config_rank(&s->config, &event->request.from) != 0 &&
               event->request.promise_ms <= s->config.max_promise_ms;
    return known->has_record && known->readable && known->record.status != HB_RELEASED &&
           hb_era_compare(hb_era_of(&known->record), event->request.era) == 0 &&
           hb_site_equal(&known->record.site, &event->request.from) &&
           (event->request.promise_ms <= known->record.expires_in_ms ||
            !fo_rule_on(s, FO_RULE_CONSENT_WITHIN));
}

/* A store that is there and has lost something is an operator's matter, who waits for the leader. */
static bool holds(const struct fo_state *s)
{
    return fo_holds(s) != FO_HOLD_NONE && fo_rule_on(s, FO_RULE_CONSENT_NO_HOLD);
}

static bool may_grant(const struct fo_state *s, const struct fo_event *event)
{
    return s->started && !holds(s) && s->has_config && !s->lease.held && !has_claimed(s) &&
           event->request.promise_ms > 0 && asks_as_holder(s, event);
}

/* "I will not promote before my BOOTTIME + (1 + rho) x promise" (9) */
static void promise(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    int64_t wait = event->request.promise_ms * FO_MS;
    if (fo_rule_on(s, FO_RULE_CONSENT_DRIFT))
        wait += wait / (PPM / CLUSTER_DRIFT_PPM) + 1;
    s->vote.until = fo_max(s->vote.until, r->now + wait);
    if (hb_era_compare(event->request.era, s->vote.era) > 0)
        s->vote.era = event->request.era;
}

void fo_consent_requested(struct fo_run *r, const struct fo_event *event)
{
    const struct fo_state *s = r->s;
    const struct fo_known *known = &s->known;
    bool granted = may_grant(s, event);
    if (granted)
        promise(r, event);
    struct hb_era last = {0};
    if (known->has_record && known->readable)
        last = hb_era_of(&known->record);
    fo_emit_consent_answer(r, event, granted, s->lease.held ? held_era(s) : last);
}

/* A claim is about to be sent. */
void fo_consent_claiming(struct fo_run *r)
{
    r->s->vote.claimed = true;
    r->s->vote.claim_expects = r->s->known.revision;
    r->s->vote.claim_generation = r->s->history.seen.generation;
}

/* No claim sooner. The release of whoever was consented to frees from the promise; what an operator put
 * into a store that had lost something does not: it speaks for nobody who goes on without the store. */
int64_t fo_consent_bound_until(const struct fo_state *s)
{
    const struct fo_known *known = &s->known;
    if (!fo_rule_on(s, FO_RULE_CONSENT_KEPT))
        return 0;
    bool released = known->has_record && known->readable && known->record.status == HB_RELEASED &&
                    known->record.generation == s->vote.era.generation &&
                    known->record.epoch >= s->vote.era.epoch;
    return released && fo_rule_on(s, FO_RULE_CONSENT_FREED) ? 0 : s->vote.until;
}

/* Who may promote by the silence of the lease as it is known: with failsafe on the voters alone, for
 * nobody else was asked; and nobody where it can't be read who was. Its own holder's site waits like
 * a voter: it may be that nobody else is left. */
bool fo_consent_lets_promote(const struct fo_state *s)
{
    const struct fo_known *known = &s->known;
    if (!known->readable)
        return !s->unread.failsafe || !fo_rule_on(s, FO_RULE_CONSENT_UNREADABLE);
    return !known->record.failsafe || heartbeat_names_voter(&known->record, &s->site) ||
           hb_site_equal(&known->record.site, &s->site) ||
           !fo_rule_on(s, FO_RULE_CONSENT_VOTERS_ONLY);
}
