/* A site: its clock, its agent (the core and what a driver does for it), and its workload. */
#include <string.h>

#include "sim.h"

enum { PPM = 1000000, DRIFT_BITS = 40 };

/* Share of the time that the clock gains, as a binary fraction: there is no division in the loop. */
static int64_t gained(int64_t time, int64_t share)
{
    return (int64_t)(((__int128)time * share) >> DRIFT_BITS);
}

void site_set_drift(struct site *s, int64_t ppm)
{
    s->gain = ppm * ((int64_t)1 << DRIFT_BITS) / PPM;
    s->loss = ppm * ((int64_t)1 << DRIFT_BITS) / (PPM + ppm);
}

int64_t site_clock(const struct site *s, int64_t real)
{
    return s->offset + real + gained(real, s->gain);
}

/* The first instant at which its clock shows this. */
int64_t site_real(const struct site *s, int64_t clock)
{
    int64_t since = clock - s->offset;
    int64_t real = since - gained(since, s->loss) - 2;
    while (site_clock(s, real) < clock)
        real++;
    return real;
}

int site_leading(const struct sim *w)
{
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].up && w->sites[i].core.lease.held)
            return (int)i;
    return -1;
}

/* -- the workload ------------------------------------------------------------------------------- */

void site_stops_serving(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    s->serving = false;
    s->up_and_well = false;
    s->excused = s->excused && s->guest; /* it may start yet on an answer from before */
    s->dead = false;
    s->workload_serial++;
    if (s->stop_ends > w->now)
        s->stop_ends = w->now;
}

/* The agent launches it, now or when it was held up: in the epoch's cgroup, which is there as long as the
 * guardian holds the epoch. */
static void launch(struct sim *w, unsigned site, uint64_t epoch)
{
    struct site *s = &w->sites[site];
    if (!guardian_lets_start(w, s, epoch)) {
        queue_push(w, w->now + 1, K_START_FAILED, site, 0, s->workload_serial, epoch);
        return;
    }
    check_start(w, site, epoch);
    s->serving = true;
    s->serving_epoch = epoch;
    s->dead = false;
    s->workload_serial++;
    check_serving(w);
    if (s->promote_hangs > 0)
        return;
    int64_t at = w->now + 1 + rng_below(&w->rng, w->shape.period / 2);
    bool fails = s->promote_fails > 0;
    queue_push(w, at, fails ? K_START_FAILED : K_STARTED, site, 0, s->workload_serial, epoch);
}

/* "A start waits for the guardian's answer", and now and then for something else. */
static void start_workload(struct sim *w, unsigned site, const struct fo_effect *e)
{
    struct site *s = &w->sites[site];
    int64_t at = w->now;
    s->marks_led = s->marks_open = e->workload.epoch;
    s->launch_serial++;
    if (s->guardian.up && s->guardian.busy_until > at)
        at = s->guardian.busy_until + 1;
    if (!w->shape.short_faults && !w->healed && rng_chance(&w->rng, 200))
        at += rng_below(&w->rng, w->shape.period / 4);
    if (at == w->now)
        launch(w, site, e->workload.epoch);
    else
        queue_push(w, at, K_LAUNCH, site, 0, s->launch_serial, e->workload.epoch);
    fault_at_start(w, site);
}

/* When a stop that may take until `limit` has really stopped everything. */
static int64_t stop_end(struct sim *w, unsigned site, int64_t limit)
{
    int64_t room = site_real(&w->sites[site], limit) - w->now;
    if (room <= 0)
        return w->now;
    return w->now + (w->shape.tight ? room : rng_below(&w->rng, room));
}

static void stop_workload(struct sim *w, unsigned site, const struct fo_effect *e)
{
    struct site *s = &w->sites[site];
    check_stop(w, site);
    s->acked_epoch = 0;
    s->launch_serial++;
    bool hurried = s->stop_ends > w->now; /* it is told again to be quicker */
    if (s->core.stop_tries == 1 && !hurried)
        s->ended_at = w->now;
    if (!s->serving) {
        s->stop_ends = w->now;
    } else {
        int64_t end = stop_end(w, site, e->workload.deadline_ns);
        if (s->stop_ends <= w->now || end < s->stop_ends) {
            s->stop_ends = end;
            queue_push(w, end, K_WORKLOAD_STOPS, site, 0, s->workload_serial, 0);
        }
    }
    int64_t answer = s->stop_ends > w->now ? s->stop_ends : w->now;
    bool fails = s->stop_fails > 0;
    if (fails)
        answer = w->now + rng_below(&w->rng, answer - w->now + 1);
    queue_push(w, answer + 1, fails ? K_STOP_FAILED : K_STOPPED, site, 0, 0, e->workload.epoch);
}

/* -- the agent ---------------------------------------------------------------------------------- */

/* As the driver does: what was fenced or given away is no longer open (agent/lead_account.c). */
static void role_noted(struct sim *w, unsigned site, const struct fo_effect *e)
{
    enum hb_role role = e->note.role;
    check_role(w, site, e);
    if (e->note.from == HB_ROLE_FENCING || role == HB_ROLE_RELEASING || role == HB_ROLE_REPLICA)
        w->sites[site].marks_open = 0;
}

static void carry_out(struct sim *w, unsigned site, const struct fo_effect *e)
{
    struct site *s = &w->sites[site];
    switch (e->type) {
    case FO_DO_SEND:
        check_send(w, site, e);
        link_send_write(w, site, e);
        break;
    case FO_DO_READ:
        link_send_read(w, site, e);
        break;
    case FO_DO_START_WORKLOAD:
        start_workload(w, site, e);
        break;
    case FO_DO_STOP_WORKLOAD:
        stop_workload(w, site, e);
        break;
    case FO_DO_PROBE:
        if (s->probe_hangs == 0)
            queue_push(w, w->now + 1 + rng_below(&w->rng, SIM_MS), K_PROBE, site, 0, 0, 0);
        break;
    case FO_DO_CONSENT_ASK:
    case FO_DO_CONSENT_ANSWER:
        consent_send(w, site, e);
        break;
    case FO_DO_RESTART_WATCH:
        store_restart_watch(w, site);
        break;
    case FO_DO_PERSIST:
        s->marks_epoch = e->persist.seen_epoch;
        s->marks_seen = e->persist.seen;
        s->marks_chosen = e->persist.chosen_epoch;
        s->marks_unread = e->persist.unread;
        break;
    case FO_DO_NOTE:
        if (e->note.note == FO_NOTE_ROLE)
            role_noted(w, site, e);
        else if (e->note.note == FO_NOTE_MAY_LEAVE)
            queue_push(w, w->now, K_AGENT_LEAVES, site, 0, 0, 0);
        check_alarm(w, site, e->note.note);
        w->stats->consents += e->note.note == FO_NOTE_CONSENT;
        break;
    case FO_DO_INCIDENT:
    case FO_DO_AUDIT:
        break;
    }
}

/* Timers are late now and then, and by all that Lg allows when margins are tight. */
static int64_t lateness(struct sim *w)
{
    if (w->shape.short_faults || w->healed || !rng_chance(&w->rng, 60))
        return 0;
    int64_t most = w->shape.tight ? FO_LATENESS_MAX : 20 * SIM_MS;
    return rng_below(&w->rng, most < w->shape.period / 4 ? most : w->shape.period / 4);
}

/* What a simulator that was made faster must not change. */
static void note_step(struct sim *w, unsigned site, const struct fo_event *event)
{
    uint64_t step = (uint64_t)event->type << 32 | site << 16 | w->effects.count;
    w->digest = (w->digest ^ step ^ (uint64_t)w->effects.next_ns) * 0x9E3779B97F4A7C15u;
}

/* Most steps leave it where it was. */
static void set_timer(struct sim *w, unsigned site, int64_t next)
{
    struct site *s = &w->sites[site];
    int64_t at = INT64_MAX, shows = next - s->offset;
    if (next != FO_NEVER && shows != s->timer_shows) {
        s->timer_shows = shows;
        s->timer_at = site_real(s, next);
    }
    if (next != FO_NEVER)
        at = s->timer_at + lateness(w);
    *agent_timer(w, site) = at > w->now ? at : w->now + 1;
}

void site_event(struct sim *w, unsigned site, const struct fo_event *event)
{
    struct site *s = &w->sites[site];
    w->stats->events++;
    fo_step(&s->core, event, site_clock(s, w->now), &w->effects);
    note_step(w, site, event);
    guardian_told(w, site);
    for (unsigned i = 0; i < w->effects.count; i++) {
        if (w->trace)
            trace_effect(w, site, &w->effects.items[i]);
        carry_out(w, site, &w->effects.items[i]);
    }
    set_timer(w, site, w->effects.next_ns);
}

void site_timer(struct sim *w, unsigned site)
{
    static const struct fo_event event = {.type = FO_EV_TIMER};
    *agent_timer(w, site) = INT64_MAX;
    site_event(w, site, &event);
}

/* -- events from outside ------------------------------------------------------------------------ */

static void note_seen(struct site *s, const struct item *m)
{
    if (m->revision > s->seen_revision)
        s->seen_revision = m->revision;
    if (m->serial > s->seen_serial)
        s->seen_serial = m->serial;
}

static void deliver_write_answer(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    const struct item *m = &w->items[e->item];
    bool stored = e->x == FO_WRITE_STORED || e->x == FO_WRITE_DUPLICATE;
    if (m->key == FO_KEY_LEASE && stored && e->y > s->seen_revision)
        s->seen_revision = e->y;
    if (m->key == FO_KEY_LEASE && m->serial > s->seen_serial)
        s->seen_serial = m->serial;
    if (m->key == FO_KEY_LEASE && e->x == FO_WRITE_STORED && m->hb.status != HB_RELEASED &&
        m->hb.epoch > s->acked_epoch)
        s->acked_epoch = m->hb.epoch;
    struct fo_event event; /* of many, only the part that is read is written */
    event.type = FO_EV_WRITE;
    event.write.key = m->key;
    event.write.counter = m->hb.counter;
    event.write.send = m->send;
    event.write.outcome = e->x;
    event.write.revision = e->y;
    event.write.err_code = 0;
    site_event(w, e->site, &event);
}

static const struct heartbeat *as_read(const struct site *s, const struct item *m)
{
    return m->key == FO_KEY_LEASE && s->unreadable > 0 ? NULL : &m->hb;
}

/* At once: what it tells is no older than what the site has just heard. */
static void look_at_bucket(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct fo_event event = {.type = FO_EV_STORE};
    if (s->link.stale_node > 0)
        return;
    if (!w->store.gone) {
        bool same = s->marks_bucket == w->store.bucket;
        event.store.exists = true;
        event.store.identity = w->store.bucket;
        event.store.last_revision = w->store.seq;
        event.store.at_least = same ? s->marks_revision : 0;
        s->marks_bucket = w->store.bucket;
        s->marks_revision = w->store.seq;
    }
    site_event(w, site, &event);
}

static void deliver_read_answer(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    const struct item *m = &w->items[e->item];
    struct fo_event event = {.type = FO_EV_READ,
                             .read = {.request = e->x, .outcome = FO_READ_MISSING}};
    if (e->item != 0) {
        event.read.outcome = FO_READ_FOUND;
        event.read.record = as_read(s, m);
        event.read.revision = m->revision;
        event.read.stamp_ns = m->stamp;
        note_seen(s, m);
    }
    site_event(w, e->site, &event);
    if (event.read.outcome == FO_READ_MISSING)
        look_at_bucket(w, e->site);
}

static void deliver_watch(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    const struct item *m = &w->items[e->item];
    if (e->x != s->watch_epoch)
        return;
    if (m->revision > s->marks_revision)
        s->marks_revision = m->revision;
    struct fo_event event;
    event.type = FO_EV_LEASE;
    event.entry.record = as_read(s, m);
    event.entry.revision = m->revision;
    event.entry.stamp_ns = m->stamp;
    if (m->key != FO_KEY_LEASE) {
        event.type = m->site == e->site ? FO_EV_ECHO : FO_EV_PEER;
        s->peer_heard[m->site] = w->now;
        if (m->site == 0)
            check_heard_preferred(w, e->site, m);
    } else {
        note_seen(s, m);
    }
    site_event(w, e->site, &event);
}

static void deliver_config(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    if (e->x < s->config)
        return; /* a newer one is there */
    s->config = e->x;
    struct fo_event event = {.type = FO_EV_CONFIG,
                             .config = {.config = &w->configs[e->x], .revision = e->x + 1}};
    site_event(w, e->site, &event);
}

static void deliver_probe(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    bool runs = s->core.role != HB_ROLE_LEADER || s->serving;
    bool ok = s->probe_fails == 0 && s->probe_hangs == 0 && !s->dead && runs;
    if (ok && s->fit_since == 0)
        s->fit_since = w->now;
    else if (!ok)
        s->fit_since = 0;
    struct fo_event event = {.type = FO_EV_PROBE, .probe = {.ok = ok, .latency_us = 1, .lag = -1}};
    site_event(w, e->site, &event);
}

static void deliver_connection(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    bool up = e->kind == K_CONNECTED;
    if (!up && w->healed && s->store_life == w->store.life)
        return; /* the cut that it was to notice is over */
    if (up && (s->link.cut_up > 0 || s->link.cut_down > 0 || w->store.outage > 0)) {
        queue_again(w, e, w->now + w->shape.period / 2);
        return;
    }
    if (w->trace)
        trace_line(w, e->site, "  <- %s", up ? "connected" : "disconnected");
    s->told_disconnected = !up;
    struct fo_event event = {.type = up ? FO_EV_CONNECTED : FO_EV_DISCONNECTED};
    if (up) {
        s->store_life = w->store.life;
        store_catch_up(w, e->site);
    }
    site_event(w, e->site, &event);
    if (up)
        look_at_bucket(w, e->site);
    if (!up) /* it tries again for ever */
        queue_push(w, w->now + w->shape.period / 2, K_CONNECTED, e->site, 0, 0, 0);
}

static void deliver_workload(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    if (e->kind == K_LAUNCH) {
        if (e->x == s->launch_serial)
            launch(w, e->site, e->y);
        return;
    }
    struct fo_event event = {.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = e->y}};
    if (e->kind == K_STARTED || e->kind == K_START_FAILED) {
        if (e->x != s->workload_serial || s->stop_ends > w->now)
            return; /* a stop came first */
        bool ok = e->kind == K_STARTED;
        event.type = ok ? FO_EV_WORKLOAD_STARTED : FO_EV_WORKLOAD_FAILED;
        s->up_and_well = ok;
    } else if (e->kind == K_STOP_FAILED) {
        event.type = FO_EV_STOP_FAILED;
    }
    site_event(w, e->site, &event);
    check_serves(w, e->site);
}

static void deliver_consent(struct sim *w, const struct entry *e)
{
    struct fo_event event = consent_received(w, e);
    site_event(w, e->site, &event);
}

static void deliver_operator(struct sim *w, const struct entry *e)
{
    struct fo_event event = e->kind == K_FORCE ? operator_forces(w, e->site) : operator_asks(w, e);
    site_event(w, e->site, &event);
}

static bool has_item(const struct entry *e)
{
    return e->kind == K_CONSENT_ASKED || e->kind == K_CONSENT_ANSWERED ||
           e->kind == K_WRITE_ANSWER || e->kind == K_WATCH ||
           (e->kind == K_READ_ANSWER && e->item != 0);
}

void site_deliver(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    bool mine = s->up && e->run == s->run;
    if (mine && w->trace)
        trace_entry(w, e);
    if (mine && e->kind == K_WRITE_ANSWER)
        deliver_write_answer(w, e);
    else if (mine && e->kind == K_READ_ANSWER)
        deliver_read_answer(w, e);
    else if (mine && e->kind == K_WATCH)
        deliver_watch(w, e);
    else if (mine && e->kind == K_CONFIG)
        deliver_config(w, e);
    else if (mine && e->kind == K_PROBE)
        deliver_probe(w, e);
    else if (mine && (e->kind == K_CONNECTED || e->kind == K_DISCONNECTED))
        deliver_connection(w, e);
    else if (mine && (e->kind == K_GUARDIAN || e->kind == K_GUARDIAN_VERIFIED))
        guardian_says(w, e);
    else if (mine && (e->kind == K_CONSENT_ASKED || e->kind == K_CONSENT_ANSWERED))
        deliver_consent(w, e);
    else if (mine && (e->kind == K_SWITCHOVER || e->kind == K_FORCE))
        deliver_operator(w, e);
    else if (mine)
        deliver_workload(w, e);
    if (has_item(e))
        item_drop(w, e->item);
}

void site_step_down(struct sim *w, unsigned site)
{
    struct fo_event event = {.type = FO_EV_STEP_DOWN};
    site_event(w, site, &event);
}

/* -- its life ----------------------------------------------------------------------------------- */

bool site_agent_acts(const struct sim *w, const struct site *s)
{
    return s->up && s->busy_until <= w->now && s->late_until <= w->now;
}

static void forget(struct sim *w, struct site *s)
{
    s->run++;
    s->up = true;
    s->busy_until = s->late_until = s->hears_at = 0;
    s->fit_since = s->has_probe ? 0 : w->now;
    s->told_disconnected = true;
    s->watch_dead = true;
    s->seen_revision = s->seen_serial = 0;
    s->acked_epoch = 0;
    s->forced = false;
}

/* What its predecessor had seen and was acknowledged is inherited with the lease. */
static void inherited(const struct sim *w, struct site *s)
{
    if (!s->core.lease.held) {
        s->booted = w->now;
        s->marks_open = 0;
        return;
    }
    s->seen_revision = s->core.lease.revision;
    s->acked_epoch = s->core.lease.epoch;
}

/* The cached configuration, the guardian, the start, then the connection, as the daemon does. */
void site_boot(struct sim *w, unsigned site, bool workload_stopped)
{
    struct site *s = &w->sites[site];
    struct fo_setup setup = {.site = w->configs[0].sites[site],
                             .nonce = rng_next(&w->rng) | 1,
                             .seed = rng_next(&w->rng),
                             .rules = w->rules};
    forget(w, s);
    consent_note_trouble(w, w->now);
    fo_init(&s->core, &setup, site_clock(s, w->now));
    struct fo_event event = {
        .type = FO_EV_CONFIG,
        .config = {.config = &w->configs[s->config], .revision = s->config + 1}};
    site_event(w, site, &event);
    event = (struct fo_event){.type = FO_EV_START,
                              .start = {.workload_stopped = workload_stopped,
                                        .has_probe = s->has_probe,
                                        .seen_epoch = s->marks_epoch,
                                        .led_epoch = s->marks_led,
                                        .open_epoch = s->marks_open,
                                        .chosen_epoch = s->marks_chosen,
                                        .unread = s->marks_unread,
                                        .seen = s->marks_seen,
                                        .identity = s->marks_bucket}};
    guardian_meets(w, site, &event);
    site_event(w, site, &event);
    event = (struct fo_event){.type = FO_EV_CLEAN_STOP,
                              .clean_stop = {.limit_ms = w->shape.clean_stop / SIM_MS}};
    site_event(w, site, &event);
    inherited(w, s);
    int64_t connects =
        s->connects_in >= 0 ? s->connects_in : rng_below(&w->rng, w->shape.period / 4);
    s->connects_in = -1;
    queue_push(w, w->now + connects, K_CONNECTED, site, 0, 0, 0);
    queue_push(w, w->now + rng_below(&w->rng, w->shape.period), K_CONFIG, site, 0,
               w->config_count - 1, 0);
}

/* The agent alone ends, for `away`. A stop that it had begun may end with it. */
void site_agent_ends(struct sim *w, unsigned site, int64_t away)
{
    struct site *s = &w->sites[site];
    s->up = false;
    *agent_timer(w, site) = INT64_MAX;
    s->busy_until = 0;
    s->run++;
    s->guardian.agent = 0;
    if (s->stop_ends > w->now && rng_chance(&w->rng, 600)) {
        s->workload_serial++;
        s->stop_ends = 0;
    }
    queue_push(w, w->now + away, K_BOOT, site, 0, 0, 0);
    guardian_alone(w, site);
}

/* The host, and what runs on it. */
void site_host_boot(struct sim *w, unsigned site, bool workload_stopped)
{
    w->sites[site].off = false;
    guardian_boot(w, site);
    site_boot(w, site, workload_stopped);
}

void site_power_cut(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    s->up = false;
    s->off = true;
    s->guest = false;
    guardian_dies(w, site);
    memset(&s->guardian.held, 0, sizeof(s->guardian.held));
    site_stops_serving(w, site);
    s->ended_at = w->now;
    s->stop_ends = 0;
    s->frozen = false;
    *agent_timer(w, site) = INT64_MAX;
}

/* A planned restart that takes this long, once a promise that is long enough is acknowledged; 0: not now. */
void site_leave(struct sim *w, unsigned site, int64_t length)
{
    struct site *s = &w->sites[site];
    struct fo_event event = {.type = FO_EV_LEAVE};
    int64_t spare = FO_LATENESS_MAX + s->core.terms.fence_limit + 2 * w->shape.period;
    if (length > 0)
        event.leave.promise_ms = (length + spare) / SIM_MS * 1001 / 1000 + 2;
    s->leaves_for = length;
    site_event(w, site, &event);
}
