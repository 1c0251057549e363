#include "agent/marks.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "proto/heartbeat.h"
#include "proto/text.h"

enum { FILE_MAX = 64 * 1024 };

/* What comes to stand in a heartbeat has the bounds of one: beyond them nobody could read it. */
#define COUNT .type = FIELD_INT, .max = (int64_t)HB_EPOCH_MAX

static const struct field fields[] = {
    {.name = "epoch", COUNT, .required = true, .help = "highest epoch seen"},
    {.name = "revision", .type = FIELD_INT, .required = true, .help = "highest revision seen"},
    {.name = "bucket_created_ns",
     .type = FIELD_INT,
     .required = true,
     .help = "creation time of the bucket that epoch and revision belong to"},
    {.name = "config_revision",
     COUNT,
     .required = true,
     .help = "revision of the last cluster_config that was accepted; 0: none"},
    {.name = "config",
     .type = FIELD_STRING,
     .max = MARKS_CONFIG_MAX,
     .help = "that cluster_config, as it was written"},
    {.name = "led_epoch",
     COUNT,
     .required = true,
     .help = "last epoch that this site served in and has not caught up from; 0: none"},
    {.name = "led_generation", COUNT, .help = "generation of led_epoch"},
    {.name = "seen_generation", COUNT, .help = "generation of seen_epoch"},
    {.name = "seen_epoch", COUNT, .help = "last epoch that was seen in the lease key; 0: none"},
    {.name = "open_epoch",
     COUNT,
     .help = "last epoch that this site served in and whose end is not told yet; 0: none"},
    {.name = "open_boot",
     .type = FIELD_STRING,
     .max = MARKS_BOOT_MAX,
     .help = "boot_id of the host when open_epoch began"},
    {.name = "chosen_epoch",
     COUNT,
     .help = "last epoch that this site led by an operator's choice; 0: none"},
    {.name = "paused", .type = FIELD_BOOL, .required = true, .help = "a pause was acknowledged"},
    {.name = "failsafe_seen",
     .type = FIELD_BOOL,
     .help = "failsafe was on, and no lease record without it was read since"},
    {.name = "pause_seen",
     .type = FIELD_BOOL,
     .help = "a pause was asked for, and no lease record without one was read since"},
    {0},
};

static void from_spec(const json_t *spec, struct marks *ret)
{
    const char *config = spec_str(spec, "config"), *boot = spec_str(spec, "open_boot");
    *ret = (struct marks){
        .epoch = (uint64_t)spec_int(spec, "epoch", 0),
        .revision = (uint64_t)spec_int(spec, "revision", 0),
        .bucket_created_ns = spec_int(spec, "bucket_created_ns", 0),
        .config_revision = (uint64_t)spec_int(spec, "config_revision", 0),
        .led_epoch = (uint64_t)spec_int(spec, "led_epoch", 0),
        .led_generation = (uint64_t)spec_int(spec, "led_generation", 0),
        .seen.generation = (uint64_t)spec_int(spec, "seen_generation", 0),
        .seen.epoch = (uint64_t)spec_int(spec, "seen_epoch", 0),
        .open_epoch = (uint64_t)spec_int(spec, "open_epoch", 0),
        .chosen_epoch = (uint64_t)spec_int(spec, "chosen_epoch", 0),
        .paused = spec_bool(spec, "paused"),
        .unread = {spec_bool(spec, "failsafe_seen"), spec_bool(spec, "pause_seen")},
    };
    if (boot)
        strncpy(ret->open_boot, boot, MARKS_BOOT_MAX);
    if (config)
        strncpy(ret->config, config, MARKS_CONFIG_MAX);
}

static int parse(const char *text, size_t len, struct marks *ret, struct hm_error *err)
{
    json_error_t where;
    json_t *spec = NULL, *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        char said[JSON_ERROR_TEXT_LENGTH];
        text_clean(where.text, said, sizeof said);
        return hm_fail(err, HM_E_INVALID, "line %d: %s", where.line, said);
    }
    int r = fields_verify(fields, root, &spec, err);
    json_decref(root);
    if (r < 0)
        return r;
    from_spec(spec, ret);
    json_decref(spec);
    return 0;
}

int marks_load(const char *path, struct marks *ret, struct hm_error *err)
{
    HM_AUTOFREE char *text = NULL;
    size_t len;
    struct hm_error why;
    int r = hm_file_read(path, FILE_MAX, &text, &len, &why);
    if (r == -HM_E_NOT_FOUND) {
        *ret = (struct marks){0};
        return 0;
    }
    if (r >= 0)
        r = parse(text, len, ret, &why);
    if (r < 0)
        return hm_fail(
            err, why.code,
            "what failover remembers can't be read: %s: %s; repair it, or remove it while another "
            "site leads",
            path, why.text);
    return 0;
}

struct waiter {
    marks_done done;
    void *data;
    struct waiter *next;
};

struct marks_file {
    struct hm_workq *queue;
    char *path;
    struct write *writing;  /* the one under way, or NULL */
    struct marks next;      /* what `waiting` want written */
    struct waiter *waiting; /* not covered by `writing`; newest first */
};

/* A job of its own, that outlives the marks_file when its worker hangs. */
struct write {
    struct marks_file *owner; /* NULL: gone */
    char *path, *text;
    struct waiter *waiters;
    int result;
    struct hm_error err;
};

static char *render(const struct marks *m)
{
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "epoch",
        (json_int_t)m->epoch, "revision", (json_int_t)m->revision, "bucket_created_ns",
        (json_int_t)m->bucket_created_ns, "config_revision", (json_int_t)m->config_revision,
        "led_epoch", (json_int_t)m->led_epoch, "led_generation", (json_int_t)m->led_generation,
        "seen_generation", (json_int_t)m->seen.generation, "seen_epoch", (json_int_t)m->seen.epoch,
        "open_epoch", (json_int_t)m->open_epoch, "chosen_epoch", (json_int_t)m->chosen_epoch,
        "paused", m->paused, "failsafe_seen", m->unread.failsafe, "pause_seen", m->unread.paused);
    if (*m->open_boot)
        json_object_set_new(root, "open_boot", json_string(m->open_boot));
    if (*m->config)
        json_object_set_new(root, "config", json_string(m->config));
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return text;
}

static void write_marks(void *data)
{
    struct write *w = data;
    w->result = hm_file_write_atomic(w->path, w->text, strlen(w->text), 0600, &w->err);
}

static void answer(struct waiter *waiters, const struct hm_error *err)
{
    for (struct waiter *i = waiters, *next; i; i = next) {
        next = i->next;
        if (i->done)
            i->done(i->data, err);
        free(i);
    }
}

static void forget(struct waiter *waiters)
{
    for (struct waiter *i = waiters, *next; i; i = next) {
        next = i->next;
        free(i);
    }
}

static void begin_write(struct marks_file *f);

static void write_ended(void *data, bool timed_out)
{
    (void)timed_out; /* there is no deadline: who waits has one of its own */
    struct write *w = data;
    struct waiter *waiters = w->waiters;
    w->waiters = NULL;
    if (!w->owner) {
        forget(waiters);
        return;
    }
    w->owner->writing = NULL;
    if (w->owner->waiting)
        begin_write(w->owner);
    answer(waiters, w->result < 0 ? &w->err : NULL);
}

static void release_write(void *data)
{
    struct write *w = data;
    forget(w->waiters);
    free(w->path);
    free(w->text);
    free(w);
}

static void begin_write(struct marks_file *f)
{
    struct write *w = hm_alloc(sizeof *w);
    struct hm_job job = {.work = write_marks,
                         .done = write_ended,
                         .release = release_write,
                         .orphan = release_write,
                         .data = w};
    struct hm_error err;
    *w = (struct write){
        .owner = f, .path = hm_strdup(f->path), .text = render(&f->next), .waiters = f->waiting};
    f->waiting = NULL;
    f->writing = w;
    if (hm_workq_submit(f->queue, &job, &err) < 0) {
        struct waiter *waiters = w->waiters;
        w->waiters = NULL;
        f->writing = NULL;
        release_write(w);
        answer(waiters, &err);
    }
}

struct marks_file *marks_file_new(struct hm_workq *queue, const char *path)
{
    struct marks_file *f = hm_alloc(sizeof *f);
    f->queue = queue;
    f->path = hm_strdup(path);
    return f;
}

void marks_file_free(struct marks_file *f)
{
    if (!f)
        return;
    if (f->writing)
        f->writing->owner = NULL;
    forget(f->waiting);
    free(f->path);
    free(f);
}

void marks_save(struct marks_file *f, const struct marks *marks, marks_done done, void *data)
{
    struct waiter *i = hm_alloc(sizeof *i);
    *i = (struct waiter){.done = done, .data = data, .next = f->waiting};
    f->waiting = i;
    f->next = *marks;
    if (!f->writing)
        begin_write(f);
}
