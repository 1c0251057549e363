#include "proto/doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/nearest.h"
#include "proto/text.h"
#include "proto/tree.h"

/* -- names and keys --------------------------------------------------------------------------- */

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *name)
{
    size_t n = strnlen(name, DOC_NAME_MAX + 1);
    if (n == 0 || n > DOC_NAME_MAX || !is_lower_alnum(name[0]) || !is_lower_alnum(name[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(name[i]) && name[i] != '-')
            return false;
    return true;
}

/* Copy the part up to the next dot (or the end); returns what follows it, NULL when it is no name.
 */
static const char *take_part(const char *key, char out[DOC_NAME_MAX + 1])
{
    size_t n = strcspn(key, ".");
    if (n > DOC_NAME_MAX)
        return NULL;
    memcpy(out, key, n);
    out[n] = '\0';
    return name_is_valid(out) ? key + n : NULL;
}

int doc_key_split(const char *key, char *where, char *kind, char *name, struct hm_error *err)
{
    const char *p = take_part(key, where);
    if (p && *p == '.')
        p = take_part(p + 1, kind);
    if (p && *p == '.') {
        p = take_part(p + 1, name);
        if (p && !*p)
            return 0;
    }
    char shown[TEXT_QUOTE_MAX];
    text_quote(key, shown);
    return hm_fail(err, HM_E_INVALID,
                   "%s is not a document's key: expected WHERE.KIND.NAME, where is a site id or "
                   "primary, each of [a-z0-9-], at most %d",
                   shown, DOC_NAME_MAX);
}

void doc_key(const struct doc *doc, char out[DOC_KEY_MAX + 1])
{
    snprintf(out, DOC_KEY_MAX + 1, "%s.%s.%s", doc->where, doc->kind->name, doc->name);
}

int doc_find_kind(const char *name, const struct kind **ret, struct hm_error *err)
{
    char shown[TEXT_QUOTE_MAX];
    struct hm_buf known = {.limit = 256};
    struct hm_nearest near = hm_nearest_to(name);
    *ret = kind_find(name);
    if (*ret)
        return 0;
    for (const struct kind *const *k = kinds_all(); *k; k++) {
        hm_buf_printf(&known, "%s%s", known.len ? ", " : "", (*k)->name);
        hm_nearest_offer(&near, (*k)->name);
    }
    text_quote(name, shown);
    int rc = hm_fail(err, HM_E_INVALID, "unknown kind %s%s%s%s; there are: %s", shown,
                     near.best ? " (did you mean \"" : "", near.best ? near.best : "",
                     near.best ? "\"?)" : "", known.data);
    hm_buf_free(&known);
    return rc;
}

/* -- documents -------------------------------------------------------------------------------- */

void doc_clear(struct doc *doc)
{
    if (!doc)
        return;
    free(doc->where);
    free(doc->name);
    free(doc->source);
    json_decref(doc->given);
    json_decref(doc->spec);
    *doc = (struct doc){0};
}

/* In the bucket the key says these: written into the value, too, they could contradict it. */
static int refuse_envelope(const json_t *given, struct hm_error *err)
{
    static const char *const names[] = {"kind", "name", "site", "placement", NULL};
    for (const char *const *n = names; *n; n++)
        if (json_object_get(given, *n))
            return hm_fail(err, HM_E_INVALID,
                           "unknown field \"%s\": in the bucket the key says kind, name and site; "
                           "leave them out of the value (harmonyctl apply does)",
                           *n);
    return 0;
}

static int parse_value(const void *value, size_t len, json_t **ret, struct hm_error *err)
{
    struct tree tree;
    int rc = tree_parse(TREE_JSON, NULL, value, len, &tree, err);
    if (rc < 0)
        return rc;
    if (json_array_size(tree.docs) == 1)
        *ret = json_incref(json_array_get(tree.docs, 0));
    else
        rc = hm_fail(err, HM_E_INVALID, "the value must be one JSON object, the spec; it is %s",
                     json_array_size(tree.docs) ? "several" : "empty");
    tree_clear(&tree);
    return rc;
}

int doc_check_where(const char *where, const struct kind *kind, struct hm_error *err)
{
    if (!strcmp(where, DOC_PLACEMENT_PRIMARY) && !kind->allowed_on_primary)
        return hm_fail(err, HM_E_INVALID, "a %s belongs to a site; it can't be placed on primary",
                       kind->name);
    return 0;
}

int doc_from_value(const char *key, const void *value, size_t len, struct doc *ret,
                   struct hm_error *err)
{
    char where[DOC_NAME_MAX + 1], kind_name[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    const struct kind *kind;
    json_t *given = NULL, *spec = NULL;
    int rc = doc_key_split(key, where, kind_name, name, err);
    if (rc >= 0)
        rc = doc_find_kind(kind_name, &kind, err);
    if (rc >= 0)
        rc = doc_check_where(where, kind, err);
    if (rc >= 0)
        rc = parse_value(value, len, &given, err);
    if (rc >= 0)
        rc = refuse_envelope(given, err);
    if (rc >= 0)
        rc = kind_verify(kind, given, &spec, NULL, err);
    if (rc < 0) {
        json_decref(given);
        return rc;
    }
    *ret = (struct doc){.where = hm_strdup(where),
                        .kind = kind,
                        .name = hm_strdup(name),
                        .given = given,
                        .spec = spec};
    return 0;
}
