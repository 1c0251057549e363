#include "proto/field.h"
#include "proto/text.h"

enum { LENGTH_MAX = 1024 };

/* So that sums hold, and a duration in nanoseconds. */
static const int64_t number_max = 1LL << 53, duration_max_ms = 100LL * 365 * 24 * 3600 * 1000;

static bool is_number(const struct field *f, const json_t *value, int64_t max)
{
    int64_t number = json_integer_value(value), min = f->min < 0 ? -max : 0;
    return json_is_integer(value) && number >= min && number <= max;
}

static bool is_text(const struct field *f, const json_t *value)
{
    const char *text = json_string_value(value);
    return text && (f->lines || !text_has_control(text));
}

static bool is_map(const struct field *f, const json_t *value)
{
    const char *key;
    json_t *text;
    bool is_one = json_is_object(value);
    json_object_foreach((json_t *)(uintptr_t)value, key, text)
    {
        is_one = is_one && !text_has_control(key) && is_text(f, text);
    }
    return is_one;
}

static bool is_of(const struct field *f, enum field_type type, const json_t *value);

static bool is_list(const struct field *f, const json_t *value)
{
    size_t i;
    json_t *element;
    bool is_one = json_is_array(value) && json_array_size(value) <= LENGTH_MAX;
    json_array_foreach(value, i, element)
    {
        is_one = is_one && is_of(f, f->element, element);
    }
    return is_one;
}

/* Its words and ranges may have been others. */
static bool is_of(const struct field *f, enum field_type type, const json_t *value)
{
    switch (type) {
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_INT:
    case FIELD_SIZE:
        return is_number(f, value, number_max);
    case FIELD_DURATION:
        return is_number(f, value, duration_max_ms);
    case FIELD_LIST:
        return is_list(f, value);
    case FIELD_OBJECT:
        return fields_have_form(f->fields, value);
    case FIELD_MAP:
        return is_map(f, value);
    case FIELD_STRING:
    case FIELD_NAME:
    case FIELD_ENUM:
    case FIELD_PATH:
    case FIELD_CIDR:
    case FIELD_IP:
    case FIELD_MAC:
        break;
    }
    return is_text(f, value);
}

bool fields_have_form(const struct field *table, const json_t *spec)
{
    bool have = json_is_object(spec);
    for (const struct field *f = table; have && f->name; f++) {
        const json_t *value = json_object_get(spec, f->name);
        have = value ? is_of(f, f->type, value) : !f->required;
    }
    return have;
}
