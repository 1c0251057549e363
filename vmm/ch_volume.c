#include "vmm/ch_volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/qemu_img.h"

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static int drop_file(const char *path, struct hm_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return hm_fail(err, HM_E_IO, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}

/* -- Making --------------------------------------------------------------------------------------- */

static int write_mark(const struct ch_volume_wish *w, enum volume_state state, struct hm_error *err)
{
    struct order o = *w->order;
    struct volume_mark m = {.state = state, .backing = w->backing ? hm_strdup(w->backing) : NULL};
    o.spec = w->spec;
    mark_of_order(&o, &m.mark);
    int r = volume_mark_write(w->dir, w->volume, &m, err);
    volume_mark_clear(&m);
    return r < 0 ? hm_wrap(err, "volume %s: mark it as ours", w->volume) : 0;
}

static int grow(const struct ch_volume_wish *w, const char *path, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(path, w->format, &info, err);
    if (r >= 0)
        r = image_info_check(&info, path, w->backing, err);
    bool is_smaller = r >= 0 && info.size < w->bytes;
    image_info_clear(&info);
    return r < 0 || !is_smaller ? r : qemu_img_grow(path, w->format, w->bytes, err);
}

static int make(const struct ch_volume_wish *w, const char *path, struct hm_error *err)
{
    int r = write_mark(w, VOLUME_MAKING, err);
    if (r >= 0)
        r = drop_file(path, err);
    if (r < 0)
        return r;
    if (w->base)
        r = qemu_img_copy(w->base, w->base_format, path, w->format, err);
    else
        r = qemu_img_create(path, w->format, w->bytes, w->backing, w->backing_format, err);
    if (r >= 0 && w->base)
        r = grow(w, path, err);
    return r < 0 ? r : write_mark(w, VOLUME_MADE, err);
}

static int keep(const struct ch_volume_wish *w, const char *path, const struct volume_mark *m,
                struct hm_error *err)
{
    struct order o = *w->order;
    o.spec = w->spec;
    int r = mark_check(&m->mark, &o, err);
    if (r < 0)
        return r;
    if (m->apply)
        return hm_fail(
            err, HM_E_REFUSED,
            "volume %s: a snapshot that was being applied to it has not been; apply it again",
            w->volume);
    if (!is_there(path))
        return hm_fail(
            err, HM_E_NOT_FOUND,
            "volume %s was made and has vanished; put its file %s back, or remove its mark to "
            "begin with an empty one",
            w->volume, path);
    return w->is_open ? 0 : grow(w, path, err);
}

/* A file of that name without a mark is somebody's. */
static int take_unmarked(const struct ch_volume_wish *w, const char *path, struct hm_error *err)
{
    if (!spec_bool(w->order->spec, "adopt"))
        return hm_fail(err, HM_E_CONFLICT,
                       "%s exists and harmony did not make it; move it away, or set adopt: true",
                       path);
    int r = grow(w, path, err);
    return r < 0 ? r : write_mark(w, VOLUME_MADE, err);
}

static int ensure(const struct ch_volume_wish *w, const char *path, struct hm_error *err)
{
    struct volume_mark m = {0};
    int marked = volume_mark_read(w->dir, w->volume, &m, err), r = marked;
    if (marked > 0 && m.state == VOLUME_MADE)
        r = keep(w, path, &m, err);
    else if (marked > 0)
        r = mark_check(&m.mark, w->order, err);
    if (r >= 0 && marked > 0 && m.state != VOLUME_MADE)
        r = make(w, path, err);
    else if (r >= 0 && marked == 0)
        r = is_there(path) ? take_unmarked(w, path, err) : make(w, path, err);
    volume_mark_clear(&m);
    return r;
}

int ch_volume_ensure(const struct ch_volume_wish *w, char **ret_path, struct hm_error *err)
{
    char *path = hm_printf("%s/%s", w->dir, w->volume);
    int r = hm_mkdirs(w->dir, 0711, err);
    if (r >= 0)
        r = ensure(w, path, err);
    if (r < 0)
        free(path);
    else
        *ret_path = path;
    return r < 0 ? r : 0;
}

/* -- Removing ------------------------------------------------------------------------------------- */

int ch_volume_remove(const char *dir, const char *volume, const struct order *order,
                     struct hm_error *err)
{
    struct volume_mark m = {0};
    HM_AUTOFREE char *path = hm_printf("%s/%s", dir, volume);
    int marked = volume_mark_read(dir, volume, &m, err), r = marked;
    if (marked > 0)
        r = mark_check_ours(&m.mark, order, err);
    if (marked > 0 && r >= 0) {
        m.state = VOLUME_REMOVING;
        r = volume_mark_write(dir, volume, &m, err);
    }
    if (marked > 0 && r >= 0)
        r = hm_file_remove(path, err);
    if (marked > 0 && r >= 0)
        r = volume_mark_remove(dir, volume, err);
    volume_mark_clear(&m);
    return r < 0 ? r : marked == 0;
}
