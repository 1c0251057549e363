#include "proto/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "proto/text.h"
#include "proto/tree_build.h"

int tree_fail(const struct tree_build *b, enum hm_code code, int line, const char *fmt, ...)
{
    char sentence[HM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (b->name)
        return hm_fail(b->err, code, "%s:%d: %s", b->name, line, sentence);
    return hm_fail(b->err, code, "line %d: %s", line, sentence);
}

int tree_count(struct tree_build *b, int line)
{
    if (b->count > PROTO_MAX_NODES)
        return tree_fail(b, HM_E_TOO_LARGE, line, "more than %d values, the most allowed",
                         PROTO_MAX_NODES);
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 64;
        b->lines = hm_realloc_array(b->lines, b->cap, sizeof *b->lines);
    }
    b->lines[b->count++] = line;
    return 0;
}

int tree_fail_depth(const struct tree_build *b, int line)
{
    return tree_fail(b, HM_E_TOO_LARGE, line, "nested more than %d levels deep, the most allowed",
                     PROTO_MAX_DEPTH);
}

static int check_text(const struct tree_build *b)
{
    int line = 1;
    if (b->len > PROTO_MAX_BYTES)
        return tree_fail(b, HM_E_TOO_LARGE, 1, "%zu bytes; at most %d KiB are allowed", b->len,
                         PROTO_MAX_BYTES / 1024);
    if (!text_is_utf8(b->text, b->len, &line))
        return tree_fail(b, HM_E_INVALID, line, "not text in UTF-8 (or it holds a NUL byte)");
    return 0;
}

int tree_parse(enum tree_format format, const char *name, const char *text, size_t len,
               struct tree *ret, struct hm_error *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    size_t skip = len >= 3 && !memcmp(text, byte_order_mark, 3) ? 3 : 0;
    struct tree_build b = {.name = name, .text = text + skip, .len = len - skip, .err = err};
    int rc = check_text(&b);
    if (rc < 0)
        return rc;
    b.docs = json_array();
    rc = tree_count(&b, 1);
    if (rc >= 0)
        rc = format == TREE_JSON ? tree_read_json(&b) : tree_read_yaml(&b);
    struct tree tree = {.docs = b.docs, .lines = b.lines, .line_count = b.count};
    if (rc < 0)
        tree_clear(&tree);
    else
        *ret = tree;
    return rc;
}

void tree_clear(struct tree *tree)
{
    if (!tree)
        return;
    json_decref(tree->docs);
    free(tree->lines);
    *tree = (struct tree){0};
}

enum tree_format tree_format_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strcmp(dot, ".json") ? TREE_JSON : TREE_YAML;
}

/* Advance *at, the number of `from`, past `from` and all below it, or to `wanted` if it is in
 * there. */
static bool number_of(const json_t *from, const json_t *wanted, size_t *at)
{
    if (from == wanted)
        return true;
    ++*at;
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_array(from)) {
        json_array_foreach(from, i, child) if (number_of(child, wanted, at)) return true;
    } else if (json_is_object(from)) {
        json_object_foreach((json_t *)from, key,
                            child) if (number_of(child, wanted, at)) return true;
    }
    return false;
}

/* How many bytes of `path` this key takes up; 0: it is not the next step. */
static size_t step_length(const char *path, const char *key)
{
    path += *path == '.';
    size_t n = strlen(key);
    return n && !strncmp(path, key, n) && strchr(".[", path[n]) ? n : 0;
}

/* One step down the path: the child, with *at its number; NULL when there is none. */
static const json_t *step_object(const json_t *from, const char **path, size_t *at)
{
    const char *key, *found_key = "";
    json_t *child, *found = NULL;
    size_t number = *at + 1, found_number = 0;
    json_object_foreach((json_t *)from, key, child)
    {
        if (step_length(*path, key) > strlen(found_key)) {
            found = child;
            found_key = key;
            found_number = number;
        }
        number_of(child, NULL, &number);
    }
    if (!found)
        return NULL;
    *path += (**path == '.') + strlen(found_key);
    *at = found_number;
    return found;
}

static const json_t *step_array(const json_t *from, const char **path, size_t *at)
{
    if (**path != '[')
        return NULL;
    char *end;
    unsigned long index = strtoul(*path + 1, &end, 10);
    if (*end != ']' || index >= json_array_size(from))
        return NULL;
    *path = end + 1;
    ++*at;
    for (size_t i = 0; i < index; i++)
        number_of(json_array_get(from, i), NULL, at);
    return json_array_get(from, index);
}

int tree_line(const struct tree *tree, const json_t *root, const char *path)
{
    size_t at = 0;
    if (!number_of(tree->docs, root, &at))
        return 1;
    for (const json_t *here = root; here && *path;)
        here = json_is_array(here)    ? step_array(here, &path, &at)
               : json_is_object(here) ? step_object(here, &path, &at)
                                      : NULL;
    return at < tree->line_count ? tree->lines[at] : 1;
}

void tree_setup(void)
{
    json_set_alloc_funcs(hm_alloc, free);
}

int tree_read_record(const struct field *table, const char *value, size_t len, json_t **ret_spec,
                     struct hm_error *err)
{
    struct tree tree = {0};
    int rc = tree_parse(TREE_JSON, NULL, value, len, &tree, err);
    if (rc < 0)
        return rc;
    if (json_array_size(tree.docs) != 1)
        rc = hm_fail(err, HM_E_INVALID, "it is empty: expected one JSON object");
    if (rc >= 0)
        rc = fields_verify(table, json_array_get(tree.docs, 0), ret_spec, err);
    tree_clear(&tree);
    return rc;
}
