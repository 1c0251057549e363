/*
 * harmonyctl failover repair: the store has lost what it had acknowledged, and sites hold. (docs/failover/store.md)
 *
 * It looks, says what it would do, and does that on confirmation: make what is missing, wait until no leader can
 * serve any more, and release the lease in a higher generation. Nothing is invented, nothing that is there changed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/group_config.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/operator.h"
#include "ctl/repair.h"
#include "ctl/run.h"
#include "ctl/show.h"

enum { FIRST_LOOK_MS = 2000, HISTORY_RECORDER = 64, REPLICAS_MAX = 5 };

struct repairing {
    struct invocation *in;
    struct session *session;
    const char *group;
    bool force, wanted_given;
    struct cluster_config wanted;
    struct hb_site next;
    int64_t replicas;
    struct repair facts;
    /* what came of it */
    bool done;
    struct heartbeat record;
    uint64_t revision;
};

/* -- Looking ----------------------------------------------------------------------------------- */

/* Stamps are of the server's clock: a heartbeat that arrives while we listen was stamped just now. */
struct listening {
    struct entries last;
    char *lease_key;
    bool all_given, to_the_end, led;
    int64_t behind_ns;
};

static bool is_leader_alive(const struct listening *l, const struct entry *e)
{
    struct heartbeat hb;
    struct hm_error why;
    return strcmp(e->key, l->lease_key) == 0 && !e->deleted &&
           heartbeat_parse(e->value, e->len, true, &hb, &why) >= 0 && hb.status != HB_RELEASED;
}

static bool on_entry(void *data, const struct entry *entry)
{
    struct listening *l = data;
    entries_add(&l->last, entry);
    if (!l->all_given)
        return false;
    l->behind_ns = entry->stamp_ns - hm_wall_ns();
    l->led = l->led || is_leader_alive(l, entry);
    return l->led || !l->to_the_end;
}

static bool on_all_given(void *data)
{
    struct listening *l = data;
    l->all_given = true;
    return false;
}

static int listen_to(struct repairing *r, struct listening *l, int64_t limit_ms,
                     struct hm_error *err)
{
    HM_AUTOFREE char *filter = group_filter(r->group);
    int result = session_watch(r->session, BUCKET_FAILOVER, filter, limit_ms, on_entry,
                               on_all_given, l, err);
    bool over = result < 0 && err->code == HM_E_TIMEOUT && l->all_given;
    entries_keep_last(&l->last);
    return over ? 0 : result;
}

static int has_bucket(struct repairing *r, bool *ret, struct hm_error *err)
{
    struct bus_bucket info = {0};
    int result = session_bucket(r->session, BUCKET_FAILOVER, &info, err);
    *ret = result >= 0 && info.exists;
    return result == -HM_E_NOT_FOUND ? 0 : result;
}

/* What agents say of themselves helps where the bucket is gone; without it, it goes on. */
static void list_status(struct repairing *r, struct entries *ret)
{
    struct hm_error err;
    if (session_list(r->session, BUCKET_STATUS, ">", false, ret, &err) < 0)
        entries_clear(ret);
}

/* For `limit_ms`; *ret_led: somebody leads. */
static enum ctl_exit look(struct repairing *r, int64_t limit_ms, bool to_the_end, bool *ret_led)
{
    struct listening l = {.lease_key = group_key(r->group, KEY_LEASE), .to_the_end = to_the_end};
    struct entries status = {0};
    struct hm_error err;
    bool there;
    int result = has_bucket(r, &there, &err);
    if (result >= 0 && there)
        result = listen_to(r, &l, limit_ms, &err);
    if (result >= 0) {
        list_status(r, &status);
        repair_look(&l.last, &status, r->group, r->wanted_given ? &r->wanted : NULL, there,
                    hm_wall_ns() + l.behind_ns, &r->facts);
    }
    *ret_led = l.led;
    entries_clear(&l.last);
    entries_clear(&status);
    free(l.lease_key);
    return result < 0 ? report_error(r->in, &err) : CTL_OK;
}

/* -- Whether it may ------------------------------------------------------------------------------ */

static enum ctl_exit refuse(struct repairing *r, enum hm_code code, const char *why)
{
    struct hm_error err;
    hm_fail(&err, code, "%s", why);
    return report_error(r->in, &err);
}

static enum ctl_exit warn_or_refuse(struct repairing *r, const char *why)
{
    if (!r->force)
        return refuse(r, HM_E_REFUSED, why);
    fprintf(r->in->err, "warning: %s; going on by --force: two sites may serve\n", why);
    return CTL_OK;
}

/* Somebody leads under this record, whatever others have seen. */
static enum ctl_exit check_live(struct repairing *r, bool led)
{
    if (!led && !repair_is_live(&r->facts))
        return CTL_OK;
    HM_AUTOFREE char *why = hm_printf(
        "%s holds the lease and may serve: stop its agent, and wait for its promise of %" PRId64
        " ms to run out",
        r->facts.lease.site.text, r->facts.lease.expires_in_ms);
    return warn_or_refuse(r, why);
}

static enum ctl_exit check_paused(struct repairing *r)
{
    const struct repair_site *s = repair_paused_leader(&r->facts);
    if (!s)
        return CTL_OK;
    HM_AUTOFREE char *why = hm_printf(
        "%s served under a pause when its agent last said so, and a paused leader does not fence "
        "itself, however long it can't write: stop its agent, or put paused:false into "
        "cluster_config where it can read that",
        s->site.text);
    return warn_or_refuse(r, why);
}

static enum ctl_exit check_consent(struct repairing *r)
{
    const struct repair_site *s = repair_consented_leader(&r->facts);
    if (!s)
        return CTL_OK;
    HM_AUTOFREE char *why = hm_printf(
        "%s served when its agent last said so, failsafe is on, and no other site is heard: it may "
        "go on by their consent, however long it can't write: stop its agent, or connect one of "
        "the "
        "others to NATS, which then consents no more",
        s->site.text);
    return warn_or_refuse(r, why);
}

static enum ctl_exit check_config(struct repairing *r)
{
    if (r->facts.has_config || r->wanted_given)
        return CTL_OK;
    return refuse(r, HM_E_INVALID,
                  "cluster_config is gone, and is never invented: give --config FILE, or --primary "
                  "and --replica as for failover init");
}

static enum ctl_exit check(struct repairing *r, bool led)
{
    enum ctl_exit code = CTL_OK;
    if (repair_verdict(&r->facts) == REPAIR_FIRST_TIME && !r->force)
        return refuse(
            r, HM_E_NOT_FOUND,
            "nothing is known of this group here, so there is nothing to repair: failover "
            "init makes a group for the first time");
    code = check_live(r, led);
    if (code == CTL_OK)
        code = check_paused(r);
    if (code == CTL_OK)
        code = check_consent(r);
    if (code == CTL_OK)
        code = check_config(r);
    return code;
}

/* -- Saying it ------------------------------------------------------------------------------------ */

static void render_plan(const struct repairing *r, struct hm_buf *out)
{
    char wait[SHOW_TIME_MAX];
    show_duration(repair_wait_ms(&r->facts), wait);
    if (!r->facts.has_bucket)
        hm_buf_printf(out, "would make the bucket %s (%d copies)\n", BUCKET_FAILOVER,
                      (int)r->replicas);
    if (!r->facts.has_config)
        hm_buf_printf(out, "would write cluster_config as given\n");
    if (!r->force)
        hm_buf_printf(out, "would wait %s: whoever led may serve for so long\n", wait);
    hm_buf_printf(out,
                  "would write primary_heartbeat: RELEASED, generation %" PRIu64 ", epoch %" PRIu64
                  ", next %s\n",
                  r->record.generation, r->record.epoch,
                  hb_site_is_set(&r->next) ? r->next.text : "anyone");
}

static void render_result(const struct repairing *r, bool needed, struct hm_buf *out)
{
    repair_render(&r->facts, r->group, out);
    if (!needed)
        hm_buf_printf(out, "nothing to repair: primary_heartbeat is as new as all that was seen\n");
    else if (r->done)
        hm_buf_printf(out,
                      "repaired: primary_heartbeat rev %" PRIu64 " is RELEASED, generation %" PRIu64
                      ", epoch %" PRIu64 "\n",
                      r->revision, r->record.generation, r->record.epoch);
    else
        render_plan(r, out);
}

static json_t *result_json(const struct repairing *r, bool needed)
{
    json_t *o = repair_json(&r->facts, r->group);
    json_object_set_new(o, "needed", json_boolean(needed));
    json_object_set_new(o, "done", json_boolean(r->done));
    if (needed) {
        json_object_set_new(o, "generation", json_integer((json_int_t)r->record.generation));
        json_object_set_new(o, "epoch", json_integer((json_int_t)r->record.epoch));
        json_object_set_new(o, "next",
                            hb_site_is_set(&r->next) ? json_string(r->next.text) : json_null());
    }
    return o;
}

static void say(struct repairing *r, bool needed)
{
    struct hm_buf text = {0};
    if (strcmp(output_format(r->in), "json") == 0) {
        json_t *json = result_json(r, needed);
        json_render(json, &text);
        json_decref(json);
    } else {
        render_result(r, needed, &text);
    }
    print_buf(r->in, &text);
}

/* -- Doing it ------------------------------------------------------------------------------------- */

static enum ctl_exit make_missing(struct repairing *r)
{
    struct bus_bucket_config bucket = {.bucket = BUCKET_FAILOVER,
                                       .history = HISTORY_RECORDER,
                                       .replicas = (int)r->replicas,
                                       .recorder = true,
                                       .max_value = -1};
    char config[CLUSTER_CONFIG_TEXT_MAX];
    HM_AUTOFREE char *key = group_key(r->group, KEY_CONFIG);
    uint64_t revision;
    struct hm_error err;
    if (!r->facts.has_bucket && session_bucket_create(r->session, &bucket, &err) < 0)
        return report_error(r->in, &err);
    if (r->facts.has_config)
        return CTL_OK;
    cluster_config_render(&r->wanted, config);
    int result = session_put(r->session, BUCKET_FAILOVER, key, config, 0, &revision, &err);
    return result < 0 ? report_error(r->in, &err) : CTL_OK;
}

/* By our own clock, from after the loss: whoever counted on what is lost has fenced by then. */
static enum ctl_exit wait_for_promise(struct repairing *r)
{
    char wait[SHOW_TIME_MAX];
    bool led = false;
    int64_t ms = r->force ? FIRST_LOOK_MS : repair_wait_ms(&r->facts);
    show_duration(ms, wait);
    fprintf(r->in->err, "listening for %s\n", wait);
    enum ctl_exit code = look(r, ms, true, &led);
    return code == CTL_OK ? check(r, led) : code;
}

static enum ctl_exit release(struct repairing *r)
{
    char text[HB_TEXT_MAX];
    HM_AUTOFREE char *key = group_key(r->group, KEY_LEASE);
    struct hm_error err;
    repair_record(&r->facts, &r->next, hm_wall_ns() / HM_MS, &r->record);
    heartbeat_render(&r->record, true, text);
    if (session_put(r->session, BUCKET_FAILOVER, key, text, (int64_t)r->facts.revision,
                    &r->revision, &err) < 0)
        return report_error(r->in, &err);
    r->done = true;
    operator_note(r->in, r->session, "repair");
    return CTL_OK;
}

static enum ctl_exit repair(struct repairing *r)
{
    enum ctl_exit code = make_missing(r);
    if (code == CTL_OK)
        code = wait_for_promise(r);
    if (code != CTL_OK)
        return code;
    bool needed = repair_verdict(&r->facts) != REPAIR_NOT_NEEDED || r->force;
    if (needed)
        code = release(r);
    if (code == CTL_OK)
        say(r, needed);
    return code;
}

static enum ctl_exit look_and_repair(struct repairing *r)
{
    bool led = false;
    enum ctl_exit code = look(r, FIRST_LOOK_MS, false, &led);
    if (code != CTL_OK)
        return code;
    if (repair_verdict(&r->facts) == REPAIR_NOT_NEEDED && !r->force) {
        say(r, false);
        return CTL_OK;
    }
    code = check(r, led);
    if (code != CTL_OK)
        return code;
    repair_record(&r->facts, &r->next, 0, &r->record);
    if (flag_is_set(r->in, "yes"))
        return repair(r);
    say(r, true);
    fprintf(r->in->err, "nothing was changed: --yes does it\n");
    return CTL_REFUSED;
}

/* -- The command line ------------------------------------------------------------------------------ */

static int take_config(struct repairing *r, struct hm_error *err)
{
    const char *file = flag_value(r->in, "config");
    bool by_flags = flag_value(r->in, "primary") || flag_value(r->in, "replica");
    if (file && by_flags)
        return hm_fail(err, HM_E_INVALID, "--config FILE or --primary and --replica, not both");
    r->wanted_given = file || by_flags;
    if (file)
        return group_config_of_file(file, &r->wanted, err);
    return by_flags ? group_config_of_flags(r->in, &r->wanted, err) : 0;
}

static int take_flags(struct repairing *r, struct hm_error *err)
{
    const char *next = flag_value(r->in, "next");
    r->force = flag_is_set(r->in, "force");
    int result = take_config(r, err);
    if (result >= 0)
        result = flag_number(r->in, "bucket-replicas", 1, &r->replicas, err);
    if (result >= 0 && (r->replicas < 1 || r->replicas > REPLICAS_MAX))
        result = hm_fail(err, HM_E_INVALID, "--bucket-replicas: 1 to %d", REPLICAS_MAX);
    if (result >= 0 && next && !hb_site_from(next, &r->next))
        result = hm_fail(err, HM_E_INVALID, "--next %.63s: is not the name of a site", next);
    return result;
}

enum ctl_exit run_failover_repair(struct invocation *in)
{
    struct repairing r = {.in = in, .group = group_name(in)};
    struct hm_error err;
    if (take_flags(&r, &err) < 0)
        return report_error(in, &err);
    enum ctl_exit code = open_or_report(in, &r.session);
    if (code == CTL_OK)
        code = look_and_repair(&r);
    session_close(r.session);
    return code;
}
