#include "vmm/ch_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 16 };

static void drop_at(int parent, const char *name, int depth);

static void drop_content(int folder, int depth)
{
    DIR *dir = fdopendir(folder);
    if (!dir) {
        close(folder);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            drop_at(dirfd(dir), e->d_name, depth + 1);
    closedir(dir);
}

static void drop_at(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0 || depth > DEEPEST)
        return;
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0)
        drop_content(folder, depth);
    unlinkat(parent, name, AT_REMOVEDIR);
}

int ch_folder_drop(const char *path, struct hm_error *err)
{
    drop_at(AT_FDCWD, path, 0);
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    return hm_fail(err, HM_E_IO, "cannot remove %s, or what is in it", path);
}
