#include "ctl/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/open.h"
#include "ctl/operator.h"
#include "ctl/request_text.h"
#include "ctl/show.h"

/* -- What is asked for -------------------------------------------------------------------------- */

static int take(char *to, size_t size, const char *text, const char *flag, struct hm_error *err)
{
    if (strlen(text) >= size)
        return hm_fail(err, HM_E_INVALID, "--%s is longer than %zu bytes", flag, size - 1);
    snprintf(to, size, "%s", text);
    return 0;
}

int request_begin(const struct invocation *in, enum failover_action action, const char *site,
                  struct failover_request *ret, struct hm_error *err)
{
    const char *why = flag_value(in, "reason");
    HM_AUTOFREE char *by = operator_name(in);
    *ret = (struct failover_request){.action = action, .host_time_ns = hm_wall_ns()};
    if (!hb_site_from(site, &ret->site))
        return hm_fail(err, HM_E_INVALID, "\"%.60s\" is not the name of a site", site);
    int r = take(ret->by, sizeof ret->by, by, "by", err);
    return r < 0 || !why ? r : take(ret->why, sizeof ret->why, why, "reason", err);
}

int request_put(const struct invocation *in, struct session *s, const struct group_now *now,
                const struct failover_request *request, uint64_t *ret_revision,
                struct hm_error *err)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    HM_AUTOFREE char *key = group_key(group_name(in), FAILOVER_REQUEST_KEY);
    failover_request_render(request, text);
    return session_put(s, BUCKET_FAILOVER, key, text, (int64_t)now->request_revision, ret_revision,
                       err);
}

/* -- What became of it --------------------------------------------------------------------------- */

struct waiting {
    struct invocation *in;
    uint64_t revision; /* of the last word */
    struct failover_request last;
    bool replaced;
};

static void say(const struct waiting *w)
{
    HM_AUTOFREE char *text = show_cleaned(w->last.text);
    if (w->last.state != REQUEST_ASKED && w->last.state != REQUEST_REFUSED)
        fprintf(w->in->out, "%s: %s, %s\n", w->last.answered_by.text,
                failover_request_state_name(w->last.state), text);
    fflush(w->in->out);
}

static bool on_word(void *data, const struct entry *e)
{
    struct waiting *w = data;
    struct hm_error ignored;
    if (e->revision <= w->revision)
        return false;
    w->revision = e->revision;
    bool readable =
        !e->deleted && failover_request_parse(e->value, e->len, &w->last, &ignored) >= 0;
    w->replaced = !readable || w->last.state == REQUEST_ASKED || w->last.state == REQUEST_CANCELLED;
    if (!w->replaced)
        say(w);
    return w->replaced || !failover_request_is_open(&w->last);
}

/* So that it is not done later, when nobody looks. */
static void withdraw(struct waiting *w, struct session *s, const char *key)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    struct hm_error err;
    uint64_t ignored;
    struct failover_request r = w->last;
    r.state = REQUEST_CANCELLED;
    failover_request_render(&r, text);
    if (session_put(s, BUCKET_FAILOVER, key, text, (int64_t)w->revision, &ignored, &err) < 0)
        report_error(w->in, &err);
    else
        fprintf(w->in->err, "it is withdrawn\n");
}

static enum ctl_exit too_late(struct waiting *w, struct session *s, const char *key)
{
    struct hm_error err;
    HM_AUTOFREE char *what = request_text(&w->last);
    bool begun = w->last.state == REQUEST_BEGUN;
    hm_fail(&err, HM_E_TIMEOUT, "%s: %s", what,
            begun ? "it has begun, and has not come to its end in time: look at harmonyctl "
                    "failover status"
                  : "no agent has begun it in time; an agent of an older version does not know of "
                    "it");
    enum ctl_exit code = report_error(w->in, &err);
    if (!begun)
        withdraw(w, s, key);
    return code;
}

static enum ctl_exit tell_end(struct waiting *w)
{
    struct hm_error err;
    HM_AUTOFREE char *what = request_text(&w->last), *text = show_cleaned(w->last.text);
    if (w->replaced)
        hm_fail(&err, HM_E_REFUSED, "somebody else has withdrawn or replaced it: %s", what);
    else if (w->last.state == REQUEST_REFUSED)
        hm_fail(&err, HM_E_REFUSED, "%s: refused by %s: %s", what, w->last.answered_by.text, text);
    else
        return CTL_OK;
    return report_error(w->in, &err);
}

enum ctl_exit request_wait(struct invocation *in, struct session *s,
                           const struct failover_request *request, uint64_t revision,
                           int64_t limit_ms)
{
    struct waiting w = {.in = in, .revision = revision, .last = *request};
    struct hm_error err;
    HM_AUTOFREE char *key = group_key(group_name(in), FAILOVER_REQUEST_KEY);
    if (session_watch(s, BUCKET_FAILOVER, key, limit_ms, on_word, NULL, &w, &err) >= 0)
        return tell_end(&w);
    return err.code == HM_E_TIMEOUT ? too_late(&w, s, key) : report_error(in, &err);
}
