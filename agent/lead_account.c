/*
 * How an own epoch ended, told to the bucket: account.<epoch> (docs/failover/explain.md).
 *
 * The site that takes over saw only silence. Why there was silence, the old leader alone knows: whether
 * its host or its agent died, its loop stood still, or its heartbeats found no way. It says so as soon as
 * it reaches the store again, in a record of its own that later heartbeats do not push out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Unreadable: "", which is never the same boot as another. */
void lead_account_new(struct lead *l)
{
    HM_AUTOFREE char *text = NULL;
    size_t len;
    struct hm_error ignored;
    if (hm_file_read(BOOT_ID, 2 * MARKS_BOOT_MAX, &text, &len, &ignored) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    snprintf(l->account.boot, sizeof l->account.boot, "%s", text);
}

/* -- While it leads -------------------------------------------------------------- */

static void forget_since_ack(struct lead_account *a)
{
    a->attempts = a->heard_back = 0;
    a->heard_back_ns = a->late_ns = 0;
}

static void begin_notes(struct lead *l, uint64_t epoch)
{
    l->account.notes = (struct lead_account){
        .site = l->core.site,
        .epoch = epoch,
        .same_run = true,
        .same_boot = true,
        .rtt_us = -1,
        .acked_ns = hm_boottime_ns(), /* nothing starts before it was acknowledged */
    };
}

void lead_account_open(struct lead *l, uint64_t epoch)
{
    begin_notes(l, epoch);
    l->account.takeover.epoch = epoch;
    l->account.takeover.serving_ns = 0;
    l->memory.marks.open_epoch = epoch;
    memcpy(l->memory.marks.open_boot, l->account.boot, sizeof l->account.boot);
}

void lead_account_resume(struct lead *l)
{
    begin_notes(l, l->core.lease.epoch);
}

void lead_account_sent(struct lead *l, uint64_t counter)
{
    if (counter == l->account.last_sent)
        return; /* sent again */
    l->account.last_sent = counter;
    l->account.sent[counter % LEAD_SENT_MAX].counter = counter;
    l->account.sent[counter % LEAD_SENT_MAX].begun_ns = hm_boottime_ns();
    l->account.notes.attempts++;
}

/* When the attempt began; 0: too long ago. */
static int64_t begun_of(const struct lead *l, uint64_t counter)
{
    size_t i = counter % LEAD_SENT_MAX;
    return l->account.sent[i].counter == counter ? l->account.sent[i].begun_ns : 0;
}

void lead_account_acked(struct lead *l, uint64_t counter)
{
    int64_t begun = begun_of(l, counter), now = hm_boottime_ns();
    l->account.notes.acked_ns = now;
    l->account.notes.rtt_us = begun ? (now - begun) / 1000 : -1;
    forget_since_ack(&l->account.notes);
}

void lead_account_heard_back(struct lead *l, const struct heartbeat *record)
{
    struct lead_account *a = &l->account.notes;
    int64_t begun = begun_of(l, record->counter);
    bool is_own = record->nonce == l->core.nonce && hb_site_equal(&record->site, &l->core.site);
    if (!is_own || !begun || begun < a->acked_ns)
        return;
    int64_t took = hm_boottime_ns() - begun;
    a->heard_back++;
    if (took > a->heard_back_ns)
        a->heard_back_ns = took;
}

void lead_account_late(struct lead *l, int64_t late_ns)
{
    if (late_ns > l->account.notes.late_ns)
        l->account.notes.late_ns = late_ns;
}

/* -- Its end ---------------------------------------------------------------------- */

static void add_fire(const struct lead *l, struct lead_account *a)
{
    const struct guard_state *s = guard_last(l->guard.client);
    a->fired = guard_is_up(l->guard.client) && s->fired_epoch && s->fired_epoch == a->epoch;
    bool is_of_it = s->lease.epoch == a->epoch && s->lease.deadline_ns != GUARD_NEVER;
    a->fired_late_ns = is_of_it ? s->fired_ns - s->lease.deadline_ns : -1;
}

static void tell(struct lead *l, struct lead_account *a)
{
    char name[40];
    add_fire(l, a);
    snprintf(name, sizeof name, "account.%" PRIu64, a->epoch);
    lead_add_first_record(l, name, lead_account_text(a, hm_boottime_ns(), hm_wall_ns()));
}

static void close_account(struct lead *l)
{
    l->account.notes.epoch = 0;
    l->memory.marks.open_epoch = 0;
    lead_save_marks(l);
}

static void role_left(struct lead *l, enum hb_reason reason)
{
    struct lead_account *a = &l->account.notes;
    a->reason = reason;
    a->left_ns = hm_boottime_ns();
    a->connected = l->connected;
}

/* Its workload has been seen stopped: by now the guardian has said what it did. */
static void fence_ended(struct lead *l)
{
    tell(l, &l->account.notes);
    close_account(l);
}

static void note_gap(struct lead *l, int64_t ms)
{
    l->account.takeover.gap_ended_ns = hm_boottime_ns();
    l->account.takeover.gap_ms = ms;
}

/* Not the one whose workload was running all the time. */
static void note_serving(struct lead *l)
{
    if (l->account.takeover.epoch != l->core.lease.epoch)
        return;
    l->account.takeover.serving_ns = hm_boottime_ns();
    lead_tell_incident(l, &l->core.incident);
}

/* A handover needs no account: the release says why, and by whose wish. */
void lead_account_note(struct lead *l, const struct fo_effect *e)
{
    if (e->note.note == FO_NOTE_SILENCE_RESTARTED)
        note_gap(l, e->note.value);
    if (e->note.note != FO_NOTE_ROLE)
        return;
    if (e->note.role == HB_ROLE_LEADER)
        note_serving(l);
    else if (!l->account.notes.epoch)
        return;
    else if (e->note.role == HB_ROLE_FENCING)
        role_left(l, e->note.reason);
    else if (e->note.from == HB_ROLE_FENCING)
        fence_ended(l);
    else if (e->note.role == HB_ROLE_RELEASING || e->note.role == HB_ROLE_REPLICA)
        close_account(l);
}

void lead_account_begin(struct lead *l)
{
    const struct marks *m = &l->memory.marks;
    if (!m->open_epoch || l->core.lease.held)
        return;
    struct lead_account a = {.site = l->core.site,
                             .epoch = m->open_epoch,
                             .same_boot =
                                 *l->account.boot && !strcmp(m->open_boot, l->account.boot)};
    tell(l, &a);
    close_account(l);
}
