#include "proto/render.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/text.h"
#include "proto/units.h"

const char *field_type_text(enum field_type type)
{
    switch (type) {
#define TYPE_TEXT(id, text)                                                                        \
    case FIELD_##id:                                                                               \
        return text;
        FIELD_TYPES(TYPE_TEXT)
#undef TYPE_TEXT
    }
    return "a value";
}

const char *field_cost_name(enum field_cost cost)
{
    switch (cost) {
#define COST_NAME(id, text)                                                                        \
    case COST_##id:                                                                                \
        return text;
        FIELD_COSTS(COST_NAME)
#undef COST_NAME
    }
    return "unknown";
}

void render_number(enum field_type type, int64_t value, char out[RENDER_NUMBER_MAX])
{
    if (type == FIELD_SIZE)
        size_text(value, out);
    else if (type == FIELD_DURATION)
        duration_text(value, out);
    else
        snprintf(out, RENDER_NUMBER_MAX, "%" PRId64, value);
}

static void render_scalar(enum field_type type, const json_t *value, struct hm_buf *out)
{
    char text[TEXT_QUOTE_MAX];
    if (json_is_string(value))
        text_clean(json_string_value(value), text, sizeof text);
    else if (json_is_integer(value))
        render_number(type, json_integer_value(value), text);
    else
        value_quote(value, text);
    hm_buf_puts(out, text);
}

static bool is_default(const struct field *f, const json_t *value)
{
    json_t *object = f->default_value ? json_pack("{}") : NULL, *normal = NULL;
    const struct field one[] = {*f, {.name = NULL}};
    if (object && fields_verify(one, object, &normal, NULL) < 0)
        normal = NULL;
    bool same = normal && json_equal(json_object_get(normal, f->name), value);
    json_decref(object);
    json_decref(normal);
    return same;
}

static void render_object(const struct field *table, const json_t *object, struct hm_buf *out)
{
    const char *join = "{";
    for (const struct field *f = table; f->name; f++) {
        const json_t *value = json_object_get(object, f->name);
        if (!value || is_default(f, value))
            continue;
        hm_buf_printf(out, "%s%s: ", join, f->name);
        render_value(f, value, out);
        join = ", ";
    }
    hm_buf_puts(out, *join == '{' ? "{}" : "}");
}

static void render_map(const json_t *map, struct hm_buf *out)
{
    const char *key, *join = "{";
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        hm_buf_printf(out, "%s%s: ", join, key);
        render_scalar(FIELD_STRING, value, out);
        join = ", ";
    }
    hm_buf_puts(out, *join == '{' ? "{}" : "}");
}

static void render_list(const struct field *f, const json_t *list, struct hm_buf *out)
{
    size_t i;
    json_t *item;
    hm_buf_puts(out, "[");
    json_array_foreach(list, i, item)
    {
        hm_buf_puts(out, i ? ", " : "");
        if (f->element == FIELD_OBJECT)
            render_object(f->fields, item, out);
        else
            render_scalar(f->element, item, out);
    }
    hm_buf_puts(out, "]");
}

void render_value(const struct field *f, const json_t *value, struct hm_buf *out)
{
    if (!value)
        return;
    if (f->secret)
        hm_buf_puts(out, "(secret)");
    else if (f->type == FIELD_LIST)
        render_list(f, value, out);
    else if (f->type == FIELD_OBJECT)
        render_object(f->fields, value, out);
    else if (f->type == FIELD_MAP)
        render_map(value, out);
    else
        render_scalar(f->type, value, out);
}

char *render_text(const struct field *f, const json_t *value)
{
    struct hm_buf out = {0};
    render_value(f, value, &out);
    return value ? hm_buf_steal(&out) : NULL;
}
