#include "agent/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"

enum { PID_TEXT_MAX = 16 };

/* Whose it is, as its holder wrote it; 0: not (yet) told. */
static long holder(int fd)
{
    char text[PID_TEXT_MAX + 1] = "";
    return pread(fd, text, PID_TEXT_MAX, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

static int refused(int fd, const char *state_dir, const char *path, struct hm_error *err)
{
    if (errno != EWOULDBLOCK)
        return hm_fail(err, HM_E_IO, "%s: cannot be locked: %s", path, strerror(errno));
    return hm_fail(err, HM_E_CONFLICT,
                   "another harmonyd runs with this state_dir (pid %ld): %s; stop it, or give this "
                   "one a state_dir and a site_id of its own",
                   holder(fd), state_dir);
}

static int write_pid(int fd, const char *path, struct hm_error *err)
{
    HM_AUTOFREE char *text = hm_printf("%ld\n", (long)getpid());
    size_t len = strlen(text);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
        return hm_fail(err, HM_E_IO, "%s: the pid cannot be written: %s", path, strerror(errno));
    return 0;
}

int agent_lock(const char *state_dir, struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_printf("%s/lock", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return hm_fail(err, HM_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    int r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? refused(fd, state_dir, path, err)
                                             : write_pid(fd, path, err);
    if (r >= 0)
        return fd;
    close(fd);
    return r;
}
