#include "agent/lead.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "failover/rules.h"

/* lead_stop(): a stop that can't be verified is tried this long, beyond what a clean one may take, before
 * the agent goes anyway. */
#define STOP_LIMIT_NS (60 * 1000 * HM_MS)

enum { LEAVE_PROMISE_MS = 30000 }; /* lead_leave(): how long a restart may take, with the fence */

/* -- Effects ------------------------------------------------------------------ */

static enum hm_log_level note_level(enum fo_note note)
{
    switch (note) {
    case FO_NOTE_ALARM_NO_READY:
    case FO_NOTE_ALARM_FENCE:
    case FO_NOTE_ALARM_UNREADABLE:
    case FO_NOTE_ALARM_TWIN:
    case FO_NOTE_ALARM_EPOCH:
    case FO_NOTE_ALARM_EPOCHS_SPENT:
    case FO_NOTE_ALARM_LOWER:
    case FO_NOTE_ALARM_MISSING:
    case FO_NOTE_ALARM_OTHER_BUCKET:
    case FO_NOTE_ALARM_BACKWARDS:
        return HM_LOG_ERROR;
    case FO_NOTE_WATCH_DEAD:
    case FO_NOTE_BACK_OFF:
    case FO_NOTE_CANNOT_LEAVE:
    case FO_NOTE_CONSENT:
    case FO_NOTE_SWITCHOVER_REFUSED:
    case FO_NOTE_FORCE_REFUSED:
        return HM_LOG_WARN;
    case FO_NOTE_SILENCE_RESTARTED:
        return HM_LOG_DEBUG;
    case FO_NOTE_ROLE:
    case FO_NOTE_CONFIG:
    case FO_NOTE_HOLD_ENDED:
    case FO_NOTE_PAUSED:
    case FO_NOTE_RESUMED:
    case FO_NOTE_MAY_LEAVE:
    case FO_NOTE_SWITCHOVER_BEGINS:
        break;
    }
    return HM_LOG_INFO;
}

static void role_changed(struct lead *l, const struct fo_effect *e)
{
    hm_log(HM_LOG_INFO, LEAD_LOG, "%s: %s -> %s, epoch %" PRIu64 ": %s", l->core.site.text,
           hb_role_name(e->note.from), hb_role_name(e->note.role), e->note.epoch,
           hb_reason_text(e->note.reason));
    if (l->options.on_role_change)
        l->options.on_role_change(l->options.data, hb_role_name(e->note.role), e->note.epoch,
                                  hb_reason_text(e->note.reason));
}

/* What the value of a note is, in words around it; NULL: it has none. */
static const struct {
    const char *before, *after;
} values[] = {
    [FO_NOTE_CONFIG] = {"revision ", ""},
    [FO_NOTE_SILENCE_RESTARTED] = {"after ", " ms"},
    [FO_NOTE_WATCH_DEAD] = {"for ", " ms"},
    [FO_NOTE_ALARM_FENCE] = {"try ", ""},
    [FO_NOTE_BACK_OFF] = {"for ", " ms"},
    [FO_NOTE_ALARM_UNREADABLE] = {"revision ", ""},
    [FO_NOTE_ALARM_EPOCH] = {"epoch ", ""},
    [FO_NOTE_ALARM_EPOCHS_SPENT] = {"epoch ", ""},
    [FO_NOTE_ALARM_TWIN] = {"its heartbeat ", ""},
    [FO_NOTE_ALARM_LOWER] = {"epoch ", " was seen"},
    [FO_NOTE_ALARM_MISSING] = {"epoch ", " was seen"},
    [FO_NOTE_ALARM_BACKWARDS] = {"", " at least"},
    [FO_NOTE_HOLD_ENDED] = {"epoch ", ""},
    [FO_NOTE_MAY_LEAVE] = {"within ", " ms"},
};

static void log_note(const struct fo_effect *e)
{
    enum fo_note note = e->note.note;
    if (note == FO_NOTE_SWITCHOVER_REFUSED || note == FO_NOTE_FORCE_REFUSED)
        hm_log(note_level(note), LEAD_LOG, "%s: %s", fo_note_text(note),
               fo_refusal_text((enum fo_refusal)e->note.value));
    else if (note < HM_COUNT(values) && values[note].before)
        hm_log(note_level(note), LEAD_LOG, "%s: %s%" PRId64 "%s", fo_note_text(note),
               values[note].before, e->note.value, values[note].after);
    else
        hm_log(note_level(note), LEAD_LOG, "%s", fo_note_text(note));
}

/* Whatever comes from here on is the successor's: what the guardian holds stays as it is. */
static void answer_leave(struct lead *l, bool may)
{
    void (*left)(void *data, bool may) = l->left;
    if (!left)
        return;
    l->left = NULL;
    l->ended = may;
    left(l->left_data, may);
}

static void take_note(struct lead *l, const struct fo_effect *e)
{
    enum fo_note note = e->note.note;
    lead_account_note(l, e);
    lead_request_note(l, e);
    if (note == FO_NOTE_ROLE)
        role_changed(l, e);
    else
        log_note(e);
    lead_status_changed(l);
    if (note == FO_NOTE_MAY_LEAVE || note == FO_NOTE_CANNOT_LEAVE)
        answer_leave(l, note == FO_NOTE_MAY_LEAVE);
}

static void (*const carry_out[])(struct lead *l, const struct fo_effect *effect) = {
    [FO_DO_SEND] = lead_send,
    [FO_DO_READ] = lead_read,
    [FO_DO_START_WORKLOAD] = lead_start_workload,
    [FO_DO_STOP_WORKLOAD] = lead_stop_workload,
    [FO_DO_PROBE] = lead_probe,
    [FO_DO_RESTART_WATCH] = lead_restart_watch,
    [FO_DO_INCIDENT] = lead_write_incident,
    [FO_DO_AUDIT] = lead_write_audit,
    [FO_DO_PERSIST] = lead_persist,
    [FO_DO_NOTE] = take_note,
    [FO_DO_CONSENT_ASK] = lead_ask_consent,
    [FO_DO_CONSENT_ANSWER] = lead_answer_consent,
};

static void note_lease(struct lead *l)
{
    const struct fo_lease *lease = &l->core.lease;
    int64_t until = lease->paused ? INT64_MAX : lease->deadline;
    lease_set(l->options.lease, lease->held ? until : 0);
}

/* -- Events ------------------------------------------------------------------- */

static void step(struct lead *l, const struct fo_event *event)
{
    struct fo_effects effects;
    int64_t now = hm_boottime_ns();
    lead_account_late(l, now - l->next_ns);
    fo_step(&l->core, event, now, &effects);
    note_lease(l);
    lead_guard_show(l);
    l->next_ns = effects.next_ns;
    for (unsigned i = 0; i < effects.count; i++)
        carry_out[effects.items[i].type](l, &effects.items[i]);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_alarm(struct lead *l)
{
    int64_t at = earlier(earlier(l->next_ns, l->follow.due), lead_guard_due(l));
    at = earlier(at, lead_request_due(l));
    if (l->work.stop_again_at)
        at = earlier(at, l->work.stop_again_at);
    if (l->work.stopping)
        at = earlier(at, l->work.stop_due);
    if (l->stopped)
        at = earlier(at, l->stop_limit);
    lead_timer_set(l->timer, at == FO_NEVER ? 0 : at);
}

/* The last word when lead_stop() has waited long enough. */
static void log_what_is_open(const struct lead *l)
{
    if (!fo_has_stepped_down(&l->core))
        hm_log(HM_LOG_ERROR, LEAD_LOG,
               "the agent ends without having seen its workload stopped: stop it by hand, another "
               "site may take over");
    else
        hm_log(HM_LOG_ERROR, LEAD_LOG,
               "the agent ends while the disk still owes it what failover must remember");
}

void lead_end(struct lead *l)
{
    void (*stopped)(void *data) = l->stopped;
    l->stopped = NULL;
    l->ended = true;
    stopped(l->stopped_data);
}

void lead_end_if_stepped_down(struct lead *l)
{
    bool late = l->stopped && hm_boottime_ns() >= l->stop_limit;
    bool over = fo_has_stepped_down(&l->core) && l->memory.unsaved == 0;
    if (!l->stopped || (!late && !over))
        return;
    if (!over)
        log_what_is_open(l);
    lead_end(l);
}

/* Whatever the reason is: the status tells it. */
static void look_at_fitness(struct lead *l)
{
    bool is_fit = lead_is_fit(l);
    if (is_fit == l->work.was_fit)
        return;
    l->work.was_fit = is_fit;
    lead_status_changed(l);
}

static bool is_late(const struct lead *l, int64_t now)
{
    return l->core.terms.period > 0 && now - l->next_ns > l->core.terms.period;
}

void lead_event(struct lead *l, const struct fo_event *event)
{
    if (l->ended)
        return;
    if (l->stepping) {
        if (l->queued == HM_COUNT(l->queue))
            abort();
        l->queue[l->queued++] = *event;
        return;
    }
    int64_t now = hm_boottime_ns();
    l->stepping = true;
    if (is_late(l, now))
        l->woke_ns = now;
    step(l, event);
    for (unsigned i = 0; i < l->queued && !l->ended; i++)
        step(l, &l->queue[i]);
    l->queued = 0;
    lead_follow(l);
    look_at_fitness(l);
    l->stepping = false;
    lead_request_advance(l);
    set_alarm(l);
    lead_end_if_stepped_down(l);
}

static void event_of_type(struct lead *l, enum fo_event_type type)
{
    lead_event(l, &(struct fo_event){.type = type});
}

static void on_alarm(void *data)
{
    struct lead *l = data;
    int64_t now = hm_boottime_ns();
    if (is_late(l, now))
        hm_log(HM_LOG_WARN, LEAD_LOG, "the loop was %lld ms late (heartbeat interval %lld ms)",
               (long long)((now - l->next_ns) / HM_MS), (long long)(l->core.terms.period / HM_MS));
    lead_stop_if_overdue(l);
    lead_look_again_if_due(l);
    lead_guard_timer(l);
    event_of_type(l, FO_EV_TIMER);
}

/* -- Life --------------------------------------------------------------------- */

static uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        abort();
    return number;
}

static int init_core(struct lead *l, struct hm_error *err)
{
    struct fo_setup setup = {
        .nonce = random_number(), .seed = random_number(), .rules = FO_RULES_ALL};
    if (!hb_site_from(l->options.config->site_id, &setup.site))
        return hm_fail(err, HM_E_INVALID, "site_id: \"%s\" is not a name",
                       l->options.config->site_id);
    fo_init(&l->core, &setup, hm_boottime_ns());
    l->next_ns = FO_NEVER;
    return 0;
}

int lead_new(const struct lead_options *options, struct lead **ret, struct hm_error *err)
{
    struct lead *l = hm_alloc(sizeof *l);
    l->options = *options;
    l->store.warnings = json_array();
    l->follow.due = FO_NEVER;
    int r = init_core(l, err);
    if (r >= 0)
        r = lead_timer_new(options->loop, on_alarm, l, &l->timer, err);
    if (r >= 0)
        r = lead_work_new(l, err);
    if (r >= 0)
        r = lead_consent_new(l, err);
    if (r >= 0) {
        lead_account_new(l);
        lead_guard_new(l);
    }
    if (r < 0) {
        lead_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void lead_start(struct lead *l)
{
    lead_use_cached_config(l);
    lead_guard_begin(l);
    set_alarm(l);
}

void lead_begin(struct lead *l, const struct fo_guard *inherit)
{
    struct fo_event start = {.type = FO_EV_START};
    if (!inherit) /* it is given up: on the disk before anything is stopped */
        lead_account_begin(l);
    start.start.has_probe = true; /* the disk and the guardian, if nothing else */
    start.start.seen_epoch = l->memory.marks.epoch;
    start.start.led_epoch = l->memory.marks.led_epoch;
    start.start.open_epoch = l->memory.marks.open_epoch;
    start.start.chosen_epoch = l->memory.marks.chosen_epoch;
    start.start.unread = l->memory.marks.unread;
    start.start.seen = l->memory.marks.seen;
    start.start.identity = (uint64_t)l->memory.marks.bucket_created_ns;
    start.start.inherit = inherit;
    lead_save_marks(l); /* a disk that can't keep them is known before a lease is taken */
    l->started = true;
    lead_event(l, &start);
    if (l->core.lease.held)
        lead_resume_workload(l);
    lead_account_begin(l);
    if (bus_is_connected(l->options.bus))
        lead_bus_connected(l);
    if (l->stopped)
        event_of_type(l, FO_EV_STEP_DOWN);
}

void lead_bus_connected(struct lead *l)
{
    if (!l->started)
        return;
    lead_store_connect(l);
}

void lead_bus_disconnected(struct lead *l)
{
    if (l->started)
        lead_store_disconnect(l);
}

void lead_stop(struct lead *l, void (*done)(void *data), void *data)
{
    l->left = NULL; /* the end has the word */
    l->stopped = done;
    l->stopped_data = data;
    l->stop_limit = hm_boottime_ns() + l->core.clean_stop + STOP_LIMIT_NS;
    if (l->started) /* else the guardian's answer, or its silence, begins the end */
        event_of_type(l, FO_EV_STEP_DOWN);
}

void lead_leave(struct lead *l, void (*done)(void *data, bool may), void *data)
{
    struct fo_event leave = {.type = FO_EV_LEAVE, .leave = {.promise_ms = LEAVE_PROMISE_MS}};
    if (!l->started) {
        done(data, true);
        return;
    }
    l->left = done;
    l->left_data = data;
    lead_event(l, &leave);
}

bool lead_call_ended(struct lead *l)
{
    l->calls--;
    if (l->closed && l->calls == 0)
        free(l);
    else if (!l->closed)
        return true;
    return false;
}

void lead_free(struct lead *l)
{
    if (!l)
        return;
    l->closed = true;
    lead_store_free(l);
    lead_guard_free(l);
    lead_work_free(l);
    lead_consent_free(l);
    lead_timer_free(l->timer);
    if (l->calls == 0)
        free(l);
}
