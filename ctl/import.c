/*
 * import: documents for a VM that somebody ran by hand on cloud-hypervisor, from its vm-config.json. Nothing is
 * declared by it, and nothing but that file and the beginnings of the disks is read.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "ctl/run.h"
#include "proto/doc.h"
#include "proto/tree.h"
#include "proto/vm_import.h"

#define CONFIG_NAME "vm-config.json"

/* -- The files of disks --------------------------------------------------------------------------- */

enum { QCOW2_HEADER = 32, QCOW2_SIZE_AT = 24 };

/* The size that a guest sees is in the header (docs/interop/qcow2 of QEMU). */
static bool read_qcow2(int fd, int64_t *ret_size)
{
    unsigned char header[QCOW2_HEADER];
    uint64_t size;
    if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header, "QFI\xfb", 4) != 0)
        return false;
    memcpy(&size, header + QCOW2_SIZE_AT, sizeof size);
    size = be64toh(size);
    *ret_size = size <= INT64_MAX ? (int64_t)size : 0;
    return true;
}

/* By nobody: no write bit (as in a package store), or a file system that is read-only. */
static bool is_written_by_somebody(const char *path, const struct stat *st)
{
    return (st->st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) &&
           !(access(path, W_OK) < 0 && errno == EROFS);
}

static int look(void *data, const char *path, struct import_file *ret, struct hm_error *err)
{
    struct stat st;
    (void)data;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
        int why = fd < 0 ? errno : 0;
        if (fd >= 0)
            close(fd);
        return hm_fail(
            err, HM_E_NOT_FOUND,
            "the disk %s: %s; run this on the host that has it, as a user who may read it", path,
            why ? strerror(why) : "is neither a file nor a block device");
    }
    *ret =
        (struct import_file){.size = st.st_size, .is_written = is_written_by_somebody(path, &st)};
    ret->is_qcow2 = read_qcow2(fd, &ret->size);
    close(fd);
    return 0;
}

/* -- The configuration ------------------------------------------------------------------------------ */

static char *folder_of(const char *path)
{
    HM_AUTOFREE char *real = realpath(path, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    return slash ? hm_strndup(real, slash == real ? 1 : (size_t)(slash - real)) : NULL;
}

/* A folder (of a store, say) holds it under its usual name. */
static char *config_path(const char *given)
{
    struct stat st;
    bool is_folder = stat(given, &st) == 0 && S_ISDIR(st.st_mode);
    return is_folder ? hm_printf("%s/" CONFIG_NAME, given) : hm_strdup(given);
}

/* What comes out must be what apply takes. */
static int check_documents(const json_t *docs, struct hm_error *err)
{
    size_t i;
    json_t *doc;
    json_array_foreach((json_t *)(uintptr_t)docs, i, doc)
    {
        json_t *given = json_copy(doc), *spec = NULL;
        const struct kind *kind = kind_find(json_string_value(json_object_get(doc, "kind")));
        json_object_del(given, "kind");
        json_object_del(given, "name");
        json_object_del(given, "site");
        int r = kind_verify(kind, given, &spec, NULL, err);
        json_decref(given);
        json_decref(spec);
        if (r < 0)
            return hm_wrap(err, "as a document of harmony it would be wrong");
    }
    return 0;
}

static int import(const struct invocation *in, const char *path, json_t **ret, struct hm_buf *notes,
                  struct hm_error *err)
{
    HM_AUTOFREE char *text = NULL, *folder = folder_of(path);
    struct tree tree = {0};
    size_t len = 0;
    struct vm_import options = {.name = flag_value(in, "name"),
                                .site = flag_value(in, "site"),
                                .network = flag_value(in, "network"),
                                .folder = folder,
                                .look = look};
    int r = hm_file_read(path, PROTO_MAX_BYTES, &text, &len, err);
    if (r >= 0)
        r = tree_parse(TREE_JSON, path, text, len, &tree, err);
    if (r < 0)
        return r;
    r = vm_import(json_array_get(tree.docs, 0), &options, ret, notes, err);
    tree_clear(&tree);
    if (r >= 0 && (r = check_documents(*ret, err)) < 0)
        json_decref(*ret);
    return r;
}

/* -- The command ------------------------------------------------------------------------------------- */

static void print_documents(struct invocation *in, json_t *docs)
{
    size_t i;
    json_t *doc;
    json_array_foreach(docs, i, doc)
    {
        HM_AUTOFREE char *text = json_dumps(doc, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        fprintf(in->out, "%s%s\n", i ? "---\n" : "", text);
    }
}

static void print_notes(struct invocation *in, struct hm_buf *notes)
{
    char *rest = notes->data ? notes->data : NULL, *line;
    while (rest && (line = strsep(&rest, "\n")) && *line)
        fprintf(in->err, "note: %s\n", line);
}

enum ctl_exit run_import(struct invocation *in)
{
    HM_AUTOFREE char *path = config_path(in->arguments[0]);
    struct hm_error err = {0};
    struct hm_buf notes = {0};
    json_t *docs = NULL;
    if (!flag_value(in, "name") || !flag_value(in, "site"))
        hm_fail(&err, HM_E_INVALID,
                "import needs --name and --site: what the VM is to be called, and where");
    int r = err.code ? -(int)err.code : import(in, path, &docs, &notes, &err);
    if (r >= 0) {
        print_documents(in, docs);
        print_notes(in, &notes);
        json_decref(docs);
    }
    hm_buf_free(&notes);
    return r < 0 ? report_error(in, &err) : CTL_OK;
}
