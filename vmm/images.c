#include "vmm/images.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "proto/render.h"
#include "vmm/image_download.h"
#include "vmm/image_store.h"
#include "vmm/thing.h"

enum { STALL_MS = 60000 }; /* unless the options say otherwise */

/* What observe() saw last, so that what did not change is the same shared copy again. */
struct memory {
    struct thing_shared *shared;
    enum thing_state state;
};

struct images {
    char *store, *ca_file, *site;
    int64_t stall_ms;
    void (*on_change)(void *data);
    void *data;
    atomic_bool changed; /* a download went on or ended, or a verb changed something */
    int64_t seen_ns;     /* of observe() alone: mtime of the folder at the last look; -1: none */
    struct memory *memories;
    size_t memory_count;
};

/* -- Life ----------------------------------------------------------------------------------------- */

static int check_options(const struct driver_options *options, struct hm_error *err)
{
    (void)options, (void)err;
    return 0; /* paths, verified with the configuration */
}

static void on_download(void *data)
{
    struct images *s = data;
    atomic_store(&s->changed, true);
    if (s->on_change)
        s->on_change(s->data);
}

static int open_store(const struct driver_options *options, void **ret_self, struct hm_error *err)
{
    struct images *s = hm_alloc(sizeof *s);
    (void)err;
    *s = (struct images){
        .store = image_store_path(options->image_dir),
        .ca_file = options->image_ca ? hm_strdup(options->image_ca) : NULL,
        .site = hm_strdup(options->site),
        .stall_ms = options->image_stall_ms ? options->image_stall_ms : STALL_MS,
        .on_change = options->on_change,
        .data = options->data,
        .seen_ns = -1,
    };
    image_download_listen(on_download, s);
    *ret_self = s;
    return 0;
}

static void forget_things(struct images *s)
{
    for (size_t i = 0; i < s->memory_count; i++)
        thing_shared_unref(s->memories[i].shared);
    free(s->memories);
    s->memories = NULL;
    s->memory_count = 0;
}

static void close_store(void *self)
{
    struct images *s = self;
    image_download_unlisten(on_download, s);
    forget_things(s);
    free(s->store);
    free(s->ca_file);
    free(s->site);
    free(s);
}

static bool is_alive(void *self)
{
    (void)self;
    return true;
}

static int probe(void *self, json_t **ret_facts, struct hm_error *err)
{
    const struct images *s = self;
    struct statvfs fs;
    HM_AUTOFREE char *above = hm_strndup(s->store, (size_t)(strrchr(s->store, '/') - s->store));
    (void)err;
    *ret_facts = json_pack("{s:s}", "store", s->store);
    if (statvfs(s->store, &fs) == 0 || statvfs(above, &fs) == 0)
        json_object_set_new(*ret_facts, "free",
                            json_integer(hm_blocks_bytes(fs.f_bavail, fs.f_frsize)));
    return 0;
}

/* -- Observe -------------------------------------------------------------------------------------- */

static struct image_source source_of(const struct images *s, const char *name, const json_t *spec)
{
    return (struct image_source){.store = s->store,
                                 .url = spec_str(spec, "url"),
                                 .sha256 = spec_str(spec, "sha256"),
                                 .sha256_url = spec_str(spec, "sha256_url"),
                                 .name = name,
                                 .ca_file = s->ca_file,
                                 .stall_ms = s->stall_ms};
}

/* "downloading, 43 % of 2.3GiB" */
static char *progress_words(const struct image_progress *p)
{
    char total[RENDER_NUMBER_MAX];
    if (p->total <= 0)
        return hm_strdup(p->doing);
    render_number(FIELD_SIZE, p->total, total);
    return hm_printf("%s, %d %% of %s", p->doing, (int)(p->bytes * 100 / p->total), total);
}

static void add_progress(struct thing *t, const struct image_progress *p)
{
    t->reason = progress_words(p);
    json_object_set_new(t->details, "bytes", json_integer(p->bytes));
    if (p->total <= 0)
        return;
    json_object_set_new(t->details, "total", json_integer(p->total));
    json_object_set_new(t->details, "percent", json_integer(p->bytes * 100 / p->total));
}

static void add_file(const struct images *s, struct thing *t, const char *sha256)
{
    HM_AUTOFREE char *path = image_store_file(s->store, sha256);
    struct stat st;
    json_object_set_new(t->details, "path", json_string(path));
    if (stat(path, &st) == 0)
        json_object_set_new(t->details, "bytes", json_integer(st.st_size));
}

static enum thing_state add_state(const struct images *s, struct thing *t,
                                  const struct image_mark *m)
{
    struct image_source source = source_of(s, t->name, t->spec);
    struct image_progress progress;
    if (*m->sha256)
        json_object_set_new(t->details, "sha256", json_string(m->sha256));
    if (image_store_has(s->store, m->sha256)) {
        add_file(s, t, m->sha256);
        return THING_RUNNING;
    }
    if (!image_download_progress(&source, &progress))
        return THING_OFF;
    add_progress(t, &progress);
    return THING_MAKING;
}

static void remember(struct images *s, struct thing *t, enum thing_state state)
{
    s->memories = hm_realloc_array(s->memories, s->memory_count + 1, sizeof *s->memories);
    s->memories[s->memory_count++] = (struct memory){thing_shared_new(t), state};
}

/* A mark that can't be read is told by the verb that needs it. */
static int see_image(void *data, const char *name)
{
    struct images *s = data;
    struct image_mark m = {0};
    if (image_mark_read(s->store, name, &m, NULL) <= 0)
        return 0;
    struct thing t = {.kind = hm_strdup("image-file"),
                      .name = hm_strdup(name),
                      .marked = true,
                      .mark_site = m.mark.site,
                      .mark_key = m.mark.key,
                      .mark_hash = m.mark.hash,
                      .spec = m.mark.spec,
                      .details = json_object()};
    enum thing_state state = add_state(s, &t, &m);
    m.mark = (struct mark){.made = m.mark.made}; /* the thing's now */
    image_mark_clear(&m);
    remember(s, &t, state);
    return 0;
}

static int64_t folder_changed_ns(const struct images *s)
{
    struct stat st;
    if (stat(s->store, &st) < 0)
        return 0;
    return hm_file_changed_ns(&st);
}

/* Its progress is told now and then only, and asked whenever somebody looks. */
static bool is_any_in_the_making(const struct images *s)
{
    for (size_t i = 0; i < s->memory_count; i++)
        if (s->memories[i].state == THING_MAKING)
            return true;
    return false;
}

static int look(struct images *s, struct hm_error *err)
{
    int64_t changed_ns = folder_changed_ns(s); /* a change meanwhile is seen the next time */
    bool same = !atomic_exchange(&s->changed, false) && changed_ns == s->seen_ns &&
                !is_any_in_the_making(s);
    if (same)
        return 0;
    forget_things(s);
    s->seen_ns = -1;
    int r = image_store_each(s->store, see_image, s, err);
    if (r >= 0)
        s->seen_ns = changed_ns;
    return r;
}

static int observe(void *self, struct things *ret, struct hm_error *err)
{
    struct images *s = self;
    int r = look(s, err);
    for (size_t i = 0; r >= 0 && i < s->memory_count; i++) {
        struct thing view = thing_view(s->memories[i].shared, s->memories[i].state, NULL);
        things_add(ret, &view);
    }
    return r;
}

/* -- Verbs ---------------------------------------------------------------------------------------- */

/* The mark first, so that what comes is somebody's. */
static int mark_as_ours(const struct images *s, const struct order *o, struct hm_error *err)
{
    struct image_mark before = {0};
    struct mark mark;
    int r = image_store_make(s->store, err);
    int found = r < 0 ? r : image_mark_read(s->store, o->name, &before, err);
    r = found > 0 ? mark_check(&before.mark, o, err) : found;
    if (r < 0) {
        image_mark_clear(&before);
        return r;
    }
    bool same_file = found > 0 && !spec_str(o->spec, "sha256") &&
                     !strcmp(spec_str(before.mark.spec, "url"), spec_str(o->spec, "url"));
    mark_of_order(o, &mark);
    if (!before.mark.hash || strcmp(before.mark.hash, mark.hash) != 0)
        r = image_mark_write(s->store, o->name, &mark, same_file ? before.sha256 : "", err);
    mark_clear(&mark);
    image_mark_clear(&before);
    return r;
}

static int bring(const struct images *s, const struct order *o, struct hm_error *err)
{
    struct image_source source = source_of(s, o->name, o->spec);
    struct image_mark m = {0};
    char sha256[SHA256_TEXT + 1];
    int r = image_mark_read(s->store, o->name, &m, err);
    bool there = r > 0 && image_store_has(s->store, m.sha256);
    image_mark_clear(&m);
    if (r < 0 || there)
        return r < 0 ? r : 0;
    r = image_download(&source, sha256, err);
    return r < 0 ? r : image_mark_learn(s->store, o->name, sha256, err);
}

static int ensure(void *self, const struct order *o, struct hm_error *err)
{
    struct images *s = self;
    int r = mark_as_ours(s, o, err);
    if (r >= 0)
        r = bring(s, o, err);
    atomic_store(&s->changed, true);
    return r < 0 ? hm_wrap(err, "image-file %s", o->name) : 0;
}

/* It runs nothing. */
static int nothing(void *self, const struct order *o, struct hm_error *err)
{
    (void)self, (void)o, (void)err;
    return 0;
}

static int give_up(struct images *s, const struct order *o, const struct image_mark *m,
                   struct hm_error *err)
{
    struct image_source source = source_of(s, o->name, m->mark.spec);
    int r = image_mark_remove(s->store, o->name, err);
    if (r >= 0 && (!*m->sha256 || !image_store_needs(s->store, m->sha256)))
        image_download_abort(&source);
    return r < 0 ? r : image_store_collect(s->store, image_download_is_busy, NULL, err);
}

static int remove_image(void *self, const struct order *o, struct hm_error *err)
{
    struct images *s = self;
    struct image_mark m = {0};
    int found = image_mark_read(s->store, o->name, &m, err);
    int r = found > 0 ? mark_check_ours(&m.mark, o, err) : found;
    if (found > 0 && r >= 0)
        r = give_up(s, o, &m, err);
    image_mark_clear(&m);
    atomic_store(&s->changed, true);
    if (r < 0)
        return hm_wrap(err, "image-file %s", o->name);
    return found == 0;
}

static const char *const kinds[] = {"image-file", NULL};

const struct driver images_driver = {
    .name = "images",
    .kinds = kinds,
    .check_options = check_options,
    .open = open_store,
    .close = close_store,
    .probe = probe,
    .observe = observe,
    .create = ensure,
    .update = ensure,
    .start = ensure,
    .stop = nothing,
    .kill = nothing,
    .verify_stopped = nothing,
    .remove = remove_image,
    .is_alive = is_alive,
};
