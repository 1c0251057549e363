#include "base/roff.h"

#include <ctype.h>
#include <string.h>

/* A dot or quote that begins a line would be a request. '-' is a hyphen, "\-" what is typed. */
static void add_escaped(struct hm_buf *out, const char *text, size_t len)
{
    if (len > 0 && (*text == '.' || *text == '\''))
        hm_buf_puts(out, "\\&");
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\\')
            hm_buf_puts(out, "\\e");
        else if (text[i] == '-')
            hm_buf_puts(out, "\\-");
        else
            hm_buf_add(out, &text[i], 1);
}

void roff_head(struct hm_buf *out, const char *name, int section, const char *version)
{
    hm_buf_puts(out, ".TH \"");
    for (const char *p = name; *p; p++) {
        char upper = (char)toupper((unsigned char)*p);
        add_escaped(out, &upper, 1);
    }
    hm_buf_printf(out, "\" %d \"\" \"harmony %s\" \"harmony\"\n", section, version);
}

void roff_section(struct hm_buf *out, const char *title)
{
    hm_buf_printf(out, ".SH \"%s\"\n", title);
}

static void add_line(struct hm_buf *out, const char *line, size_t len, bool is_kept)
{
    if (is_kept)
        hm_buf_puts(out, ".nf\n");
    add_escaped(out, line, len);
    hm_buf_puts(out, "\n");
    if (is_kept)
        hm_buf_puts(out, ".fi\n");
}

void roff_text(struct hm_buf *out, const char *text)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, "\n");
        if (len > 0)
            add_line(out, at, len, !strncmp(at, "    ", 4));
        at += len + (at[len] == '\n');
    }
}

void roff_item(struct hm_buf *out, const char *term, const char *text)
{
    hm_buf_puts(out, ".TP\n.B \"");
    for (const char *p = term; *p; p++)
        if (*p == '"')
            hm_buf_puts(out, "\\(dq");
        else
            add_escaped(out, p, 1);
    hm_buf_puts(out, "\"\n");
    roff_text(out, text);
}
