#include "vmm/procfs.h"

#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum { BOOT_ID_MAX = 64 };

char *host_boot_id(void)
{
    char *text;
    if (hm_file_read(BOOT_ID, BOOT_ID_MAX, &text, NULL, NULL) < 0)
        return hm_strdup("");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

int pidfd_wait(int fd, int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        int n = poll(&ended, 1, left > 0 ? (int)left : 0);
        if (n > 0 || left <= 0)
            return n > 0;
    }
}
