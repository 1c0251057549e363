#include "proto/text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { PATH_TEXT_MAX = 1024 };
enum { SHOWN_CHAR_MAX = 12 }; /* "\u0000" written by printf's own bound */

bool text_is_utf8(const char *text, size_t len, int *ret_line)
{
    int line = 1;
    for (size_t i = 0; i < len;) {
        size_t n = hm_utf8_char_length(text + i, len - i);
        if (n == 0 || text[i] == '\0') {
            *ret_line = line;
            return false;
        }
        line += text[i] == '\n';
        i += n;
    }
    return true;
}

/* The control character at `p`, or -1. C1 characters are two bytes in UTF-8: c2 80 to c2 9f. */
static int control_at(const unsigned char *p)
{
    if (p[0] < 0x20 || p[0] == 0x7f)
        return p[0];
    return p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0 ? p[1] : -1;
}

bool text_has_control(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (control_at(p) >= 0)
            return true;
    return false;
}

/* One character of `p` as it is shown, into `out`. Returns how many bytes of `p` it was. */
static size_t show_char(const unsigned char *p, bool quoted, char out[SHOWN_CHAR_MAX])
{
    int control = control_at(p);
    size_t n = hm_utf8_char_length((const char *)p, strnlen((const char *)p, 4));
    if (control == '\n' || control == '\t')
        snprintf(out, SHOWN_CHAR_MAX, "\\%c", control == '\n' ? 'n' : 't');
    else if (control >= 0)
        snprintf(out, SHOWN_CHAR_MAX, "\\u%04x", (unsigned)control);
    else if (n == 0)
        snprintf(out, SHOWN_CHAR_MAX, "\\x%02x", p[0]);
    else if (quoted && (*p == '"' || *p == '\\'))
        snprintf(out, SHOWN_CHAR_MAX, "\\%c", *p);
    else
        snprintf(out, SHOWN_CHAR_MAX, "%.*s", (int)n, (const char *)p);
    return n ? n : 1;
}

static void show(const char *text, bool quoted, char *out, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0;
    const size_t room = size - sizeof "...";
    while (*p) {
        char shown[SHOWN_CHAR_MAX];
        size_t taken = show_char(p, quoted, shown);
        size_t n = strlen(shown);
        if (used + n > room) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(out + used, shown, n);
        used += n;
        p += taken;
    }
    out[used] = '\0';
}

void text_clean(const char *text, char *out, size_t size)
{
    show(text, false, out, size);
}

void text_quote(const char *text, char out[TEXT_QUOTE_MAX])
{
    out[0] = '"';
    show(text, true, out + 1, TEXT_QUOTE_MAX - 2);
    size_t n = strlen(out);
    memcpy(out + n, "\"", 2);
}

void value_quote(const json_t *value, char out[TEXT_QUOTE_MAX])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        text_quote(json_string_value(value), out);
        break;
    case JSON_INTEGER:
        snprintf(out, TEXT_QUOTE_MAX, "%" PRId64, (int64_t)json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(out, TEXT_QUOTE_MAX, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(out, TEXT_QUOTE_MAX, "%s", json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        snprintf(out, TEXT_QUOTE_MAX, "nothing");
        break;
    case JSON_ARRAY:
        snprintf(out, TEXT_QUOTE_MAX, "a list");
        break;
    case JSON_OBJECT:
        snprintf(out, TEXT_QUOTE_MAX, "an object");
        break;
    }
}

bool path_is_plain(const char *path)
{
    if (*path != '/' || strlen(path) > PATH_TEXT_MAX || text_has_control(path))
        return false;
    for (const char *part = path; *part == '/';) {
        size_t n = strcspn(++part, "/");
        bool dots = (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.');
        if (n == 0 || dots)
            return false;
        part += n;
    }
    return true;
}
