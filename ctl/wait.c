#include "ctl/wait.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/show.h"

enum { WAIT_MS = 120000 };

void wait_add(struct wait *w, const char *key, uint64_t revision, bool is_delete)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (doc_key_split(key, where, kind, name, NULL) < 0)
        return;
    w->targets = hm_realloc_array(w->targets, w->count + 1, sizeof *w->targets);
    w->targets[w->count++] = (struct wait_target){
        .where = hm_strdup(where),
        .kind = hm_strdup(kind),
        .name = hm_strdup(name),
        .revision = revision,
        .is_delete = is_delete,
    };
}

static void forget_words(struct wait_target *t)
{
    free(t->site);
    free(t->phase);
    free(t->reason);
    t->site = t->phase = t->reason = NULL;
}

void wait_clear(struct wait *w)
{
    for (size_t i = 0; i < w->count; i++) {
        forget_words(&w->targets[i]);
        free(w->targets[i].where);
        free(w->targets[i].kind);
        free(w->targets[i].name);
    }
    free(w->targets);
    *w = (struct wait){0};
}

static bool concerns(const struct wait_target *t, const char *site, const char *kind,
                     const char *name)
{
    if (strcmp(t->kind, kind) != 0 || strcmp(t->name, name) != 0)
        return false;
    return strcmp(t->where, site) == 0 || strcmp(t->where, DOC_PLACEMENT_PRIMARY) == 0;
}

static bool is_phase(const json_t *status, const char *phase)
{
    return strcmp(text_of(status, "phase"), phase) == 0;
}

static bool has_reached(const json_t *status, const char *which, uint64_t revision)
{
    int64_t at = number_of(status, which, 0);
    return at > 0 && (uint64_t)at >= revision;
}

static enum wait_verdict judge(const struct wait_target *t, const json_t *status)
{
    if (!has_reached(status, "desired_revision", t->revision))
        return WAIT_GOES_ON; /* it speaks of an earlier one */
    if (is_phase(status, "Blocked") || json_is_object(json_object_get(status, "error")))
        return is_phase(status, "Failed") ? WAIT_GOES_ON : WAIT_BLOCKED;
    if (t->is_delete)
        return is_phase(status, "Deleted") ? WAIT_DONE : WAIT_GOES_ON;
    bool is_settled = is_phase(status, "Running") || is_phase(status, "Stopped") ||
                      is_phase(status, "Paused") || is_phase(status, "Ended");
    return is_settled && has_reached(status, "applied_revision", t->revision) ? WAIT_DONE
                                                                              : WAIT_GOES_ON;
}

static void remember_words(struct wait_target *t, const char *site, const json_t *status)
{
    const char *error = text_of(json_object_get(status, "error"), "text");
    forget_words(t);
    t->site = hm_strdup(site);
    t->phase = show_cleaned(text_of(status, "phase"));
    t->reason = show_cleaned(*error ? error : text_of(status, "reason"));
}

const struct wait_target *wait_look(struct wait *w, const struct entry *entry)
{
    char site[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (doc_key_split(entry->key, site, kind, name, NULL) < 0)
        return NULL;
    json_t *status = entry_object(entry);
    const struct wait_target *changed = NULL;
    for (size_t i = 0; i < w->count && status; i++) {
        struct wait_target *t = &w->targets[i];
        if (t->verdict != WAIT_GOES_ON || !concerns(t, site, kind, name))
            continue;
        if (!is_phase(status, "Standby"))
            remember_words(t, site, status);
        t->verdict = judge(t, status);
        if (t->verdict != WAIT_GOES_ON)
            changed = t;
    }
    json_decref(status);
    return changed;
}

bool wait_is_over(const struct wait *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->targets[i].verdict == WAIT_GOES_ON)
            return false;
    return true;
}

/* -- Watching ------------------------------------------------------------------------------ */

struct waiting {
    struct invocation *in;
    struct wait *wait;
    int64_t begun_ns;
};

static bool on_status(void *data, const struct entry *entry)
{
    struct waiting *w = data;
    const struct wait_target *t = wait_look(w->wait, entry);
    char took[SHOW_TIME_MAX];
    show_duration((hm_boottime_ns() - w->begun_ns) / HM_MS, took);
    if (t && t->verdict == WAIT_DONE)
        fprintf(w->in->out, "%s/%s %s on %s  %s\n", t->kind, t->name,
                t->is_delete ? "removed" : t->phase, t->site, took);
    else if (t)
        fprintf(w->in->err, "%s %s: blocked on %s: %s\n", t->kind, t->name, t->site, t->reason);
    fflush(w->in->out);
    return wait_is_over(w->wait);
}

static void tell_missing(struct invocation *in, const struct wait_target *t, int64_t limit_ms)
{
    char limit[SHOW_TIME_MAX];
    show_duration(limit_ms, limit);
    if (t->phase)
        fprintf(in->err, "%s %s: not applied within %s: %s on %s%s%s\n", t->kind, t->name, limit,
                t->phase, t->site, *t->reason ? ": " : "", t->reason);
    else
        fprintf(in->err,
                "%s %s: not applied within %s: no agent reported on it (is one running for %s?)\n",
                t->kind, t->name, limit, t->where);
}

static enum ctl_exit wait_result(struct invocation *in, const struct wait *w, int64_t limit_ms)
{
    enum ctl_exit code = CTL_OK;
    for (size_t i = 0; i < w->count; i++) {
        if (w->targets[i].verdict == WAIT_BLOCKED)
            code = CTL_REFUSED;
        if (w->targets[i].verdict == WAIT_GOES_ON)
            tell_missing(in, &w->targets[i], limit_ms);
    }
    return wait_is_over(w) ? code : CTL_TIMEOUT;
}

enum ctl_exit wait_for(struct invocation *in, struct session *s, struct wait *w)
{
    struct waiting waiting = {in, w, hm_boottime_ns()};
    struct hm_error err;
    int64_t limit_ms;
    if (flag_duration(in, "timeout", WAIT_MS, &limit_ms, &err) < 0)
        return report_error(in, &err);
    if (wait_is_over(w))
        return CTL_OK;
    int result = session_watch(s, BUCKET_STATUS, ">", limit_ms, on_status, NULL, &waiting, &err);
    if (result < 0 && err.code != HM_E_TIMEOUT)
        return report_error(in, &err);
    return wait_result(in, w, limit_ms);
}
