#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log_queue.h"
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

/* No FILE: its lock, held by a writer that hangs, would hold up exit(). One call, so that lines of
 * several threads do not mix. */
static void write_bytes(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) { /* whoever gave us stderr made it so */
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

static void write_text(const struct log_line *line)
{
    char when[HM_TIME_TEXT_MAX];
    struct hm_buf out = {0};
    hm_time_text(line->wall_ns, when);
    if (chosen_format == HM_LOG_JSON) {
        hm_buf_printf(&out, "{\"time\":\"%s\",\"level\":\"%s\",\"part\":\"%s\",\"message\":", when,
                      levels[line->level].name, line->part);
        add_json_string(&out, line->text);
        hm_buf_puts(&out, "}\n");
    } else {
        hm_buf_printf(&out, "%s %-5s %s: %s\n", when, levels[line->level].name, line->part,
                      line->text);
    }
    write_bytes(out.data, out.len);
    hm_buf_free(&out);
}

void log_write(const struct log_line *line)
{
    if (chosen_format == HM_LOG_JOURNAL)
        sd_journal_send("MESSAGE=%s: %s", line->part, line->text, "PRIORITY=%i",
                        levels[line->level].priority, "HARMONY_PART=%s", line->part, NULL);
    else
        write_text(line);
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
    struct log_line line = {level, hm_wall_ns(), part, text};
    if (!log_queue_push(&line))
        log_write(&line);
}
