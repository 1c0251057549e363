#include "proto/failover_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/field.h"
#include "proto/tree.h"

#define NAME_OF(id, text) text,
static const char *const actions[] = {FAILOVER_ACTIONS(NAME_OF) NULL};
static const char *const states[] = {FAILOVER_REQUEST_STATES(NAME_OF) NULL};
#undef NAME_OF

static const struct field off_fields[] = {
    {.name = "site", .type = FIELD_NAME, .required = true, .help = "The site that is off."},
    {.name = "epoch", .type = FIELD_INT, .required = true, .help = "The epoch that it led."},
    {0},
};

static const struct field fields[] = {
    {.name = "action",
     .type = FIELD_ENUM,
     .words = actions,
     .required = true,
     .help = "What is asked for."},
    {.name = "site", .type = FIELD_NAME, .required = true, .help = "Who is to lead."},
    {.name = "state",
     .type = FIELD_ENUM,
     .words = states,
     .required = true,
     .help = "What became of it."},
    {.name = "by",
     .type = FIELD_STRING,
     .required = true,
     .max = FAILOVER_BY_MAX,
     .help = "The operator."},
    {.name = "reason", .type = FIELD_STRING, .max = FAILOVER_WHY_MAX, .help = "Theirs."},
    {.name = "host_time", .type = FIELD_STRING, .max = HM_TIME_TEXT_MAX, .help = "When (UTC)."},
    {.name = "at", .type = FIELD_STRING, .max = HM_TIME_TEXT_MAX, .help = "When it is due (UTC)."},
    {.name = "run", .type = FIELD_STRING, .max = 16, .help = "Of the site's agent, hexadecimal."},
    {.name = "counter", .type = FIELD_INT, .help = "Of the site's last heartbeat."},
    {.name = "off", .type = FIELD_OBJECT, .fields = off_fields, .help = "An operator's word."},
    {.name = "answered_by", .type = FIELD_NAME, .help = "The site whose agent answers."},
    {.name = "text", .type = FIELD_STRING, .max = FAILOVER_WHY_MAX, .help = "Its answer."},
    {0},
};

const char *failover_action_name(enum failover_action action)
{
    return actions[action];
}

const char *failover_request_state_name(enum failover_request_state state)
{
    return states[state];
}

bool failover_request_is_open(const struct failover_request *request)
{
    return request->state == REQUEST_ASKED || request->state == REQUEST_BEGUN;
}

/* -- Reading ------------------------------------------------------------------------------------ */

static int word_of(const char *const *words, const char *text)
{
    int i = 0;
    while (words[i] && strcmp(words[i], text) != 0)
        i++;
    return i;
}

static int take_time(const json_t *spec, const char *name, int64_t *ret_ns, struct hm_error *err)
{
    const char *text = spec_str(spec, name);
    if (text && !hm_time_parse(text, ret_ns))
        return hm_fail(err, HM_E_INVALID, "%s: \"%s\" is no time like 2026-11-29T14:03:12.000Z",
                       name, text);
    return 0;
}

static int take_run(const json_t *spec, uint64_t *ret, struct hm_error *err)
{
    const char *text = spec_str(spec, "run");
    size_t digits = text ? strspn(text, "0123456789abcdef") : 0;
    if (text && (digits == 0 || text[digits]))
        return hm_fail(err, HM_E_INVALID, "run: \"%s\" is no number in hexadecimal", text);
    *ret = text ? strtoull(text, NULL, 16) : 0;
    return 0;
}

static void take_text(const json_t *spec, const char *name, char *to, size_t size)
{
    const char *text = spec_str(spec, name);
    snprintf(to, size, "%s", text ? text : "");
}

static void take_site(const json_t *spec, const char *name, struct hb_site *ret)
{
    const char *text = spec_str(spec, name);
    if (text)
        hb_site_from(text, ret);
}

static int from_spec(const json_t *spec, struct failover_request *ret, struct hm_error *err)
{
    const json_t *off = json_object_get(spec, "off");
    struct failover_request r = {
        .action = (enum failover_action)word_of(actions, spec_str(spec, "action")),
        .state = (enum failover_request_state)word_of(states, spec_str(spec, "state")),
        .counter = (uint64_t)spec_int(spec, "counter", 0),
    };
    take_site(spec, "site", &r.site);
    take_site(spec, "answered_by", &r.answered_by);
    if (off) {
        take_site(off, "site", &r.off);
        r.off_epoch = (uint64_t)spec_int(off, "epoch", 0);
    }
    take_text(spec, "by", r.by, sizeof r.by);
    take_text(spec, "reason", r.why, sizeof r.why);
    take_text(spec, "text", r.text, sizeof r.text);
    int rc = take_time(spec, "at", &r.at_ns, err);
    if (rc == 0)
        rc = take_time(spec, "host_time", &r.host_time_ns, err);
    if (rc == 0)
        rc = take_run(spec, &r.run, err);
    if (rc == 0)
        *ret = r;
    return rc;
}

int failover_request_parse(const void *value, size_t len, struct failover_request *ret,
                           struct hm_error *err)
{
    json_t *spec = NULL;
    int rc = tree_read_record(fields, value, len, &spec, err);
    if (rc >= 0)
        rc = from_spec(spec, ret, err);
    json_decref(spec);
    return rc;
}

/* -- Writing ------------------------------------------------------------------------------------ */

/* json_string() refuses what is not UTF-8. */
static void put_text(json_t *o, const char *name, const char *text)
{
    json_t *value = *text ? json_string(text) : NULL;
    if (value)
        json_object_set_new(o, name, value);
}

static void put_time(json_t *o, const char *name, int64_t ns)
{
    char text[HM_TIME_TEXT_MAX];
    if (ns == 0)
        return;
    hm_time_text(ns, text);
    put_text(o, name, text);
}

static void put_promotion(json_t *o, const struct failover_request *r)
{
    char run[17];
    snprintf(run, sizeof run, "%" PRIx64, r->run);
    put_text(o, "run", run);
    json_object_set_new(o, "counter", json_integer((json_int_t)r->counter));
    if (hb_site_is_set(&r->off))
        json_object_set_new(
            o, "off",
            json_pack("{s:s, s:I}", "site", r->off.text, "epoch", (json_int_t)r->off_epoch));
}

static json_t *to_json(const struct failover_request *r)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "action", actions[r->action], "site", r->site.text,
                          "state", states[r->state]);
    put_text(o, "by", r->by);
    if (!json_object_get(o, "by"))
        json_object_set_new(o, "by", json_string("?"));
    put_text(o, "reason", r->why);
    put_time(o, "host_time", r->host_time_ns);
    put_time(o, "at", r->at_ns);
    if (r->action == FAILOVER_PROMOTE)
        put_promotion(o, r);
    put_text(o, "answered_by", r->answered_by.text);
    put_text(o, "text", r->text);
    return o;
}

size_t failover_request_render(const struct failover_request *request,
                               char out[FAILOVER_REQUEST_TEXT_MAX])
{
    json_t *o = to_json(request);
    size_t len = json_dumpb(o, out, FAILOVER_REQUEST_TEXT_MAX - 1, JSON_COMPACT);
    json_decref(o);
    out[len] = '\0';
    return len;
}
