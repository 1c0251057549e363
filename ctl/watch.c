/* watch: documents and statuses as they change. */
#include <string.h>

#include "base/alloc.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "ctl/show.h"
#include "ctl/watch_line.h"
#include "proto/doc.h"

/* One bucket. What is there when it begins, or after the connection was lost, is no news unless its
 * revision is. */
struct following {
    struct invocation *in;
    struct session *session;
    const char *bucket;
    bool is_status, as_json;
    const char *kind, *name, *site; /* NULL: any */
    json_t *seen;                   /* key -> {"revision", "value"} */
    bool ready;                     /* what was stored has been given */
    enum ctl_exit *code;
};

static bool is_wanted(const struct following *f, const char *key)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (doc_key_split(key, where, kind, name, NULL) < 0)
        return f->is_status && !f->kind &&
               (!f->site ||
                (!strncmp(key, f->site, strlen(f->site)) && key[strlen(f->site)] == '.'));
    return (!f->kind || !strcmp(kind, f->kind)) && (!f->name || !strcmp(name, f->name)) &&
           (!f->site || !strcmp(where, f->site));
}

static void print(const struct following *f, const struct entry *e, const json_t *before)
{
    struct hm_buf line = {0};
    if (f->as_json)
        watch_line_json(e, f->bucket, &line);
    else
        watch_line(e, before, f->is_status, &line);
    if (line.len == 0)
        return;
    print_buf(f->in, &line);
    if (fflush(f->in->out) == 0)
        return;
    *f->code = CTL_FAILED; /* who read it is gone */
    session_stop(f->session);
}

static void on_entry(void *data, const struct bus_entry *given)
{
    struct following *f = data;
    HM_AUTOFREE char *value = hm_memdup(given->value, given->deleted ? 0 : given->len);
    HM_AUTOFREE char *key = hm_strdup(given->key);
    const struct entry e = {
        key,           value, given->deleted ? 0 : given->len, given->revision, given->stamp_ns,
        given->deleted};
    const json_t *seen = json_object_get(f->seen, key);
    if (!is_wanted(f, key) ||
        (uint64_t)json_integer_value(json_object_get(seen, "revision")) >= e.revision)
        return;
    json_t *now = entry_object(&e);
    if (f->ready)
        print(f, &e, json_object_get(seen, "value"));
    json_t *next = json_pack("{s:I}", "revision", (json_int_t)e.revision);
    if (now)
        json_object_set_new(next, "value", now);
    json_object_set_new(f->seen, key, next);
}

static void on_ready(void *data)
{
    struct following *f = data;
    f->ready = true;
}

static void on_broken(void *data, const struct hm_error *why)
{
    struct following *f = data;
    HM_AUTOFREE char *text = show_cleaned(why->text);
    if (why->code == HM_E_NOT_FOUND) {
        fprintf(f->in->err, "bucket %s is not there (harmonyctl failover init makes it)\n",
                f->bucket);
        *f->code = CTL_NOT_FOUND;
        session_stop(f->session);
    } else {
        fprintf(f->in->err, "%s: %s; trying on\n", f->bucket, text);
    }
}

static struct bus_watch *follow(struct following *f)
{
    struct bus_watch_options options = {
        .bucket = f->bucket,
        .filter = ">",
        .on_entry = on_entry,
        .on_ready = on_ready,
        .on_broken = on_broken,
        .data = f,
    };
    f->seen = json_object();
    return bus_watch_start(session_bus(f->session), &options);
}

static enum ctl_exit follow_both(struct invocation *in, struct session *s, const char *kind)
{
    enum ctl_exit code = CTL_OK;
    struct following desired = {.in = in,
                                .session = s,
                                .bucket = BUCKET_DESIRED,
                                .kind = kind,
                                .name = in->argument_count > 1 ? in->arguments[1] : NULL,
                                .site = flag_value(in, "site"),
                                .as_json = !strcmp(output_format(in), "json"),
                                .code = &code};
    struct following status = desired;
    status.bucket = BUCKET_STATUS;
    status.is_status = true;
    struct bus_watch *first = follow(&desired), *second = follow(&status);
    session_run(s);
    bus_watch_stop(first);
    bus_watch_stop(second);
    json_decref(desired.seen);
    json_decref(status.seen);
    return code;
}

enum ctl_exit run_watch(struct invocation *in)
{
    const struct kind *kind = NULL;
    struct session *s = NULL;
    struct hm_error err;
    if (in->argument_count > 0 && doc_find_kind(in->arguments[0], &kind, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = follow_both(in, s, kind ? kind->name : NULL);
    session_close(s);
    return code;
}
