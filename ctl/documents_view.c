/* The texts of documents_view.h. */
#include "ctl/documents_view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/json_text.h"
#include "ctl/show.h"
#include "ctl/table.h"

static const struct {
    const char *phase;
    enum mood mood;
} phase_moods[] = {
    {"Running", MOOD_GOOD}, {"Stopped", MOOD_PLAIN},  {"Standby", MOOD_FAINT},
    {"Paused", MOOD_PLAIN}, {"Pending", MOOD_CHANGE}, {"Waiting", MOOD_CHANGE},
    {"Blocked", MOOD_BAD},  {"Failed", MOOD_BAD},     {"Deleted", MOOD_FAINT},
    {"Unknown", MOOD_BAD},  {"Ended", MOOD_PLAIN},
};

static enum mood phase_mood(const char *phase)
{
    for (size_t i = 0; i < HM_COUNT(phase_moods); i++)
        if (strcmp(phase, phase_moods[i].phase) == 0)
            return phase_moods[i].mood;
    return MOOD_PLAIN;
}

/* "12", or "11 -> 12" when 12 is declared and 11 applied. */
static char *revision_text(const struct document_row *row)
{
    int64_t applied = number_of(row->status, "applied_revision", 0);
    if (row->revision == 0)
        return NULL;
    if (applied > 0 && (uint64_t)applied < row->revision)
        return hm_printf("%lld -> %llu", (long long)applied, (unsigned long long)row->revision);
    if (applied <= 0)
        return hm_printf("-> %llu", (unsigned long long)row->revision);
    return hm_printf("%llu", (unsigned long long)row->revision);
}

/* Seconds of an RFC 3339 time in UTC; -1: it is none. */
static int64_t parse_time(const char *text)
{
    struct tm tm = {0};
    if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
        return -1;
    return (int64_t)timegm(&tm);
}

static char *since_text(const json_t *status, int64_t now_ns)
{
    char text[SHOW_TIME_MAX];
    int64_t since = parse_time(text_of(status, "since"));
    if (since < 0)
        return NULL;
    show_duration(now_ns / HM_MS - since * 1000, text);
    return hm_strdup(text);
}

static const char *note_of(const struct document_row *row)
{
    const char *error = text_of(json_object_get(row->status, "error"), "text");
    if (!row->status)
        return "no agent has reported on it yet";
    if (*error)
        return error;
    if (row->revision == 0)
        return "not declared any more";
    return text_of(row->status, "reason");
}

/* Addresses that the agent knows, as far as its details have them. */
static char *addresses_text(const json_t *status)
{
    const json_t *list = json_object_get(json_object_get(status, "details"), "addresses");
    struct hm_buf out = {0};
    size_t i;
    json_t *address;
    json_array_foreach(list, i, address)
    {
        const char *text = json_string_value(address);
        hm_buf_printf(&out, "%s%s", out.len ? ", " : "", text ? text : "?");
    }
    return hm_buf_steal(&out);
}

static void add_row(struct table *t, const struct document_row *row, bool wide, int64_t now_ns)
{
    const char *phase = row->status ? text_of(row->status, "phase") : NULL;
    HM_AUTOFREE char *revision = revision_text(row);
    HM_AUTOFREE char *since = since_text(row->status, now_ns);
    table_add(t, row->kind, MOOD_PLAIN);
    table_add(t, row->name, MOOD_PLAIN);
    table_add(t, row->where, MOOD_PLAIN);
    table_add(t, *row->site ? row->site : NULL, MOOD_PLAIN);
    table_add(t, phase, phase_mood(phase ? phase : ""));
    table_add(t, revision, MOOD_PLAIN);
    table_add(t, since, MOOD_PLAIN);
    if (wide) {
        HM_AUTOFREE char *addresses = addresses_text(row->status);
        const char *state = text_of(row->status, "state"), *hash = text_of(row->status, "hash");
        table_add(t, *state ? state : NULL, MOOD_PLAIN);
        table_add(t, *addresses ? addresses : NULL, MOOD_PLAIN);
        table_add(t, *hash ? hash : NULL, MOOD_PLAIN);
    }
    table_add(t, note_of(row), MOOD_PLAIN);
}

void documents_render(const struct document_rows *rows, bool wide, int64_t now_ns, bool colour,
                      struct hm_buf *out)
{
    static const char *const titles[] = {"KIND",  "NAME", "WHERE", "SITE",
                                         "PHASE", "REV",  "SINCE", "NOTE"};
    static const char *const wide_titles[] = {"KIND",  "NAME",  "WHERE",     "SITE", "PHASE", "REV",
                                              "SINCE", "STATE", "ADDRESSES", "HASH", "NOTE"};
    struct table t;
    if (wide)
        table_start(&t, wide_titles, HM_COUNT(wide_titles));
    else
        table_start(&t, titles, HM_COUNT(titles));
    for (size_t i = 0; i < rows->count; i++)
        add_row(&t, &rows->items[i], wide, now_ns);
    table_finish(&t, 0, colour, out);
}

static json_t *row_json(const struct document_row *row)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s}", "kind", row->kind, "name", row->name, "where", row->where);
    if (*row->site)
        json_object_set_new(o, "site", json_string(row->site));
    if (row->revision)
        json_object_set_new(o, "revision", json_integer((json_int_t)row->revision));
    if (row->given)
        json_object_set(o, "spec", row->given);
    if (row->status)
        json_object_set(o, "status", row->status);
    return o;
}

json_t *documents_json(const struct document_rows *rows)
{
    json_t *items = json_array();
    for (size_t i = 0; i < rows->count; i++)
        json_array_append_new(items, row_json(&rows->items[i]));
    return json_pack("{s:o}", "items", items);
}
