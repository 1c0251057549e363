/* harmonyctl failover switchover: the role goes to a site by name, now or at a time, or not after all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group_listen.h"
#include "ctl/open.h"
#include "ctl/request.h"
#include "ctl/request_text.h"
#include "ctl/run.h"

enum { WAIT_MS = 120000 };

struct switching {
    struct invocation *in;
    struct session *s;
    struct group_now now;
    struct failover_request asked;
};

/* -- May it be done? ---------------------------------------------------------------------------- */

static int check_group(const struct switching *w, struct hm_error *err)
{
    const struct group_now *g = &w->now;
    int r = group_check_site(g, &w->asked.site, err);
    if (r < 0)
        return r;
    if (cluster_config_bars(&g->config, &w->asked.site))
        return hm_fail(err, HM_E_REFUSED,
                       "nofailover bars %s: harmonyctl failover site %s --nofailover off",
                       w->asked.site.text, w->asked.site.text);
    if (g->has_request && failover_request_is_open(&g->request)) {
        HM_AUTOFREE char *other = request_text(&g->request);
        return hm_fail(err, HM_E_REFUSED,
                       "there is another request: %s (%s); harmonyctl failover switchover --cancel "
                       "withdraws it while it has not begun",
                       other, failover_request_state_name(g->request.state));
    }
    return 0;
}

static int check_leader(const struct switching *w, struct hm_error *err)
{
    const struct site_now *leader = group_leader(&w->now);
    if (!leader)
        return hm_fail(err, HM_E_REFUSED,
                       "nobody leads now, so nobody can hand over: look at harmonyctl failover "
                       "status");
    if (leader->is_silent)
        return hm_fail(err, HM_E_REFUSED,
                       "%s leads and has not been heard for %" PRId64 " ms: it can't hand over",
                       leader->site.text, leader->heard_ms);
    if (hb_site_equal(&leader->site, &w->asked.site))
        return hm_fail(err, HM_E_REFUSED, "%s leads already", leader->site.text);
    return 0;
}

static int check_target(const struct switching *w, struct hm_error *err)
{
    const struct site_now *to = group_site(&w->now, &w->asked.site);
    if (!to || !to->has_heartbeat)
        return hm_fail(err, HM_E_REFUSED, "%s has never been heard", w->asked.site.text);
    if (to->is_silent)
        return hm_fail(err, HM_E_REFUSED, "%s has not been heard for %" PRId64 " ms", to->site.text,
                       to->heard_ms);
    if (!to->hb.fit)
        return hm_fail(err, HM_E_REFUSED, "%s is not fit to lead: %s", to->site.text,
                       to->unfit.code ? to->unfit.text : "look at harmonyctl failover status");
    return 0;
}

/* What can be otherwise when it is due. */
static int check_now(const struct switching *w, struct hm_error *err)
{
    if (w->now.config.paused)
        return hm_fail(err, HM_E_REFUSED,
                       "the group is paused: nothing moves before harmonyctl failover resume");
    int r = check_leader(w, err);
    return r < 0 ? r : check_target(w, err);
}

/* -- Asking ----------------------------------------------------------------------------------------- */

static void say_plan(const struct switching *w)
{
    HM_AUTOFREE char *what = request_text(&w->asked);
    const struct site_now *leader = group_leader(&w->now);
    fprintf(w->in->out, "would ask for: %s\n", what);
    if (leader && !w->asked.at_ns)
        fprintf(
            w->in->out,
            "%s would stop its workload, verify that, and release to %s, which starts its own\n",
            leader->site.text, w->asked.site.text);
}

static enum ctl_exit put(struct switching *w, int64_t limit_ms)
{
    struct hm_error err;
    uint64_t revision;
    if (request_put(w->in, w->s, &w->now, &w->asked, &revision, &err) < 0)
        return report_error(w->in, &err);
    if (!w->asked.at_ns)
        return request_wait(w->in, w->s, &w->asked, revision, limit_ms);
    HM_AUTOFREE char *what = request_text(&w->asked);
    fprintf(w->in->out, "%s\n", what);
    return CTL_OK;
}

/* A planned one may be refused now and be right then. */
static enum ctl_exit ask(struct switching *w, int64_t limit_ms)
{
    struct hm_error err;
    if (check_group(w, &err) < 0)
        return report_error(w->in, &err);
    bool refused = check_now(w, &err) < 0;
    if (refused && !w->asked.at_ns)
        return report_error(w->in, &err);
    if (refused)
        fprintf(w->in->err, "now it would be refused: %s\n", err.text);
    if (!flag_is_set(w->in, "dry-run"))
        return put(w, limit_ms);
    say_plan(w);
    return CTL_OK;
}

static int check_cancel(const struct group_now *g, struct hm_error *err)
{
    if (!g->has_request || !failover_request_is_open(&g->request))
        return hm_fail(err, HM_E_NOT_FOUND, "no switchover is asked for");
    HM_AUTOFREE char *what = request_text(&g->request);
    if (g->request.state == REQUEST_BEGUN)
        return hm_fail(err, HM_E_REFUSED, "%s: it has begun and can't be withdrawn", what);
    return 0;
}

static enum ctl_exit cancel(struct switching *w)
{
    struct hm_error err;
    uint64_t revision;
    struct failover_request r = w->now.request;
    if (check_cancel(&w->now, &err) < 0)
        return report_error(w->in, &err);
    HM_AUTOFREE char *what = request_text(&r);
    if (flag_is_set(w->in, "dry-run")) {
        fprintf(w->in->out, "would withdraw: %s\n", what);
        return CTL_OK;
    }
    if (request_begin(w->in, r.action, r.site.text, &w->asked, &err) < 0)
        return report_error(w->in, &err);
    w->asked.at_ns = r.at_ns;
    w->asked.state = REQUEST_CANCELLED;
    if (request_put(w->in, w->s, &w->now, &w->asked, &revision, &err) < 0)
        return report_error(w->in, &err);
    fprintf(w->in->out, "withdrawn: %s\n", what);
    return CTL_OK;
}

/* -- The command line --------------------------------------------------------------------------------- */

static int take_time(struct switching *w, struct hm_error *err)
{
    const char *at = flag_value(w->in, "at");
    int64_t now = hm_wall_ns();
    if (!at)
        return 0;
    if (!request_time(at, now, &w->asked.at_ns))
        return hm_fail(err, HM_E_INVALID,
                       "--at %.50s: is no time; expected 2026-11-30T01:30:00Z or 01:30, in UTC",
                       at);
    if (w->asked.at_ns <= now)
        return hm_fail(err, HM_E_INVALID, "--at %.50s: has passed", at);
    return 0;
}

static int take_line(struct switching *w, int64_t *ret_limit_ms, struct hm_error *err)
{
    const char *to = flag_value(w->in, "to");
    bool cancels = flag_is_set(w->in, "cancel");
    if (cancels == (to != NULL))
        return hm_fail(err, HM_E_INVALID, "failover switchover needs --to SITE, or --cancel alone");
    int r = flag_duration(w->in, "timeout", WAIT_MS, ret_limit_ms, err);
    if (r >= 0 && to)
        r = request_begin(w->in, FAILOVER_SWITCHOVER, to, &w->asked, err);
    return r < 0 ? r : take_time(w, err);
}

enum ctl_exit run_failover_switchover(struct invocation *in)
{
    struct switching w = {.in = in};
    struct entries last;
    struct hm_error err;
    int64_t limit_ms;
    if (take_line(&w, &limit_ms, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &w.s);
    if (code == CTL_OK && group_listen(in, w.s, &w.now, &last, &err) < 0) {
        code = report_error(in, &err);
    } else if (code == CTL_OK) {
        group_hear_statuses(w.s, &w.now);
        code = flag_is_set(in, "cancel") ? cancel(&w) : ask(&w, limit_ms);
        group_clear(&w.now);
        entries_clear(&last);
    }
    session_close(w.s);
    return code;
}
