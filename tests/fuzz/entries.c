#include "tests/fuzz/entries.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/text.h"
#include "tests/fuzz/check.h"

static const int64_t LAST_STAMP_MS = 7258118400000; /* 2200 */

static void add_line(struct entries *list, char *line)
{
    char *key = strchr(line, ' '), *value = key ? strchr(key + 1, ' ') : NULL;
    char *end = line + strlen(line);
    if (!key)
        return;
    *key = '\0';
    if (value)
        *value = '\0';
    struct entry e = {.key = key + 1,
                      .value = value ? value + 1 : end,
                      .len = value ? strlen(value + 1) : 0,
                      .revision = list->count + 1,
                      .stamp_ns = llabs(strtoll(line, NULL, 10) % LAST_STAMP_MS) * HM_MS,
                      .deleted = !value};
    entries_add(list, &e);
}

void fuzz_entries(const uint8_t *data, size_t size, struct entries *ret)
{
    HM_AUTOFREE char *text = hm_memdup(data, size);
    char *rest = text;
    *ret = (struct entries){0};
    for (char *line; (line = strsep(&rest, "\n"));)
        add_line(ret, line);
}

void fuzz_require_utf8(struct hm_buf *shown)
{
    int line;
    FUZZ_REQUIRE(text_is_utf8(shown->data ? shown->data : "", shown->len, &line));
    hm_buf_free(shown);
}

void fuzz_require_shown(struct hm_buf *shown)
{
    for (size_t i = 0; i < shown->len; i++)
        if (shown->data[i] == '\n')
            shown->data[i] = ' ';
    FUZZ_REQUIRE(!shown->data || !text_has_control(shown->data));
    fuzz_require_utf8(shown);
}

void fuzz_require_json(json_t *value)
{
    char *text = json_dumps(value, 0);
    FUZZ_REQUIRE(text != NULL);
    free(text);
    json_decref(value);
}
