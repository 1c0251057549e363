#include "ctl/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/config_change.h"
#include "ctl/group.h"
#include "ctl/json_text.h"
#include "ctl/request_text.h"
#include "ctl/show.h"

enum { FALLBACK_INTERVAL_MS = 1000, WRITERS_MAX = 32, NO_ITEM = -1 };

static const char *const type_names[] = {
#define TL_TYPE_NAME(id, text) text,
    TL_TYPES(TL_TYPE_NAME)
#undef TL_TYPE_NAME
};

const char *tl_type_name(enum tl_type type)
{
    return type_names[type];
}

/* Whoever writes heartbeats: the holder of the lease, and each site for itself. */
struct writer {
    struct hb_site site;
    ptrdiff_t run;   /* item that its next heartbeat may lengthen, or NO_ITEM */
    int64_t last_ns; /* stamp of its last heartbeat; 0: none yet */
    bool is_excused; /* replica: it has led since, and then writes the lease only */
    struct heartbeat last;
};

struct making {
    struct timeline *t;
    struct writer lease;
    struct writer replicas[WRITERS_MAX];
    size_t replica_count;
    bool lease_known;     /* some lease record was read */
    int64_t silent_since; /* the old leader's last heartbeat, until the new one serves; 0: none */
    json_t *config;       /* the last one */
    int64_t interval_ms;  /* T as configured */
};

static struct tl_item *add_item(struct making *m, enum tl_type type, const struct entry *e)
{
    struct timeline *t = m->t;
    t->items = hm_realloc_array(t->items, t->count + 1, sizeof *t->items);
    t->items[t->count] = (struct tl_item){
        .type = type,
        .from_ns = e->stamp_ns,
        .to_ns = e->stamp_ns,
        .revision = e->revision,
        .rtt_min_us = -1,
        .rtt_max_us = -1,
        .lag = -1,
    };
    return &t->items[t->count++];
}

/* -- Runs of heartbeats -------------------------------------------------------------------- */

static int64_t interval_ns(const struct making *m, const struct heartbeat *hb)
{
    int64_t ms = hb->interval_ms > 0 ? hb->interval_ms : m->interval_ms;
    return ms * 1000000;
}

static bool in_step(const struct making *m, const struct writer *w, const struct entry *e)
{
    return w->is_excused || e->stamp_ns - w->last_ns <= 2 * interval_ns(m, &w->last);
}

/* From the claim on, the lease is held and the workload on its way. */
static enum hb_role role_of_run(const struct heartbeat *hb)
{
    return hb->role == HB_ROLE_CLAIMING ? HB_ROLE_PROMOTING : hb->role;
}

/* What a run has in common; a change of it begins another. The epoch of a replica's record is the
 * leader's. */
static bool is_alike(enum tl_type type, const struct heartbeat *a, const struct heartbeat *b)
{
    return (a->epoch == b->epoch || type == TL_STANDING_BY) && role_of_run(a) == role_of_run(b) &&
           a->paused == b->paused && (a->failures > 0) == (b->failures > 0) &&
           hb_site_equal(&a->site, &b->site);
}

static void lengthen_run(struct tl_item *run, const struct entry *e, const struct heartbeat *hb)
{
    run->to_ns = e->stamp_ns;
    run->beats++;
    run->lag = hb->lag;
    if (hb->failures > run->failures)
        run->failures = hb->failures;
    if (hb->rtt_us < 0)
        return;
    if (run->rtt_min_us < 0 || hb->rtt_us < run->rtt_min_us)
        run->rtt_min_us = hb->rtt_us;
    if (hb->rtt_us > run->rtt_max_us)
        run->rtt_max_us = hb->rtt_us;
}

static ptrdiff_t begin_run(struct making *m, enum tl_type type, const struct entry *e,
                           const struct heartbeat *hb)
{
    struct tl_item *run = add_item(m, type, e);
    run->site = hb->site;
    run->epoch = hb->epoch;
    run->role = role_of_run(hb);
    run->reason = hb->reason;
    run->paused = hb->paused;
    return run - m->t->items;
}

static void add_gap(struct making *m, const struct writer *w, const struct entry *e, uint64_t epoch)
{
    struct tl_item *gap = add_item(m, TL_GAP, e);
    gap->from_ns = w->last_ns;
    gap->site = w->site;
    gap->epoch = epoch;
}

static void add_beat(struct making *m, struct writer *w, enum tl_type type, const struct entry *e,
                     const struct heartbeat *hb)
{
    if (w->last_ns && !in_step(m, w, e)) {
        add_gap(m, w, e, hb->epoch);
        w->run = NO_ITEM;
    }
    if (w->run == NO_ITEM || w->is_excused || !is_alike(type, &w->last, hb))
        w->run = begin_run(m, type, e, hb);
    lengthen_run(&m->t->items[w->run], e, hb);
    w->site = hb->site;
    w->last = *hb;
    w->last_ns = e->stamp_ns;
    w->is_excused = false;
}

static struct writer *find_replica(struct making *m, const char *site)
{
    for (size_t i = 0; i < m->replica_count; i++)
        if (strcmp(m->replicas[i].site.text, site) == 0)
            return &m->replicas[i];
    if (m->replica_count == WRITERS_MAX)
        return NULL;
    struct writer *w = &m->replicas[m->replica_count];
    if (!hb_site_from(site, &w->site))
        return NULL;
    w->run = NO_ITEM;
    m->replica_count++;
    return w;
}

static void excuse_replica(struct making *m, const struct hb_site *site)
{
    struct writer *w = find_replica(m, site->text);
    if (w)
        w->is_excused = true;
}

/* -- The lease ----------------------------------------------------------------------------- */

static void add_promotion(struct making *m, const struct entry *e, const struct heartbeat *hb)
{
    struct writer *w = &m->lease;
    if (w->last_ns && hb_site_is_set(&w->last.site) && !in_step(m, w, e))
        add_gap(m, w, e, w->last.epoch);
    struct tl_item *item = add_item(m, TL_PROMOTION, e);
    item->site = hb->site;
    item->other = w->last.site;
    item->epoch = hb->epoch;
    item->old_epoch = w->last.epoch;
    item->reason = hb->reason;
    if (hb_site_is_set(&w->last.site))
        m->silent_since = w->last_ns;
}

static void add_release(struct making *m, const struct entry *e, const struct heartbeat *hb)
{
    struct writer *w = &m->lease;
    if (hb_site_is_set(&w->last.site) && w->last_ns)
        m->silent_since = w->last_ns;
    struct tl_item *item = add_item(m, TL_RELEASE, e);
    item->site = w->last.site;
    item->other = hb->next;
    item->epoch = hb->epoch;
    item->reason = hb->reason;
    w->last = *hb;
    w->last_ns = e->stamp_ns;
    w->run = NO_ITEM;
    m->lease_known = true;
}

static void note_serving(struct making *m, const struct entry *e, const struct heartbeat *hb)
{
    struct tl_item *item = add_item(m, TL_SERVING, e);
    item->site = hb->site;
    item->epoch = hb->epoch;
    item->since_last_ns = m->silent_since ? e->stamp_ns - m->silent_since : 0;
    m->silent_since = 0;
}

static void add_lease(struct making *m, const struct entry *e, const struct heartbeat *hb)
{
    struct writer *w = &m->lease;
    if (hb->status == HB_RELEASED) {
        add_release(m, e, hb);
        return;
    }
    bool is_new = m->lease_known && hb->epoch != w->last.epoch;
    bool was_up = m->lease_known && !is_new && w->last.role == HB_ROLE_LEADER;
    if (is_new) {
        add_promotion(m, e, hb);
        w->run = NO_ITEM;
        w->last_ns = 0; /* the gap before it has been told */
    }
    if (m->lease_known && hb->role == HB_ROLE_LEADER && !was_up)
        note_serving(m, e, hb);
    add_beat(m, w, TL_LEADING, e, hb);
    excuse_replica(m, &hb->site);
    m->lease_known = true;
}

/* -- Other records ------------------------------------------------------------------------- */

static void add_replica(struct making *m, const struct entry *e, const char *site,
                        const struct heartbeat *hb)
{
    struct writer *w = find_replica(m, site);
    if (w && strcmp(hb->site.text, site) == 0)
        add_beat(m, w, TL_STANDING_BY, e, hb);
}

static void add_words(struct making *m, enum tl_type type, const struct entry *e, const char *text)
{
    add_item(m, type, e)->text = show_cleaned(text);
}

static void add_config(struct making *m, const struct entry *e)
{
    json_t *config = entry_object(e);
    if (!config) {
        add_words(m, TL_UNREADABLE, e, KEY_CONFIG " is not a JSON object");
        return;
    }
    char *text = config_change_text(m->config, config);
    add_item(m, TL_CONFIG, e)->text = text;
    json_decref(m->config);
    m->config = config;
    int64_t interval_ms = span_of(config, "heartbeat_interval_ms");
    m->interval_ms = interval_ms > 0 ? interval_ms : FALLBACK_INTERVAL_MS;
}

static void add_incident(struct making *m, const struct entry *e, const char *key)
{
    json_t *incident = entry_object(e);
    int64_t silence_ms = span_of(incident, "silence_ms");
    char silence[SHOW_TIME_MAX];
    if (number_of(incident, "serving_ms", -1) >= 0) { /* told again, with what came of it */
        json_decref(incident);
        return;
    }
    show_span(silence_ms * 1000000, silence);
    HM_AUTOFREE char *text = silence_ms < 0
                                 ? hm_printf("evidence in %s: %s", key, text_of(incident, "text"))
                                 : hm_printf("evidence in %s: %s, %s of silence", key,
                                             text_of(incident, "text"), silence);
    add_words(m, incident ? TL_INCIDENT : TL_UNREADABLE, e, text);
    hb_site_from(text_of(incident, "to"), &m->t->items[m->t->count - 1].site);
    json_decref(incident);
}

static void add_account(struct making *m, const struct entry *e, const char *key)
{
    json_t *account = entry_object(e);
    HM_AUTOFREE char *text =
        hm_printf("tells in %s how its epoch ended (harmonyctl incident list)", key);
    add_words(m, account ? TL_INCIDENT : TL_UNREADABLE, e, text);
    hb_site_from(text_of(account, "site_id"), &m->t->items[m->t->count - 1].site);
    json_decref(account);
}

static void add_operator(struct making *m, const struct entry *e)
{
    json_t *action = entry_object(e);
    const char *why = text_of(action, "reason");
    HM_AUTOFREE char *text = hm_printf("%s by %s%s%s", text_of(action, "action"),
                                       text_of(action, "by"), *why ? ": " : "", why);
    add_words(m, action ? TL_OPERATOR : TL_UNREADABLE, e, text);
    json_decref(action);
}

static char *answer_text(const struct failover_request *r)
{
    HM_AUTOFREE char *what = request_text(r), *text = show_cleaned(r->text);
    return hm_printf("%s (%s)%s%s", failover_request_state_name(r->state), what, *text ? ": " : "",
                     text);
}

/* Asked for or withdrawn by an operator, and each answer of an agent. */
static void add_request(struct making *m, const struct entry *e)
{
    struct failover_request r;
    struct hm_error ignored;
    if (failover_request_parse(e->value, e->len, &r, &ignored) < 0) {
        add_words(m, TL_UNREADABLE, e, FAILOVER_REQUEST_KEY " can't be read");
        return;
    }
    struct tl_item *item = add_item(m, TL_OPERATOR, e);
    item->text = r.state == REQUEST_ASKED ? request_text(&r) : answer_text(&r);
    item->site = r.answered_by;
}

static void add_deleted(struct making *m, const struct entry *e, const char *key)
{
    HM_AUTOFREE char *text =
        hm_printf("%s was deleted (an outage of the store, never \"no primary\")", key);
    add_words(m, TL_DELETED, e, text);
}

static void add_heartbeat(struct making *m, const struct entry *e, const char *key)
{
    bool is_lease = strcmp(key, KEY_LEASE) == 0;
    struct heartbeat hb;
    struct hm_error why;
    if (heartbeat_parse(e->value, e->len, is_lease, &hb, &why) < 0) {
        HM_AUTOFREE char *text = hm_printf("%s can't be read: %s", key, why.text);
        add_words(m, TL_UNREADABLE, e, text);
    } else if (is_lease) {
        add_lease(m, e, &hb);
    } else {
        add_replica(m, e, key + strlen(KEY_REPLICA), &hb);
    }
}

static void add_entry(struct making *m, const struct entry *e, const char *key)
{
    if (e->deleted)
        add_deleted(m, e, key);
    else if (strcmp(key, KEY_CONFIG) == 0)
        add_config(m, e);
    else if (strncmp(key, KEY_INCIDENT, strlen(KEY_INCIDENT)) == 0)
        add_incident(m, e, key);
    else if (strcmp(key, FAILOVER_REQUEST_KEY) == 0)
        add_request(m, e);
    else if (strcmp(key, KEY_OPERATOR) == 0)
        add_operator(m, e);
    else if (strncmp(key, KEY_ACCOUNT, strlen(KEY_ACCOUNT)) == 0)
        add_account(m, e, key);
    else if (strcmp(key, KEY_STATE) != 0) /* says again what the lease has said */
        add_heartbeat(m, e, key);
}

/* What one record brings about is told before the run that it begins. */
static int rank_of(const struct tl_item *item)
{
    bool is_run = item->type == TL_LEADING || item->type == TL_STANDING_BY;
    return is_run ? (int)HM_COUNT(type_names) : (int)item->type;
}

static int by_time(const void *a, const void *b)
{
    const struct tl_item *x = a, *y = b;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    if (x->revision != y->revision)
        return x->revision < y->revision ? -1 : 1;
    return rank_of(x) - rank_of(y);
}

void timeline_make(const struct entries *history, const char *group, struct timeline *ret)
{
    struct making m = {.t = ret, .interval_ms = FALLBACK_INTERVAL_MS};
    *ret = (struct timeline){0};
    m.lease.run = NO_ITEM;
    for (size_t i = 0; i < history->count; i++) {
        const char *key = key_in_group(group, history->items[i].key);
        if (!key)
            continue;
        ret->records++;
        if (history->items[i].stamp_ns > ret->last_ns)
            ret->last_ns = history->items[i].stamp_ns;
        add_entry(&m, &history->items[i], key);
    }
    json_decref(m.config);
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof *ret->items, by_time);
}

void timeline_clear(struct timeline *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].text);
    free(t->items);
    *t = (struct timeline){0};
}
