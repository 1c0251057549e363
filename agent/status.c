#include "agent/status.h"

#include <stdlib.h>
#include <string.h>

#include "agent/index.h"
#include "base/alloc.h"

#define BUCKET "harmony_status"

enum { MOST_IN_FLIGHT = 32, TIMEOUT_MS = 5000, RETRY_MS = 2000, CHECK_MS = 10000 };

struct entry {
    struct status *owner;
    char *key;
    /* What shall stand in the bucket, and what is being written or was acknowledged: JSON, as text,
     * which is a sixth of the tree. One pointer when they are equal. */
    char *said, *sent;
    bool in_flight, acknowledged, queued;
    bool again;         /* what is in flight may go to a bucket that is no more */
    struct entry *next; /* in the queue */
};

struct status {
    struct bus *bus;
    char *site;
    uv_timer_t retry, check;
    int open_handles;
    int64_t created_ns;     /* of the bucket; 0: not known */
    uint64_t last_revision; /* highest that a write of ours got in it */
    uint64_t revision_when_asked;
    bool asking;
    struct entry **entries;
    size_t count;
    struct index by_key;
    struct entry *first, *last; /* waiting to be written, oldest first */
    unsigned in_flight;
};

static void write_pending(struct status *s);

static bool is_settled(const struct entry *e)
{
    return e->acknowledged && e->said == e->sent;
}

static void drop_said(struct entry *e)
{
    if (e->said != e->sent)
        free(e->said);
    e->said = NULL;
}

static void say(struct entry *e, char *text)
{
    drop_said(e);
    e->said = text;
    if (e->sent && !strcmp(e->sent, text)) {
        e->said = e->sent;
        free(text);
    }
}

static void enqueue(struct entry *e)
{
    struct status *s = e->owner;
    if (e->queued || e->in_flight)
        return;
    e->queued = true;
    e->next = NULL;
    if (s->last)
        s->last->next = e;
    else
        s->first = e;
    s->last = e;
}

static struct entry *dequeue(struct status *s)
{
    struct entry *e = s->first;
    s->first = e->next;
    if (!s->first)
        s->last = NULL;
    e->queued = false;
    return e;
}

static void on_retry(uv_timer_t *timer)
{
    write_pending(timer->data);
}

static void on_written(void *data, const struct bus_put_result *result)
{
    struct entry *e = data;
    struct status *s = e->owner;
    e->in_flight = false;
    s->in_flight--;
    bool stored = result->outcome == BUS_PUT_STORED || result->outcome == BUS_PUT_DUPLICATE;
    e->acknowledged = stored && !e->again;
    e->again = false;
    if (stored && result->revision > s->last_revision)
        s->last_revision = result->revision;
    if (!stored && result->error.code == HM_E_CANCELLED)
        return; /* the bus is closing */
    if (!is_settled(e))
        enqueue(e);
    if (stored)
        write_pending(s);
    else
        uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
}

static void write_entry(struct status *s, struct entry *e)
{
    if (e->sent != e->said)
        free(e->sent);
    e->sent = e->said;
    e->in_flight = true;
    e->acknowledged = false;
    s->in_flight++;
    struct bus_put put = {
        .bucket = BUCKET,
        .key = e->key,
        .value = e->said,
        .len = strlen(e->said),
        .expect_revision = BUS_ANY_REVISION,
        .timeout_ms = TIMEOUT_MS,
    };
    bus_put(s->bus, &put, on_written, e);
}

static void write_pending(struct status *s)
{
    while (s->first && s->in_flight < MOST_IN_FLIGHT && bus_is_connected(s->bus))
        write_entry(s, dequeue(s));
}

/* -- Is it still the same bucket?
 * -------------------------------------------------------------------- */

static void write_all(struct status *s)
{
    s->last_revision = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->entries[i]->acknowledged = false;
        s->entries[i]->again = s->entries[i]->in_flight;
        enqueue(s->entries[i]);
    }
    write_pending(s);
}

static void on_bucket(void *data, const struct bus_bucket *info, const struct hm_error *err)
{
    struct status *s = data;
    s->asking = false;
    if (err || !info->exists)
        return;
    bool another = s->created_ns && info->created_ns != s->created_ns;
    bool rolled_back = info->last_revision < s->revision_when_asked;
    s->created_ns = info->created_ns;
    if (another || rolled_back)
        write_all(s);
}

static void ask(struct status *s)
{
    if (s->asking || !bus_is_connected(s->bus))
        return;
    s->asking = true;
    s->revision_when_asked = s->last_revision;
    bus_bucket_info(s->bus, BUCKET, TIMEOUT_MS, on_bucket, s);
}

static void on_check(uv_timer_t *timer)
{
    ask(timer->data);
}

/* -- Life
 * -------------------------------------------------------------------------------------------- */

struct status *status_new(uv_loop_t *loop, struct bus *bus, const char *site)
{
    struct status *s = hm_alloc(sizeof *s);
    s->bus = bus;
    s->site = hm_strdup(site);
    uv_timer_init(loop, &s->retry);
    uv_timer_init(loop, &s->check);
    s->retry.data = s->check.data = s;
    s->open_handles = 2;
    uv_timer_start(&s->check, on_check, CHECK_MS, CHECK_MS);
    index_init(&s->by_key, 64);
    return s;
}

static void free_entries(struct status *s)
{
    for (size_t i = 0; i < s->count; i++) {
        drop_said(s->entries[i]);
        free(s->entries[i]->sent);
        free(s->entries[i]->key);
        free(s->entries[i]);
    }
    free(s->entries);
}

static void on_closed(uv_handle_t *handle)
{
    struct status *s = handle->data;
    if (--s->open_handles > 0)
        return;
    free_entries(s);
    index_free(&s->by_key);
    free(s->site);
    free(s);
}

void status_free(struct status *s)
{
    if (!s)
        return;
    uv_close((uv_handle_t *)&s->retry, on_closed);
    uv_close((uv_handle_t *)&s->check, on_closed);
}

/* -- Words
 * ------------------------------------------------------------------------------------------- */

static struct entry *find_or_add(struct status *s, const char *name)
{
    HM_AUTOFREE char *key = hm_printf("%s.%s", s->site, name);
    struct entry *e = index_get(&s->by_key, "", key);
    if (e)
        return e;
    e = hm_alloc(sizeof *e);
    e->owner = s;
    e->key = hm_strdup(key);
    s->entries = hm_realloc_array(s->entries, s->count + 1, sizeof(struct entry *));
    s->entries[s->count++] = e;
    index_put(&s->by_key, "", e->key, e);
    return e;
}

void status_set(struct status *s, const char *name, json_t *value)
{
    struct entry *e = find_or_add(s, name);
    say(e, json_dumps(value, JSON_COMPACT));
    json_decref(value);
    if (!is_settled(e))
        enqueue(e);
    write_pending(s);
}

void status_connected(struct status *s)
{
    write_pending(s);
    ask(s);
}

void status_each(const struct status *s,
                 void (*visit)(void *data, const char *name, const json_t *value), void *data)
{
    size_t site = strlen(s->site) + 1; /* and its dot */
    for (size_t i = 0; i < s->count; i++) {
        json_t *value = json_loads(s->entries[i]->said, 0, NULL);
        if (value)
            visit(data, s->entries[i]->key + site, value);
        json_decref(value);
    }
}
