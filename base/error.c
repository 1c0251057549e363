#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

const char *hm_code_name(enum hm_code code)
{
    switch (code) {
#define HM_CODE_NAME(id, text)                                                                     \
    case HM_##id:                                                                                  \
        return text;
        HM_ERROR_CODES(HM_CODE_NAME)
#undef HM_CODE_NAME
    }
    return "unknown";
}

enum hm_code hm_code_from_name(const char *name)
{
    static const struct {
        const char *name;
        enum hm_code code;
    } codes[] = {
#define HM_CODE_ROW(id, text) {text, HM_##id},
        HM_ERROR_CODES(HM_CODE_ROW)
#undef HM_CODE_ROW
    };
    for (size_t i = 0; i < HM_COUNT(codes); i++)
        if (!strcmp(codes[i].name, name))
            return codes[i].code;
    return HM_E_INTERNAL;
}

/* A sentence that was cut says so. All of it is UTF-8 after this: it ends up in JSON, and parts of
 * it come from hooks and file names. */
static void finish(char *text, size_t size, int wanted)
{
    if (wanted >= 0 && (size_t)wanted >= size) {
        text[size - 4] = '\0';
        hm_utf8_trim(text);
        memcpy(text + strlen(text), "...", 4);
    }
    hm_utf8_mend(text);
}

int hm_fail(struct hm_error *err, enum hm_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        int wanted = vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        finish(err->text, sizeof err->text, wanted);
        err->code = code;
    }
    return -(int)code;
}

int hm_wrap(struct hm_error *err, const char *fmt, ...)
{
    if (!err)
        return -(int)HM_E_INTERNAL;
    char context[256], joined[HM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    finish(context, sizeof context, wanted);
    wanted = snprintf(joined, sizeof joined, "%s: %s", context, err->text);
    finish(joined, sizeof joined, wanted);
    memcpy(err->text, joined, sizeof joined);
    return -(int)err->code;
}

void hm_error_keep(struct hm_error **kept, const struct hm_error *err)
{
    if (!*kept)
        *kept = hm_alloc(sizeof **kept);
    **kept = *err;
}
