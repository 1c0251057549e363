#include "proto/field.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "proto/scalar.h"
#include "proto/text.h"

enum { LIST_MAX = 256, MAP_MAX = 64, MAP_KEY_MAX = 128 };

static int verify_value(struct verifier *v, const struct field *f, const json_t *in, json_t **ret);

/* -- where we are ----------------------------------------------------------------------------- */

static size_t enter_field(struct verifier *v, const char *name)
{
    size_t was = strlen(v->at.path);
    snprintf(v->at.path + was, sizeof v->at.path - was, "%s%s", was ? "." : "", name);
    return was;
}

static size_t enter_element(struct verifier *v, size_t index)
{
    size_t was = strlen(v->at.path);
    snprintf(v->at.path + was, sizeof v->at.path - was, "[%zu]", index);
    return was;
}

static void leave(struct verifier *v, size_t was)
{
    v->at.path[was] = '\0';
}

void field_place_set(struct field_place *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(at->path, sizeof at->path, fmt, args);
    va_end(args);
}

int field_fail(const struct field_place *at, struct hm_error *err, const char *fmt, ...)
{
    char sentence[HM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    struct verifier v = {.at = *at, .err = err};
    return verify_fail(&v, HM_E_INVALID, "%s", sentence);
}

/* -- objects ---------------------------------------------------------------------------------- */

const struct field *field_find(const struct field *table, const char *name)
{
    for (const struct field *f = table; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

/* The sentence names the object; the place is the field itself, whose line is wanted. */
static int fail_unknown(struct verifier *v, const struct field *table, const char *key)
{
    char shown[TEXT_QUOTE_MAX];
    struct hm_nearest near = hm_nearest_to(key);
    for (const struct field *f = table; f->name; f++)
        hm_nearest_offer(&near, f->name);
    text_quote(key, shown);
    int rc = verify_fail(v, HM_E_INVALID, "unknown field %s%s%s%s", shown,
                         near.best ? " (did you mean \"" : "", near.best ? near.best : "",
                         near.best ? "\"?)" : "");
    enter_field(v, key);
    return rc;
}

static int refuse_unknown(struct verifier *v, const struct field *table, const json_t *in)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)in, key,
                        value) if (!field_find(table, key)) return fail_unknown(v, table, key);
    return 0;
}

/* The field's value in normal form, from what is given or from its default. Absent: *ret stays. */
static int verify_field(struct verifier *v, const struct field *f, const json_t *given,
                        json_t **ret)
{
    if (given)
        return verify_value(v, f, given, ret);
    if (f->required)
        return verify_fail(v, HM_E_INVALID, "is required: %s", f->help);
    if (!f->default_value)
        return 0;
    json_t *by_default = json_loads(f->default_value, JSON_DECODE_ANY, NULL);
    int rc = verify_value(v, f, by_default, ret);
    json_decref(by_default);
    return rc;
}

static int verify_fields(struct verifier *v, const struct field *table, const json_t *in,
                         json_t *spec)
{
    for (const struct field *f = table; f->name; f++) {
        json_t *value = NULL;
        size_t was = enter_field(v, f->name);
        int rc = verify_field(v, f, json_object_get(in, f->name), &value);
        if (rc < 0)
            return rc;
        leave(v, was);
        if (value)
            json_object_set_new(spec, f->name, value);
    }
    return 0;
}

static int verify_object(struct verifier *v, const struct field *table, const json_t *in,
                         json_t **ret)
{
    int rc = refuse_unknown(v, table, in);
    if (rc < 0)
        return rc;
    json_t *spec = json_object();
    rc = verify_fields(v, table, in, spec);
    if (rc < 0)
        json_decref(spec);
    else
        *ret = spec;
    return rc;
}

static int verify_map_entry(struct verifier *v, const struct field *f, const char *key,
                            const json_t *value, json_t *map)
{
    json_t *text = NULL;
    if (!*key || strlen(key) > MAP_KEY_MAX || text_has_control(key))
        return verify_fail(v, HM_E_INVALID, "a key has 1 to %d bytes and no control characters",
                           MAP_KEY_MAX);
    size_t was = enter_field(v, key);
    int rc = verify_scalar(v, f, FIELD_STRING, value, &text);
    if (rc < 0)
        return rc;
    json_object_set_new(map, key, text);
    leave(v, was);
    return 0;
}

static int verify_map(struct verifier *v, const struct field *f, const json_t *in, json_t **ret)
{
    const char *key;
    json_t *value, *map = json_object();
    int rc = 0;
    if (json_object_size(in) > MAP_MAX)
        rc = verify_fail(v, HM_E_TOO_LARGE, "has %zu entries; at most %d are allowed",
                         json_object_size(in), MAP_MAX);
    json_object_foreach((json_t *)in, key, value)
    {
        if (rc >= 0)
            rc = verify_map_entry(v, f, key, value, map);
    }
    if (rc < 0)
        json_decref(map);
    else
        *ret = map;
    return rc;
}

/* -- lists ------------------------------------------------------------------------------------ */

static const json_t *identity(const struct field *f, const json_t *item)
{
    if (f->element == FIELD_OBJECT)
        return f->unique_by ? json_object_get(item, f->unique_by) : NULL;
    return f->element == FIELD_STRING ? NULL : item;
}

/* Two elements may share no identity: the field `unique_by`, or themselves unless they are texts.
 */
static int refuse_twin(struct verifier *v, const struct field *f, const json_t *list,
                       const json_t *item)
{
    const json_t *id = identity(f, item);
    char shown[TEXT_QUOTE_MAX];
    for (size_t i = 0; id && i < json_array_size(list); i++) {
        const json_t *other = identity(f, json_array_get(list, i));
        if (!other || !json_equal(other, id))
            continue;
        value_quote(id, shown);
        if (f->element == FIELD_OBJECT)
            enter_field(v, f->unique_by);
        return verify_fail(v, HM_E_INVALID, "%s is there twice (also in [%zu])", shown, i);
    }
    return 0;
}

static int verify_element(struct verifier *v, const struct field *f, const json_t *in, json_t *list)
{
    json_t *item = NULL;
    int rc = f->element != FIELD_OBJECT ? verify_scalar(v, f, f->element, in, &item)
             : json_is_object(in)       ? verify_object(v, f->fields, in, &item)
                                        : verify_fail_type(v, f, FIELD_OBJECT, in, "");
    if (rc < 0)
        return rc;
    rc = refuse_twin(v, f, list, item);
    if (rc < 0)
        json_decref(item);
    else
        json_array_append_new(list, item);
    return rc;
}

static int check_length(struct verifier *v, const struct field *f, const json_t *in)
{
    size_t n = json_array_size(in);
    int64_t max = f->max ? f->max : LIST_MAX;
    if (n > (size_t)max)
        return verify_fail(v, HM_E_TOO_LARGE, "has %zu elements; at most %" PRId64 " are allowed",
                           n, max);
    if (n < (size_t)f->min)
        return verify_fail(v, HM_E_INVALID, "has %zu elements; at least %" PRId64 " are needed", n,
                           f->min);
    return 0;
}

static int verify_elements(struct verifier *v, const struct field *f, const json_t *in,
                           json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(in, i, item)
    {
        size_t was = enter_element(v, i);
        int rc = verify_element(v, f, item, list);
        if (rc < 0)
            return rc;
        leave(v, was);
    }
    return 0;
}

static int verify_list(struct verifier *v, const struct field *f, const json_t *in, json_t **ret)
{
    int rc = check_length(v, f, in);
    if (rc < 0)
        return rc;
    json_t *list = json_array();
    rc = verify_elements(v, f, in, list);
    if (rc < 0)
        json_decref(list);
    else
        *ret = list;
    return rc;
}

static int verify_value(struct verifier *v, const struct field *f, const json_t *in, json_t **ret)
{
    bool is_list = f->type == FIELD_LIST;
    bool is_object = f->type == FIELD_OBJECT || f->type == FIELD_MAP;
    if (!is_list && !is_object)
        return verify_scalar(v, f, f->type, in, ret);
    if (is_list ? !json_is_array(in) : !json_is_object(in))
        return verify_fail_type(v, f, f->type, in, "");
    return is_list                ? verify_list(v, f, in, ret)
           : f->type == FIELD_MAP ? verify_map(v, f, in, ret)
                                  : verify_object(v, f->fields, in, ret);
}

/* -- the whole -------------------------------------------------------------------------------- */

int fields_verify_at(const struct field *table, const json_t *in, json_t **ret_spec,
                     struct field_place *at, struct hm_error *err)
{
    struct verifier v = {.err = err};
    static const struct field whole = {.name = "", .type = FIELD_OBJECT};
    int rc = json_is_object(in) ? verify_object(&v, table, in, ret_spec)
                                : verify_fail_type(&v, &whole, FIELD_OBJECT, in, "");
    if (rc < 0 && at)
        *at = v.at;
    return rc;
}

int fields_verify(const struct field *table, const json_t *in, json_t **ret_spec,
                  struct hm_error *err)
{
    return fields_verify_at(table, in, ret_spec, NULL, err);
}

int64_t spec_int(const json_t *spec, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(spec, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool spec_bool(const json_t *spec, const char *name)
{
    return json_is_true(json_object_get(spec, name));
}

const char *spec_str(const json_t *spec, const char *name)
{
    return json_string_value(json_object_get(spec, name));
}

int field_check_each(const json_t *spec, const char *list,
                     int (*check)(const json_t *, struct field_place *, struct hm_error *),
                     struct field_place *at, struct hm_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(spec, list), i, item)
    {
        field_place_set(at, "%s[%zu]", list, i);
        int rc = check(item, at, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
