/* JSON: jansson reads the values; a scan before it counts them, with their depth and lines. */
#include <string.h>

#include "proto/field.h"
#include "proto/text.h"
#include "proto/tree_build.h"

struct scan {
    struct tree_build *b;
    const char *p, *end;
    int line, depth;
};

/* Past the string that begins at p; on what is no JSON it may end anywhere: jansson will say so. */
static void skip_string(struct scan *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
    s->p += s->p < s->end;
}

static bool next_is_colon(const struct scan *s)
{
    const char *p = s->p;
    while (p < s->end && strchr(" \t\r\n", *p))
        p++;
    return p < s->end && *p == ':';
}

/* A key's line is the line of its value. Returns what skip() and count() need: is it a key? */
static int scan_string(struct scan *s, int *key_line)
{
    int line = s->line;
    skip_string(s);
    if (next_is_colon(s)) {
        *key_line = line;
        return 0;
    }
    int rc = tree_count(s->b, *key_line ? *key_line : line);
    *key_line = 0;
    return rc;
}

static int scan_other(struct scan *s, int *key_line)
{
    bool opens = *s->p == '{' || *s->p == '[';
    if (opens && ++s->depth > PROTO_MAX_DEPTH)
        return tree_fail_depth(s->b, s->line);
    int rc = tree_count(s->b, *key_line ? *key_line : s->line);
    *key_line = 0;
    s->p++;
    while (!opens && s->p < s->end && !strchr(" \t\r\n,:]}[{\"", *s->p))
        s->p++;
    return rc;
}

static int scan_values(struct scan *s)
{
    int rc = 0, key_line = 0;
    while (rc >= 0 && s->p < s->end) {
        if (strchr(" \t\r\n,:]}", *s->p)) {
            s->line += *s->p == '\n';
            s->depth -= *s->p == ']' || *s->p == '}';
            s->p++;
        } else {
            rc = *s->p == '"' ? scan_string(s, &key_line) : scan_other(s, &key_line);
        }
    }
    return rc;
}

static int lines_between(const char *from, const char *to)
{
    int n = 0;
    for (; from < to; from++)
        n += *from == '\n';
    return n;
}

static int fail_json(const struct tree_build *b, const char *at, const json_error_t *e)
{
    char said[256];
    text_clean(e->text, said, sizeof said);
    int line = 1 + lines_between(b->text, at) + (e->line > 0 ? e->line - 1 : 0);
    return tree_fail(b, HM_E_INVALID, line, "not valid JSON: %s", said);
}

int tree_read_json(struct tree_build *b)
{
    struct scan s = {.b = b, .p = b->text, .end = b->text + b->len, .line = 1};
    int rc = scan_values(&s);
    const char *p = b->text, *end = b->text + b->len;
    while (rc >= 0) {
        while (p < end && strchr(" \t\r\n", *p))
            p++;
        if (p == end)
            break;
        json_error_t e;
        json_t *doc =
            json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &e);
        if (!doc)
            return fail_json(b, p, &e);
        json_array_append_new(b->docs, doc);
        p += e.position;
    }
    return rc;
}
