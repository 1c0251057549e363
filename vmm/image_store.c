#include "vmm/image_store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"

#define MARK_SUFFIX  ".image.json"
#define CLAIM_SUFFIX ".vm.json"
#define FILE_SUFFIX  ".image"
#define PART_SUFFIX  ".part"

/* A mark is read, changed and written; its verbs and its download do that on threads of their own. */
static pthread_mutex_t marks_lock = PTHREAD_MUTEX_INITIALIZER;

/* -- Names ---------------------------------------------------------------------------------------- */

char *image_store_path(const char *image_dir)
{
    return hm_printf("%s/" IMAGE_STORE_FOLDER, image_dir);
}

int image_store_make(const char *store, struct hm_error *err)
{
    return hm_mkdirs(store, 0711, err); /* QEMU finds what it is told of, and lists nothing */
}

char *image_store_file(const char *store, const char *sha256)
{
    return hm_printf("%s/%s" FILE_SUFFIX, store, sha256);
}

char *image_store_part(const char *store, const char *sha256)
{
    return hm_printf("%s/%s" PART_SUFFIX, store, sha256);
}

bool image_store_has(const char *store, const char *sha256)
{
    HM_AUTOFREE char *path = image_store_file(store, sha256);
    return *sha256 && access(path, F_OK) == 0;
}

static bool ends_in(const char *file, const char *suffix)
{
    size_t len = strlen(file), end = strlen(suffix);
    return len > end && !strcmp(file + len - end, suffix);
}

/* NAME of "NAME.image.json"; NULL: it is something else. The caller frees it. */
static char *name_in(const char *file, const char *suffix)
{
    if (!ends_in(file, suffix))
        return NULL;
    char *name = hm_strndup(file, strlen(file) - strlen(suffix));
    if (name_is_valid(name))
        return name;
    free(name);
    return NULL;
}

/* HASH of "HASH.image", "HASH.part" and "HASH.part.json". */
static bool hash_in(const char *file, char ret[SHA256_TEXT + 1])
{
    static const char *const suffixes[] = {FILE_SUFFIX, PART_SUFFIX, PART_SUFFIX ".json", NULL};
    if (strlen(file) < SHA256_TEXT)
        return false;
    memcpy(ret, file, SHA256_TEXT);
    ret[SHA256_TEXT] = '\0';
    for (const char *const *s = suffixes; *s; s++)
        if (!strcmp(file + SHA256_TEXT, *s))
            return sha256_is_valid(ret);
    return false;
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* -- Marks ---------------------------------------------------------------------------------------- */

void image_mark_clear(struct image_mark *m)
{
    mark_clear(&m->mark);
    *m->sha256 = '\0';
}

static char *mark_path(const char *store, const char *name)
{
    return hm_printf("%s/%s" MARK_SUFFIX, store, name);
}

/* What the document says is so; what was learnt counts only without that. */
static void take_sha256(struct image_mark *m, const json_t *json)
{
    const char *said = spec_str(m->mark.spec, "sha256");
    const char *learnt = json_string_value(json_object_get(json, "sha256"));
    const char *text = said ? said : learnt ? learnt : "";
    if (!sha256_is_valid(text))
        return;
    memcpy(m->sha256, text, sizeof m->sha256);
    lower(m->sha256);
}

int image_mark_read(const char *store, const char *name, struct image_mark *ret,
                    struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(store, name);
    HM_AUTOFREE char *text = NULL;
    struct image_mark m = {0};
    size_t len = 0;
    int r = hm_file_read(path, 2 * PROTO_MAX_BYTES, &text, &len, err);
    if (r < 0)
        return r == -HM_E_NOT_FOUND ? 0 : r;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    r = mark_from_json(json, kind_find("image-file")->fields, &m.mark, err);
    if (r >= 0)
        take_sha256(&m, json);
    json_decref(json);
    if (r < 0)
        return hm_fail(err, HM_E_CONFLICT,
                       "the mark %s can't be read; repair it, or remove it to give the image up",
                       path);
    *ret = m;
    return 1;
}

static int write_mark(const char *store, const char *name, const struct mark *m, const char *sha256,
                      struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(store, name);
    json_t *json = mark_to_json(m);
    if (*sha256)
        json_object_set_new(json, "sha256", json_string(sha256));
    HM_AUTOFREE char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

int image_mark_write(const char *store, const char *name, const struct mark *m, const char *sha256,
                     struct hm_error *err)
{
    pthread_mutex_lock(&marks_lock);
    int r = write_mark(store, name, m, sha256, err);
    pthread_mutex_unlock(&marks_lock);
    return r;
}

int image_mark_learn(const char *store, const char *name, const char *sha256, struct hm_error *err)
{
    struct image_mark m = {0};
    pthread_mutex_lock(&marks_lock);
    int r = image_mark_read(store, name, &m, err);
    if (r > 0 && strcmp(m.sha256, sha256) != 0)
        r = write_mark(store, name, &m.mark, sha256, err);
    pthread_mutex_unlock(&marks_lock);
    image_mark_clear(&m);
    return r < 0 ? r : 0;
}

static int remove_file(const char *path, struct hm_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return hm_fail(err, HM_E_IO, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}

int image_mark_remove(const char *store, const char *name, struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(store, name);
    pthread_mutex_lock(&marks_lock);
    int r = remove_file(path, err);
    pthread_mutex_unlock(&marks_lock);
    return r;
}

/* -- Reading it as a whole ------------------------------------------------------------------------ */

/* Each file of the store; a store that was never made is empty. */
static int each_file(const char *store, int (*visit)(void *data, const char *file), void *data,
                     struct hm_error *err)
{
    DIR *dir = opendir(store);
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return hm_fail(err, HM_E_IO, "cannot open %s: %s", store, strerror(errno));
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(dir));)
        r = visit(data, e->d_name);
    closedir(dir);
    return r < 0 ? r : 0;
}

struct each_image {
    int (*visit)(void *data, const char *name);
    void *data;
};

static int visit_image(void *data, const char *file)
{
    const struct each_image *each = data;
    HM_AUTOFREE char *name = name_in(file, MARK_SUFFIX);
    return name ? each->visit(each->data, name) : 0;
}

int image_store_each(const char *store, int (*visit)(void *data, const char *name), void *data,
                     struct hm_error *err)
{
    struct each_image each = {visit, data};
    return each_file(store, visit_image, &each, err);
}

/* -- Use ------------------------------------------------------------------------------------------ */

void image_file_clear(struct image_file *f)
{
    free(f->path);
    free(f->format);
    *f = (struct image_file){0};
}

int image_store_find(const char *image_dir, const char *name, struct image_file *ret,
                     struct hm_error *err)
{
    HM_AUTOFREE char *store = image_store_path(image_dir);
    struct image_mark m = {0};
    int found = image_mark_read(store, name, &m, err);
    if (found < 0)
        return found;
    if (found == 0)
        return hm_fail(err, HM_E_NOT_FOUND,
                       "image-file %s does not exist (yet); declare it as a document of kind "
                       "image-file",
                       name);
    int r = 0;
    if (image_store_has(store, m.sha256))
        *ret = (struct image_file){.path = image_store_file(store, m.sha256),
                                   .format = hm_strdup(spec_str(m.mark.spec, "format"))};
    else
        r = hm_fail(err, HM_E_IN_PROGRESS, "image-file %s is not complete yet", name);
    if (r == 0)
        memcpy(ret->sha256, m.sha256, sizeof ret->sha256);
    image_mark_clear(&m);
    return r;
}

/* -- What VMs need -------------------------------------------------------------------------------- */

static char *claim_path(const char *store, const char *vm)
{
    return hm_printf("%s/%s" CLAIM_SUFFIX, store, vm);
}

int image_store_claim(const char *store, const char *vm, const json_t *sha256s,
                      struct hm_error *err)
{
    HM_AUTOFREE char *path = claim_path(store, vm);
    if (json_array_size(sha256s) == 0)
        return remove_file(path, err);
    HM_AUTOFREE char *text = json_dumps(sha256s, JSON_INDENT(1));
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

/* NULL: it is there and can't be read. */
static json_t *read_claims(const char *store, const char *vm)
{
    HM_AUTOFREE char *path = claim_path(store, vm);
    HM_AUTOFREE char *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, PROTO_MAX_BYTES, &text, &len, NULL);
    if (r == -HM_E_NOT_FOUND)
        return json_array();
    json_t *list = r < 0 ? NULL : json_loadb(text, len, 0, NULL);
    bool good = json_is_array(list);
    for (size_t i = 0; i < json_array_size(list); i++)
        good &= json_is_string(json_array_get(list, i));
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

json_t *image_store_claims(const char *store, const char *vm)
{
    json_t *list = read_claims(store, vm);
    return list ? list : json_array();
}

/* -- What nobody needs ---------------------------------------------------------------------------- */

struct collection {
    const char *store;
    json_t *needed; /* checksum -> null */
    bool (*is_busy)(void *data, const char *sha256);
    void *data;
    struct hm_error *err;
};

static int need_image(void *data, const char *name)
{
    struct collection *c = data;
    struct image_mark m = {0};
    int r = image_mark_read(c->store, name, &m, c->err);
    if (r > 0 && *m.sha256)
        json_object_set_new(c->needed, m.sha256, json_null());
    image_mark_clear(&m);
    return r;
}

static int need_claims(struct collection *c, const char *vm)
{
    json_t *list = read_claims(c->store, vm);
    size_t i;
    json_t *sha256;
    json_array_foreach(list, i, sha256)
    {
        if (json_is_string(sha256))
            json_object_set_new(c->needed, json_string_value(sha256), json_null());
    }
    json_decref(list);
    return list ? 0
                : hm_fail(c->err, HM_E_CONFLICT, "what vm %s needs of %s can't be read", vm,
                          c->store);
}

/* Whoever it is for: what is not understood must not lose its image. */
static char *claimer_in(const char *file)
{
    return ends_in(file, CLAIM_SUFFIX) ? hm_strndup(file, strlen(file) - strlen(CLAIM_SUFFIX))
                                       : NULL;
}

static int note_needed(void *data, const char *file)
{
    struct collection *c = data;
    HM_AUTOFREE char *image = name_in(file, MARK_SUFFIX), *claimer = claimer_in(file);
    return image ? need_image(c, image) : claimer ? need_claims(c, claimer) : 0;
}

static int remove_unneeded(void *data, const char *file)
{
    struct collection *c = data;
    char sha256[SHA256_TEXT + 1];
    if (!hash_in(file, sha256) || json_object_get(c->needed, sha256) ||
        (c->is_busy && c->is_busy(c->data, sha256)))
        return 0;
    HM_AUTOFREE char *path = hm_printf("%s/%s", c->store, file);
    return remove_file(path, c->err);
}

bool image_store_needs(const char *store, const char *sha256)
{
    struct collection c = {.store = store, .needed = json_object()};
    bool needs = each_file(store, note_needed, &c, NULL) < 0 || json_object_get(c.needed, sha256);
    json_decref(c.needed);
    return needs;
}

int image_store_collect(const char *store, bool (*is_busy)(void *data, const char *sha256),
                        void *data, struct hm_error *err)
{
    struct collection c = {store, json_object(), is_busy, data, err};
    int r = each_file(store, note_needed, &c, err);
    if (r >= 0)
        r = each_file(store, remove_unneeded, &c, err);
    json_decref(c.needed);
    return r;
}
