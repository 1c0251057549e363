/* The lease key as it was last learnt, the silence since then, and reads. (docs/failover section 4)
 */
#include "failover/core.h"

void fo_epoch_seen(struct fo_run *r, uint64_t epoch)
{
    if (epoch <= r->s->seen_epoch)
        return;
    r->s->seen_epoch = epoch;
    if (epoch >= HB_EPOCH_MAX)
        fo_emit_note(r, FO_NOTE_ALARM_EPOCHS_SPENT, (int64_t)epoch);
    fo_emit_persist(r);
}

static uint64_t highest(const struct heartbeat *record)
{
    return record->epoch > record->seen_epoch ? record->epoch : record->seen_epoch;
}

/* A lease record, or NULL (read like one that can't be parsed) when its epoch is made up. A site
 * that remembers nothing has to take what the key says. */
const struct heartbeat *fo_believed(struct fo_run *r, const struct heartbeat *record)
{
    const struct fo_state *s = r->s;
    bool near = !record || (highest(record) <= s->seen_epoch + FO_EPOCH_JUMP_MAX &&
                            record->generation <= s->history.seen.generation + FO_EPOCH_JUMP_MAX);
    if (near || s->seen_epoch == 0)
        return record;
    fo_emit_note(r, FO_NOTE_ALARM_EPOCH, (int64_t)highest(record));
    return NULL;
}

/* "So does any revision other than the last known one" restart the silence. (4) */
static void new_revision(struct fo_run *r, uint64_t revision, bool by_watch)
{
    struct fo_state *s = r->s;
    s->known.any = true;
    s->known.has_record = false;
    s->known.revision = revision;
    s->known.learnt = r->now;
    if (by_watch || fo_rule_on(s, FO_RULE_REVISION_RESTARTS))
        s->silence_since = r->now;
}

/* Another configuration, or a record that can be read. */
void fo_unread_note(struct fo_run *r)
{
    struct fo_state *s = r->s;
    const struct fo_known *known = &s->known;
    struct fo_unread may = s->unread;
    if (known->has_record && known->readable)
        may = (struct fo_unread){known->record.failsafe, known->record.paused};
    if (s->has_config) {
        may.failsafe |= s->config.failsafe;
        may.paused |= s->config.paused;
    }
    bool same = may.failsafe == s->unread.failsafe && may.paused == s->unread.paused;
    s->unread = may;
    if (!same && s->started)
        fo_emit_persist(r);
}

static void take_record(struct fo_run *r, const struct heartbeat *record, int64_t stamp)
{
    struct fo_known *known = &r->s->known;
    known->has_record = true;
    known->readable = record != NULL;
    known->stamp = stamp;
    if (!record) {
        fo_silence_take(r->s);
        fo_emit_note(r, FO_NOTE_ALARM_UNREADABLE, (int64_t)known->revision);
        return;
    }
    r->s->history.missing =
        false; /* not by a record that can't be read: it may be of a later generation */
    if (record->epoch > r->s->seen_epoch)
        fo_yield_note_leader(r, record);
    heartbeat_copy(&known->record, record);
    fo_unread_note(r);
    fo_silence_take(r->s);
    fo_history_seen(r, hb_era_of(record));
    fo_epoch_seen(r, highest(record));
    fo_seen_push(r, record, known->revision, stamp);
    fo_lease_seen(r, record);
}

/* Numbers are used again by a store that has lost some: the writer's own count tells what is new. What
 * could be read and now can't is not the same either. */
static bool is_other_record(const struct fo_state *s, const struct heartbeat *record)
{
    const struct fo_known *known = &s->known;
    if (!known->has_record || !known->readable || !fo_rule_on(s, FO_RULE_RECORD_TELLS))
        return false;
    if (!record)
        return true;
    bool same_run = record->nonce == known->record.nonce;
    return !same_run || record->counter != known->record.counter;
}

static bool is_later_word(const struct fo_state *s, const struct heartbeat *record)
{
    return record && is_other_record(s, record) && record->nonce == s->known.record.nonce &&
           record->counter > s->known.record.counter;
}

/* A revision of the lease key, by watch or read. A watch that lags behind a read has nothing to
 * tell. */
void fo_known_learn(struct fo_run *r, const struct heartbeat *record, uint64_t revision,
                    int64_t stamp, bool by_watch)
{
    struct fo_known *known = &r->s->known;
    if (known->any && by_watch && revision < known->revision && !is_later_word(r->s, record))
        return;
    known->confirmed = true;
    if (!known->has_record || revision != known->revision || is_other_record(r->s, record))
        new_revision(r, revision, by_watch);
    bool readable_now = record && !known->readable;
    if (!known->has_record || readable_now)
        take_record(r, record, stamp);
}

/* The number that a rejection named: the record is yet to be read. */
void fo_known_number(struct fo_run *r, uint64_t revision)
{
    if (revision > r->s->known.revision)
        new_revision(r, revision, false);
}

/* The own last write that is known to be stored. */
void fo_known_own(struct fo_run *r)
{
    if (!r->s->lease.foreign)
        fo_known_number(r, r->s->lease.revision);
}

void fo_read_now(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->read.request++;
    s->read.sent[s->read.request % FO_READS_MAX] = r->now;
    s->read.due = r->now + s->terms.period;
    fo_emit_read(r);
}

static int64_t read_sent(const struct fo_state *s, uint32_t request)
{
    return s->read.sent[request % FO_READS_MAX];
}

/* The last read was sent at `since` or later, and is not answered. */
bool fo_read_is_under_way(const struct fo_state *s, int64_t since)
{
    return s->read.answered < s->read.request && read_sent(s, s->read.request) >= since;
}

static bool must_read(const struct fo_state *s)
{
    return s->lease_try.kind != FO_TRY_NONE && s->lease_try.must_read;
}

/* "Without a new revision for 2T, and after every gap, a replica reads the key every T" (4) */
static int64_t read_due(const struct fo_state *s)
{
    if (must_read(s))
        return fo_min(s->read.due,
                      read_sent(s, s->read.request) + s->terms.period / FO_SENDS_PER_ATTEMPT);
    if (s->role != HB_ROLE_REPLICA || !s->connected)
        return FO_NEVER;
    if (s->known.any && !s->known.has_record)
        return s->read.due;
    if (!fo_rule_on(s, FO_RULE_READ_WHEN_SILENT))
        return FO_NEVER;
    if (s->read.wanted)
        return s->read.due;
    return fo_max(s->read.due, s->known.learnt + 2 * s->terms.period);
}

void fo_read_advance(struct fo_run *r)
{
    if (r->now >= read_due(r->s))
        fo_read_now(r);
}

int64_t fo_read_next(const struct fo_state *s)
{
    return read_due(s);
}

void fo_read_answered(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    uint32_t request = event->read.request;
    /* The last ones, in order: answers may take longer than the time to the next read. */
    if (request <= s->read.answered || request > s->read.request ||
        s->read.request - request >= FO_READS_MAX)
        return;
    s->read.answered = request;
    if (event->read.outcome == FO_READ_FAILED)
        return; /* read again when due */
    if (read_sent(s, request) < s->known.learnt && fo_rule_on(s, FO_RULE_STALE_READ_DROPPED)) {
        if (request == s->read.request)
            s->read.due = r->now;
        return;
    }
    if (event->read.outcome == FO_READ_MISSING) {
        fo_history_missing(r);
        return;
    }
    s->read.wanted = false;
    const struct heartbeat *record = fo_believed(r, event->read.record);
    fo_lease_key_read(r, record, event->read.revision);
    fo_known_learn(r, record, event->read.revision, event->read.stamp_ns, false);
    fo_history_read(r, request, record);
}
