#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/load.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "ctl/wait.h"

/* The same kind and name on `primary` and on a site at once: which of them would be meant? */
static const struct entry *find_on_primary(const struct doc *doc, const struct entries *stored)
{
    HM_AUTOFREE char *key = hm_printf(DOC_PLACEMENT_PRIMARY ".%s.%s", doc->kind->name, doc->name);
    const struct entry *e = entries_find(stored, key);
    return e && !e->deleted ? e : NULL;
}

static const struct entry *find_on_site(const struct doc *doc, const struct entries *stored)
{
    HM_AUTOFREE char *thing = hm_printf(".%s.%s", doc->kind->name, doc->name);
    for (size_t i = 0; i < stored->count; i++) {
        const struct entry *e = &stored->items[i];
        const char *after_site = strchr(e->key, '.');
        if (!e->deleted && after_site && strcmp(after_site, thing) == 0 &&
            strncmp(e->key, DOC_PLACEMENT_PRIMARY ".", strlen(DOC_PLACEMENT_PRIMARY ".")) != 0)
            return e;
    }
    return NULL;
}

static int check_placement(const struct doc *doc, const struct entries *stored,
                           struct hm_error *err)
{
    bool on_primary = strcmp(doc->where, DOC_PLACEMENT_PRIMARY) == 0;
    const struct entry *other =
        on_primary ? find_on_site(doc, stored) : find_on_primary(doc, stored);
    if (!other)
        return 0;
    int len = (int)strcspn(other->key, ".");
    return hm_fail(err, HM_E_CONFLICT,
                   "%s: %s %s is declared for %.*s already (revision %llu), and can't be for %s as "
                   "well: harmonyctl delete %s %s --site %.*s comes first",
                   doc->source, doc->kind->name, doc->name, len, other->key,
                   (unsigned long long)other->revision, doc->where, doc->kind->name, doc->name, len,
                   other->key);
}

static bool is_stored(const struct doc *doc, const struct entry *stored)
{
    json_t *there = entry_object(stored);
    bool same = there && json_equal(there, doc->given);
    json_decref(there);
    return same;
}

struct applying {
    struct invocation *in;
    struct session *session;
    struct entries stored;
    struct wait wait;
};

static void tell(const struct applying *a, const struct doc *doc, const char *what,
                 uint64_t revision)
{
    fprintf(a->in->out, "%s/%s %s (rev %llu), %s\n", doc->kind->name, doc->name, what,
            (unsigned long long)revision, doc->where);
}

static int write_document(struct applying *a, const struct doc *doc, const char *key,
                          const struct entry *stored, uint64_t *ret_revision, struct hm_error *err)
{
    char *value = json_dumps(doc->given, JSON_COMPACT);
    if (!value)
        return hm_fail(err, HM_E_INVALID, "%s: can't be written as JSON", doc->source);
    int result = session_put(a->session, BUCKET_DESIRED, key, value,
                             stored ? (int64_t)stored->revision : 0, ret_revision, err);
    free(value);
    return result;
}

static enum ctl_exit apply_document(struct applying *a, const struct doc *doc)
{
    char key[DOC_KEY_MAX + 1];
    struct hm_error err;
    doc_key(doc, key);
    const struct entry *stored = entries_find(&a->stored, key);
    uint64_t revision = stored ? stored->revision : 0;
    if (is_stored(doc, stored)) {
        tell(a, doc, "unchanged", revision);
    } else {
        if (write_document(a, doc, key, stored, &revision, &err) < 0)
            return report_error(a->in, &err);
        tell(a, doc, stored && !stored->deleted ? "configured" : "created", revision);
    }
    wait_add(&a->wait, key, revision, false);
    return CTL_OK;
}

/* All placements are looked at before anything is written. */
static enum ctl_exit check_placements(struct applying *a, const struct doc_list *docs)
{
    enum ctl_exit code = CTL_OK;
    struct hm_error err;
    for (size_t i = 0; i < docs->count; i++)
        if (check_placement(&docs->items[i], &a->stored, &err) < 0)
            code = report_error(a->in, &err);
    return code;
}

/* One that fails does not hold up the others. */
static enum ctl_exit apply_documents(struct applying *a, const struct doc_list *docs)
{
    enum ctl_exit code = check_placements(a, docs);
    if (code != CTL_OK)
        return code;
    for (size_t i = 0; i < docs->count; i++) {
        enum ctl_exit one = apply_document(a, &docs->items[i]);
        code = one == CTL_OK ? code : one;
    }
    fflush(a->in->out);
    if (code == CTL_OK && flag_is_set(a->in, "wait"))
        code = wait_for(a->in, a->session, &a->wait);
    return code;
}

static enum ctl_exit apply_to_server(struct invocation *in, const struct doc_list *docs)
{
    struct applying a = {.in = in};
    enum ctl_exit code = open_or_report(in, &a.session);
    if (code == CTL_OK)
        code = list_or_report(in, a.session, BUCKET_DESIRED, ">", &a.stored);
    if (code == CTL_OK)
        code = apply_documents(&a, docs);
    wait_clear(&a.wait);
    entries_clear(&a.stored);
    session_close(a.session);
    return code;
}

enum ctl_exit run_apply(struct invocation *in)
{
    struct loaded l;
    enum ctl_exit code = load_or_report(in, &l);
    if (code == CTL_OK)
        code = apply_to_server(in, &l.docs);
    loaded_clear(&l);
    return code;
}
