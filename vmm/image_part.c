#include "vmm/image_part.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MEMORY_MAX = 16384, LEAVE_PERCENT = 5, CHECK_EVERY = 8 << 20 };
static const int64_t LEAVE_MOST = 1LL << 30;

static int fail(const struct image_part *p, const char *what, struct hm_error *err)
{
    enum hm_code code = errno == ENOSPC || errno == EDQUOT ? HM_E_NO_SPACE : HM_E_IO;
    return hm_fail(err, code, "cannot %s %s: %s", what, p->path, strerror(errno));
}

static char *memory_path(const char *path)
{
    return hm_printf("%s.json", path);
}

/* -- What it is a part of ------------------------------------------------------------------------- */

static int remember(const struct image_part *p, struct hm_error *err)
{
    HM_AUTOFREE char *path = memory_path(p->path);
    json_t *json = json_pack("{s:s, s:s, s:I}", "url", p->url, "validator", p->validator, "total",
                             (json_int_t)p->total);
    HM_AUTOFREE char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

static void recall_from(struct image_part *p, const json_t *json)
{
    const char *url = json_string_value(json_object_get(json, "url"));
    const char *validator = json_string_value(json_object_get(json, "validator"));
    if (!url || strcmp(url, p->url) != 0 || !validator || strlen(validator) >= sizeof p->validator)
        return;
    memcpy(p->validator, validator, strlen(validator) + 1);
    p->total = json_integer_value(json_object_get(json, "total"));
}

static void recall(struct image_part *p)
{
    HM_AUTOFREE char *path = memory_path(p->path);
    HM_AUTOFREE char *text = NULL;
    size_t len = 0;
    if (hm_file_read(path, MEMORY_MAX, &text, &len, NULL) < 0)
        return;
    json_t *json = json_loadb(text, len, 0, NULL);
    recall_from(p, json);
    json_decref(json);
}

/* -- The file ------------------------------------------------------------------------------------- */

static int empty(struct image_part *p, struct hm_error *err)
{
    if (ftruncate(p->fd, 0) < 0 || lseek(p->fd, 0, SEEK_SET) < 0)
        return fail(p, "empty", err);
    p->have = 0;
    return 0;
}

int image_part_open(const char *path, const char *url, struct image_part *ret, struct hm_error *err)
{
    struct image_part p = {.path = path, .url = url};
    p.fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (p.fd < 0)
        return fail(&p, "open", err);
    recall(&p);
    p.have = lseek(p.fd, 0, SEEK_END);
    int r = p.have < 0 ? fail(&p, "look at", err) : 0;
    if (r >= 0 && (!*p.validator || (p.total && p.have > p.total)))
        r = empty(&p, err);
    if (r < 0)
        close(p.fd);
    else
        *ret = p;
    return r;
}

int image_part_begin(struct image_part *p, const char *validator, int64_t total,
                     struct hm_error *err)
{
    int r = empty(p, err);
    p->total = total;
    memset(p->validator, 0, sizeof p->validator);
    if (strlen(validator) < sizeof p->validator)
        memcpy(p->validator, validator, strlen(validator));
    if (r >= 0)
        r = image_part_check_room(p, total, err);
    return r < 0 ? r : remember(p, err);
}

int image_part_check_room(const struct image_part *p, int64_t more, struct hm_error *err)
{
    struct statvfs fs;
    if (fstatvfs(p->fd, &fs) < 0)
        return fail(p, "look at the disk of", err);
    int64_t leave = hm_blocks_bytes(fs.f_blocks, fs.f_frsize) / 100 * LEAVE_PERCENT;
    int64_t room = hm_blocks_bytes(fs.f_bavail, fs.f_frsize) -
                   (leave < LEAVE_MOST ? leave : LEAVE_MOST);
    if (more <= room)
        return 0;
    return hm_fail(err, HM_E_NO_SPACE,
                   "%lld MiB are needed and only %lld MiB may be taken of the disk that holds %s",
                   (long long)(more >> 20) + 1, (long long)(room > 0 ? room >> 20 : 0), p->path);
}

static int write_all(struct image_part *p, const char *data, size_t len, struct hm_error *err)
{
    while (len > 0) {
        ssize_t n = write(p->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(p, "write", err);
        data += n;
        len -= (size_t)n;
        p->have += n;
    }
    return 0;
}

int image_part_add(struct image_part *p, const void *data, size_t len, struct hm_error *err)
{
    bool is_time = p->have / CHECK_EVERY != (p->have + (int64_t)len) / CHECK_EVERY;
    int r = is_time ? image_part_check_room(p, CHECK_EVERY, err) : 0;
    return r < 0 ? r : write_all(p, data, len, err);
}

int image_part_sync(struct image_part *p, struct hm_error *err)
{
    return fsync(p->fd) < 0 ? fail(p, "sync", err) : 0;
}

void image_part_close(struct image_part *p)
{
    close(p->fd);
}

void image_part_remove(const char *path)
{
    HM_AUTOFREE char *memory = memory_path(path);
    unlink(path);
    unlink(memory);
}
