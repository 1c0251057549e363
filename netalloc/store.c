#include "netalloc/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"

#define DEFINITION_END ".network.json"

enum { DEFINITION_MAX = 2 << 20 };

void store_init(struct store *s, const char *state_dir)
{
    s->dir = hm_printf("%s/native", state_dir);
}

void store_clear(struct store *s)
{
    free(s->dir);
    s->dir = NULL;
}

int store_lock(const struct store *s, struct hm_error *err)
{
    int r = hm_mkdirs(s->dir, 0700, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *path = hm_printf("%s/lock", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return hm_fail(err, HM_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    while (flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        r = hm_fail(err, HM_E_IO, "%s: cannot be locked: %s", path, strerror(errno));
        close(fd);
        return r;
    }
    return fd;
}

/* -- Definitions ------------------------------------------------------------------------------- */

static char *definition_path(const struct store *s, const char *name)
{
    return hm_printf("%s/%s" DEFINITION_END, s->dir, name);
}

void definition_clear(struct definition *d)
{
    free(d->name);
    mark_clear(&d->mark);
    *d = (struct definition){0};
}

void definitions_clear(struct definitions *list)
{
    for (size_t i = 0; i < list->count; i++)
        definition_clear(&list->items[i]);
    free(list->items);
    *list = (struct definitions){0};
}

/* The spec is verified again: what this agent takes in it would have to be read by hand otherwise. */
static void verify_spec(struct mark *mark)
{
    json_t *spec = NULL;
    if (kind_verify(kind_find("network"), mark->spec, &spec, NULL, NULL) < 0)
        spec = NULL;
    json_decref(mark->spec);
    mark->spec = spec;
}

static void understand(const char *text, size_t len, struct definition *into)
{
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (mark_from_json(json_object_get(json, "mark"), kind_find("network")->fields, &into->mark,
                       NULL) >= 0)
        verify_spec(&into->mark);
    into->active = json_is_true(json_object_get(json, "active"));
    json_decref(json);
}

int store_read(const struct store *s, const char *name, struct definition *ret,
               struct hm_error *err)
{
    HM_AUTOFREE char *path = definition_path(s, name), *text = NULL;
    size_t len = 0;
    struct hm_error why;
    int r = hm_file_read(path, DEFINITION_MAX, &text, &len, &why);
    if (r == -(int)HM_E_NOT_FOUND)
        return 0;
    if (r < 0)
        return hm_fail(err, why.code, "network %s: %s", name, why.text);
    *ret = (struct definition){.name = hm_strdup(name)};
    understand(text, len, ret);
    return 1;
}

int store_write(const struct store *s, const struct definition *d, struct hm_error *err)
{
    HM_AUTOFREE char *path = definition_path(s, d->name);
    json_t *json = json_pack("{s:o, s:b}", "mark", mark_to_json(&d->mark), "active", d->active);
    HM_AUTOFREE char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    int r = hm_file_write_atomic(path, text, strlen(text), 0600, err);
    return r < 0 ? hm_wrap(err, "network %s", d->name) : 0;
}

static int remove_file(const char *path, const char *name, struct hm_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return hm_fail(err, HM_E_IO, "network %s: remove %s: %s", name, path, strerror(errno));
    return 0;
}

/* Does anyone still hold an address? Unknown counts as yes. */
static bool has_holders(const struct store *s, const char *name)
{
    struct pool pool = {0};
    bool holders = store_read_pool(s, name, &pool, NULL) < 0;
    for (size_t i = 0; i < pool.count; i++)
        holders |= !pool.items[i].given_back;
    pool_clear(&pool);
    return holders;
}

static char *pool_path(const struct store *s, const char *name)
{
    return hm_printf("%s/%s.addresses.json", s->dir, name);
}

/* A network that is replaced comes back: who holds an address on it keeps that. */
int store_remove(const struct store *s, const char *name, struct hm_error *err)
{
    HM_AUTOFREE char *definition = definition_path(s, name), *pool = pool_path(s, name);
    HM_AUTOFREE char *leases = store_leases_path(s, name);
    int r = 0;
    if (!has_holders(s, name)) {
        r = remove_file(pool, name, err);
        if (r >= 0)
            r = remove_file(leases, name, err);
    }
    return r < 0 ? r : remove_file(definition, name, err);
}

/* "lan.network.json" -> "lan"; NULL: not a definition. The caller's. */
static char *name_in(const char *file)
{
    size_t len = strlen(file), end = strlen(DEFINITION_END);
    if (len <= end || strcmp(file + len - end, DEFINITION_END) != 0)
        return NULL;
    char *name = hm_strndup(file, len - end);
    if (name_is_valid(name))
        return name;
    free(name);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct definition *)a)->name, ((const struct definition *)b)->name);
}

static int add_definition(const struct store *s, const char *name, struct definitions *list,
                          struct hm_error *err)
{
    struct definition d = {0};
    int r = store_read(s, name, &d, err);
    if (r <= 0)
        return r;
    list->items = hm_realloc_array(list->items, list->count + 1, sizeof d);
    list->items[list->count++] = d;
    return 0;
}

int store_list(const struct store *s, struct definitions *ret, struct hm_error *err)
{
    DIR *dir = opendir(s->dir);
    if (!dir && errno == ENOENT) {
        *ret = (struct definitions){0};
        return 0;
    }
    if (!dir)
        return hm_fail(err, HM_E_IO, "%s: cannot be listed: %s", s->dir, strerror(errno));
    struct definitions list = {0};
    int r = 0;
    const struct dirent *e;
    while (r >= 0 && (e = hm_next_entry(dir))) {
        HM_AUTOFREE char *name = name_in(e->d_name);
        if (name)
            r = add_definition(s, name, &list, err);
    }
    if (r >= 0 && errno)
        r = hm_fail(err, HM_E_IO, "%s: cannot be listed: %s", s->dir, strerror(errno));
    closedir(dir);
    if (r < 0) {
        definitions_clear(&list);
        return r;
    }
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, by_name);
    *ret = list;
    return 0;
}

/* -- Pools ------------------------------------------------------------------------------------- */

int store_read_pool(const struct store *s, const char *name, struct pool *ret, struct hm_error *err)
{
    HM_AUTOFREE char *path = pool_path(s, name), *text = NULL;
    size_t len = 0;
    struct hm_error why;
    int r = hm_file_read(path, POOL_RECORD_MAX, &text, &len, &why);
    if (r == -(int)HM_E_NOT_FOUND) {
        *ret = (struct pool){0};
        return 0;
    }
    if (r >= 0)
        r = pool_from_text(text, len, ret, &why);
    if (r >= 0)
        return 0;
    return hm_fail(
        err, why.code,
        "network %s: %s: %s; move the file away to begin anew: no address is given until "
        "then",
        name, path, why.text);
}

int store_write_pool(const struct store *s, const char *name, const struct pool *pool,
                     struct hm_error *err)
{
    HM_AUTOFREE char *path = pool_path(s, name), *text = pool_to_text(pool);
    int r = hm_file_write_atomic(path, text, strlen(text), 0600, err);
    return r < 0 ? hm_wrap(err, "network %s", name) : 0;
}

char *store_leases_path(const struct store *s, const char *name)
{
    return hm_printf("%s/%s.leases", s->dir, name);
}
