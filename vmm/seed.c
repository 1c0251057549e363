#include "vmm/seed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/run.h"
#include "proto/field.h"

#define FOLDER "harmony-seeds"

enum { MAKE_MS = 30000, OUTPUT_MAX = 65536 };

char *seed_path(const char *image_dir, const char *vm)
{
    return hm_printf("%s/" FOLDER "/%s.iso", image_dir, vm);
}

/* -- What goes into it ---------------------------------------------------------------------------- */

static int put(const char *folder, const char *name, const char *text, struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, name);
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

/* The identity stays for the document's life: cloud-init does once what is to be done once. */
static int put_meta_data(const char *folder, const char *vm, const char *key, const char *given,
                         struct hm_error *err)
{
    HM_AUTOFREE char *own = hm_printf("instance-id: %s\nlocal-hostname: %s\n", key, vm);
    return put(folder, "meta-data", given ? given : own, err);
}

static int fill(const char *folder, const char *vm, const char *key, const json_t *cloud_init,
                struct hm_error *err)
{
    const char *network = spec_str(cloud_init, "network_config");
    int r = put(folder, "user-data", spec_str(cloud_init, "user_data"), err);
    if (r >= 0)
        r = put_meta_data(folder, vm, key, spec_str(cloud_init, "meta_data"), err);
    return r < 0 || !network ? r : put(folder, "network-config", network, err);
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* -- The image ------------------------------------------------------------------------------------ */

static int pack(const char *folder, const char *iso, struct hm_error *err)
{
    const char *argv[] = {"xorriso", "-as",   "genisoimage", "-quiet", "-volid", "cidata",
                          "-joliet", "-rock", "-output",     iso,      folder,   NULL};
    struct hm_ran ran = {0};
    int r = hm_run((char *const *)argv, MAKE_MS, OUTPUT_MAX, &ran, err);
    if (r >= 0 && ran.exit_code != 0)
        r = hm_fail(err, HM_E_PROCESS, "xorriso exited with %d: %.200s", ran.exit_code, ran.err);
    hm_ran_clear(&ran);
    return r < 0 ? hm_wrap(err, "make the seed of cloud-init") : 0;
}

static int give_name(const char *iso, const char *path, struct hm_error *err)
{
    int fd = open(iso, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && fchmod(fd, 0600) == 0 && fsync(fd) == 0 && rename(iso, path) == 0;
    int r = done ? 0 : hm_fail(err, HM_E_IO, "cannot give %s its name: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return r;
}

static int make_in(const char *work, const char *vm, const char *key, const json_t *cloud_init,
                   const char *path, struct hm_error *err)
{
    HM_AUTOFREE char *folder = hm_printf("%s/in", work), *iso = hm_printf("%s/seed.iso", work);
    int r = hm_mkdirs(folder, 0700, err);
    if (r >= 0)
        r = fill(folder, vm, key, cloud_init, err);
    if (r >= 0)
        r = pack(folder, iso, err);
    if (r >= 0)
        r = give_name(iso, path, err);
    remove_folder(folder);
    return r;
}

int seed_make(const char *image_dir, const char *vm, const char *key, const json_t *cloud_init,
              char **ret_path, struct hm_error *err)
{
    HM_AUTOFREE char *above = hm_printf("%s/" FOLDER, image_dir);
    HM_AUTOFREE char *work = hm_printf("%s/" FOLDER "/%s.making.XXXXXX", image_dir, vm);
    HM_AUTOFREE char *path = seed_path(image_dir, vm);
    int r = hm_mkdirs(above, 0711, err); /* QEMU finds what it is told of, and lists nothing */
    if (r < 0)
        return r;
    if (!mkdtemp(work)) /* mode 0700 */
        return hm_fail(err, HM_E_IO, "cannot make a folder in %s: %s", above, strerror(errno));
    r = make_in(work, vm, key, cloud_init, path, err);
    remove_folder(work);
    if (r >= 0)
        *ret_path = hm_strdup(path);
    return r;
}

int seed_remove(const char *image_dir, const char *vm, struct hm_error *err)
{
    HM_AUTOFREE char *path = seed_path(image_dir, vm);
    if (unlink(path) < 0 && errno != ENOENT)
        return hm_fail(err, HM_E_IO, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}
