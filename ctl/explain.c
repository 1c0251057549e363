#include "ctl/explain.h"

#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "ctl/json_text.h"
#include "ctl/run.h"
#include "ctl/table.h"
#include "proto/render.h"

/* -- Finding ---------------------------------------------------------------------------------- */

static int unknown_field(const struct field *table, const char *path, const char *word,
                         struct hm_error *err)
{
    struct hm_nearest near = hm_nearest_to(word);
    for (const struct field *f = table; f && f->name; f++)
        hm_nearest_offer(&near, f->name);
    if (!table)
        return hm_fail(err, HM_E_INVALID, "%.200s: has no fields below it, so no \"%.60s\"", path,
                       word);
    return hm_fail(err, HM_E_INVALID, "%.200s: has no field \"%.60s\"%s%s%s", path, word,
                   near.best ? " (did you mean \"" : "", near.best ? near.best : "",
                   near.best ? "\"?)" : "");
}

/* `so_far` is the path up to where `below` belongs, for sentences. */
static int step(struct hm_buf *so_far, char *word, struct explained *e, struct hm_error *err)
{
    char *index = strchr(word, '[');
    if (index && strcmp(index, "[]") == 0)
        *index = '\0';
    const struct field *f = e->below ? field_find(e->below, word) : NULL;
    if (!f)
        return unknown_field(e->below, so_far->data, word, err);
    e->field = f;
    e->below = f->fields;
    hm_buf_printf(so_far, ".%s", word);
    return 0;
}

int explain_find(const char *given, struct explained *ret, struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_strdup(given);
    char *rest = path;
    const char *kind = strsep(&rest, ".");
    struct explained e = {0};
    int r = doc_find_kind(kind, &e.kind, err);
    if (r < 0)
        return r;
    e.below = e.kind->fields;
    struct hm_buf so_far = {0};
    hm_buf_puts(&so_far, kind);
    for (char *word; r >= 0 && (word = strsep(&rest, ".")) != NULL;)
        r = step(&so_far, word, &e, err);
    hm_buf_free(&so_far);
    if (r >= 0)
        *ret = e;
    return r;
}

/* -- Words ------------------------------------------------------------------------------------ */

static void add_words(const struct field *f, struct hm_buf *out)
{
    for (size_t i = 0; f->words[i]; i++)
        hm_buf_printf(out, "%s%s", i ? " | " : "", f->words[i]);
}

/* "on | off", "a size", "a list of objects". Without the example: that needs a line of its own. */
static char *type_text(const struct field *f)
{
    struct hm_buf out = {0};
    enum field_type type = f->type == FIELD_LIST ? f->element : f->type;
    if (f->type == FIELD_LIST)
        hm_buf_puts(&out, type == FIELD_OBJECT ? "a list of objects" : "a list, each ");
    if (type == FIELD_ENUM) {
        add_words(f, &out);
    } else if (type != FIELD_OBJECT || f->type != FIELD_LIST) {
        const char *text = field_type_text(type);
        hm_buf_add(&out, text, strcspn(text, "("));
        while (out.len > 0 && out.data[out.len - 1] == ' ')
            out.data[--out.len] = '\0';
    }
    return hm_buf_steal(&out);
}

static char *range_text(const struct field *f)
{
    char min[RENDER_NUMBER_MAX], max[RENDER_NUMBER_MAX];
    const char *of = f->type == FIELD_STRING ? " bytes" : f->type == FIELD_LIST ? " elements" : "";
    if (f->min == 0 && f->max == 0)
        return NULL;
    render_number(f->type, f->min, min);
    render_number(f->type, f->max, max);
    return f->max == 0 || f->max == INT64_MAX ? hm_printf("at least %s%s", min, of)
                                              : hm_printf("%s to %s%s", min, max, of);
}

static char *default_text(const struct field *f)
{
    json_t *value = f->default_value ? json_loads(f->default_value, JSON_DECODE_ANY, NULL) : NULL;
    const struct field shown = {.type = f->type, .element = f->element, .fields = f->fields};
    char *text = value && !json_is_object(value) ? render_text(&shown, value) : NULL;
    json_decref(value);
    return text;
}

/* -- For people ------------------------------------------------------------------------------- */

static void add_line(struct hm_buf *out, const char *title, const char *text)
{
    if (text)
        hm_buf_printf(out, "  %-9s %s\n", title, text);
}

static void add_field(const struct field *f, struct hm_buf *out)
{
    HM_AUTOFREE char *type = type_text(f), *range = range_text(f), *by_default = default_text(f);
    const char *example = strchr(field_type_text(f->type), '(');
    HM_AUTOFREE char *examples =
        example && f->type != FIELD_LIST ? hm_strndup(example + 1, strlen(example) - 2) : NULL;
    add_line(out, "value", type);
    add_line(out, "written", examples);
    add_line(out, "range", range);
    add_line(out, "default", f->required ? "none: it is required" : by_default);
    add_line(out, "a change", field_cost_name(f->cost));
    add_line(out, "unique by", f->unique_by);
    if (f->secret)
        add_line(out, "secret", "never shown");
}

static void add_below(const struct field *table, struct hm_buf *out)
{
    static const char *const titles[] = {"FIELD", "VALUE", "DEFAULT", "A CHANGE", "WHAT IT IS"};
    struct table t;
    table_start(&t, titles, HM_COUNT(titles));
    for (const struct field *f = table; f->name; f++) {
        HM_AUTOFREE char *type = type_text(f), *by_default = default_text(f);
        table_add(&t, f->name, MOOD_PLAIN);
        table_add(&t, type, MOOD_PLAIN);
        table_add(&t, f->required ? "required" : by_default, MOOD_PLAIN);
        table_add(&t, field_cost_name(f->cost), MOOD_PLAIN);
        table_add(&t, f->help, MOOD_PLAIN);
    }
    hm_buf_puts(out, "\n");
    table_finish(&t, 0, false, out);
}

void explain_render(const char *path, const struct explained *e, struct hm_buf *out)
{
    hm_buf_printf(out, "%s: %s\n", path, e->field ? e->field->help : e->kind->help);
    if (e->field)
        add_field(e->field, out);
    else if (e->kind->allowed_on_primary)
        hm_buf_puts(out, "  may be placed on a site, or on primary\n");
    if (e->below)
        add_below(e->below, out);
}

/* -- As JSON ---------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, json_string(text));
}

static json_t *field_json(const struct field *f)
{
    HM_AUTOFREE char *type = type_text(f), *range = range_text(f);
    json_t *o = json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", f->name, "value", type, "required",
                          f->required, "change", field_cost_name(f->cost), "help", f->help);
    set_text(o, "range", range);
    if (f->default_value)
        json_object_set_new(o, "default", json_loads(f->default_value, JSON_DECODE_ANY, NULL));
    set_text(o, "unique_by", f->unique_by);
    return o;
}

json_t *explain_json(const char *path, const struct explained *e)
{
    json_t *o = e->field ? field_json(e->field) : json_pack("{s:s}", "help", e->kind->help);
    set_text(o, "path", path);
    if (!e->below)
        return o;
    json_t *fields = json_array();
    for (const struct field *f = e->below; f->name; f++)
        json_array_append_new(fields, field_json(f));
    json_object_set_new(o, "fields", fields);
    return o;
}

enum ctl_exit run_explain(struct invocation *in)
{
    const char *path = in->arguments[0], *format = output_format(in);
    struct explained e;
    struct hm_error err;
    struct hm_buf text = {0};
    if (explain_find(path, &e, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    json_t *json = explain_json(path, &e);
    if (strcmp(format, "json") == 0)
        json_render(json, &text);
    else
        explain_render(path, &e, &text);
    json_decref(json);
    print_buf(in, &text);
    return CTL_OK;
}
