#include "ctl/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/table.h"
#include "proto/doc.h"
#include "proto/heartbeat.h"

enum {
    SKEW_WARNING_MS = 1000,
    ROOM_WARNING_GIB = 10, /* less than that, or than a tenth */
    ROOM_PROBLEM_MIB = 512,
    DOCUMENT_HISTORY = 16,
    RECORD_HISTORY = 64,
};

static const char *const level_names[] = {
#define FINDING_LEVEL_NAME(id, text) text,
    FINDING_LEVELS(FINDING_LEVEL_NAME)
#undef FINDING_LEVEL_NAME
};

/* -- The list --------------------------------------------------------------------------------- */

void diagnosis_add(struct diagnosis *d, enum finding_level level, const char *subject,
                   const char *advice, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->items = hm_realloc_array(d->items, d->count + 1, sizeof *d->items);
    d->items[d->count++] = (struct finding){level, show_cleaned(subject), show_cleaned(text),
                                            advice ? hm_strdup(advice) : NULL};
}

size_t diagnosis_count(const struct diagnosis *d, enum finding_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++)
        count += d->items[i].level == level;
    return count;
}

void diagnosis_clear(struct diagnosis *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->items[i].subject);
        free(d->items[i].text);
        free(d->items[i].advice);
    }
    free(d->items);
    *d = (struct diagnosis){0};
}

void diagnosis_render(const struct diagnosis *d, bool colour, struct hm_buf *out)
{
    static const enum mood moods[] = {MOOD_GOOD, MOOD_CHANGE, MOOD_BAD};
    size_t problems = diagnosis_count(d, FINDING_PROBLEM),
           warnings = diagnosis_count(d, FINDING_WARNING);
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->items[i];
        hm_buf_puts(out, "  ");
        show_mood(out, level_names[f->level], moods[f->level], colour);
        show_pad(out, strlen(level_names[f->level]), 9);
        hm_buf_printf(out, "%s: %s\n", f->subject, f->text);
        if (f->advice)
            hm_buf_printf(out, "           -> %s\n", f->advice);
    }
    hm_buf_printf(out, "%zu problem%s, %zu warning%s\n", problems, problems == 1 ? "" : "s",
                  warnings, warnings == 1 ? "" : "s");
}

json_t *diagnosis_json(const struct diagnosis *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s*}", "level",
                                              level_names[d->items[i].level], "subject",
                                              d->items[i].subject, "text", d->items[i].text,
                                              "advice", d->items[i].advice));
    return json_pack("{s:o, s:I, s:I}", "findings", list, "problems",
                     (json_int_t)diagnosis_count(d, FINDING_PROBLEM), "warnings",
                     (json_int_t)diagnosis_count(d, FINDING_WARNING));
}

/* -- NATS ------------------------------------------------------------------------------------- */

void diagnose_server(struct diagnosis *d, const int version[3], const char *servers)
{
    int known = version[0] * 1000 + version[1];
    if (known == 0)
        diagnosis_add(d, FINDING_WARNING, "server", "ask its operator: 2.10 or later is needed",
                      "does not tell its version (%s)", servers);
    else if (known < 2010)
        diagnosis_add(d, FINDING_PROBLEM, "server",
                      "upgrade it to 2.10 or later: before, clustered compare-and-swap can fail",
                      "nats-server %d.%d.%d at %s", version[0], version[1], version[2], servers);
    else
        diagnosis_add(d, FINDING_OK, "server", NULL, "nats-server %d.%d.%d at %s", version[0],
                      version[1], version[2], servers);
}

static void diagnose_settings(struct diagnosis *d, const char *name, const struct bus_bucket *b)
{
    bool is_record = !strcmp(name, BUCKET_FAILOVER);
    int history = is_record ? RECORD_HISTORY : DOCUMENT_HISTORY;
    if (b->replicas < 2) {
        HM_AUTOFREE char *advice =
            hm_printf("with three or more servers: nats stream edit KV_%s --replicas 3", name);
        diagnosis_add(d, FINDING_WARNING, name, advice,
                      "has 1 replica: an acknowledged write can be lost with its server");
    }
    if (b->history < history) {
        HM_AUTOFREE char *advice =
            hm_printf("nats stream edit KV_%s --max-msgs-per-subject %d", name, history);
        diagnosis_add(d, FINDING_WARNING, name, advice, "keeps %d revisions of a key, not %d",
                      b->history, history);
    }
    if (!b->file_storage)
        diagnosis_add(d, FINDING_PROBLEM, name, "make it anew with storage: file",
                      "is kept in memory: it is gone when its servers restart");
    if (b->max_age_ns > 0)
        diagnosis_add(d, FINDING_PROBLEM, name, "take its max age off: what is old is not wrong",
                      "forgets what is older than %lld s", (long long)(b->max_age_ns / 1000000000));
    if (is_record && !b->deny_purge)
        diagnosis_add(
            d, FINDING_WARNING, name,
            "a bucket that failover init makes has it; this can only be set when it is made",
            "may be purged by whoever may write to it");
}

void diagnose_bucket(struct diagnosis *d, const char *name, const struct bus_bucket *b)
{
    size_t before = d->count;
    if (!b->exists) {
        diagnosis_add(d, FINDING_PROBLEM, name, "harmonyctl failover init makes it",
                      "is not there");
        return;
    }
    diagnose_settings(d, name, b);
    if (d->count == before)
        diagnosis_add(d, FINDING_OK, name, NULL, "%d replicas, %d revisions of each key",
                      b->replicas, b->history);
}

/* -- Clocks ----------------------------------------------------------------------------------- */

static void diagnose_skew(struct diagnosis *d, const char *whose, const char *against,
                          int64_t skew_ms)
{
    int64_t size = skew_ms < 0 ? -skew_ms : skew_ms;
    if (size > SKEW_WARNING_MS)
        diagnosis_add(d, FINDING_WARNING, whose,
                      "synchronize clocks (chrony): failover does not depend on them, but what "
                      "people read does",
                      "its clock is %lld.%lld s %s %s", (long long)(size / 1000),
                      (long long)(size % 1000 / 100), skew_ms < 0 ? "behind" : "ahead of", against);
}

void diagnose_heartbeats(struct diagnosis *d, const struct entries *last)
{
    for (size_t i = 0; i < last->count; i++) {
        const struct entry *e = &last->items[i];
        struct heartbeat hb;
        if (e->deleted || !strstr(e->key, KEY_REPLICA) ||
            heartbeat_parse(e->value, e->len, false, &hb, NULL) < 0 || hb.timestamp_ms <= 0)
            continue;
        diagnose_skew(d, hb.site.text, "that of the NATS server",
                      hb.timestamp_ms - e->stamp_ns / HM_MS);
    }
}

/* -- The agents' own words -------------------------------------------------------------------- */

static const char agent_suffix[] = ".agent";

static bool is_agent_key(const struct entry *e, char site[DOC_NAME_MAX + 1])
{
    size_t len = strlen(e->key), suffix = strlen(agent_suffix);
    if (e->deleted || len <= suffix || len - suffix > DOC_NAME_MAX ||
        strcmp(e->key + len - suffix, agent_suffix) != 0 ||
        strchr(e->key, '.') != e->key + len - suffix)
        return false;
    memcpy(site, e->key, len - suffix);
    site[len - suffix] = '\0';
    return true;
}

static void diagnose_backend(struct diagnosis *d, const char *site, const char *name,
                             const json_t *facts)
{
    const char *accel = text_of(facts, "accel");
    if (!strcmp(accel, "qemu"))
        diagnosis_add(d, FINDING_WARNING, site,
                      "on hardware: enable virtualization in the firmware and load kvm; accel: kvm "
                      "makes its absence an error",
                      "guests on %s are emulated (tcg), which is some 10 times slower: %s", name,
                      text_of(facts, "accel_reason"));
    else if (*accel)
        diagnosis_add(d, FINDING_OK, site, NULL, "%s %s, %s", name, text_of(facts, "version"),
                      accel);
}

static void diagnose_agent(struct diagnosis *d, const char *site, const json_t *status)
{
    const char *name;
    json_t *facts, *warning;
    size_t i;
    json_object_foreach(json_object_get(status, "backends"), name, facts)
        diagnose_backend(d, site, name, facts);
    json_array_foreach(json_object_get(status, "warnings"), i, warning) diagnosis_add(
        d, FINDING_WARNING, site, "the sentence says what to do", "%s",
        json_is_string(warning) ? json_string_value(warning) : text_of(warning, "text"));
    const json_t *guardian = json_object_get(json_object_get(status, "failover"), "guardian");
    if (json_is_object(guardian) && json_is_false(json_object_get(guardian, "up")))
        diagnosis_add(d, FINDING_PROBLEM, site,
                      "start harmony-guardian there: without it this site does not lead",
                      "its guardian is not up");
}

static bool has_agent(const json_t *sites, const char *site)
{
    size_t i;
    json_t *one;
    json_array_foreach(sites, i, one)
    {
        if (!strcmp(json_string_value(one), site))
            return true;
    }
    return false;
}

static void diagnose_places(struct diagnosis *d, const struct entries *desired, const json_t *sites)
{
    json_t *told = json_object();
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    for (size_t i = 0; i < desired->count; i++) {
        const struct entry *e = &desired->items[i];
        if (e->deleted)
            continue;
        if (doc_key_split(e->key, where, kind, name, NULL) < 0)
            diagnosis_add(d, FINDING_WARNING, BUCKET_DESIRED, "nats kv del takes it away",
                          "the key %s is no document's", e->key);
        else if (strcmp(where, DOC_PLACEMENT_PRIMARY) != 0 && !has_agent(sites, where) &&
                 !json_object_get(told, where)) {
            json_object_set_new(told, where, json_true());
            diagnosis_add(d, FINDING_PROBLEM, where,
                          "start harmonyd with this site_id, or correct the documents' site",
                          "documents are declared for it, and no agent of it has ever reported");
        }
    }
    json_decref(told);
}

void diagnose_statuses(struct diagnosis *d, const struct entries *desired,
                       const struct entries *status, json_t *sites)
{
    char site[DOC_NAME_MAX + 1];
    for (size_t i = 0; i < status->count; i++) {
        if (!is_agent_key(&status->items[i], site))
            continue;
        json_t *object = entry_object(&status->items[i]);
        json_array_append_new(sites, json_string(site));
        diagnose_agent(d, site, object);
        json_decref(object);
    }
    if (json_array_size(sites) == 0)
        diagnosis_add(d, FINDING_PROBLEM, "agents",
                      "start harmonyd on each site (docs/quickstart.md)",
                      "no agent has reported yet");
    diagnose_places(d, desired, sites);
}

/* -- The answer to `check` -------------------------------------------------------------------- */

static void diagnose_disk(struct diagnosis *d, const char *site, const json_t *disk)
{
    int64_t room = number_of(disk, "free", -1), size = number_of(disk, "size", 0);
    const char *path = text_of(disk, "path"), *error = text_of(disk, "error");
    double gib = (double)room / (1 << 30);
    if (room < 0)
        diagnosis_add(d, FINDING_PROBLEM, site, "see why the folder can't be looked at",
                      "%s (%s): %s", path, text_of(disk, "what"), error);
    else if (room < (int64_t)ROOM_PROBLEM_MIB << 20)
        diagnosis_add(d, FINDING_PROBLEM, site,
                      "make room: guests stop when their disks can't grow",
                      "%s (%s) is full: %.1f GiB free", path, text_of(disk, "what"), gib);
    else if (room < (int64_t)ROOM_WARNING_GIB << 30 && room < size / 10)
        diagnosis_add(d, FINDING_WARNING, site,
                      "make room before guests' disks can't grow any more",
                      "%s (%s): %.1f GiB free", path, text_of(disk, "what"), gib);
    else
        diagnosis_add(d, FINDING_OK, site, NULL, "%s (%s): %.0f GiB free", path,
                      text_of(disk, "what"), gib);
}

void diagnose_check(struct diagnosis *d, const char *site, const json_t *answer, int64_t asked_ns,
                    int64_t answered_ns)
{
    size_t i;
    json_t *disk;
    int64_t ours_ms = (asked_ns + (answered_ns - asked_ns) / 2) / HM_MS;
    int64_t theirs_ms = number_of(answer, "time_ms", -1);
    const char *version = text_of(answer, "version");
    if (!strcmp(version, HM_VERSION))
        diagnosis_add(d, FINDING_OK, site, NULL, "its agent answers within %lld ms, version %s",
                      (long long)((answered_ns - asked_ns) / HM_MS), version);
    else
        diagnosis_add(d, FINDING_WARNING, site,
                      "let all agents and harmonyctl have the same version",
                      "its agent has version %s, harmonyctl has %s", version, HM_VERSION);
    if (theirs_ms >= 0)
        diagnose_skew(d, site, "ours", theirs_ms - ours_ms);
    json_array_foreach(json_object_get(answer, "disks"), i, disk) diagnose_disk(d, site, disk);
}
