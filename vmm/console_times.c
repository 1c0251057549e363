#include "vmm/console_times.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum { LINE_MAX_BYTES = 64, FILES_MAX = 16 };

struct entry {
    int64_t at_ms;
    struct console_seen seen;
};

/* -- Lines ------------------------------------------------------------------------------------ */

static bool parse_line(const char *line, size_t len, struct entry *ret)
{
    char copy[LINE_MAX_BYTES];
    struct entry e;
    int used = 0;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, line, len);
    copy[len] = '\0';
    if (sscanf(copy, "%15" SCNd64 " %20" SCNu64 " %18" SCNd64 "%n", &e.at_ms, &e.seen.inode,
               &e.seen.length, &used) != 3 ||
        (size_t)used != len || e.at_ms < 0 || e.seen.length < 0)
        return false;
    *ret = e;
    return true;
}

/* The line that ends at `end` (its newline, or the end of the text); where it begins. */
static size_t line_before(const char *text, size_t end)
{
    while (end > 0 && text[end - 1] != '\n')
        end--;
    return end;
}

/* The file of that number, from `at` on: older ones come later. */
static size_t find_file(const struct console_seen *files, size_t count, size_t at, uint64_t inode)
{
    while (at < count && files[at].inode != inode)
        at++;
    return at;
}

/* From the last line back: files only grow older that way, and lengths fall, or a log was cut in between. */
struct console_place console_times_find(const char *text, size_t len,
                                        const struct console_seen *files, size_t count,
                                        int64_t since_ms)
{
    const struct console_place untold = {.back = count - 1};
    struct console_place place = {.from = files[0].length};
    size_t end = len;
    while (end > 0) {
        size_t begin = line_before(text, end);
        struct entry e;
        if (parse_line(text + begin, end - begin, &e)) {
            size_t back = find_file(files, count, place.back, e.seen.inode);
            if (back == count)
                return untold;
            if (back != place.back)
                place = (struct console_place){back, files[back].length};
            if (e.seen.length > place.from)
                return untold;
            place.from = e.seen.length;
            if (e.at_ms <= since_ms)
                return place;
        }
        end = begin > 0 ? begin - 1 : 0;
    }
    return untold;
}

size_t console_times_thin(const char *text, size_t len, char *ret)
{
    size_t kept = 0, at = 0;
    for (bool odd = false; at < len; odd = !odd) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t next = newline ? (size_t)(newline - text) + 1 : len;
        if (odd || at >= len / 2) {
            memcpy(ret + kept, text + at, next - at);
            kept += next - at;
        }
        at = next;
    }
    return kept;
}

/* -- The files -------------------------------------------------------------------------------- */

/* False: errno says why. */
static bool look(const char *log, struct console_seen *ret, int64_t *ret_written_ms)
{
    struct stat st;
    if (lstat(log, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return false;
    }
    *ret = (struct console_seen){.inode = st.st_ino, .length = st.st_size};
    *ret_written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return true;
}

static void thin_file(const char *path)
{
    char *text;
    size_t len;
    if (hm_file_read(path, 2 * CONSOLE_TIMES_MAX, &text, &len, NULL) < 0) {
        unlink(path); /* too large by far: not as we leave it */
        return;
    }
    HM_AUTOFREE char *thin = hm_alloc(len + 1);
    size_t kept = console_times_thin(text, len, thin);
    hm_file_write_atomic(path, thin, kept, 0644, NULL);
    free(text);
}

static void append(const char *path, int64_t now_ms, const struct console_seen *seen)
{
    char line[LINE_MAX_BYTES];
    struct stat st;
    int len = snprintf(line, sizeof line, "%" PRId64 " %" PRIu64 " %" PRId64 "\n", now_ms,
                       seen->inode, seen->length);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    bool written = write(fd, line, (size_t)len) == len;
    bool large = fstat(fd, &st) == 0 && st.st_size > CONSOLE_TIMES_MAX;
    close(fd);
    if (written && large)
        thin_file(path);
}

void console_times_note(const char *log, int64_t now_ms, struct console_seen *seen)
{
    struct console_seen now;
    int64_t written_ms;
    if (!look(log, &now, &written_ms) || (now.inode == seen->inode && now.length == seen->length))
        return;
    HM_AUTOFREE char *path = hm_printf("%s.times", log);
    append(path, now_ms, &now);
    *seen = now;
}

void console_times_forget(const char *log)
{
    HM_AUTOFREE char *path = hm_printf("%s.times", log);
    unlink(path);
}

static char *rotated_path(const char *log, size_t back)
{
    return back ? hm_printf("%s.%zu", log, back - 1) : hm_strdup(log);
}

/* The log, and those before it that were still written to since: how many. The log itself may be missing. */
static size_t look_back(const char *log, int64_t since_ms, struct console_seen *files)
{
    size_t count = 1;
    for (; count < FILES_MAX; count++) {
        HM_AUTOFREE char *path = rotated_path(log, count);
        int64_t written_ms;
        if (!look(path, &files[count], &written_ms) || written_ms < since_ms)
            break;
    }
    return count;
}

int console_times_since(const char *log, int64_t since_ms, struct console_place *ret,
                        struct hm_error *err)
{
    struct console_seen files[FILES_MAX] = {{0}};
    int64_t written_ms = 0;
    bool is_there = look(log, &files[0], &written_ms);
    if (!is_there && errno != ENOENT) /* that it is missing is that the guest has not written yet */
        return hm_fail(err, HM_E_IO, "%s can't be looked at: %s", log, strerror(errno));
    size_t count = look_back(log, since_ms, files);
    *ret = (struct console_place){.from = files[0].length};
    if (count == 1 && (!is_there || written_ms < since_ms))
        return 0;
    HM_AUTOFREE char *path = hm_printf("%s.times", log);
    HM_AUTOFREE char *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, 2 * CONSOLE_TIMES_MAX, &text, &len, err);
    if (r < 0 && r != -HM_E_NOT_FOUND && r != -HM_E_TOO_LARGE)
        return r;
    *ret = console_times_find(text ? text : "", r < 0 ? 0 : len, files, count, since_ms);
    return 0;
}
