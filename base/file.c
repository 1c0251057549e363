#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define UNFINISHED "XXXXXX" /* mkostemp(3) puts letters and digits there */

static int fail_errno(struct hm_error *err, const char *verb, const char *path)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    enum hm_code code = errno == ENOENT ? HM_E_NOT_FOUND : is_full ? HM_E_NO_SPACE : HM_E_IO;
    return hm_fail(err, code, "cannot %s %s: %s", verb, path, strerror(errno));
}

static int read_all(int fd, const char *path, size_t max, struct hm_buf *into, struct hm_error *err)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "read", path);
        if (n == 0)
            return 0;
        hm_buf_add(into, chunk, (size_t)n);
        if (into->overflowed)
            return hm_fail(err, HM_E_TOO_LARGE,
                           "%s is larger than %zu bytes, the most allowed here", path, max);
    }
}

int hm_file_read(const char *path, size_t max, char **ret_data, size_t *ret_len,
                 struct hm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open", path);
    struct hm_buf content = {.limit = max};
    int r = read_all(fd, path, max, &content, err);
    close(fd);
    if (r < 0) {
        hm_buf_free(&content);
        return r;
    }
    if (ret_len)
        *ret_len = content.len;
    *ret_data = hm_buf_steal(&content);
    return 0;
}

static int write_all(int fd, const char *path, const char *data, size_t len, struct hm_error *err)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "write", path);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path, struct hm_error *err)
{
    HM_AUTOFREE char *copy = hm_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open the folder of", path);
    int r = fsync(fd) < 0 ? fail_errno(err, "sync the folder of", path) : 0;
    close(fd);
    return r;
}

static int fill_and_sync(int fd, const char *path, const void *data, size_t len, mode_t mode,
                         struct hm_error *err)
{
    int r = write_all(fd, path, data, len, err);
    if (r >= 0 && fchmod(fd, mode) < 0)
        r = fail_errno(err, "set the mode of", path);
    if (r >= 0 && fsync(fd) < 0)
        r = fail_errno(err, "sync", path);
    return r;
}

int hm_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                         struct hm_error *err)
{
    HM_AUTOFREE char *temporary = hm_printf("%s." UNFINISHED, path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "create a file beside", path);
    int r = fill_and_sync(fd, path, data, len, mode, err);
    if (close(fd) < 0 && r >= 0)
        r = fail_errno(err, "close", path);
    if (r >= 0 && rename(temporary, path) < 0)
        r = fail_errno(err, "replace", path);
    if (r < 0) {
        unlink(temporary);
        return r;
    }
    return sync_folder_of(path, err);
}

/* "vm.json.a1B2c3" */
static bool is_unfinished(const char *name, const char *end)
{
    size_t len = strlen(name), tail = sizeof UNFINISHED; /* with the dot */
    size_t whole = len > tail ? len - tail : 0;
    return whole > strlen(end) && name[whole] == '.' &&
           !strncmp(name + whole - strlen(end), end, strlen(end));
}

void hm_file_sweep(const char *folder, const char *end)
{
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (is_unfinished(e->d_name, end))
            unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
}

int hm_file_sync(const char *path, struct hm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open", path);
    int r = fsync(fd) < 0 ? fail_errno(err, "sync", path) : 0;
    close(fd);
    return r;
}

int hm_file_remove(const char *path, struct hm_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return fail_errno(err, "remove", path);
    HM_AUTOFREE char *copy = hm_strdup(path);
    if (access(dirname(copy), F_OK) < 0 && errno == ENOENT)
        return 0;
    return sync_folder_of(path, err); /* who removed it may have died before this */
}

struct dirent *hm_next_entry(DIR *dir)
{
    errno = 0;
    return readdir(dir);
}

static int make_folder(const char *path, mode_t mode, struct hm_error *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return fail_errno(err, "make the folder", path);
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return hm_fail(err, HM_E_IO, "%s is in the way: it is not a folder", path);
    return 0;
}

int hm_mkdirs(const char *path, mode_t mode, struct hm_error *err)
{
    HM_AUTOFREE char *work = hm_strdup(path);
    size_t len = strlen(work);
    while (len > 1 && work[len - 1] == '/') /* the last part is the one that gets `mode` */
        work[--len] = '\0';
    for (char *slash = work + 1; *slash && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int r = make_folder(work, 0755, err);
        if (r < 0)
            return r;
        *slash = '/';
    }
    return make_folder(work, mode, err);
}

int64_t hm_blocks_bytes(uint64_t blocks, uint64_t block_size)
{
    int64_t bytes;
    return __builtin_mul_overflow(blocks, block_size, &bytes) ? INT64_MAX : bytes;
}

int64_t hm_file_changed_ns(const struct stat *st)
{
    int64_t ns;
    bool is_too_far = __builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) ||
                      __builtin_add_overflow(ns, (int64_t)st->st_mtim.tv_nsec, &ns);
    return is_too_far ? INT64_MAX : ns;
}
