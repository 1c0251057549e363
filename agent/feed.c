#include "agent/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/workq.h"

#define BUCKET "harmony_desired"

enum {
    CHECK_MS = 10000,
    REQUEST_TIMEOUT_MS = 3000,
    CACHE_DELAY_MS = 200, /* gathers a burst of changes into one write */
    CACHE_MAX = 256 * 1024 * 1024,
};

struct feed {
    struct feed_options options;
    struct bus_watch *watch;
    struct hm_workq *disk;
    uv_timer_t check, save;
    uint64_t last_revision; /* highest that came through the watch */
    int64_t created_ns;     /* of the bucket; 0: not known */
    uint64_t due;           /* the bucket's last revision at the check before */
    uint64_t absent;        /* one that a whole listing did not bring: it was purged */
    bool listed;            /* the watch, as it is now, has given all that is stored */
    bool complete, saving, save_again, asking;
    struct hm_error trouble;
    int open_handles;
};

/* -- Cache ----------------------------------------------------------------------------------------
 */

struct write {
    struct feed *feed;
    char *path;
    char *text;
    int result;
    struct hm_error err;
};

static void on_save(uv_timer_t *timer);

static void write_work(void *data)
{
    struct write *w = data;
    w->result = hm_file_write_atomic(w->path, w->text, strlen(w->text), 0600, &w->err);
}

static void write_done(void *data, bool timed_out)
{
    struct write *w = data;
    struct feed *f = w->feed;
    (void)timed_out; /* it has no deadline */
    f->saving = false;
    if (w->result < 0)
        hm_log(HM_LOG_WARN, "feed", "the cache of documents is not up to date: %s", w->err.text);
    if (f->save_again)
        uv_timer_start(&f->save, on_save, CACHE_DELAY_MS, 0);
    f->save_again = false;
}

static void write_release(void *data)
{
    struct write *w = data;
    free(w->path);
    free(w->text);
    free(w);
}

static void on_save(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    if (f->saving) {
        f->save_again = true;
        return;
    }
    struct write *w = hm_alloc(sizeof *w);
    w->feed = f;
    w->path = hm_strdup(f->options.cache_path);
    w->text = desired_to_cache(f->options.desired);
    struct hm_job job = {.work = write_work,
                         .done = write_done,
                         .release = write_release,
                         .orphan = write_release,
                         .data = w};
    f->saving = true;
    hm_workq_submit(f->disk, &job, NULL); /* one at a time: the queue has room */
}

static void load_cache(struct feed *f)
{
    struct hm_error err;
    char *text;
    size_t len;
    int r = hm_file_read(f->options.cache_path, CACHE_MAX, &text, &len, &err);
    if (r == -HM_E_NOT_FOUND)
        return;
    if (r >= 0) {
        r = desired_from_cache(f->options.desired, text, len, &err);
        free(text);
    }
    if (r < 0)
        hm_log(HM_LOG_WARN, "feed", "starting without the cache of documents: %s", err.text);
}

static void changed(struct feed *f)
{
    if (!uv_is_active((uv_handle_t *)&f->save))
        uv_timer_start(&f->save, on_save, CACHE_DELAY_MS, 0);
    f->options.on_change(f->options.data);
}

/* -- Watch ----------------------------------------------------------------------------------------
 */

static void report_refusal(const struct feed *f, const char *key)
{
    const struct desired_entry *e = desired_find(f->options.desired, key);
    if (e && e->refused)
        hm_log(HM_LOG_WARN, "feed", "%s", e->error->text);
}

static void on_entry(void *data, const struct bus_entry *entry)
{
    struct feed *f = data;
    if (entry->revision > f->last_revision)
        f->last_revision = entry->revision;
    if (!desired_take(f->options.desired, entry))
        return;
    report_refusal(f, entry->key);
    changed(f);
}

static void on_ready(void *data)
{
    struct feed *f = data;
    bool first = !f->complete;
    f->complete = f->listed = true;
    f->trouble = (struct hm_error){0};
    if (desired_listing_complete(f->options.desired))
        hm_log(HM_LOG_WARN, "feed",
               "documents are gone from %s without a delete marker, or came back; "
               "what runs is left as it is (harmonyctl plan shows the orphans)",
               BUCKET);
    else if (!first)
        return;
    changed(f);
}

static void listing_begins(struct feed *f)
{
    f->last_revision = 0;
    f->listed = false;
    desired_listing_begins(f->options.desired);
}

/* A lost connection is told by the bus already. */
static void say_broken(const struct hm_error *why)
{
    if (why->code == HM_E_NOT_FOUND)
        hm_log(
            HM_LOG_WARN, "feed",
            "there is no bucket %s: make it with harmonyctl failover init; documents are taken as "
            "soon as it is there",
            BUCKET);
    else
        hm_log(why->code == HM_E_CONNECTION ? HM_LOG_DEBUG : HM_LOG_WARN, "feed",
               "%s; watching %s anew", why->text, BUCKET);
}

static void on_broken(void *data, const struct hm_error *why)
{
    struct feed *f = data;
    if (strcmp(f->trouble.text, why->text) != 0)
        say_broken(why);
    f->trouble = *why;
    listing_begins(f);
}

static void remake(struct feed *f, const char *why)
{
    hm_log(HM_LOG_WARN, "feed", "%s; the watch of %s is made anew", why, BUCKET);
    listing_begins(f);
    bus_watch_restart(f->watch);
}

static void another_bucket(struct feed *f)
{
    f->due = f->absent = 0;
    remake(f, "the bucket was deleted and made anew");
}

/* The watch must have brought by now what the bucket had at the check before. If a new listing doesn't
 * bring it either, it isn't there any more (purged). */
static void compare(struct feed *f, const struct bus_bucket *info)
{
    bool another = f->created_ns && info->created_ns != f->created_ns;
    uint64_t due = f->due;
    f->created_ns = info->created_ns;
    f->due = info->last_revision;
    if (another) {
        another_bucket(f);
    } else if (f->last_revision < due && due != f->absent) {
        f->absent = due;
        remake(f, "the watch is behind the bucket");
    }
}

static void on_info(void *data, const struct bus_bucket *info, const struct hm_error *err)
{
    struct feed *f = data;
    f->asking = false;
    if (!err && info->exists && f->listed)
        compare(f, info);
}

static void on_check(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    if (f->asking || !bus_is_connected(f->options.bus))
        return;
    f->asking = true;
    bus_bucket_info(f->options.bus, BUCKET, REQUEST_TIMEOUT_MS, on_info, f);
}

/* -- Life -----------------------------------------------------------------------------------------
 */

struct feed *feed_new(const struct feed_options *options)
{
    struct feed *f = hm_alloc(sizeof *f);
    f->options = *options;
    f->disk = hm_workq_new(options->loop, "cache", 1, 2);
    uv_timer_init(options->loop, &f->check);
    uv_timer_init(options->loop, &f->save);
    f->check.data = f->save.data = f;
    f->open_handles = 2;
    load_cache(f);
    desired_listing_begins(options->desired);
    struct bus_watch_options watch = {
        .bucket = BUCKET,
        .filter = ">",
        .on_entry = on_entry,
        .on_ready = on_ready,
        .on_broken = on_broken,
        .data = f,
    };
    f->watch = bus_watch_start(options->bus, &watch);
    uint64_t check_ms = options->check_ms ? (uint64_t)options->check_ms : CHECK_MS;
    uv_timer_start(&f->check, on_check, check_ms, check_ms);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    struct feed *f = handle->data;
    if (--f->open_handles == 0)
        free(f);
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    bus_watch_stop(f->watch);
    hm_workq_free(f->disk);
    uv_close((uv_handle_t *)&f->check, on_closed);
    uv_close((uv_handle_t *)&f->save, on_closed);
}

bool feed_is_complete(const struct feed *f)
{
    return f->complete;
}

uint64_t feed_remakes(const struct feed *f)
{
    return bus_watch_remakes(f->watch);
}

const char *feed_trouble(const struct feed *f)
{
    return f->trouble.code ? f->trouble.text : "";
}
