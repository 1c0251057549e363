/* harmonyctl failover pause and resume: `paused` in cluster_config, and the leader's word that it has it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/group_listen.h"
#include "ctl/open.h"
#include "ctl/operator.h"
#include "ctl/run.h"

struct pausing {
    struct invocation *in;
    struct session *s;
    bool on; /* pause; else resume */
    struct group_now now;
    struct entries last;
};

static const char *word(const struct pausing *p)
{
    return p->on ? "pause" : "resume";
}

/* -- May it be done? ---------------------------------------------------------------------------------- */

static int check_leader(const struct pausing *p, struct hm_error *err)
{
    const struct site_now *who = group_leader(&p->now);
    if (!p->on || flag_is_set(p->in, "force"))
        return 0;
    if (!who)
        return hm_fail(err, HM_E_REFUSED,
                       "nobody leads now, and in a pause nobody would take over: wait, look at "
                       "harmonyctl failover status, or use --force");
    if (who->is_silent)
        return hm_fail(err, HM_E_REFUSED,
                       "%s leads and has not been heard for %" PRId64
                       " ms: in a pause nobody would take over from it; wait, or use --force",
                       who->site.text, who->heard_ms);
    return 0;
}

static int check(const struct pausing *p, struct hm_error *err)
{
    int r = group_check_config(&p->now, err);
    return r < 0 ? r : check_leader(p, err);
}

/* -- Doing it ------------------------------------------------------------------------------------------ */

/* The configuration as people wrote it, with that one field changed. */
static int put_config(const struct pausing *p, struct hm_error *err)
{
    uint64_t revision;
    HM_AUTOFREE char *key = group_key(group_name(p->in), KEY_CONFIG);
    json_t *config = entry_object(entries_find(&p->last, key));
    json_object_set_new(config, "paused", json_boolean(p->on));
    HM_AUTOFREE char *text = json_dumps(config, JSON_COMPACT);
    json_decref(config);
    return session_put(p->s, BUCKET_FAILOVER, key, text, (int64_t)p->now.config_revision, &revision,
                       err);
}

/* The lease as it comes in says whether its writer is paused. */
static bool has_acknowledged(void *data, const struct entry *entry)
{
    const struct pausing *p = data;
    struct heartbeat hb;
    struct hm_error ignored;
    return !entry->deleted && heartbeat_parse(entry->value, entry->len, true, &hb, &ignored) >= 0 &&
           (hb.status == HB_RELEASED || hb.paused == p->on);
}

static enum ctl_exit wait_for_leader(struct pausing *p, int64_t limit_ms)
{
    struct hm_error err;
    const struct site_now *who = group_leader(&p->now);
    HM_AUTOFREE char *key = group_key(group_name(p->in), KEY_LEASE);
    if (!who) {
        fprintf(p->in->out, "%s: nobody leads; it holds for whoever does\n", word(p));
        return CTL_OK;
    }
    if (session_watch(p->s, BUCKET_FAILOVER, key, limit_ms, has_acknowledged, NULL, p, &err) >= 0) {
        fprintf(p->in->out, "%s: acknowledged by %s\n", word(p), who->site.text);
        return CTL_OK;
    }
    HM_AUTOFREE char *advice =
        p->on
            ? hm_strdup("it may still fence itself, look at harmonyctl failover status")
            : hm_printf("nobody else may take the lease while its last record says paused: bring "
                        "its agent back, or, when it is certainly off, harmonyctl failover promote "
                        "SITE --force --leader-is-off %s",
                        who->site.text);
    hm_fail(&err, err.code, "%s is set, and %s has not acknowledged it in time: %s", word(p),
            who->site.text, advice);
    return report_error(p->in, &err);
}

static enum ctl_exit change(struct pausing *p, int64_t limit_ms)
{
    struct hm_error err;
    if (check(p, &err) < 0)
        return report_error(p->in, &err);
    if (p->now.config.paused == p->on) {
        fprintf(p->in->out, "%s: unchanged (cluster_config rev %" PRIu64 ")\n", word(p),
                p->now.config_revision);
    } else {
        if (put_config(p, &err) < 0)
            return report_error(p->in, &err);
        operator_note(p->in, p->s, word(p));
    }
    return wait_for_leader(p, limit_ms);
}

enum { WAIT_MS = 5000 };

static enum ctl_exit run(struct invocation *in, bool on)
{
    struct pausing p = {.in = in, .on = on};
    struct hm_error err;
    int64_t limit_ms;
    if (flag_duration(in, "timeout", WAIT_MS, &limit_ms, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &p.s);
    if (code == CTL_OK && group_listen(in, p.s, &p.now, &p.last, &err) < 0) {
        code = report_error(in, &err);
    } else if (code == CTL_OK) {
        code = change(&p, limit_ms);
        group_clear(&p.now);
        entries_clear(&p.last);
    }
    session_close(p.s);
    return code;
}

enum ctl_exit run_failover_pause(struct invocation *in)
{
    return run(in, true);
}

enum ctl_exit run_failover_resume(struct invocation *in)
{
    return run(in, false);
}
