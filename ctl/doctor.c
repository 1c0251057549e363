/* doctor: look at everything, say what is wrong and what to do about it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/diagnosis.h"
#include "ctl/group.h"
#include "ctl/group_view.h"
#include "ctl/json_text.h"
#include "ctl/op_call.h"
#include "ctl/open.h"
#include "ctl/plan_request.h"
#include "ctl/run.h"

struct doctor {
    struct invocation *in;
    struct session *session;
    struct diagnosis diagnosis;
    struct entries desired, status, failover;
    struct bus_bucket failover_bucket;
};

/* -- NATS ------------------------------------------------------------------------------------- */

static void look_at_server(struct doctor *d)
{
    int version[3];
    bus_server_version(session_bus(d->session), version);
    diagnose_server(&d->diagnosis, version, session_servers(d->session));
}

/* Its entries too, where it is there. */
static void look_at_bucket(struct doctor *d, const char *name, struct entries *ret,
                           struct bus_bucket *ret_bucket)
{
    struct bus_bucket bucket = {0};
    struct hm_error err;
    if (session_bucket(d->session, name, &bucket, &err) < 0)
        diagnosis_add(&d->diagnosis, FINDING_PROBLEM, name, "look at what the sentence names",
                      "can't be asked about: %s", err.text);
    else
        diagnose_bucket(&d->diagnosis, name, &bucket);
    if (bucket.exists && session_list(d->session, name, ">", false, ret, &err) < 0)
        diagnosis_add(&d->diagnosis, FINDING_PROBLEM, name, "see whether its stream has a leader",
                      "can't be read: %s", err.text);
    if (ret_bucket)
        *ret_bucket = bucket;
}

/* -- The group -------------------------------------------------------------------------------- */

static void look_at_group(struct doctor *d)
{
    struct group_now now;
    if (d->failover.count == 0)
        return;
    group_look(&d->failover, group_name(d->in), hm_wall_ns(), 0, &now);
    for (size_t i = 0; i < now.warning_count; i++)
        diagnosis_add(&d->diagnosis, FINDING_WARNING, "cluster_config",
                      "change it with harmonyctl, or know why it is so", "%s",
                      now.warnings[i].text);
    group_clear(&now);
    diagnose_heartbeats(&d->diagnosis, &d->failover);
}

/* -- The agents ------------------------------------------------------------------------------- */

struct answer {
    struct doctor *doctor;
    json_t *result;
    struct hm_error err;
};

static void on_end(void *data, const json_t *result, const struct hm_error *err)
{
    struct answer *a = data;
    a->result = json_incref((json_t *)result);
    if (err)
        a->err = *err;
    session_stop(a->doctor->session);
}

static void ask_agent(struct doctor *d, const char *site)
{
    const struct op_events events = {.end = on_end};
    struct op_target target = {.site = site};
    struct answer a = {.doctor = d};
    struct op_talk *talk = NULL;
    if (operation_find("check", &target.op, &a.err) < 0 ||
        op_talk_begin(d->session, &target, &events, &a, &talk, &a.err) < 0)
        return;
    int64_t asked_ns = hm_wall_ns();
    session_run(d->session);
    op_talk_free(talk);
    if (a.result)
        diagnose_check(&d->diagnosis, site, a.result, asked_ns, hm_wall_ns());
    else
        diagnosis_add(&d->diagnosis, FINDING_PROBLEM, site,
                      "see whether harmonyd runs there and reaches NATS (journalctl -u harmonyd)",
                      "%s", a.err.text);
    json_decref(a.result);
}

static void look_at_agents(struct doctor *d)
{
    json_t *sites = json_array(), *site;
    size_t i;
    diagnose_statuses(&d->diagnosis, &d->desired, &d->status, sites);
    json_array_foreach(sites, i, site) ask_agent(d, json_string_value(site));
    json_decref(sites);
}

/* -- The command ------------------------------------------------------------------------------ */

static void print(struct doctor *d)
{
    struct hm_buf text = {0};
    json_t *json = diagnosis_json(&d->diagnosis);
    if (strcmp(output_format(d->in), "json") == 0)
        json_render(json, &text);
    else
        diagnosis_render(&d->diagnosis, wants_colour(d->in), &text);
    json_decref(json);
    print_buf(d->in, &text);
}

static enum ctl_exit examine(struct doctor *d)
{
    look_at_server(d);
    look_at_bucket(d, BUCKET_DESIRED, &d->desired, NULL);
    look_at_bucket(d, BUCKET_STATUS, &d->status, NULL);
    look_at_bucket(d, BUCKET_FAILOVER, &d->failover, &d->failover_bucket);
    look_at_group(d);
    look_at_agents(d);
    print(d);
    return diagnosis_count(&d->diagnosis, FINDING_PROBLEM) ? CTL_FAILED : CTL_OK;
}

enum ctl_exit run_doctor(struct invocation *in)
{
    struct doctor d = {.in = in};
    enum ctl_exit code = open_or_report(in, &d.session);
    if (code == CTL_OK)
        code = examine(&d);
    diagnosis_clear(&d.diagnosis);
    entries_clear(&d.desired);
    entries_clear(&d.status);
    entries_clear(&d.failover);
    session_close(d.session);
    return code;
}
