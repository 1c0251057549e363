#include "vmm/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { SHOWN = 3, KEY_MAX = 256 };

void shape_set(json_t *shape, const char *text, const char *key_fmt, ...)
{
    char key[KEY_MAX];
    va_list ap;
    va_start(ap, key_fmt);
    vsnprintf(key, sizeof key, key_fmt, ap);
    va_end(ap);
    if (text)
        json_object_set_new(shape, key, json_string(text));
}

static void say(struct hm_buf *words, size_t nth, const char *key, const json_t *made,
                const json_t *found)
{
    if (nth >= SHOWN)
        return;
    hm_buf_printf(words, "%s%s ", nth ? "; " : "", key);
    if (!found)
        hm_buf_printf(words, "(%s) is gone", json_string_value(made));
    else if (!made)
        hm_buf_printf(words, "(%s) was added", json_string_value(found));
    else
        hm_buf_printf(words, "is %s, was made as %s", json_string_value(found),
                      json_string_value(made));
}

char *shape_difference(const json_t *made, const json_t *found)
{
    struct hm_buf words = {0};
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)made, key, value)
    {
        const json_t *other = json_object_get(found, key);
        if (!other || !json_equal(value, other))
            say(&words, count++, key, value, other);
    }
    json_object_foreach((json_t *)(uintptr_t)found, key, value)
    {
        if (!json_object_get(made, key))
            say(&words, count++, key, NULL, value);
    }
    if (count > SHOWN)
        hm_buf_printf(&words, "; and %zu more", count - SHOWN);
    return count ? hm_buf_steal(&words) : NULL;
}
