/* start, stop, pause, resume: one field of a document, by compare-and-swap. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/find.h"
#include "ctl/json_text.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "ctl/wait.h"

struct powering {
    struct invocation *in;
    struct session *session;
    const struct kind *kind;
    const char *power;   /* what is to be declared */
    const char *unless;  /* a state that this is not for, or NULL */
    const char *instead; /* what to do then */
    struct entries docs;
    const struct entry *entry; /* borrowed from `docs` */
    char where[DOC_NAME_MAX + 1];
    uint64_t revision;
    bool changed;
};

/* -- The document ----------------------------------------------------------------------------- */

static int check_kind(struct powering *p, struct hm_error *err)
{
    int r = doc_find_kind(p->in->arguments[0], &p->kind, err);
    if (r >= 0 && !field_find(p->kind->fields, "power"))
        r = hm_fail(err, HM_E_INVALID, "a %s has no power to switch", p->kind->name);
    return r;
}

static const char *power_of(const json_t *document)
{
    const char *power = text_of(document, "power");
    return *power ? power : "on"; /* the default of the field */
}

/* What is written is verified as apply does, so that no agent has to refuse it. */
static int write_power(struct powering *p, json_t *document, struct hm_error *err)
{
    json_t *spec = NULL;
    struct field_place at = {""};
    json_object_set_new(document, "power", json_string(p->power));
    int r = kind_verify(p->kind, document, &spec, &at, err);
    json_decref(spec);
    if (r < 0)
        return hm_wrap(err, "%s", p->entry->key);
    HM_AUTOFREE char *value = json_dumps(document, JSON_COMPACT);
    r = session_put(p->session, BUCKET_DESIRED, p->entry->key, value, (int64_t)p->entry->revision,
                    &p->revision, err);
    p->changed = r >= 0;
    return r;
}

static int change(struct powering *p, struct hm_error *err)
{
    const char *name = p->in->arguments[1];
    int r = find_document(&p->docs, p->kind->name, name, flag_value(p->in, "site"), &p->entry,
                          p->where, err);
    if (r < 0)
        return r;
    json_t *document = entry_object(p->entry);
    p->revision = p->entry->revision;
    if (!document)
        r = hm_fail(err, HM_E_INVALID, "%s rev %llu is not a JSON object", p->entry->key,
                    (unsigned long long)p->revision);
    else if (p->unless && !strcmp(power_of(document), p->unless))
        r = hm_fail(err, HM_E_REFUSED, "%s %s: is declared %s; %s", p->kind->name, name, p->unless,
                    p->instead);
    else if (strcmp(power_of(document), p->power) != 0)
        r = write_power(p, document, err);
    json_decref(document);
    return r;
}

/* -- The command ------------------------------------------------------------------------------ */

static void tell(const struct powering *p)
{
    const char *name = p->in->arguments[1];
    if (strcmp(output_format(p->in), "json") != 0) {
        fprintf(p->in->out, "%s/%s power %s%s (rev %llu), %s\n", p->kind->name, name, p->power,
                p->changed ? "" : " already", (unsigned long long)p->revision, p->where);
        fflush(p->in->out);
        return;
    }
    struct hm_buf text = {0};
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "kind", p->kind->name, "name", name,
                          "where", p->where, "power", p->power, "revision", (json_int_t)p->revision,
                          "changed", p->changed);
    json_render(o, &text);
    json_decref(o);
    print_buf(p->in, &text);
}

static enum ctl_exit change_and_wait(struct powering *p)
{
    struct hm_error err;
    struct wait wait = {0};
    HM_AUTOFREE char *filter = hm_printf("*.%s.*", p->kind->name);
    enum ctl_exit code = list_or_report(p->in, p->session, BUCKET_DESIRED, filter, &p->docs);
    if (code == CTL_OK && change(p, &err) < 0)
        code = report_error(p->in, &err);
    if (code != CTL_OK)
        return code;
    tell(p);
    if (flag_is_set(p->in, "wait")) {
        wait_add(&wait, p->entry->key, p->revision, false);
        code = wait_for(p->in, p->session, &wait);
    }
    wait_clear(&wait);
    return code;
}

static enum ctl_exit power(struct powering p)
{
    struct hm_error err;
    if (check_kind(&p, &err) < 0) {
        report_error(p.in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = open_or_report(p.in, &p.session);
    if (code == CTL_OK)
        code = change_and_wait(&p);
    entries_clear(&p.docs);
    session_close(p.session);
    return code;
}

enum ctl_exit run_start(struct invocation *in)
{
    return power((struct powering){.in = in, .power = "on"});
}

enum ctl_exit run_stop(struct invocation *in)
{
    return power((struct powering){.in = in, .power = "off"});
}

enum ctl_exit run_pause(struct invocation *in)
{
    return power((struct powering){
        .in = in, .power = "paused", .unless = "off", .instead = "start it first"});
}

enum ctl_exit run_resume(struct invocation *in)
{
    return power((struct powering){
        .in = in, .power = "on", .unless = "off", .instead = "harmonyctl start starts it"});
}
