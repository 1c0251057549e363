#include "agent/lead_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"

static bool is_default(const char *group)
{
    return !strcmp(group, LEAD_GROUP_DEFAULT);
}

void lead_key(const char *group, const char *name, char out[LEAD_KEY_MAX + 1])
{
    if (is_default(group))
        snprintf(out, LEAD_KEY_MAX + 1, "%s", name);
    else
        snprintf(out, LEAD_KEY_MAX + 1, "%s.%s", group, name);
}

void lead_key_filter(const char *group, char out[LEAD_KEY_MAX + 1])
{
    lead_key(group, ">", out);
}

const char *lead_key_name(const char *group, const char *key)
{
    size_t len = strlen(group);
    if (is_default(group))
        return key;
    return !strncmp(key, group, len) && key[len] == '.' ? key + len + 1 : NULL;
}

void lead_message_id(const struct heartbeat *record, const struct hb_site *writer,
                     char out[LEAD_MESSAGE_ID_MAX])
{
    snprintf(out, LEAD_MESSAGE_ID_MAX, "%s.%016" PRIx64 ".%" PRIu64 ".%" PRIu64, writer->text,
             record->nonce, record->epoch, record->counter);
}

static json_t *site_json(const struct hb_site *site)
{
    return hb_site_is_set(site) ? json_string(site->text) : json_null();
}

static json_t *ms_json(int64_t ns)
{
    return json_integer(ns / HM_MS);
}

static json_t *time_json(int64_t wall_ns)
{
    char text[HM_TIME_TEXT_MAX];
    hm_time_text(wall_ns, text);
    return json_string(text);
}

/* `before` is the record seen before this one, or NULL. */
static json_t *seen_json(const struct fo_seen *s, const struct fo_seen *before, int64_t taken_at)
{
    return json_pack(
        "{s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I}", "site_id", site_json(&s->site),
        "status", hb_status_name(s->status), "epoch", (json_int_t)s->epoch, "counter",
        (json_int_t)s->counter, "revision", (json_int_t)s->revision, "stamp", time_json(s->stamp),
        "before_ms", ms_json(taken_at - s->arrival), "gap_ms",
        before ? ms_json(s->arrival - before->arrival) : json_null(), "rtt_us",
        (json_int_t)s->rtt_us, "failures", (json_int_t)s->failures, "successes",
        (json_int_t)s->successes);
}

static json_t *heartbeats_json(const struct fo_incident *i)
{
    json_t *list = json_array();
    for (unsigned n = 0; n < i->count; n++)
        json_array_append_new(list,
                              seen_json(&i->seen[n], n ? &i->seen[n - 1] : NULL, i->taken_at));
    return list;
}

static char *steal_text(json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

/* Only one that ended after the last heartbeat of the old leader says something about its silence. */
static json_t *gap_json(const struct lead_takeover *t, const struct fo_incident *i)
{
    int64_t last = i->count ? i->seen[i->count - 1].arrival : 0;
    if (!t->gap_ended_ns || t->gap_ended_ns < last)
        return json_null();
    return json_pack("{s:I, s:o}", "ms", (json_int_t)t->gap_ms, "before_ms",
                     ms_json(i->taken_at - t->gap_ended_ns));
}

static json_t *serving_json(const struct lead_takeover *t, const struct fo_incident *i)
{
    return t->serving_ns && t->epoch == i->epoch ? ms_json(t->serving_ns - i->taken_at)
                                                 : json_null();
}

char *lead_incident_text(const struct fo_incident *i, const struct lead_takeover *t, int64_t now_ns,
                         int64_t wall_ns)
{
    return steal_text(json_pack(
        "{s:I, s:I, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch",
        (json_int_t)i->epoch, "from_epoch", (json_int_t)i->from_epoch, "from", site_json(&i->from),
        "to", site_json(&i->to), "reason", hb_reason_name(i->reason), "text",
        hb_reason_text(i->reason), "ended", hb_reason_name(i->ended), "taken_at",
        time_json(wall_ns - (now_ns - i->taken_at)), "interval_ms", ms_json(t->interval_ns),
        "silence_ms", ms_json(i->silence), "needed_ms", ms_json(i->needed), "echo_age_ms",
        ms_json(i->echo_age), "own_gap", gap_json(t, i), "serving_ms", serving_json(t, i),
        "heartbeats", heartbeats_json(i)));
}

static json_t *fired_json(const struct lead_account *a)
{
    if (!a->fired)
        return json_null();
    return json_pack("{s:o}", "late_ms",
                     a->fired_late_ns < 0 ? json_null() : ms_json(a->fired_late_ns));
}

static void add_own_view(json_t *root, const struct lead_account *a, int64_t now_ns,
                         int64_t wall_ns)
{
    json_t *view = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:b}", "reason", hb_reason_name(a->reason),
        "text", hb_reason_text(a->reason), "left_at", time_json(wall_ns - (now_ns - a->left_ns)),
        "acked_ms", a->acked_ns ? ms_json(a->left_ns - a->acked_ns) : json_null(), "rtt_us",
        a->rtt_us < 0 ? json_null() : json_integer(a->rtt_us), "attempts", (json_int_t)a->attempts,
        "heard_back", (json_int_t)a->heard_back, "heard_back_ms", ms_json(a->heard_back_ns),
        "late_ms", ms_json(a->late_ns), "connected", a->connected);
    json_object_update(root, view);
    json_decref(view);
}

char *lead_account_text(const struct lead_account *a, int64_t now_ns, int64_t wall_ns)
{
    json_t *root = json_pack("{s:o, s:I, s:s, s:s, s:o}", "site_id", site_json(&a->site), "epoch",
                             (json_int_t)a->epoch, "run", a->same_run ? "same" : "new", "boot",
                             a->same_boot ? "same" : "new", "guardian_fired", fired_json(a));
    if (a->same_run)
        add_own_view(root, a, now_ns, wall_ns);
    return steal_text(root);
}

char *lead_cluster_state_text(const struct hb_site *site, uint64_t epoch, enum hb_reason reason,
                              int64_t wall_ns)
{
    return steal_text(json_pack("{s:o, s:I, s:o, s:s}", "current_primary", site_json(site), "epoch",
                                (json_int_t)epoch, "since", time_json(wall_ns), "reason",
                                hb_reason_text(reason)));
}
