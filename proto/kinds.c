#include <string.h>

#include "proto/doc.h"
#include "proto/kind.h"
#include "proto/text.h"

const char *const change_words[] = {"live", "restart", "replace", "never-replace", NULL};

const char *const restart_words[] = {"no", "on-failure", "always", NULL};

/* By order: what others need comes first. */
static const struct kind *const kinds[] = {&kind_network, &kind_image_file, &kind_disk, &kind_vm,
                                           NULL};

const struct kind *const *kinds_all(void)
{
    return kinds;
}

const struct kind *kind_find(const char *name)
{
    for (const struct kind *const *k = kinds; *k; k++)
        if (!strcmp((*k)->name, name))
            return *k;
    return NULL;
}

/* "kind/name", of a kind that exists. */
static bool is_reference(const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash || !name_is_valid(slash + 1))
        return false;
    for (const struct kind *const *k = kinds; *k; k++)
        if (strlen((*k)->name) == (size_t)(slash - text) &&
            !strncmp((*k)->name, text, (size_t)(slash - text)))
            return true;
    return false;
}

static int check_common(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(spec, "depends_on"), i, item)
    {
        if (is_reference(json_string_value(item)))
            continue;
        char shown[TEXT_QUOTE_MAX];
        text_quote(json_string_value(item), shown);
        field_place_set(at, "depends_on[%zu]", i);
        return field_fail(at, err, "%s is not KIND/NAME (such as network/lan)", shown);
    }
    return 0;
}

/* A new reference. */
static json_t *complete(const struct kind *kind, const json_t *in)
{
    if (kind->complete && json_is_object(in))
        return kind->complete(in);
    return json_incref((json_t *)(uintptr_t)in);
}

int kind_verify(const struct kind *kind, const json_t *in, json_t **ret_spec,
                struct field_place *at, struct hm_error *err)
{
    struct field_place place = {""};
    json_t *spec = NULL, *whole = complete(kind, in);
    int rc = fields_verify_at(kind->fields, whole, &spec, &place, err);
    json_decref(whole);
    if (rc >= 0)
        rc = check_common(spec, &place, err);
    if (rc >= 0)
        rc = kind_check_health(spec, &place, err);
    if (rc >= 0 && kind->check)
        rc = kind->check(spec, &place, err);
    if (rc >= 0)
        *ret_spec = spec;
    else
        json_decref(spec);
    if (rc < 0 && at)
        *at = place;
    return rc;
}
