#include "vmm/ch_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/ch_folder.h"

#define FOLDER "harmony-memory"
#define ABOUT  "about.json"

enum { ABOUT_MAX = 2 * PROTO_MAX_BYTES, MIB = 1 << 20, SPARE_BYTES = 64 * MIB };

/* Of what the VMM writes, all that is taken over. */
static const char *const saved[] = {"state.json", "memory-ranges", NULL};

static char *home_of(const struct ch *ch, const char *vm)
{
    return hm_printf("%s/" FOLDER "/%s", ch->image_dir, vm);
}

char *ch_memory_path(const struct ch *ch, const char *vm, const char *snapshot)
{
    return hm_printf("%s/" FOLDER "/%s/%s", ch->image_dir, vm, snapshot);
}

/* -- What is there ---------------------------------------------------------------------------------- */

bool ch_memory_exists(const struct ch *ch, const char *vm, const char *snapshot)
{
    HM_AUTOFREE char *path = ch_memory_path(ch, vm, snapshot);
    HM_AUTOFREE char *about = hm_printf("%s/" ABOUT, path);
    return access(about, F_OK) == 0;
}

/* The configuration that it belongs to: a new reference. */
static int read_about(const struct ch *ch, const char *vm, const char *snapshot, json_t **ret,
                      struct hm_error *err)
{
    HM_AUTOFREE char *folder = ch_memory_path(ch, vm, snapshot);
    HM_AUTOFREE char *path = hm_printf("%s/" ABOUT, folder), *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, ABOUT_MAX, &text, &len, err);
    if (r == -(int)HM_E_NOT_FOUND)
        return hm_fail(err, HM_E_NOT_FOUND, "snapshot %s of vm %s holds no memory", snapshot, vm);
    if (r < 0)
        return r;
    json_t *about = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    *ret = json_incref(json_object_get(about, "config"));
    json_decref(about);
    return *ret ? 0 : hm_fail(err, HM_E_INVALID, "%s can't be read", path);
}

int ch_memory_read(const struct ch *ch, const char *vm, const char *snapshot, const json_t *config,
                   json_t **ret, struct hm_error *err)
{
    int r = read_about(ch, vm, snapshot, ret, err);
    if (r < 0 || ch_config_is_same_hardware(*ret, config))
        return r;
    json_decref(*ret);
    *ret = NULL;
    return hm_fail(err, HM_E_REFUSED,
                   "snapshot %s holds the memory of vm %s with other hardware than it has now "
                   "(processors, memory, disks, cards or kernel); --disk-only puts back its disks "
                   "alone",
                   snapshot, vm);
}

int ch_memory_check_room(const struct ch *ch, const char *vm, uint64_t bytes, struct hm_error *err)
{
    struct statvfs fs;
    if (statvfs(ch->image_dir, &fs) < 0)
        return hm_fail(err, HM_E_IO, "vm %s: cannot tell how much room %s has: %s", vm,
                       ch->image_dir, strerror(errno));
    uint64_t room = (uint64_t)hm_blocks_bytes(fs.f_bavail, fs.f_frsize);
    if (room >= SPARE_BYTES && room - SPARE_BYTES >= bytes)
        return 0;
    return hm_fail(err, HM_E_NO_SPACE,
                   "vm %s: its memory needs %llu MiB in %s, which has %llu; delete something first",
                   vm, (unsigned long long)(bytes / MIB + SPARE_BYTES / MIB), ch->image_dir,
                   (unsigned long long)(room / MIB));
}

/* -- Taking it over --------------------------------------------------------------------------------- */

/* A link would have the next VMM read whatever it points to into its guest's memory. */
static int move_one(const char *from, const char *to, const char *name, struct hm_error *err)
{
    HM_AUTOFREE char *source = hm_printf("%s/%s", from, name);
    HM_AUTOFREE char *target = hm_printf("%s/%s", to, name);
    struct stat st;
    if (lstat(source, &st) < 0)
        return hm_fail(err, HM_E_VMM, "its VMM has not written %s: %s", source, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return hm_fail(err, HM_E_CONFLICT, "%s is not a file of its own", source);
    if (rename(source, target) < 0)
        return hm_fail(err, HM_E_IO, "cannot move %s to %s: %s", source, target, strerror(errno));
    if (chmod(target, 0600) < 0)
        return hm_fail(err, HM_E_IO, "cannot keep %s to root: %s", target, strerror(errno));
    return hm_file_sync(target, err);
}

int ch_memory_take(const struct ch *ch, const char *vm, const char *snapshot, const char *from,
                   struct hm_error *err)
{
    HM_AUTOFREE char *to = ch_memory_path(ch, vm, snapshot);
    struct stat st;
    if (lstat(from, &st) < 0 || !S_ISDIR(st.st_mode))
        return hm_fail(err, HM_E_CONFLICT, "vm %s: %s is not a folder", vm, from);
    int r = ch_memory_remove(ch, vm, snapshot, err);
    if (r >= 0)
        r = hm_mkdirs(to, 0700, err);
    for (size_t i = 0; saved[i] && r >= 0; i++) {
        r = move_one(from, to, saved[i], err);
    }
    return r < 0 ? hm_wrap(err, "vm %s", vm) : 0;
}

int ch_memory_seal(const struct ch *ch, const char *vm, const char *snapshot, const json_t *config,
                   struct hm_error *err)
{
    HM_AUTOFREE char *folder = ch_memory_path(ch, vm, snapshot);
    HM_AUTOFREE char *path = hm_printf("%s/" ABOUT, folder);
    json_t *about = json_pack("{s:O}", "config", (json_t *)(uintptr_t)config);
    HM_AUTOFREE char *text = json_dumps(about, JSON_INDENT(1));
    json_decref(about);
    int r = hm_file_write_atomic(path, text, strlen(text), 0600, err);
    return r < 0 ? hm_wrap(err, "vm %s", vm) : 0;
}

/* -- Removing --------------------------------------------------------------------------------------- */

/* What says that it is there goes first. */
int ch_memory_remove(const struct ch *ch, const char *vm, const char *snapshot,
                     struct hm_error *err)
{
    HM_AUTOFREE char *folder = ch_memory_path(ch, vm, snapshot);
    if (access(folder, F_OK) < 0 && errno == ENOENT)
        return 1;
    HM_AUTOFREE char *about = hm_printf("%s/" ABOUT, folder);
    int r = hm_file_remove(about, err);
    return r < 0 ? r : ch_folder_drop(folder, err);
}

int ch_memory_remove_all(const struct ch *ch, const char *vm, struct hm_error *err)
{
    HM_AUTOFREE char *home = home_of(ch, vm);
    if (access(home, F_OK) < 0 && errno == ENOENT)
        return 1;
    return ch_folder_drop(home, err);
}
