#include "vmm/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* The writer is at its end, which may move meanwhile. */
static void cut(const char *path, int fd, int64_t length)
{
    HM_AUTOFREE char *last = hm_alloc(LOG_STEP);
    HM_AUTOFREE char *kept = hm_printf("%s.0", path);
    ssize_t n = pread(fd, last, LOG_STEP, length - LOG_STEP);
    if (n > 0)
        hm_file_write_atomic(kept, last, (size_t)n, 0600, NULL);
    if (ftruncate(fd, 0) < 0)
        return; /* it is as long as it was, and cut at the next look */
}

static void give_back(const char *path, int fd, int64_t length, int64_t until)
{
    if (lseek(fd, 0, SEEK_DATA) >= until)
        return; /* that much is gone already */
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, until) == 0)
        return;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        cut(path, fd, length);
}

static int64_t length_of(const struct stat *st)
{
    return S_ISREG(st->st_mode) ? st->st_size : 0;
}

/* What may go: whole steps. */
static int64_t old_part(const struct stat *st, int64_t keep)
{
    int64_t more = length_of(st) - keep;
    return more > 0 ? more - more % LOG_STEP : 0;
}

void log_bound(const char *path, int64_t keep)
{
    struct stat st;
    if (lstat(path, &st) < 0 || old_part(&st, keep) == 0)
        return;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && old_part(&st, keep) > 0)
        give_back(path, fd, length_of(&st), old_part(&st, keep));
    close(fd);
}

/* Looked at after it was read: what was no hole then was none before, since nothing is written into one. */
ssize_t log_read(int fd, void *to, size_t len, int64_t *at)
{
    for (;;) {
        ssize_t n = pread(fd, to, len, *at);
        if (n <= 0)
            return n < 0 ? -errno : 0;
        off_t data = lseek(fd, *at, SEEK_DATA);
        if (data <= *at)
            return n;
        *at = data;
    }
}

char *log_end(const char *path, size_t size, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *text = hm_alloc(size + 1);
    *ret_len = 0;
    if (fd < 0)
        return text;
    off_t from = fstat(fd, &st) == 0 && (size_t)st.st_size > size ? st.st_size - (off_t)size : 0;
    ssize_t n = pread(fd, text, size, from);
    close(fd);
    *ret_len = n > 0 ? (size_t)n : 0;
    return text;
}
