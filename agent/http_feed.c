#include "agent/http_feed.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

enum { EVERY_MS = 1000 };

struct http_feed {
    struct http_feed_options options;
    struct http *http; /* NULL: off */
    uv_timer_t timer;
    uv_async_t wanted; /* a status, by a client */
    int open_handles;
    struct hm_error trouble;
};

/* -- What people are shown -------------------------------------------------------------------------- */

struct listing {
    json_t *list;
};

static void list_document(void *data, const char *key, const json_t *status)
{
    struct listing *l = data;
    const json_t *error = json_object_get(status, "error");
    const json_t *note = error ? json_object_get(error, "text") : json_object_get(status, "note");
    if (!json_object_get(status, "phase"))
        return; /* the agent's own */
    json_t *row = json_object();
    json_object_set_new(row, "key", json_string(key));
    json_object_set(row, "phase", json_object_get(status, "phase"));
    json_object_set_new(row, "note", note ? json_incref((json_t *)note) : json_null());
    json_array_append_new(l->list, row);
}

static char *status_text(const struct http_feed *f)
{
    struct listing listing = {json_array()};
    json_t *status = f->options.agent_status(f->options.data);
    status_each(f->options.statuses, list_document, &listing);
    json_object_set_new(status, "documents_list", listing.list);
    char *text = json_dumps(status, JSON_COMPACT);
    json_decref(status);
    return text;
}

/* -- Telling it --------------------------------------------------------------------------------------- */

void http_feed_role_changed(struct http_feed *f)
{
    if (f && f->http)
        http_say_role(f->http, lead_role(f->options.lead), lead_epoch(f->options.lead),
                      lead_is_fit(f->options.lead));
}

static void say(struct http_feed *f, bool with_status)
{
    struct http_news news = {.not_ready = f->options.not_ready(f->options.data),
                             .metrics = f->options.metrics(f->options.data),
                             .status = with_status ? status_text(f) : NULL};
    http_feed_role_changed(f);
    http_say(f->http, &news);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_feed *f = timer->data;
    say(f, http_is_watched(f->http));
}

static void on_wanted(uv_async_t *async)
{
    struct http_feed *f = async->data;
    if (f->http)
        say(f, true);
}

static void want(void *data)
{
    struct http_feed *f = data;
    uv_async_send(&f->wanted);
}

/* -- Life --------------------------------------------------------------------------------------------- */

struct http_feed *http_feed_new(const struct http_feed_options *options)
{
    struct http_feed *f = hm_alloc(sizeof *f);
    struct http_options http = {
        .listen = options->listen,
        .site = options->site,
        .lease = options->lease,
        .wanted = want,
        .data = f,
    };
    f->options = *options;
    uv_timer_init(options->loop, &f->timer);
    uv_async_init(options->loop, &f->wanted, on_wanted);
    f->timer.data = f->wanted.data = f;
    f->open_handles = 2;
    if (options->listen && http_new(&http, &f->http, &f->trouble) < 0)
        hm_log(HM_LOG_WARN, "http", "%s", f->trouble.text);
    if (f->http)
        uv_timer_start(&f->timer, on_timer, 0, EVERY_MS);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_feed *f = handle->data;
    if (--f->open_handles == 0)
        free(f);
}

void http_feed_free(struct http_feed *f)
{
    if (!f)
        return;
    http_free(f->http);
    f->http = NULL;
    uv_close((uv_handle_t *)&f->timer, on_closed);
    uv_close((uv_handle_t *)&f->wanted, on_closed);
}

const char *http_feed_trouble(const struct http_feed *f)
{
    return f->trouble.text;
}
