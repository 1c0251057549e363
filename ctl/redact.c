#include "ctl/redact.h"

static void hide_in(const struct field *table, json_t *object);

static void hide_below(const struct field *table, json_t *value)
{
    size_t i;
    json_t *element;
    hide_in(table, value);
    json_array_foreach(value, i, element) hide_in(table, element);
}

static void hide_in(const struct field *table, json_t *object)
{
    if (!json_is_object(object))
        return;
    for (const struct field *f = table; f->name; f++) {
        json_t *value = json_object_get(object, f->name);
        if (value && f->secret)
            json_object_set_new(object, f->name, json_string("(secret)"));
        else if (value && f->fields)
            hide_below(f->fields, value);
    }
}

json_t *redact(const struct field *table, const json_t *spec)
{
    json_t *copy = json_deep_copy(spec);
    hide_in(table, copy);
    return copy;
}
