#include "ctl/incident.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "ctl/group.h"
#include "ctl/json_text.h"
#include "ctl/request_text.h"

/* -- Reading what others wrote ----------------------------------------------------------------- */

static enum hb_reason reason_of(const json_t *object, const char *name)
{
    enum hb_reason reason = HB_REASON_NONE;
    hb_reason_from(text_of(object, name), &reason);
    return reason;
}

static uint32_t failures_of(const json_t *object)
{
    int64_t number = number_of(object, "failures", 0);
    return number < 0 || number > UINT32_MAX ? 0 : (uint32_t)number;
}

static bool read_beat(const json_t *from, struct incident_beat *ret)
{
    *ret = (struct incident_beat){
        .gap_ms = span_of(from, "gap_ms"),
        .rtt_us = span_of(from, "rtt_us"),
        .epoch = epoch_of(from, "epoch"),
        .counter = epoch_of(from, "counter"),
        .failures = failures_of(from),
    };
    hb_site_from(text_of(from, "site_id"), &ret->site);
    return hm_time_parse(text_of(from, "stamp"), &ret->stamp_ns);
}

static void read_beats(const json_t *list, struct incident *i)
{
    size_t n;
    json_t *item;
    json_array_foreach(list, n, item)
    {
        if (i->beat_count == INCIDENT_BEATS_MAX)
            return;
        if (read_beat(item, &i->beats[i->beat_count]))
            i->last_ms = span_of(item, "before_ms"), i->beat_count++;
    }
}

static void read_account(const json_t *from, struct incident_account *a)
{
    const json_t *fired = json_object_get(from, "guardian_fired");
    *a = (struct incident_account){
        .same_run = !strcmp(text_of(from, "run"), "same"),
        .same_boot = !strcmp(text_of(from, "boot"), "same"),
        .fired = json_is_object(fired),
        .fired_late_ms = span_of(fired, "late_ms"),
        .connected = json_is_true(json_object_get(from, "connected")),
        .reason = reason_of(from, "reason"),
        .acked_ms = span_of(from, "acked_ms"),
        .rtt_us = span_of(from, "rtt_us"),
        .attempts = span_of(from, "attempts"),
        .heard_back = span_of(from, "heard_back"),
        .heard_back_ms = span_of(from, "heard_back_ms"),
        .late_ms = span_of(from, "late_ms"),
    };
}

/* -- Who led before, and when --------------------------------------------------------------------- */

const struct incident_beat *incident_last_beat(const struct incident *i)
{
    for (size_t n = i->beat_count; n > 0; n--)
        if (hb_site_is_set(&i->beats[n - 1].site) && i->beats[n - 1].epoch == i->from_epoch)
            return &i->beats[n - 1];
    return NULL;
}

static int read_incident(const struct entry *e, struct incident *i, struct hm_error *err)
{
    json_t *from = entry_object(e);
    *i = (struct incident){
        .epoch = epoch_of(from, "epoch"),
        .from_epoch = epoch_of(from, "from_epoch"),
        .reason = reason_of(from, "reason"),
        .ended = reason_of(from, "ended"),
        .taken_ns = e->stamp_ns,
        .interval_ms = span_of(from, "interval_ms"),
        .silence_ms = span_of(from, "silence_ms"),
        .needed_ms = span_of(from, "needed_ms"),
        .gap_ms = span_of(json_object_get(from, "own_gap"), "ms"),
        .serving_ms = span_of(from, "serving_ms"),
        .last_ms = -1,
        .others_heard = -1,
    };
    hb_site_from(text_of(from, "from"), &i->from);
    bool is_one = hb_site_from(text_of(from, "to"), &i->to) && i->epoch > 0;
    read_beats(json_object_get(from, "heartbeats"), i);
    json_decref(from);
    if (!is_one)
        return hm_fail(err, HM_E_INVALID, "%s rev %" PRIu64 " is not the record of an incident",
                       e->key, e->revision);
    return 0;
}

/* A release names nobody: the beats before it do. By the server's clock the claim was decided so long
 * after the last of them. */
static void complete(struct incident *i)
{
    const struct incident_beat *last = incident_last_beat(i);
    if (last && !hb_site_is_set(&i->from))
        i->from = last->site;
    if (i->beat_count > 0 && i->last_ms >= 0)
        i->taken_ns = i->beats[i->beat_count - 1].stamp_ns + i->last_ms * HM_MS;
    if (last)
        i->last_ms = (i->taken_ns - last->stamp_ns) / HM_MS;
}

/* Until the old leader gave up, as far as that is known, else until the new one took over. */
static int64_t end_of_silence(const struct incident *i, const struct incident_beat *last)
{
    if (!i->has_account || i->account.acked_ms < 0)
        return i->taken_ns;
    return last->stamp_ns + i->account.acked_ms * HM_MS;
}

/* Heartbeats of others that the store took while the old leader was silent; not known any more once
 * later ones have pushed them out. One that comes within T after its last was sent before. */
static void count_others(const struct entries *history, const char *group, struct incident *i)
{
    const struct incident_beat *last = incident_last_beat(i);
    int64_t oldest = INT64_MAX, heard = 0;
    int64_t from_ns = last ? last->stamp_ns + i->interval_ms * HM_MS : 0;
    int64_t to_ns = last ? end_of_silence(i, last) : 0;
    for (size_t n = 0; last && n < history->count; n++) {
        const struct entry *e = &history->items[n];
        const char *key = key_in_group(group, e->key);
        if (!key || strncmp(key, KEY_REPLICA, strlen(KEY_REPLICA)) != 0 ||
            !strcmp(key + strlen(KEY_REPLICA), i->from.text))
            continue;
        if (e->stamp_ns < oldest)
            oldest = e->stamp_ns;
        heard += e->stamp_ns > from_ns && e->stamp_ns < to_ns;
    }
    if (last && oldest <= last->stamp_ns)
        i->others_heard = heard;
}

/* Who asked for it, if the old or the new leader says that somebody did: before its record was first stored.
 * `taken_ns` is no limit: it is reckoned, and a few ms early it lies before a request that was done at once. */
static void find_request(const struct entries *history, const char *group, int64_t stored_ns,
                         struct incident *i)
{
    bool was_asked = i->ended == HB_REASON_SWITCHOVER || i->reason == HB_REASON_FORCED;
    struct failover_request r;
    struct hm_error ignored;
    for (size_t n = 0; was_asked && n < history->count; n++) {
        const struct entry *e = &history->items[n];
        const char *key = key_in_group(group, e->key);
        if (!key || strcmp(key, FAILOVER_REQUEST_KEY) != 0 || e->deleted ||
            e->stamp_ns > stored_ns || failover_request_parse(e->value, e->len, &r, &ignored) < 0 ||
            !failover_request_is_open(&r) || !hb_site_equal(&r.site, &i->to))
            continue;
        HM_AUTOFREE char *text = request_text(&r);
        snprintf(i->asked, sizeof i->asked, "%s", text);
        hm_utf8_trim(i->asked);
    }
}

/* -- Finding ------------------------------------------------------------------------------------ */

/* The first that is stored under the key has the stamp; the last says the most. */
static const struct entry *find(const struct entries *history, const char *group, const char *key,
                                int64_t *ret_first_ns)
{
    const struct entry *last = NULL;
    for (size_t n = 0; n < history->count; n++) {
        const struct entry *e = &history->items[n];
        const char *name = key_in_group(group, e->key);
        if (!name || strcmp(name, key) != 0 || e->deleted)
            continue;
        if (!last)
            *ret_first_ns = e->stamp_ns;
        last = e;
    }
    return last;
}

static void find_account(const struct entries *history, const char *group, struct incident *i)
{
    char key[40];
    int64_t first;
    snprintf(key, sizeof key, KEY_ACCOUNT "%" PRIu64, i->from_epoch);
    const struct entry *e = find(history, group, key, &first);
    json_t *from = e ? entry_object(e) : NULL;
    i->has_account = from && !strcmp(text_of(from, "site_id"), i->from.text);
    if (i->has_account)
        read_account(from, &i->account);
    json_decref(from);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

size_t incident_epochs(const struct entries *history, const char *group, uint64_t **ret)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    for (size_t n = 0; n < history->count; n++) {
        const char *key = key_in_group(group, history->items[n].key);
        bool is_one = key && !strncmp(key, KEY_INCIDENT, strlen(KEY_INCIDENT));
        uint64_t epoch = is_one ? strtoull(key + strlen(KEY_INCIDENT), NULL, 10) : 0;
        bool is_new = epoch > 0;
        for (size_t k = 0; k < count; k++)
            is_new = is_new && epochs[k] != epoch;
        if (!is_new)
            continue;
        epochs = hm_realloc_array(epochs, count + 1, sizeof *epochs);
        epochs[count++] = epoch;
    }
    if (count > 0)
        qsort(epochs, count, sizeof *epochs, by_number);
    *ret = epochs;
    return count;
}

static int no_such(const struct entries *history, const char *group, uint64_t epoch,
                   struct hm_error *err)
{
    HM_AUTOFREE uint64_t *epochs = NULL;
    size_t count = incident_epochs(history, group, &epochs);
    if (count == 0)
        return hm_fail(err, HM_E_NOT_FOUND, "group %s has no incidents: it has never had a leader",
                       group);
    return hm_fail(err, HM_E_NOT_FOUND,
                   "group %s has no incident %" PRIu64 "; there are %zu, from %" PRIu64
                   " to %" PRIu64 " (harmonyctl incident list)",
                   group, epoch, count, epochs[0], epochs[count - 1]);
}

int incident_read(const struct entries *history, const char *group, uint64_t epoch,
                  struct incident *ret, struct hm_error *err)
{
    char key[40];
    int64_t first_ns = 0;
    snprintf(key, sizeof key, KEY_INCIDENT "%" PRIu64, epoch);
    const struct entry *e = find(history, group, key, &first_ns);
    if (!e)
        return no_such(history, group, epoch, err);
    struct incident i;
    int r = read_incident(e, &i, err);
    if (r < 0)
        return r;
    i.taken_ns = first_ns;
    complete(&i);
    find_account(history, group, &i);
    count_others(history, group, &i);
    find_request(history, group, first_ns, &i);
    *ret = i;
    return 0;
}
