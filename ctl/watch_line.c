#include "ctl/watch_line.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/json_text.h"
#include "ctl/redact.h"
#include "ctl/show.h"
#include "proto/doc.h"

/* -- Documents -------------------------------------------------------------------------------- */

/* Why a revision will not be accepted, or what differs from the one before. */
static void add_difference(const struct kind *kind, const json_t *before, const json_t *now,
                           struct hm_buf *out)
{
    json_t *was = NULL, *is = NULL;
    struct hm_error err;
    if (kind_verify(kind, now, &is, NULL, &err) < 0) {
        hm_buf_printf(out, ": not valid: %s", err.text);
        return;
    }
    if (before && kind_verify(kind, before, &was, NULL, NULL) >= 0) {
        struct spec_diff diff;
        spec_diff(kind, was, is, &diff);
        for (size_t i = 0; i < diff.count; i++) {
            const struct spec_change *c = &diff.changes[i];
            hm_buf_printf(out, "%s %s %s -> %s", i ? "," : ":", c->path,
                          c->before ? c->before : "-", c->after ? c->after : "-");
        }
        spec_diff_clear(&diff);
    }
    json_decref(was);
    json_decref(is);
}

static void say_document(const struct entry *e, const char *kind, const json_t *before,
                         const json_t *now, struct hm_buf *out)
{
    const struct kind *known = kind_find(kind);
    hm_buf_printf(out, "%s (rev %llu)",
                  e->deleted ? "deleted"
                  : before   ? "changed"
                             : "declared",
                  (unsigned long long)e->revision);
    if (!e->deleted && !now)
        hm_buf_puts(out, ": not a JSON object");
    else if (!e->deleted && known)
        add_difference(known, before, now, out);
}

/* -- Statuses --------------------------------------------------------------------------------- */

static void say_agent(const json_t *now, struct hm_buf *out)
{
    hm_buf_printf(out, "%s, epoch %lld, %lld documents", text_of(now, "role"),
                  (long long)number_of(now, "epoch", 0), (long long)number_of(now, "documents", 0));
    size_t warnings = json_array_size(json_object_get(now, "warnings"));
    if (warnings)
        hm_buf_printf(out, ", %zu warning%s", warnings, warnings > 1 ? "s" : "");
}

static void say_status(const json_t *now, struct hm_buf *out)
{
    const char *error = text_of(json_object_get(now, "error"), "text"),
               *reason = text_of(now, "reason");
    int64_t revision = number_of(now, "applied_revision", 0);
    hm_buf_puts(out, text_of(now, "phase"));
    if (revision)
        hm_buf_printf(out, " (rev %lld)", (long long)revision);
    if (*error || *reason)
        hm_buf_printf(out, ": %s", *error ? error : reason);
}

static void say_report(const json_t *status, bool is_agent, struct hm_buf *out)
{
    if (!status)
        hm_buf_puts(out, "gone");
    else if (is_agent)
        say_agent(status, out);
    else
        say_status(status, out);
}

/* -- The line --------------------------------------------------------------------------------- */

static bool says_the_same(const json_t *before, const json_t *now, bool is_agent)
{
    struct hm_buf a = {0}, b = {0};
    say_report(before, is_agent, &a);
    say_report(now, is_agent, &b);
    bool same = before && strcmp(a.data, b.data) == 0;
    hm_buf_free(&a);
    hm_buf_free(&b);
    return same;
}

bool watch_line(const struct entry *e, const json_t *before, bool is_status, struct hm_buf *out)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    char clock[SHOW_TIME_MAX];
    bool is_thing = doc_key_split(e->key, where, kind, name, NULL) >= 0;
    json_t *now = entry_object(e);
    bool same = is_status && says_the_same(before, now, !is_thing);
    if (!same) {
        struct hm_buf words = {0};
        if (is_status)
            say_report(now, !is_thing, &words);
        else
            say_document(e, is_thing ? kind : "", before, now, &words);
        HM_AUTOFREE char *thing =
            is_thing ? hm_printf("%s  %s/%s", where, kind, name) : show_cleaned(e->key);
        show_clock(e->stamp_ns, clock);
        hm_buf_printf(out, "%s  %s  ", clock, thing);
        show_clean(out, words.data, words.len);
        hm_buf_puts(out, "\n");
        hm_buf_free(&words);
    }
    json_decref(now);
    return !same;
}

void watch_line_json(const struct entry *e, const char *bucket, struct hm_buf *out)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    char time[HM_TIME_TEXT_MAX];
    json_t *value = entry_object(e);
    if (value && doc_key_split(e->key, where, kind, name, NULL) >= 0 && kind_find(kind)) {
        json_t *shown = redact(kind_find(kind)->fields, value);
        json_decref(value);
        value = shown;
    }
    hm_time_text(e->stamp_ns, time);
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:b, s:o}", "time", time, "bucket", bucket, "key",
                          e->key, "revision", (json_int_t)e->revision, "deleted", e->deleted,
                          "value", value ? value : json_null());
    HM_AUTOFREE char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (text)
        hm_buf_printf(out, "%s\n", text);
    json_decref(o);
}
