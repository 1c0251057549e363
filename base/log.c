#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

static enum hm_log_level threshold = HM_LOG_INFO;
static enum hm_log_format chosen_format = HM_LOG_TEXT;

static const struct {
    const char *name;
    int priority; /* syslog(3) */
} levels[] = {
#define HM_LEVEL_ROW(id, text, syslog) {text, syslog},
    HM_LOG_LEVELS(HM_LEVEL_ROW)
#undef HM_LEVEL_ROW
};

void hm_log_setup(enum hm_log_level level, enum hm_log_format format)
{
    threshold = level;
    chosen_format = format;
}

bool hm_log_level_from_name(const char *name, enum hm_log_level *ret)
{
    for (size_t i = 0; i < HM_COUNT(levels); i++)
        if (!strcmp(levels[i].name, name)) {
            *ret = (enum hm_log_level)i;
            return true;
        }
    return false;
}

bool hm_log_enabled(enum hm_log_level level)
{
    return level <= threshold;
}

/* Text from outside may end up in a log line: control characters must not forge lines or colours,
 * and JSON takes nothing but UTF-8. */
static void defuse(char *text)
{
    hm_utf8_trim(text);
    hm_utf8_mend(text);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void add_json_string(struct hm_buf *b, const char *text)
{
    hm_buf_puts(b, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            hm_buf_add(b, "\\", 1);
        hm_buf_add(b, c, 1);
    }
    hm_buf_puts(b, "\"");
}

static void write_line(enum hm_log_level level, const char *part, const char *text)
{
    char when[HM_TIME_TEXT_MAX];
    struct hm_buf line = {0};
    hm_time_text(hm_wall_ns(), when);
    if (chosen_format == HM_LOG_JSON) {
        hm_buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"part\":\"%s\",\"message\":", when,
                      levels[level].name, part);
        add_json_string(&line, text);
        hm_buf_puts(&line, "}\n");
    } else {
        hm_buf_printf(&line, "%s %-5s %s: %s\n", when, levels[level].name, part, text);
    }
    fputs(line.data, stderr); /* one call, so that lines of several threads do not mix */
    hm_buf_free(&line);
}

void hm_log(enum hm_log_level level, const char *part, const char *fmt, ...)
{
    if (!hm_log_enabled(level))
        return;
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    defuse(text);
    if (chosen_format == HM_LOG_JOURNAL)
        sd_journal_send("MESSAGE=%s: %s", part, text, "PRIORITY=%i", levels[level].priority,
                        "HARMONY_PART=%s", part, NULL);
    else
        write_line(level, part, text);
}
