#include "vmm/qemu_img.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/run.h"
#include "proto/text.h"

enum {
    INFO_MS = 10000,
    CHANGE_MS = 100000, /* below the deadline of a verb */
    OUTPUT_MAX = 512 * 1024,
    NUMBER_MAX = 24,
};

/* What qemu-img writes to stderr, as far as it means something to the agent. */
static const struct {
    const char *part;
    enum hm_code code;
    const char *advice;
} meanings[] = {
    {"No space left on device", HM_E_NO_SPACE, "; the host's disk is full"},
    {"Disk quota exceeded", HM_E_NO_SPACE, "; the host's quota is used up"},
    {"Input/output error", HM_E_IO, "; look at the host's disk"},
    {"No such file or directory", HM_E_NOT_FOUND, ""},
    {"lock", HM_E_REFUSED, "; it is in use by a guest or another program"},
    {"--shrink", HM_E_REFUSED, "; a disk never shrinks"},
    {"Image is not in", HM_E_INVALID, ""},
    {"v2 image which has snapshots", HM_E_UNSUPPORTED,
     "; delete its snapshots first, or convert it by hand: qemu-img amend -o compat=1.1"},
};

static int fail_as_said(const char *what, const char *path, const struct hm_ran *ran,
                        struct hm_error *err)
{
    const char *said = ran->err;
    char shown[256];
    if (!strncmp(said, "qemu-img: ", 10))
        said += 10;
    text_clean(said, shown, sizeof shown); /* it may cite the image's header */
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strstr(said, meanings[i].part))
            return hm_fail(err, meanings[i].code, "%s: %s: %s%s", path, what, shown,
                           meanings[i].advice);
    return hm_fail(err, HM_E_PROCESS, "%s: %s: qemu-img exited with %d: %s", path, what,
                   ran->exit_code, shown);
}

/* qemu-img ends with 0 also when what it kept in memory could not be written at the end; then it says so. */
static bool has_lost_writes(const struct hm_ran *ran)
{
    return strstr(ran->err, "Failed to flush") != NULL;
}

static int run(const char *what, const char *path, const char *const *argv, int64_t timeout_ms,
               struct hm_ran *ret, struct hm_error *err)
{
    struct hm_ran ran = {0};
    if (path[0] != '/')
        return hm_fail(err, HM_E_INVALID, "%s: the path of an image must be absolute", path);
    int r = hm_run((char *const *)argv, timeout_ms, OUTPUT_MAX, &ran, err);
    if (r < 0)
        return hm_wrap(err, "%s: %s", path, what);
    if (ran.exit_code != 0 || has_lost_writes(&ran))
        r = fail_as_said(what, path, &ran, err);
    if (r < 0)
        hm_ran_clear(&ran);
    else
        *ret = ran;
    return r;
}

static int change(const char *what, const char *path, const char *const *argv, struct hm_error *err)
{
    struct hm_ran ran = {0};
    int r = run(what, path, argv, CHANGE_MS, &ran, err);
    hm_ran_clear(&ran);
    return r;
}

int qemu_img_info(const char *path, const char *format, struct image_info *ret,
                  struct hm_error *err)
{
    const char *argv[] = {"qemu-img", "info", "--output=json", "--force-share", "-f", format,
                          path,       NULL};
    struct hm_ran ran = {0};
    int r = run("look at it", path, argv, INFO_MS, &ran, err);
    if (r < 0)
        return r;
    r = image_info_parse(ran.out, ran.out_len, ret, err);
    hm_ran_clear(&ran);
    return r < 0 ? hm_wrap(err, "%s", path) : 0;
}

int qemu_img_copy(const char *from, const char *from_format, const char *to, const char *to_format,
                  struct hm_error *err)
{
    const char *argv[] = {"qemu-img", "convert", "-q", "-f", from_format,
                          "-O",       to_format, from, to,   NULL};
    return change("copy it", from, argv, err);
}

int qemu_img_create(const char *path, const char *format, int64_t bytes, const char *backing,
                    const char *backing_format, struct hm_error *err)
{
    char size[NUMBER_MAX];
    snprintf(size, sizeof size, "%lld", (long long)bytes);
    const char *empty[] = {"qemu-img", "create", "-q", "-f", format, path, size, NULL};
    const char *on_top[] = {"qemu-img", "create", "-q",           "-u", "-f", format, "-b",
                            backing,    "-F",     backing_format, path, size, NULL};
    return change("make it", path, backing ? on_top : empty, err);
}

int qemu_img_grow(const char *path, const char *format, int64_t bytes, struct hm_error *err)
{
    char size[NUMBER_MAX];
    snprintf(size, sizeof size, "%lld", (long long)bytes);
    const char *argv[] = {"qemu-img", "resize", "-q", "-f", format, path, size, NULL};
    return change("grow it", path, argv, err);
}

/* `qemu-img snapshot` has no option for the format: so it is said in the name, in which a comma is
 * written twice. */
static char *as_image_options(const char *path)
{
    struct hm_buf text = {0};
    hm_buf_puts(&text, "driver=qcow2,file.driver=file,file.filename=");
    for (const char *c = path; *c; c++)
        hm_buf_add(&text, *c == ',' ? ",," : c, *c == ',' ? 2 : 1);
    return hm_buf_steal(&text);
}

static int snapshot(const char *what, const char *option, const char *path, const char *name,
                    struct hm_error *err)
{
    HM_AUTOFREE char *image = as_image_options(path);
    const char *argv[] = {"qemu-img", "snapshot", "--image-opts", "-q", option, name, image, NULL};
    return change(what, path, argv, err);
}

int qemu_img_snapshot_create(const char *path, const char *name, struct hm_error *err)
{
    return snapshot("make a snapshot", "-c", path, name, err);
}

int qemu_img_snapshot_apply(const char *path, const char *name, struct hm_error *err)
{
    return snapshot("apply a snapshot", "-a", path, name, err);
}

int qemu_img_snapshot_delete(const char *path, const char *name, struct hm_error *err)
{
    return snapshot("delete a snapshot", "-d", path, name, err);
}
