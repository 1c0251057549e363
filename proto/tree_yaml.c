/* YAML: libyaml's events -> tree, with a stack of our own that is as deep as the limit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "proto/text.h"
#include "proto/tree_build.h"

/* An open list or object; of an object also the key that waits for its value. */
struct level {
    json_t *node; /* borrowed: its parent holds it */
    char *key;
    int key_line;
};

struct reader {
    struct tree_build *b;
    yaml_parser_t parser;
    struct level stack[PROTO_MAX_DEPTH + 1]; /* [0] is the list of documents */
    int depth;
};

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static int fail_syntax(const struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    char what[160], context[128] = "";
    text_clean(p->problem ? p->problem : "it can't be read", what, sizeof what);
    if (p->context)
        snprintf(context, sizeof context, " %.80s begun in line %d", p->context,
                 line_of(&p->context_mark));
    size_t at = p->problem_mark.index;
    bool tab = at < r->b->len && r->b->text[at] == '\t';
    return tree_fail(r->b, HM_E_INVALID, line_of(&p->problem_mark), "not valid YAML: %s%s%s", what,
                     context, tab ? " (a tab: indent with spaces)" : "");
}

static int fail_at(const struct reader *r, const yaml_event_t *e, const char *sentence)
{
    return tree_fail(r->b, HM_E_INVALID, line_of(&e->start_mark), "%s", sentence);
}

/* -?[0-9]+ without leading zeros: a whole number as JSON writes it. */
static bool looks_whole(const char *s)
{
    s += *s == '-';
    size_t digits = strspn(s, "0123456789");
    return digits > 0 && !s[digits] && (*s != '0' || digits == 1);
}

/* JSON's other numbers (1.5, 1e3): a real, so that no field takes it for text. NULL: it is none. */
static json_t *real_value(const char *s)
{
    if (*s != '-' && (*s < '0' || *s > '9'))
        return NULL;
    json_t *value = json_loads(s, JSON_DECODE_ANY, NULL);
    if (json_is_real(value))
        return value;
    json_decref(value);
    return NULL;
}

/* A plain scalar by the core schema, narrowly (tree.h). NULL: it fails, and `err` says why. */
static json_t *plain_value(struct reader *r, const yaml_event_t *e, const char *text)
{
    if (!*text || !strcmp(text, "~") || !strcmp(text, "null"))
        return json_null();
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return json_boolean(*text == 't');
    if (!looks_whole(text)) {
        json_t *real = real_value(text);
        return real ? real : json_string(text);
    }
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno == 0)
        return json_integer(number);
    char shown[TEXT_QUOTE_MAX];
    text_quote(text, shown);
    tree_fail(r->b, HM_E_INVALID, line_of(&e->start_mark), "%s is too big a number", shown);
    return NULL;
}

/* Put a value into the innermost open list or object. Takes over `value` in every case. */
static int add_value(struct reader *r, const yaml_event_t *e, json_t *value)
{
    struct level *top = &r->stack[r->depth];
    int line = json_is_object(top->node) ? top->key_line : line_of(&e->start_mark);
    int rc = tree_count(r->b, line);
    if (rc < 0) {
        json_decref(value);
        return rc;
    }
    if (json_is_object(top->node))
        json_object_set_new(top->node, top->key, value);
    else
        json_array_append_new(top->node, value);
    free(top->key);
    top->key = NULL;
    return 0;
}

static bool wants_key(const struct reader *r)
{
    const struct level *top = &r->stack[r->depth];
    return json_is_object(top->node) && !top->key;
}

static int take_key(struct reader *r, const yaml_event_t *e, const char *text)
{
    struct level *top = &r->stack[r->depth];
    char shown[TEXT_QUOTE_MAX];
    if (json_object_get(top->node, text)) {
        text_quote(text, shown);
        return tree_fail(r->b, HM_E_INVALID, line_of(&e->start_mark), "the key %s is there twice",
                         shown);
    }
    top->key = hm_strdup(text);
    top->key_line = line_of(&e->start_mark);
    return 0;
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    if (strlen(text) != e->data.scalar.length)
        return fail_at(r, e, "a text holds a NUL character");
    if (wants_key(r))
        return take_key(r, e, text);
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool empty_document = r->depth == 0 && plain && !*text;
    if (empty_document)
        return 0;
    json_t *value = plain ? plain_value(r, e, text) : json_string(text);
    return value ? add_value(r, e, value) : -HM_E_INVALID;
}

static int open_level(struct reader *r, const yaml_event_t *e, json_t *node)
{
    const char *refused = wants_key(r) ? "a list or object can't be a key" : NULL;
    if (refused || r->depth == PROTO_MAX_DEPTH) {
        json_decref(node);
        return refused ? fail_at(r, e, refused) : tree_fail_depth(r->b, line_of(&e->start_mark));
    }
    int rc = add_value(r, e, node);
    if (rc >= 0)
        r->stack[++r->depth] = (struct level){.node = node};
    return rc;
}

static bool is_tagged_or_anchored(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.tag || e->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.tag || e->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.tag || e->data.mapping_start.anchor;
    default:
        return e->type == YAML_ALIAS_EVENT;
    }
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
    if (is_tagged_or_anchored(e))
        return fail_at(r, e,
                       "anchors (&), aliases (*) and tags (!) are not allowed (a text that begins "
                       "with one of these wants quotes)");
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(r, e, json_array());
    case YAML_MAPPING_START_EVENT:
        return open_level(r, e, json_object());
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        return 0;
    default:
        return 0;
    }
}

static int read_events(struct reader *r)
{
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r->parser, &e))
            return fail_syntax(r);
        bool end = e.type == YAML_STREAM_END_EVENT;
        int rc = on_event(r, &e);
        yaml_event_delete(&e);
        if (rc < 0 || end)
            return rc;
    }
}

/* libyaml compares each %TAG directive with all before it; tags are refused anyway. */
static int refuse_tag_directives(const struct tree_build *b)
{
    static const char directive[] = "%TAG";
    const size_t n = sizeof directive - 1;
    int line = 1;
    for (size_t i = 0; i + n <= b->len; i++) {
        bool line_start = i == 0 || b->text[i - 1] == '\n';
        line += i > 0 && line_start;
        if (line_start && !memcmp(b->text + i, directive, n))
            return tree_fail(b, HM_E_INVALID, line, "%%TAG directives are not allowed");
    }
    return 0;
}

int tree_read_yaml(struct tree_build *b)
{
    int refused = refuse_tag_directives(b);
    if (refused < 0)
        return refused;
    struct reader r = {.b = b, .stack[0].node = b->docs};
    if (!yaml_parser_initialize(&r.parser))
        return tree_fail(b, HM_E_INTERNAL, 1, "out of memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)b->text, b->len);
    int rc = read_events(&r);
    for (int i = 0; i <= r.depth; i++)
        free(r.stack[i].key);
    yaml_parser_delete(&r.parser);
    return rc;
}
