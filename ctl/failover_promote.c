/* harmonyctl failover promote --force: a site takes the role over what only people can decide about. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/group_listen.h"
#include "ctl/open.h"
#include "ctl/request.h"
#include "ctl/request_text.h"
#include "ctl/run.h"

enum { WAIT_MS = 120000 };

struct promoting {
    struct invocation *in;
    struct session *s;
    struct group_now now;
    struct failover_request asked;
};

static const char *off_flag(const struct promoting *p)
{
    return flag_value(p->in, "leader-is-off");
}

/* -- May it be done? The site's agent decides; this says early what it would say. ---------------------- */

static int check_site(const struct promoting *p, struct hm_error *err)
{
    const struct group_now *g = &p->now;
    const struct site_now *s = group_site(g, &p->asked.site);
    int r = group_check_site(g, &p->asked.site, err);
    if (r < 0)
        return r;
    if (!s || !s->has_heartbeat || s->is_silent)
        return hm_fail(err, HM_E_REFUSED,
                       "%s is not heard: a site can only be promoted by its own agent",
                       p->asked.site.text);
    return s->is_leader ? hm_fail(err, HM_E_REFUSED, "%s leads already", s->site.text) : 0;
}

static int check_leader(const struct promoting *p, struct hm_error *err)
{
    const struct site_now *leader = group_leader(&p->now);
    if (!p->now.has_lease)
        return hm_fail(err, HM_E_REFUSED,
                       "primary_heartbeat is gone or can't be read: that is for harmonyctl "
                       "failover repair");
    if (leader && leader->heard_ms <= p->now.lease.expires_in_ms)
        return hm_fail(err, HM_E_REFUSED,
                       "%s leads, was heard %" PRId64 " ms ago and may serve for %" PRId64
                       " ms from then: harmonyctl failover switchover --to %s, or stop it and wait",
                       leader->site.text, leader->heard_ms, p->now.lease.expires_in_ms,
                       p->asked.site.text);
    return 0;
}

/* Silence proves nothing of a leader that serves on unheard. */
static bool needs_word(const struct promoting *p)
{
    const struct site_now *s = group_site(&p->now, &p->asked.site);
    return group_leader(&p->now) && (p->now.lease.paused || !group_lets_promote(&p->now, s));
}

static int check_word(struct promoting *p, struct hm_error *err)
{
    const struct heartbeat *lease = &p->now.lease;
    const char *off = off_flag(p);
    if (off && strcmp(off, lease->site.text) != 0)
        return hm_fail(err, HM_E_REFUSED, "--leader-is-off %.60s: the last leader is %s", off,
                       hb_site_is_set(&lease->site) ? lease->site.text : "nobody");
    if (needs_word(p) && !off)
        return hm_fail(err, HM_E_REFUSED,
                       "%s %s, so its silence does not prove that it has stopped. See to it that "
                       "it is off (power, or its agent and workload), and then say so: "
                       "--leader-is-off %s. If that is not true, two sites serve",
                       lease->site.text,
                       lease->paused ? "led under a pause, in which a leader does not fence itself"
                                     : "may go on by the consent of other sites",
                       lease->site.text);
    if (off) {
        p->asked.off = lease->site;
        p->asked.off_epoch = lease->epoch;
    }
    return 0;
}

static int check(struct promoting *p, struct hm_error *err)
{
    int r = check_site(p, err);
    if (r >= 0)
        r = check_leader(p, err);
    return r < 0 ? r : check_word(p, err);
}

/* -- Asking --------------------------------------------------------------------------------------------- */

static void say_losses(const struct promoting *p, const struct site_now *s)
{
    if (!s->hb.fit)
        fprintf(p->in->err, "%s is not fit: %s\n", s->site.text,
                s->unfit.code ? s->unfit.text : "its agent does not say why");
    if (s->hb.lag > 0)
        fprintf(p->in->err, "%s is %" PRId64 " bytes behind: they would be lost\n", s->site.text,
                s->hb.lag);
}

static enum ctl_exit ask(struct promoting *p, int64_t limit_ms)
{
    struct hm_error err;
    uint64_t revision;
    if (check(p, &err) < 0)
        return report_error(p->in, &err);
    const struct site_now *s = group_site(&p->now, &p->asked.site);
    p->asked.run = s->hb.nonce;
    p->asked.counter = s->hb.counter;
    say_losses(p, s);
    if (flag_is_set(p->in, "dry-run")) {
        HM_AUTOFREE char *what = request_text(&p->asked);
        fprintf(p->in->out, "would ask for: %s\n", what);
        return CTL_OK;
    }
    if (request_put(p->in, p->s, &p->now, &p->asked, &revision, &err) < 0)
        return report_error(p->in, &err);
    return request_wait(p->in, p->s, &p->asked, revision, limit_ms);
}

static int take_line(struct promoting *p, int64_t *ret_limit_ms, struct hm_error *err)
{
    if (!flag_is_set(p->in, "force"))
        return hm_fail(err, HM_E_INVALID,
                       "a promotion is always by force: say --force. While a leader is there, "
                       "harmonyctl failover switchover --to %.60s is what you want",
                       p->in->arguments[0]);
    int r = flag_duration(p->in, "timeout", WAIT_MS, ret_limit_ms, err);
    return r < 0 ? r : request_begin(p->in, FAILOVER_PROMOTE, p->in->arguments[0], &p->asked, err);
}

enum ctl_exit run_failover_promote(struct invocation *in)
{
    struct promoting p = {.in = in};
    struct entries last;
    struct hm_error err;
    int64_t limit_ms;
    if (take_line(&p, &limit_ms, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &p.s);
    if (code == CTL_OK && group_listen(in, p.s, &p.now, &last, &err) < 0) {
        code = report_error(in, &err);
    } else if (code == CTL_OK) {
        group_hear_statuses(p.s, &p.now);
        code = ask(&p, limit_ms);
        group_clear(&p.now);
        entries_clear(&last);
    }
    session_close(p.s);
    return code;
}
