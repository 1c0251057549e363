/* Disk images: opened and locked as the real one does, and made larger. */
#include "fake_vmm.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The start of a qcow2 image (docs/interop/qcow2.txt of QEMU); all of it is big-endian. */
struct __attribute__((packed)) qcow2_header {
    char magic[4];
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_size, cluster_bits;
    uint64_t size;
    uint32_t encryption, l1_entries;
    uint64_t l1_offset;
};

static bool read_header(int fd, struct qcow2_header *ret)
{
    return pread(fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret) &&
           memcmp(ret->magic, "QFI\xfb", 4) == 0;
}

static struct answer lock(int fd, const json_t *config, bool booting)
{
    struct stat seen;
    fstat(fd, &seen);
    const char *granularity = text(config, "lock_granularity"); /* v50: none */
    bool whole = granularity && strcmp(granularity, "Full") == 0;
    struct flock range = {.l_type =
                              json_is_true(json_object_get(config, "readonly")) ? F_RDLCK : F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_len = whole ? 0 : seen.st_size};
    if (fcntl(fd, F_OFD_SETLK, &range) == 0)
        return FINE;
    char what[PATH_LIMIT + 64];
    snprintf(what, sizeof(what), "Failed to get %s lock for disk image: %s",
             range.l_type == F_RDLCK ? "Read" : "Write", text(config, "path"));
    return refuse(500,
                  booting ? "Error locking disk images: Another instance likely holds a lock"
                          : "Error from device manager",
                  "Cannot lock images of all block devices", what, "The file is already locked",
                  NULL);
}

bool is_qcow2(int fd)
{
    struct qcow2_header header;
    return read_header(fd, &header);
}

/* Outermost "Cannot open disk path" and what was done with which file; v50 says less. */
static struct answer cannot_open(const struct vmm *v, const char *path, const char *sort,
                                 const char *why)
{
    char what[PATH_LIMIT + 64];
    snprintf(what, sizeof(what), "%s (path=%s op=open)", sort, path ? path : "");
    if (v->options.version >= 53)
        return refuse(500, "Error from device manager", "Cannot open disk path", what, why, NULL);
    bool is_nested = strcmp(sort, "Unsupported feature") == 0;
    return refuse(500, "Error from device manager",
                  is_nested ? "Failed to create QcowDiskSync" : "Cannot open disk path", why, NULL);
}

static struct answer check_format(const struct vmm *v, int fd, const json_t *config)
{
    const char *type = text(config, "image_type");
    struct qcow2_header header;
    bool has_header = read_header(fd, &header);
    if (strcmp(type, "Qcow2") == 0 && !has_header)
        return refuse(500, "Error from device manager",
                      "Disk image type does not match expected type: specified = qcow2, detected = "
                      "raw",
                      NULL);
    if (strcmp(type, "Raw") != 0 && has_header && header.backing_offset &&
        !json_is_true(json_object_get(config, "backing_files")))
        return cannot_open(v, text(config, "path"), "Unsupported feature",
                           "Maximum disk nesting depth exceeded");
    return FINE;
}

struct answer open_disk(const struct vmm *v, const json_t *config, bool booting, int *ret)
{
    const char *path = text(config, "path");
    bool readonly = json_is_true(json_object_get(config, "readonly"));
    int fd = path ? open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC) : -1;
    if (fd < 0)
        return cannot_open(v, path, "I/O error", os_error(path ? errno : EINVAL));
    struct answer answer = check_format(v, fd, config);
    if (!refuses(answer))
        answer = lock(fd, config, booting);
    if (refuses(answer))
        close(fd);
    else
        *ret = fd;
    return answer;
}

static struct answer cannot_resize(const char *sort, const char *why)
{
    char what[64];
    snprintf(what, sizeof(what), "%s (op=resize)", sort);
    return refuse(500, "Error from device manager", "Disk resize error", "Disk resize failed", what,
                  "Resize failed", why, NULL);
}

/* As far as the table of its first level reaches, or its cluster has room for more of it. */
static struct answer resize_qcow2(int fd, struct qcow2_header *header, uint64_t size)
{
    unsigned bits = be32toh(header->cluster_bits);
    uint64_t reach = (uint64_t)1 << (bits + bits - 3), entries = (size + reach - 1) / reach;
    if (header->backing_offset)
        return cannot_resize("Unsupported feature", "resize not supported with backing files");
    if (size < be64toh(header->size))
        return cannot_resize("I/O error", "shrinking QCOW2 images is not supported");
    if (entries > ((uint64_t)1 << (bits - 3)))
        return cannot_resize("I/O error", "its first table would not fit (a limit of the fake's)");
    header->size = htobe64(size);
    if (entries > be32toh(header->l1_entries))
        header->l1_entries = htobe32((uint32_t)entries);
    return pwrite(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header)
               ? FINE
               : cannot_resize("I/O error", os_error(errno));
}

/* A raw image is made smaller without a word, as the real one does it: what lay there is lost. */
static struct answer resize_image(const struct vmm *v, int fd, uint64_t size)
{
    struct qcow2_header header;
    if (size % 512)
        return refuse(500, "Error from device manager", "Disk resize error",
                      "Disk image size is not a multiple of 512", NULL);
    if (v->options.version < 53 && is_qcow2(fd))
        return refuse(500, "Error from device manager", "Disk resize error", "Disk resize failed",
                      "Unsupported operation", NULL);
    if (read_header(fd, &header))
        return resize_qcow2(fd, &header, size);
    return ftruncate(fd, (off_t)size) == 0 ? FINE : cannot_resize("I/O error", os_error(errno));
}

struct answer resize_disk(const struct vmm *v, const json_t *wanted, uint64_t size)
{
    for (size_t i = 0; i < v->device_count; i++)
        if (v->devices[i].sort == DEVICE_DISK && !v->devices[i].unplugging &&
            strcmp(v->devices[i].id, text(wanted, "id")) == 0)
            return resize_image(v, v->devices[i].fds[0], size);
    return no_such_device(v, text(wanted, "id"));
}
