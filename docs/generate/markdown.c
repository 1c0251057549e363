#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "docs/generate/reference.h"
#include "proto/render.h"

/* "|" would end the cell, "<" begin HTML. */
static void add_cell(struct hm_buf *out, const char *text)
{
    for (const char *p = text; *p; p++)
        hm_buf_printf(out, *p == '|' || *p == '<' ? "\\%c" : "%c", *p);
}

static void add_words(struct hm_buf *out, const struct field *f)
{
    for (size_t i = 0; f->words[i]; i++)
        hm_buf_printf(out, "%s`%s`", i ? ", " : "", f->words[i]);
}

/* The type without its example: markdown_types() shows that once. */
static void add_type_name(struct hm_buf *out, enum field_type type)
{
    const char *text = field_type_text(type), *example = strstr(text, " (");
    hm_buf_add(out, text, example ? (size_t)(example - text) : strlen(text));
}

/* What may be written: the words, or the type; of a list its elements. */
static void add_type(struct hm_buf *out, const struct field *f)
{
    enum field_type type = f->type == FIELD_LIST ? f->element : f->type;
    if (f->type == FIELD_LIST)
        hm_buf_puts(out, "a list, each ");
    if (type == FIELD_ENUM)
        add_words(out, f);
    else
        add_type_name(out, type);
    if (type == FIELD_CIDR && f->words) {
        hm_buf_puts(out, ", or ");
        add_words(out, f);
    }
}

static void add_range(struct hm_buf *out, const struct field *f)
{
    char min[RENDER_NUMBER_MAX], max[RENDER_NUMBER_MAX];
    const char *of = f->type == FIELD_STRING ? " bytes" : f->type == FIELD_LIST ? " elements" : "";
    if (f->min == 0 && f->max == 0)
        return;
    render_number(f->type, f->min, min);
    render_number(f->type, f->max, max);
    if (f->max == 0 || f->max == INT64_MAX)
        hm_buf_printf(out, ", at least %s%s", min, of);
    else
        hm_buf_printf(out, ", %s to %s%s", min, max, of);
}

static void add_default(struct hm_buf *out, const struct field *f)
{
    json_t *value = f->default_value ? json_loads(f->default_value, JSON_DECODE_ANY, NULL) : NULL;
    bool nested = json_is_object(value);
    if (f->required) {
        hm_buf_puts(out, "required");
    } else if (value && !nested) {
        const struct field shown = {.type = f->type, .element = f->element, .fields = f->fields};
        HM_AUTOFREE char *text = render_text(&shown, value);
        hm_buf_printf(out, "`%s`", text);
    }
    json_decref(value);
}

static void add_rows(const struct field *table, const char *prefix, bool costs, struct hm_buf *out)
{
    for (const struct field *f = table; f->name; f++) {
        hm_buf_printf(out, "| `%s%s` | ", prefix, f->name);
        add_type(out, f);
        add_range(out, f);
        hm_buf_puts(out, " | ");
        add_default(out, f);
        if (costs)
            hm_buf_printf(out, " | %s", field_cost_name(f->cost));
        hm_buf_puts(out, " | ");
        add_cell(out, f->help);
        hm_buf_puts(out, " |\n");
        if (!f->fields)
            continue;
        HM_AUTOFREE char *below =
            hm_printf("%s%s%s.", prefix, f->name, f->type == FIELD_LIST ? "[]" : "");
        add_rows(f->fields, below, costs, out);
    }
}

void markdown_table(const struct field *table, bool costs, struct hm_buf *out)
{
    hm_buf_printf(out, "| field | value | default |%s what it is |\n", costs ? " a change |" : "");
    hm_buf_printf(out, "|---|---|---|%s---|\n", costs ? "---|" : "");
    add_rows(table, "", costs, out);
}

void markdown_types(struct hm_buf *out)
{
    static const char *const texts[] = {
#define TYPE_TEXT(id, text) text,
        FIELD_TYPES(TYPE_TEXT)
#undef TYPE_TEXT
    };
    for (size_t i = 0; i < HM_COUNT(texts); i++) {
        const char *example = strstr(texts[i], " (");
        if (!example)
            continue;
        hm_buf_printf(out, "- %.*s: `%.*s`\n", (int)(example - texts[i]), texts[i],
                      (int)strlen(example) - 3, example + 2);
    }
}
