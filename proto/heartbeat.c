#include "proto/heartbeat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "proto/doc.h"
#include "proto/text.h"
#include "proto/tree.h"

/* -- texts ------------------------------------------------------------------------------------- */

static const char *const status_names[] = {
#define NAME(id, text) [HB_##id] = text,
    HB_STATUSES(NAME)
#undef NAME
};
static const char *const role_names[] = {
#define NAME(id, text) [HB_ROLE_##id] = text,
    HB_ROLES(NAME)
#undef NAME
};
static const char *const reason_names[] = {
#define NAME(id, text) [HB_REASON_##id] = #id,
    HB_REASONS(NAME)
#undef NAME
};
static const char *const reason_texts[] = {
#define NAME(id, text) [HB_REASON_##id] = text,
    HB_REASONS(NAME)
#undef NAME
};
static const char *const probe_names[] = {
#define NAME(id, text) [HB_PROBE_##id] = text,
    HB_PROBES(NAME)
#undef NAME
};
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

const char *hb_status_name(enum hb_status status)
{
    return status_names[status];
}

const char *hb_role_name(enum hb_role role)
{
    return role_names[role];
}

const char *hb_reason_name(enum hb_reason reason)
{
    return reason_names[reason];
}

const char *hb_reason_text(enum hb_reason reason)
{
    return reason_texts[reason];
}

bool hb_reason_from(const char *name, enum hb_reason *ret)
{
    for (size_t i = 0; i < sizeof(reason_names) / sizeof(*reason_names); i++)
        if (strcmp(reason_names[i], name) == 0) {
            *ret = (enum hb_reason)i;
            return true;
        }
    return false;
}

const char *hb_probe_name(enum hb_probe probe)
{
    return probe_names[probe];
}

bool hb_site_from(const char *text, struct hb_site *ret)
{
    if (!name_is_valid(text))
        return false;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->text, text, strlen(text));
    return true;
}

/* -- parse: one reader for each type of field --------------------------------------------------- */

struct reader {
    const json_t *object;
    struct hm_error *err;
    int rc; /* of the first failure */
};

static void wrong(struct reader *r, const char *name, const char *expected)
{
    char shown[TEXT_QUOTE_MAX];
    value_quote(json_object_get(r->object, name), shown);
    if (r->rc == 0)
        r->rc = hm_fail(r->err, HM_E_INVALID, "%s: %s is not %s", name, shown, expected);
}

/* NULL: absent or JSON null. */
static const json_t *member(const struct reader *r, const char *name)
{
    const json_t *value = json_object_get(r->object, name);
    return json_is_null(value) ? NULL : value;
}

static void read_site(struct reader *r, const char *name, struct hb_site *ret)
{
    const json_t *value = member(r, name);
    if (value && (!json_is_string(value) || !hb_site_from(json_string_value(value), ret)))
        wrong(r, name, "a site's name");
}

static int64_t read_int(struct reader *r, const char *name, int64_t fallback, int64_t min,
                        int64_t max)
{
    const json_t *value = member(r, name);
    if (!value)
        return fallback;
    int64_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= min && number <= max)
        return number;
    char expected[80];
    snprintf(expected, sizeof(expected), "a whole number of %" PRId64 " to %" PRId64, min, max);
    wrong(r, name, expected);
    return fallback;
}

static uint64_t read_count(struct reader *r, const char *name)
{
    return (uint64_t)read_int(r, name, 0, 0, (int64_t)HB_EPOCH_MAX);
}

static bool read_bool(struct reader *r, const char *name)
{
    const json_t *value = member(r, name);
    if (value && !json_is_boolean(value))
        wrong(r, name, "true or false");
    return json_is_true(value);
}

/* One of `words`, by its position; absent: 0. A word that is not known is 0 too, unless `strict`: a newer
 * agent may have more of them. */
static int read_word(struct reader *r, const char *name, const char *const *words, int count,
                     bool strict)
{
    const json_t *value = member(r, name);
    if (!value)
        return 0;
    const char *text = json_string_value(value);
    for (int i = 0; text && i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    if (!text || strict)
        wrong(r, name, "a word that is known here");
    return 0;
}

static uint64_t read_nonce(struct reader *r)
{
    const json_t *value = member(r, "nonce");
    if (!value)
        return 0;
    const char *text = json_string_value(value);
    if (text && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16)
        return strtoull(text, NULL, 16);
    wrong(r, "nonce", "16 hexadecimal digits");
    return 0;
}

static void read_required(struct reader *r, const char *name)
{
    if (!member(r, name) && r->rc == 0)
        r->rc = hm_fail(r->err, HM_E_INVALID, "%s: is missing", name);
}

static void read_voters(struct reader *r, struct heartbeat *hb)
{
    static const char expected[] = "a list of 1 to 7 sites' names, as failsafe needs";
    const json_t *list = member(r, "voters");
    size_t count = json_array_size(list);
    if (!hb->failsafe)
        return;
    read_required(r, "voters");
    if (!list)
        return;
    if (count < 1 || count > HB_VOTERS_MAX) {
        wrong(r, "voters", expected);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !hb_site_from(text, &hb->voters[i]))
            wrong(r, "voters", expected);
    }
    hb->voter_count = (uint8_t)count;
}

static void read_fields(struct reader *r, struct heartbeat *hb)
{
    read_site(r, "site_id", &hb->site);
    read_site(r, "next", &hb->next);
    hb->status = (enum hb_status)read_word(r, "status", status_names, COUNT(status_names), true);
    hb->role = (enum hb_role)read_word(r, "role", role_names, COUNT(role_names), false);
    hb->reason = (enum hb_reason)read_word(r, "reason", reason_names, COUNT(reason_names), false);
    hb->probe = (enum hb_probe)read_word(r, "probe", probe_names, COUNT(probe_names), false);
    hb->nonce = read_nonce(r);
    hb->generation = read_count(r, "generation");
    hb->epoch = read_count(r, "epoch");
    hb->seen_epoch = read_count(r, "seen_epoch");
    hb->counter = read_count(r, "counter");
    hb->config_revision = read_count(r, "config_revision");
    hb->timestamp_ms = read_int(r, "timestamp", 0, 0, (int64_t)HB_EPOCH_MAX);
    hb->expires_in_ms = read_int(r, "expires_in_ms", 0, 0, HB_PROMISE_MAX_MS);
    hb->interval_ms = read_int(r, "interval_ms", 0, 0, 3600 * 1000);
    hb->rtt_us = read_int(r, "rtt_us", -1, -1, (int64_t)HB_EPOCH_MAX);
    hb->probe_latency_us = read_int(r, "probe_latency_us", -1, -1, (int64_t)HB_EPOCH_MAX);
    hb->lag = read_int(r, "lag", -1, -1, INT64_MAX);
    hb->failures = (uint32_t)read_int(r, "failures", 0, 0, UINT32_MAX);
    hb->successes = (uint32_t)read_int(r, "successes", 0, 0, UINT32_MAX);
    hb->paused = read_bool(r, "paused");
    hb->chosen = read_bool(r, "chosen");
    hb->fit = read_bool(r, "fit");
    hb->failsafe = read_bool(r, "failsafe");
    read_voters(r, hb);
}

/* What must be there, and what must agree. */
static void read_together(struct reader *r, bool is_lease, const struct heartbeat *hb)
{
    bool released = hb->status == HB_RELEASED;
    if (!json_object_get(r->object, "site_id") && r->rc == 0)
        r->rc = hm_fail(r->err, HM_E_INVALID, "site_id: is missing (null: no primary)");
    read_required(r, "status");
    if (is_lease)
        read_required(r, "epoch");
    if (is_lease && !released)
        read_required(r, "expires_in_ms");
    if (r->rc != 0)
        return;
    if (!is_lease && released)
        wrong(r, "status", "a status of a replica heartbeat (HEALTHY or DEGRADED)");
    else if (released && hb_site_is_set(&hb->site))
        wrong(r, "site_id", "null, as RELEASED needs");
    else if (!released && !hb_site_is_set(&hb->site))
        wrong(r, "site_id", "a site's name");
}

int heartbeat_parse(const void *value, size_t len, bool is_lease, struct heartbeat *ret,
                    struct hm_error *err)
{
    struct tree tree = {0};
    if (len > HB_TEXT_MAX * 4)
        return hm_fail(err, HM_E_TOO_LARGE, "a heartbeat of %zu bytes: at most %d are read", len,
                       HB_TEXT_MAX * 4);
    int rc = tree_parse(TREE_JSON, NULL, value, len, &tree, err);
    if (rc < 0)
        return rc;
    struct heartbeat hb = {0};
    struct reader r = {.object = json_array_get(tree.docs, 0), .err = err};
    if (json_is_object(r.object)) {
        read_fields(&r, &hb);
        read_together(&r, is_lease, &hb);
    } else {
        r.rc = hm_fail(err, HM_E_INVALID, "a heartbeat is a JSON object");
    }
    tree_clear(&tree);
    if (r.rc == 0)
        *ret = hb;
    return r.rc;
}

/* -- render ------------------------------------------------------------------------------------ */

struct writer {
    char *out;
    size_t len;
};

static void put(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(w->out + w->len, HB_TEXT_MAX - w->len, fmt, args);
    va_end(args);
    if (n > 0)
        w->len += (size_t)n; /* it fits: the longest of all fields together are below the limit */
}

static void put_site(struct writer *w, const char *name, const struct hb_site *site)
{
    if (hb_site_is_set(site)) /* a checked name: nothing in it needs an escape */
        put(w, "\"%s\":\"%s\",", name, site->text);
    else
        put(w, "\"%s\":null,", name);
}

static void put_known(struct writer *w, const char *name, int64_t value)
{
    if (value >= 0)
        put(w, "\"%s\":%" PRId64 ",", name, value);
}

static void put_voters(struct writer *w, const struct heartbeat *hb)
{
    put(w, "\"failsafe\":true,\"voters\":");
    for (unsigned i = 0; i < hb->voter_count; i++)
        put(w, "%c\"%s\"", i == 0 ? '[' : ',', hb->voters[i].text);
    put(w, "],");
}

static void put_lease(struct writer *w, const struct heartbeat *hb)
{
    if (hb->status == HB_RELEASED) {
        put_site(w, "next", &hb->next);
        return;
    }
    put(w, "\"expires_in_ms\":%" PRId64 ",", hb->expires_in_ms);
    put(w, "\"paused\":%s,", hb->paused ? "true" : "false");
    if (hb->chosen)
        put(w, "\"chosen\":true,");
    if (hb->failsafe)
        put_voters(w, hb);
}

static void put_evidence(struct writer *w, const struct heartbeat *hb)
{
    put(w, "\"role\":\"%s\",", hb_role_name(hb->role));
    put(w, "\"nonce\":\"%016" PRIx64 "\",", hb->nonce);
    put(w, "\"seen_epoch\":%" PRIu64 ",", hb->seen_epoch);
    put(w, "\"config_revision\":%" PRIu64 ",", hb->config_revision);
    put(w, "\"interval_ms\":%" PRId64 ",", hb->interval_ms);
    put_known(w, "rtt_us", hb->rtt_us);
    put(w, "\"failures\":%" PRIu32 ",\"successes\":%" PRIu32 ",", hb->failures, hb->successes);
    put(w, "\"probe\":\"%s\",", hb_probe_name(hb->probe));
    put_known(w, "probe_latency_us", hb->probe_latency_us);
}

size_t heartbeat_render(const struct heartbeat *hb, bool is_lease, char out[HB_TEXT_MAX])
{
    struct writer w = {.out = out};
    put(&w, "{");
    put_site(&w, "site_id", &hb->site);
    put(&w, "\"status\":\"%s\",", hb_status_name(hb->status));
    put(&w, "\"counter\":%" PRIu64 ",", hb->counter);
    put(&w, "\"timestamp\":%" PRId64 ",", hb->timestamp_ms);
    if (hb->generation != 0)
        put(&w, "\"generation\":%" PRIu64 ",", hb->generation);
    put(&w, "\"epoch\":%" PRIu64 ",", hb->epoch);
    if (is_lease) {
        put_lease(&w, hb);
    } else {
        put(&w, "\"fit\":%s,", hb->fit ? "true" : "false");
        put_known(&w, "lag", hb->lag);
    }
    put_evidence(&w, hb);
    put(&w, "\"reason\":\"%s\"}", hb_reason_name(hb->reason));
    return w.len;
}

bool heartbeat_names_voter(const struct heartbeat *hb, const struct hb_site *site)
{
    for (unsigned i = 0; i < hb->voter_count; i++)
        if (hb_site_equal(&hb->voters[i], site))
            return true;
    return false;
}
