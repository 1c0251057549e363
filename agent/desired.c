#include "agent/desired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/index.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "proto/text.h"
#include "vmm/spec_pool.h"

struct desired {
    char *site;
    struct desired_entry **entries; /* in the order of the plan */
    size_t count;
    struct index by_key; /* "", key -> struct desired_entry */
    unsigned listing;
    struct plan_doc *docs; /* made when asked for */
    size_t doc_count;
    bool docs_stale;
    uint64_t generation;
};

struct desired *desired_new(const char *site)
{
    struct desired *d = hm_alloc(sizeof *d);
    d->site = hm_strdup(site);
    d->docs_stale = true;
    index_init(&d->by_key, 64);
    return d;
}

static void free_entry(struct desired_entry *e)
{
    doc_clear(&e->doc);
    free(e->key);
    free(e->given);
    free(e->error);
    free(e);
}

void desired_free(struct desired *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++) {
        free_entry(d->entries[i]);
    }
    free(d->entries);
    free(d->docs);
    index_free(&d->by_key);
    free(d->site);
    free(d);
}

/* -- Order ----------------------------------------------------------------------------------------
 */

static int order_docs(const struct plan_doc *a, const struct plan_doc *b)
{
    if (a->kind != b->kind) {
        int by_order = a->kind->order - b->kind->order;
        return by_order ? by_order : strcmp(a->kind->name, b->kind->name);
    }
    int by_name = strcmp(a->name, b->name);
    return by_name ? by_name : strcmp(a->where, b->where);
}

static int order_docs_by_pointer(const void *a, const void *b)
{
    return order_docs(a, b);
}

/* -- Entries --------------------------------------------------------------------------------------
 */

uint64_t desired_generation(const struct desired *d)
{
    return d->generation;
}

static struct desired_entry *find(const struct desired *d, const char *key)
{
    return index_get(&d->by_key, "", key);
}

const struct desired_entry *desired_find(const struct desired *d, const char *key)
{
    return find(d, key);
}

static struct desired_entry *add(struct desired *d, const char *key)
{
    struct desired_entry *e = hm_alloc(sizeof *e);
    e->key = hm_strdup(key);
    d->entries = hm_realloc_array(d->entries, d->count + 1, sizeof(struct desired_entry *));
    d->entries[d->count++] = e;
    index_put(&d->by_key, "", e->key, e);
    return e;
}

void desired_each(const struct desired *d, void (*visit)(void *data, const struct desired_entry *e),
                  void *data)
{
    for (size_t i = 0; i < d->count; i++)
        visit(data, d->entries[i]);
}

static bool concerns_us(const struct desired *d, const char *key)
{
    size_t site = strlen(d->site), primary = strlen(DOC_PLACEMENT_PRIMARY);
    return (!strncmp(key, d->site, site) && key[site] == '.') ||
           (!strncmp(key, DOC_PLACEMENT_PRIMARY, primary) && key[primary] == '.');
}

static void refuse(struct desired_entry *e, const struct hm_error *why)
{
    e->refused = true;
    hm_error_keep(&e->error, why);
    hm_wrap(e->error, "%s rev %llu", e->key, (unsigned long long)e->seen_revision);
    if (e->doc.spec) {
        size_t used = strlen(e->error->text);
        snprintf(e->error->text + used, sizeof e->error->text - used,
                 "; revision %llu stays in force", (unsigned long long)e->revision);
    }
}

static void put_in_force(struct desired_entry *e, const struct bus_entry *from)
{
    e->revision = from->revision;
    e->stamp_ns = from->stamp_ns;
    e->refused = false;
    free(e->error);
    e->error = NULL;
}

/* A marker needs the parts of its key even if no document was ever seen: its thing may exist. */
static int name_entry(struct desired_entry *e, struct hm_error *err)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (e->doc.kind)
        return 0;
    int r = doc_key_split(e->key, where, kind, name, err);
    if (r < 0)
        return r;
    const struct kind *known = kind_find(kind);
    if (!known)
        return hm_fail(err, HM_E_INVALID, "there is no kind \"%s\"", kind);
    e->doc = (struct doc){.where = hm_strdup(where), .kind = known, .name = hm_strdup(name)};
    return 0;
}

static void drop_document(struct desired_entry *e)
{
    json_decref(e->doc.spec);
    e->doc.spec = NULL;
    free(e->given);
    e->given = NULL;
}

/* A marker older than the document comes from a store that was rolled back: it deletes nothing. */
static void take_marker(struct desired_entry *e, const struct bus_entry *from)
{
    struct hm_error err;
    if (e->doc.spec && from->stamp_ns < e->stamp_ns) {
        hm_fail(&err, HM_E_REFUSED,
                "the delete marker is older than the document that is in force "
                "(was the bucket rolled back?); delete it again to remove it");
        refuse(e, &err);
    } else if (name_entry(e, &err) < 0) {
        refuse(e, &err);
    } else {
        drop_document(e);
        e->deleted = true;
        put_in_force(e, from);
    }
}

static void take_document(struct desired_entry *e, const struct bus_entry *from)
{
    struct hm_error err;
    struct doc doc = {0};
    if (doc_from_value(e->key, from->value, from->len, &doc, &err) < 0) {
        refuse(e, &err);
        return;
    }
    drop_document(e);
    doc_clear(&e->doc);
    e->doc = doc;
    e->given = json_dumps(doc.given, JSON_COMPACT); /* a fifth of what the tree takes */
    json_decref(doc.given);
    e->doc.given = NULL;
    e->deleted = false;
    spec_hash(doc.spec, e->hash);
    e->doc.spec = spec_share(e->hash, doc.spec);
    put_in_force(e, from);
}

/* In a bucket that was made anew revisions begin anew, but not the time. */
static bool is_last_seen(const struct desired_entry *e, const struct bus_entry *from)
{
    return e->seen_revision == from->revision && e->seen_stamp_ns == from->stamp_ns;
}

bool desired_take(struct desired *d, const struct bus_entry *from)
{
    if (strlen(from->key) > DOC_KEY_MAX || !concerns_us(d, from->key))
        return false;
    struct desired_entry *e = find(d, from->key);
    bool known = e && !e->missing && is_last_seen(e, from);
    if (!e)
        e = add(d, from->key);
    e->listing = d->listing;
    e->missing = false;
    if (known) /* given again by a new listing */
        return false;
    e->seen_revision = from->revision;
    e->seen_stamp_ns = from->stamp_ns;
    if (from->deleted)
        take_marker(e, from);
    else
        take_document(e, from);
    d->docs_stale = true;
    d->generation++;
    return true;
}

/* -- Listings -------------------------------------------------------------------------------------
 */

void desired_listing_begins(struct desired *d)
{
    d->listing++;
}

bool desired_listing_complete(struct desired *d)
{
    bool changed = false;
    for (size_t i = 0; i < d->count; i++) {
        struct desired_entry *e = d->entries[i];
        bool missing = e->listing != d->listing;
        changed |= missing != e->missing;
        e->missing = missing;
    }
    d->docs_stale |= changed;
    d->generation += changed;
    return changed;
}

/* -- What is in force
 * ------------------------------------------------------------------------------- */

/* A marker that the store forgot proves nothing any more: its thing, if any, is an orphan. */
static bool is_in_force(const struct desired_entry *e)
{
    return e->doc.kind && (e->doc.spec || (e->deleted && !e->missing));
}

static struct plan_doc as_plan_doc(const struct desired_entry *e)
{
    return (struct plan_doc){
        .key = e->key,
        .where = e->doc.where,
        .name = e->doc.name,
        .kind = e->doc.kind,
        .spec = e->doc.spec,
        .hash = e->hash,
        .deleted = e->deleted,
        .missing = e->missing,
    };
}

static bool is_same_thing(const struct plan_doc *a, const struct plan_doc *b)
{
    return a->kind == b->kind && !a->deleted && !b->deleted && !strcmp(a->name, b->name);
}

/* The same kind and name for this site and for the primary: neither can be right. */
static void hold_conflicts(struct plan_doc *docs, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (is_same_thing(&docs[i], &docs[i + 1])) {
            docs[i].held = "declared twice, for a site and with placement: primary; delete one";
            docs[i + 1].held = docs[i].held;
        }
}

static void arrange(struct plan_doc *docs, size_t count)
{
    qsort(docs, count, sizeof *docs, order_docs_by_pointer);
    hold_conflicts(docs, count);
}

const struct plan_doc *desired_docs(struct desired *d, size_t *ret_count)
{
    if (d->docs_stale) {
        d->docs = hm_realloc_array(d->docs, d->count, sizeof *d->docs);
        d->doc_count = 0;
        for (size_t i = 0; i < d->count; i++)
            if (is_in_force(d->entries[i]))
                d->docs[d->doc_count++] = as_plan_doc(d->entries[i]);
        arrange(d->docs, d->doc_count);
        d->docs_stale = false;
    }
    *ret_count = d->doc_count;
    return d->docs;
}

/* -- Overlay
 * ---------------------------------------------------------------------------------------- */

static void overlay_put(struct desired_overlay *o, const struct plan_doc *doc)
{
    for (size_t i = 0; i < o->count; i++)
        if (!strcmp(o->docs[i].key, doc->key)) {
            o->docs[i] = *doc;
            return;
        }
    o->docs[o->count++] = *doc;
}

static void overlay_document(struct desired *d, struct desired_overlay *o, const struct doc *doc)
{
    char *key = o->keys[o->extra], *hash = o->hashes[o->extra];
    doc_key(doc, key);
    if (!concerns_us(d, key))
        return;
    o->extra++;
    spec_hash(doc->spec, hash);
    struct plan_doc laid = {
        .key = key,
        .where = doc->where,
        .name = doc->name,
        .kind = doc->kind,
        .spec = doc->spec,
        .hash = hash,
    };
    overlay_put(o, &laid);
}

/* Nothing is known of it: an orphan's, whose marker the store lacks. */
static void overlay_unknown(struct desired *d, struct desired_overlay *o, const char *key)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (strlen(key) > DOC_KEY_MAX || !concerns_us(d, key) ||
        doc_key_split(key, where, kind, name, NULL) < 0 || !kind_find(kind))
        return;
    struct overlay_marker *m = &o->markers[o->marker_count++];
    memcpy(m->key, key, strlen(key) + 1);
    memcpy(m->where, where, sizeof where);
    memcpy(m->name, name, sizeof name);
    o->docs[o->count++] = (struct plan_doc){.key = m->key,
                                            .where = m->where,
                                            .name = m->name,
                                            .kind = kind_find(kind),
                                            .deleted = true};
}

static void overlay_marker(struct desired *d, struct desired_overlay *o, const char *key)
{
    for (size_t i = 0; i < o->count; i++)
        if (!strcmp(o->docs[i].key, key)) {
            o->docs[i].deleted = true;
            o->docs[i].spec = NULL;
            return;
        }
    overlay_unknown(d, o, key);
}

void desired_overlay_make(struct desired *d, const struct doc *docs, size_t count,
                          const char *const *deleted_keys, size_t deleted_count,
                          struct desired_overlay *ret)
{
    size_t present;
    const struct plan_doc *now = desired_docs(d, &present);
    *ret = (struct desired_overlay){
        .docs = hm_alloc((present + count + deleted_count) * sizeof *ret->docs),
        .count = present,
        .hashes = hm_alloc(count * sizeof *ret->hashes),
        .keys = hm_alloc(count * sizeof *ret->keys),
        .markers = hm_alloc(deleted_count * sizeof *ret->markers),
    };
    for (size_t i = 0; i < present; i++) {
        ret->docs[i] = now[i];
        ret->docs[i].held = NULL;
    }
    for (size_t i = 0; i < count; i++)
        overlay_document(d, ret, &docs[i]);
    for (size_t i = 0; i < deleted_count; i++)
        overlay_marker(d, ret, deleted_keys[i]);
    arrange(ret->docs, ret->count);
}

void desired_overlay_clear(struct desired_overlay *o)
{
    free(o->docs);
    free(o->hashes);
    free(o->keys);
    free(o->markers);
    *o = (struct desired_overlay){0};
}

/* -- Cache
 * ------------------------------------------------------------------------------------------- */

/* Keys of documents in force are names and dots: they need no escapes. */
static void add_cached(struct hm_buf *out, const struct desired_entry *e)
{
    hm_buf_printf(out, "\"%s\":{\"revision\":%llu,\"stamp\":%lld,\"deleted\":%s", e->key,
                  (unsigned long long)e->revision, (long long)e->stamp_ns,
                  e->deleted ? "true" : "false");
    if (e->given) {
        hm_buf_puts(out, ",\"spec\":");
        hm_buf_puts(out, e->given);
    }
    hm_buf_puts(out, "}");
}

char *desired_to_cache(const struct desired *d)
{
    struct hm_buf out = {0};
    const char *between = "";
    hm_buf_printf(&out, "{\"version\":1,\"site\":\"%s\",\"entries\":{", d->site);
    for (size_t i = 0; i < d->count; i++) {
        if (!is_in_force(d->entries[i]))
            continue;
        hm_buf_puts(&out, between);
        add_cached(&out, d->entries[i]);
        between = ",";
    }
    hm_buf_puts(&out, "}}");
    return hm_buf_steal(&out);
}

static void take_cached(struct desired *d, const char *key, const json_t *o)
{
    const json_t *spec = json_object_get(o, "spec");
    bool deleted = json_is_true(json_object_get(o, "deleted"));
    int64_t revision = json_integer_value(json_object_get(o, "revision")),
            stamp = json_integer_value(json_object_get(o, "stamp"));
    if (!json_is_object(spec) && !deleted)
        return; /* damaged: only a marker deletes */
    if (revision < 0 || stamp < 0 || stamp >= HM_TIME_END_NS)
        return; /* damaged, too: every later marker would be older than that stamp */
    char *value = json_dumps(spec, JSON_COMPACT); /* NULL for what is none */
    struct bus_entry entry = {
        .key = key,
        .value = value,
        .len = value ? strlen(value) : 0,
        .revision = (uint64_t)revision,
        .stamp_ns = stamp,
        .deleted = deleted,
    };
    desired_take(d, &entry);
    free(value);
}

int desired_from_cache(struct desired *d, const char *text, size_t len, struct hm_error *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, 0, &why);
    if (!root) {
        char said[JSON_ERROR_TEXT_LENGTH];
        text_clean(why.text, said, sizeof said);
        return hm_fail(err, HM_E_INVALID, "the cache of documents can't be read: %s", said);
    }
    const char *site = json_string_value(json_object_get(root, "site")), *key;
    char shown[TEXT_QUOTE_MAX];
    json_t *o;
    int r = 0;
    text_quote(site ? site : "", shown);
    if (!site || strcmp(site, d->site) != 0)
        r = hm_fail(err, HM_E_INVALID, "the cache of documents belongs to site %s, this is %s",
                    shown, d->site);
    else
        json_object_foreach(json_object_get(root, "entries"), key, o) take_cached(d, key, o);
    json_decref(root);
    return r;
}
