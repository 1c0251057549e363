#include "ctl/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"

static int fail_undeclared(const struct entries *docs, const char *kind, const char *name,
                           const char *where, struct hm_error *err)
{
    char w[DOC_NAME_MAX + 1], k[DOC_NAME_MAX + 1];
    char(*names)[DOC_NAME_MAX + 1] = hm_alloc((docs->count + 1) * sizeof *names);
    struct hm_nearest near = hm_nearest_to(name);
    for (size_t i = 0; i < docs->count; i++)
        if (!docs->items[i].deleted && doc_key_split(docs->items[i].key, w, k, names[i], NULL) >= 0)
            hm_nearest_offer(&near, names[i]);
    hm_fail(err, HM_E_NOT_FOUND, "%s %s: is not declared%s%s%s%s%s", kind, name,
            where ? " for " : "", where ? where : "", near.best ? " (did you mean \"" : "",
            near.best ? near.best : "", near.best ? "\"?)" : "");
    free(names);
    return -(int)HM_E_NOT_FOUND;
}

int find_document(const struct entries *docs, const char *kind, const char *name, const char *where,
                  const struct entry **ret, char ret_where[DOC_NAME_MAX + 1], struct hm_error *err)
{
    char w[DOC_NAME_MAX + 1], k[DOC_NAME_MAX + 1], n[DOC_NAME_MAX + 1], first[DOC_NAME_MAX + 1];
    const struct entry *found = NULL;
    for (size_t i = 0; i < docs->count; i++) {
        const struct entry *e = &docs->items[i];
        if (e->deleted || doc_key_split(e->key, w, k, n, NULL) < 0 || strcmp(n, name) != 0 ||
            (where && strcmp(w, where) != 0))
            continue;
        if (found)
            return hm_fail(err, HM_E_INVALID,
                           "%s %s: is declared for %s and for %s: say which with --site", kind,
                           name, first, w);
        found = e;
        memcpy(first, w, sizeof w);
    }
    if (!found)
        return fail_undeclared(docs, kind, name, where, err);
    *ret = found;
    if (ret_where)
        memcpy(ret_where, first, sizeof first);
    return 0;
}
