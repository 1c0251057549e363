#include "ctl/op_call.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/find.h"
#include "ctl/group.h"
#include "ctl/group_view.h"
#include "ctl/open.h"
#include "ctl/show.h"
#include "proto/doc.h"

/* -- Where a thing is ------------------------------------------------------------------------- */

static enum ctl_exit leader_of_group(struct invocation *in, struct session *s, char **ret)
{
    struct entries last = {0};
    struct group_now now;
    struct hm_error err;
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    enum ctl_exit code = list_or_report(in, s, BUCKET_FAILOVER, filter, &last);
    if (code != CTL_OK)
        return code;
    group_look(&last, group_name(in), hm_wall_ns(), 0, &now);
    if (now.has_lease && hb_site_is_set(&now.lease.site)) {
        *ret = hm_strdup(now.lease.site.text);
    } else {
        hm_fail(&err, HM_E_REFUSED,
                "nobody leads the group %s now, and it runs only there; --site names another site",
                now.group);
        code = report_error(in, &err);
    }
    group_clear(&now);
    entries_clear(&last);
    return code;
}

enum ctl_exit op_site_of(struct invocation *in, struct session *s, const char *kind,
                         const char *name, char **ret)
{
    const char *given = flag_value(in, "site");
    struct entries docs = {0};
    struct hm_error err;
    char where[DOC_NAME_MAX + 1];
    HM_AUTOFREE char *filter = hm_printf("*.%s.*", kind);
    if (given && name_is_valid(given)) {
        *ret = hm_strdup(given);
        return CTL_OK;
    }
    enum ctl_exit code = list_or_report(in, s, BUCKET_DESIRED, filter, &docs);
    if (code != CTL_OK)
        return code;
    const struct entry *e;
    if (find_document(&docs, kind, name, NULL, &e, where, &err) < 0)
        code = report_error(in, &err);
    else if (!strcmp(where, DOC_PLACEMENT_PRIMARY))
        code = leader_of_group(in, s, ret);
    else
        *ret = hm_strdup(where);
    entries_clear(&docs);
    return code;
}

/* -- Asking ----------------------------------------------------------------------------------- */

struct asking {
    struct invocation *in;
    struct session *session;
    json_t *result;
    enum ctl_exit code;
};

static void on_progress(void *data, int percent, const char *text)
{
    struct asking *a = data;
    HM_AUTOFREE char *clean = show_cleaned(text);
    if (!isatty(fileno(a->in->err)))
        return;
    if (percent >= 0)
        fprintf(a->in->err, "%3d %%  %s\n", percent, clean);
    else
        fprintf(a->in->err, "%s\n", clean);
}

static void on_end(void *data, const json_t *result, const struct hm_error *err)
{
    struct asking *a = data;
    a->code = err ? report_error(a->in, err) : CTL_OK;
    a->result = json_incref((json_t *)result);
    session_stop(a->session);
}

enum ctl_exit op_ask(struct invocation *in, struct session *s, const struct op_target *target,
                     json_t **ret_result)
{
    const struct op_events events = {.progress = on_progress, .end = on_end};
    struct asking a = {.in = in, .session = s};
    struct op_talk *talk = NULL;
    struct hm_error err;
    if (op_talk_begin(s, target, &events, &a, &talk, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    session_run(s);
    op_talk_free(talk);
    if (a.code == CTL_OK)
        *ret_result = a.result;
    else
        json_decref(a.result);
    return a.code;
}

static enum ctl_exit check_thing(struct invocation *in, const struct operation *op)
{
    const struct kind *kind;
    struct hm_error err;
    const char *name = in->arguments[1];
    int r = doc_find_kind(in->arguments[0], &kind, &err);
    if (r >= 0 && !operation_takes(op, kind->name))
        r = hm_fail(&err, HM_E_INVALID, "%s is not for a %s", op->name, kind->name);
    if (r >= 0 && !name_is_valid(name))
        r = hm_fail(&err, HM_E_INVALID, "\"%.63s\" is not a name (" FIELD_NAME_PATTERN ")", name);
    if (r >= 0)
        return CTL_OK;
    report_error(in, &err);
    return CTL_USAGE;
}

enum ctl_exit op_prepare(struct invocation *in, const char *operation, struct session **ret_session,
                         char **ret_site, struct op_target *ret)
{
    struct hm_error err;
    const struct operation *op;
    int64_t deadline_ms;
    if (operation_find(operation, &op, &err) < 0 ||
        flag_duration(in, "timeout", 0, &deadline_ms, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = check_thing(in, op);
    struct session *s = NULL;
    if (code == CTL_OK)
        code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = op_site_of(in, s, in->arguments[0], in->arguments[1], ret_site);
    if (code != CTL_OK) {
        session_close(s);
        return code;
    }
    *ret_session = s;
    *ret = (struct op_target){.site = *ret_site,
                              .op = op,
                              .kind = in->arguments[0],
                              .name = in->arguments[1],
                              .deadline_ms = deadline_ms};
    return CTL_OK;
}

enum ctl_exit op_command(struct invocation *in, const char *operation, json_t *args,
                         char **ret_site, json_t **ret_result)
{
    struct session *s = NULL;
    struct op_target target;
    char *site = NULL;
    enum ctl_exit code = op_prepare(in, operation, &s, &site, &target);
    target.args = args;
    if (code == CTL_OK)
        code = op_ask(in, s, &target, ret_result);
    session_close(s);
    json_decref(args);
    if (code == CTL_OK)
        *ret_site = site;
    else
        free(site);
    return code;
}
