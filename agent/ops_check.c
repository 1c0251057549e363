/* check: what only the host itself can say for `harmonyctl doctor`: its clock, and room on its disks. */
#include <stdlib.h>
#include <string.h>

#include "agent/op.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

enum { FOLDERS = 2 };

/* A disk that hangs holds up one of uv's threads, not the loop. */
struct checking {
    struct op *op;
    uv_fs_t request;
    unsigned next;
    struct {
        const char *what, *path;
    } folders[FOLDERS];
    json_t *disks;
};

static void look(struct checking *c);

static void add_disk(struct checking *c, const uv_fs_t *request)
{
    const uv_statfs_t *fs = request->ptr;
    json_t *disk =
        json_pack("{s:s, s:s}", "what", c->folders[c->next].what, "path", c->folders[c->next].path);
    if (request->result < 0) {
        json_object_set_new(disk, "error", json_string(uv_strerror((int)request->result)));
    } else {
        json_object_set_new(disk, "free", json_integer(hm_blocks_bytes(fs->f_bavail, fs->f_bsize)));
        json_object_set_new(disk, "size", json_integer(hm_blocks_bytes(fs->f_blocks, fs->f_bsize)));
    }
    json_array_append_new(c->disks, disk);
}

static void finish(struct checking *c)
{
    if (!op_is_over(c->op))
        op_finish(c->op, json_pack("{s:s, s:s, s:I, s:O}", "site", op_site(c->op)->site, "version",
                                   HM_VERSION, "time_ms", (json_int_t)(hm_wall_ns() / HM_MS),
                                   "disks", c->disks));
    op_release(c->op);
    json_decref(c->disks);
    free(c);
}

static void on_statfs(uv_fs_t *request)
{
    struct checking *c = request->data;
    add_disk(c, request);
    uv_fs_req_cleanup(request);
    c->next++;
    if (c->next < FOLDERS && !op_is_over(c->op))
        look(c);
    else
        finish(c);
}

static void look(struct checking *c)
{
    uv_fs_statfs(op_site(c->op)->loop, &c->request, c->folders[c->next].path, on_statfs);
}

void op_begin_check(struct op *op)
{
    struct checking *c = hm_alloc(sizeof *c);
    const struct ops_options *site = op_site(op);
    *c = (struct checking){.op = op,
                           .folders = {{"images", site->image_dir}, {"state", site->state_dir}},
                           .disks = json_array()};
    c->request.data = c;
    op_hold(op);
    look(c);
}
