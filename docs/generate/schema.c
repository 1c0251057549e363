#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "docs/generate/reference.h"
#include "proto/field.h"
#include "proto/units.h"

static json_t *schema_of_table(const struct field *table);

static json_t *text_schema(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static void set_if(json_t *schema, const char *name, int64_t value)
{
    if (value != 0)
        json_object_set_new(schema, name, json_integer(value));
}

/* A text with a unit, or the number of base units. */
static json_t *unit_schema(const struct field *f, void (*pattern_of)(char *))
{
    char pattern[UNIT_HINT_MAX];
    pattern_of(pattern);
    json_t *number = json_pack("{s:s, s:I}", "type", "integer", "minimum", (json_int_t)f->min);
    set_if(number, "maximum", f->max);
    return json_pack("{s:[o, o]}", "anyOf", text_schema(pattern), number);
}

static json_t *enum_schema(const struct field *f)
{
    json_t *words = json_array();
    for (size_t i = 0; f->words[i]; i++)
        json_array_append_new(words, json_string(f->words[i]));
    return json_pack("{s:o}", "enum", words);
}

/* An address and prefix, or one of the words. */
static json_t *cidr_schema(const struct field *f)
{
    json_t *schema = text_schema("^[0-9.]+/[0-9]+$");
    return f->words ? json_pack("{s:[o, o]}", "anyOf", schema, enum_schema(f)) : schema;
}

static json_t *int_schema(const struct field *f)
{
    json_t *schema = json_pack("{s:s, s:I}", "type", "integer", "minimum", (json_int_t)f->min);
    set_if(schema, "maximum", f->max);
    return schema;
}

static json_t *scalar_schema(const struct field *f, enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case FIELD_INT:
        return int_schema(f);
    case FIELD_SIZE:
        return unit_schema(f, size_pattern);
    case FIELD_DURATION:
        return unit_schema(f, duration_pattern);
    case FIELD_NAME:
        return text_schema("^" FIELD_NAME_PATTERN "$");
    case FIELD_ENUM:
        return enum_schema(f);
    case FIELD_PATH:
        return text_schema("^(/[^/]+)+$");
    case FIELD_IP:
        return json_pack("{s:s, s:s}", "type", "string", "format", "ipv4");
    case FIELD_CIDR:
        return cidr_schema(f);
    case FIELD_MAC:
        return text_schema("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$");
    case FIELD_MAP:
        return json_pack("{s:s, s:{s:s}}", "type", "object", "additionalProperties", "type",
                         "string");
    case FIELD_OBJECT:
        return schema_of_table(f->fields);
    default:
        return json_pack("{s:s}", "type", "string");
    }
}

static json_t *list_schema(const struct field *f)
{
    json_t *schema =
        json_pack("{s:s, s:o}", "type", "array", "items", scalar_schema(f, f->element));
    set_if(schema, "minItems", f->min);
    set_if(schema, "maxItems", f->max);
    return schema;
}

static json_t *schema_of_field(const struct field *f)
{
    json_t *schema = f->type == FIELD_LIST ? list_schema(f) : scalar_schema(f, f->type);
    if (f->type == FIELD_STRING) {
        set_if(schema, "minLength", f->min);
        set_if(schema, "maxLength", f->max);
    }
    if (f->default_value)
        json_object_set_new(schema, "default", json_loads(f->default_value, JSON_DECODE_ANY, NULL));
    json_object_set_new(schema, "description", json_string(f->help));
    return schema;
}

static json_t *schema_of_table(const struct field *table)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct field *f = table; f->name; f++) {
        json_object_set_new(properties, f->name, schema_of_field(f));
        if (f->required)
            json_array_append_new(required, json_string(f->name));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", false);
}

/* In a file the spec stands beside kind, name, and one of site and placement. */
static void add_envelope(json_t *schema, const struct kind *kind)
{
    json_t *properties = json_object_get(schema, "properties");
    json_object_set_new(properties, "kind", json_pack("{s:s}", "const", kind->name));
    json_object_set_new(properties, "name", text_schema("^" FIELD_NAME_PATTERN "$"));
    json_object_set_new(properties, "site", text_schema("^" FIELD_NAME_PATTERN "$"));
    json_object_set_new(properties, "placement",
                        json_pack("{s:s}", "const", DOC_PLACEMENT_PRIMARY));
    json_t *required = json_object_get(schema, "required");
    json_array_append_new(required, json_string("kind"));
    json_array_append_new(required, json_string("name"));
    json_object_set_new(
        schema, "oneOf",
        json_pack("[{s:[s]}, {s:[s]}]", "required", "site", "required", "placement"));
}

void schema_of_kind(const struct kind *kind, struct hm_buf *out)
{
    json_t *schema =
        json_pack("{s:s, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                  "title", kind->name, "description", kind->help);
    json_t *fields = schema_of_table(kind->fields);
    add_envelope(fields, kind);
    json_object_update(schema, fields);
    json_decref(fields);
    HM_AUTOFREE char *text = json_dumps(schema, JSON_INDENT(2));
    hm_buf_printf(out, "%s\n", text);
    json_decref(schema);
}
