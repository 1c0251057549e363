#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static bool make_room(struct hm_buf *b, size_t more)
{
    if (b->limit && (more > b->limit || b->len > b->limit - more)) {
        b->overflowed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 128;
    while (cap < need)
        cap *= 2;
    b->data = hm_realloc_array(b->data, cap, 1);
    b->cap = cap;
    return true;
}

void hm_buf_add(struct hm_buf *b, const void *data, size_t len)
{
    if (!make_room(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void hm_buf_puts(struct hm_buf *b, const char *s)
{
    hm_buf_add(b, s, strlen(s));
}

void hm_buf_printf(struct hm_buf *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        abort();
    hm_buf_add(b, text, (size_t)n);
    free(text);
}

char *hm_buf_steal(struct hm_buf *b)
{
    char *text = b->data ? b->data : hm_strdup("");
    size_t limit = b->limit;
    *b = (struct hm_buf){.limit = limit};
    return text;
}

void hm_buf_free(struct hm_buf *b)
{
    free(b->data);
    *b = (struct hm_buf){.limit = b->limit};
}
