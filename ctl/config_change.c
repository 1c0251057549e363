#include "ctl/config_change.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ctl/show.h"

enum { VALUE_SHOWN_MAX = 80, TEXT_SHOWN_MAX = 600 };

static void add_value(const json_t *value, struct hm_buf *out)
{
    char *text = json_is_string(value) ? hm_strdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *shown = text ? text : "?";
    show_clean(out, shown, strnlen(shown, VALUE_SHOWN_MAX));
    free(text);
}

static void add_change(const char *name, const json_t *before, const json_t *after,
                       struct hm_buf *out)
{
    hm_buf_puts(out, out->len ? ", " : "");
    show_clean(out, name, strnlen(name, VALUE_SHOWN_MAX));
    hm_buf_puts(out, " ");
    if (before) {
        add_value(before, out);
        hm_buf_puts(out, " -> ");
    }
    if (after)
        add_value(after, out);
    else
        hm_buf_puts(out, "(none)");
}

char *config_change_text(const json_t *before, const json_t *after)
{
    struct hm_buf out = {.limit = TEXT_SHOWN_MAX};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)after, name, value)
    {
        const json_t *old = json_object_get(before, name);
        if (!old || !json_equal(old, value))
            add_change(name, old, value, &out);
    }
    json_object_foreach((json_t *)before, name, value)
    {
        if (!json_object_get(after, name))
            add_change(name, value, NULL, &out);
    }
    if (out.len == 0)
        hm_buf_puts(&out, "written again, unchanged");
    return hm_buf_steal(&out);
}
