/* A driver on test:///default with a folder of its own for images; shared by the tests of verbs. */
#ifndef HM_TESTS_UNIT_VMM_DRIVER_FIXTURE_H
#define HM_TESTS_UNIT_VMM_DRIVER_FIXTURE_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/libvirt.h"

struct fixture {
    const struct driver *driver;
    void *self;
    char image_dir[64];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int changes; /* calls of on_change, under the lock */
};
static struct fixture fx;

static void on_change(void *data)
{
    struct fixture *f = data;
    pthread_mutex_lock(&f->lock);
    f->changes++;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline int changes_so_far(void)
{
    pthread_mutex_lock(&fx.lock);
    int changes = fx.changes;
    pthread_mutex_unlock(&fx.lock);
    return changes;
}

/* Until on_change was called again; check's own timeout ends a wait for ever. */
static inline void wait_for_change(int since)
{
    pthread_mutex_lock(&fx.lock);
    while (fx.changes <= since)
        pthread_cond_wait(&fx.changed, &fx.lock);
    pthread_mutex_unlock(&fx.lock);
}

static void *open_instance(void)
{
    struct driver_options options = {.uri = "test:///default",
                                     .image_dir = fx.image_dir,
                                     .accel = "auto",
                                     .site = "site-a",
                                     .on_change = on_change,
                                     .data = &fx};
    struct hm_error err = {0};
    void *self = NULL;
    ck_assert_msg(fx.driver->open(&options, &self, &err) >= 0, "%s", err.text);
    return self;
}

static void setup(void)
{
    fx = (struct fixture){.driver = &libvirt_driver,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER};
    strcpy(fx.image_dir, "/tmp/harmony-images.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx.image_dir));
    fx.self = open_instance();
}

static void teardown(void)
{
    fx.driver->close(fx.self);
    char *argv = hm_printf("rm -rf '%s'", fx.image_dir);
    ck_assert_int_eq(system(argv), 0);
    free(argv);
}

/* An order for site-a (or primary), with its spec verified as the agent's is. */
struct given {
    struct order order;
    struct doc doc;
    char key[DOC_KEY_MAX + 1];
};

static struct given *given_at(const char *where, const char *kind, const char *name,
                              const char *text)
{
    struct given *g = hm_alloc(sizeof *g);
    struct hm_error err = {0};
    snprintf(g->key, sizeof g->key, "%s.%s.%s", where, kind, name);
    if (text)
        ck_assert_msg(doc_from_value(g->key, text, strlen(text), &g->doc, &err) >= 0, "%s",
                      err.text);
    g->order = (struct order){.kind = kind,
                              .name = name,
                              .key = g->key,
                              .site = "site-a",
                              .spec = g->doc.spec,
                              .grace_ms = 5000,
                              .primary = !strcmp(where, "primary")};
    return g;
}

static struct given *given(const char *kind, const char *name, const char *text)
{
    return given_at("site-a", kind, name, text);
}

static void forget(struct given *g)
{
    doc_clear(&g->doc);
    free(g);
}

typedef int (*verb)(void *, const struct order *, struct hm_error *);

/* One verb on one document; returns what the verb did. */
static inline int call(verb v, const char *kind, const char *name, const char *text,
                       struct hm_error *err)
{
    struct given *g = given(kind, name, text);
    int r = v(fx.self, &g->order, err);
    forget(g);
    return r;
}

#define ck_call(v, kind, name, spec_text)                                                          \
    do {                                                                                           \
        struct hm_error err_ = {0};                                                                \
        int r_ = call(fx.driver->v, kind, name, spec_text, &err_);                                 \
        ck_assert_msg(r_ >= 0, #v " %s: %s", name, err_.text);                                     \
    } while (0)

#define ck_call_fails(v, kind, name, spec_text, wanted)                                            \
    do {                                                                                           \
        struct hm_error err_ = {0};                                                                \
        int r_ = call(fx.driver->v, kind, name, spec_text, &err_);                                 \
        ck_assert_msg(r_ == -(wanted), #v " %s: %d: %s", name, r_, err_.text);                     \
    } while (0)

static inline struct things observe(void)
{
    struct things found = {0};
    struct hm_error err = {0};
    ck_assert_msg(fx.driver->observe(fx.self, &found, &err) >= 0, "%s", err.text);
    return found;
}

static inline const struct thing *find(const struct things *list, const char *kind,
                                       const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].kind, kind) && !strcmp(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

static inline enum thing_state state_of(const char *kind, const char *name)
{
    struct things all = observe();
    const struct thing *t = find(&all, kind, name);
    enum thing_state state = t ? t->state : THING_ABSENT;
    things_clear(&all);
    return state;
}

#endif
