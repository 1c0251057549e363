#include "agent/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>

#include "agent/http_page.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "proto/address.h"

enum {
    CONNECTIONS_MAX = 64,
    CONNECTION_TIMEOUT_S = 10,
    CONNECTION_MEMORY = 16 * 1024,
    LIVE_MS = 10000,
    FRESH_MS = 2000, /* a status that is older is made anew for who asks, */
    WAIT_MS = 200,   /* if the loop does so within that: nobody else is answered meanwhile */
    WATCHED_MS = 5000,
};

struct http {
    struct MHD_Daemon *daemon;
    char *site;
    struct lease_limit *lease;
    int64_t live_ms;
    atomic_llong asked_ns; /* /status, last time; BOOTTIME */
    void (*wanted)(void *data);
    void *data;
    pthread_cond_t news;
    pthread_mutex_t lock; /* guards what follows; held for copies only */
    char role[16];
    uint64_t epoch;
    bool fit;
    int64_t told_ns;   /* the last news; BOOTTIME */
    int64_t status_ns; /* the last status; 0: none */
    char *status, *metrics, *not_ready;
    struct http_text next_metrics; /* not made yet: newer than `metrics` */
};

struct reply {
    unsigned code;
    const char *type;
    char *body; /* malloc()ed, libmicrohttpd frees it */
};

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"

/* -- What is answered (libmicrohttpd's thread) ----------------------------------------------------- */

static bool serves(struct http *h)
{
    return !strcmp(h->role, "leader") && lease_holds(h->lease);
}

static bool is_live(const struct http *h)
{
    return hm_boottime_ns() - h->told_ns < h->live_ms * HM_MS;
}

static struct reply role_reply(struct http *h, bool good)
{
    char *body =
        hm_printf("{\"site\":\"%s\",\"role\":\"%s\",\"epoch\":%llu,\"serves\":%s}\n", h->site,
                  h->role, (unsigned long long)h->epoch, serves(h) ? "true" : "false");
    return (struct reply){good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, JSON, body};
}

static struct reply primary_reply(struct http *h)
{
    return role_reply(h, serves(h) && is_live(h));
}

static struct reply replica_reply(struct http *h)
{
    return role_reply(h, !strcmp(h->role, "replica") && h->fit && is_live(h));
}

static struct reply live_reply(struct http *h)
{
    if (is_live(h))
        return (struct reply){MHD_HTTP_OK, TEXT, hm_strdup("live\n")};
    return (struct reply){MHD_HTTP_SERVICE_UNAVAILABLE, TEXT,
                          hm_printf("the agent's loop has not turned for %lld s\n",
                                    (long long)((hm_boottime_ns() - h->told_ns) / HM_MS / 1000))};
}

static struct reply ready_reply(struct http *h)
{
    if (!is_live(h))
        return live_reply(h);
    bool ready = h->not_ready && !*h->not_ready;
    return (struct reply){ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, TEXT,
                          hm_strdup(ready          ? "ready\n"
                                    : h->not_ready ? h->not_ready
                                                   : "starting\n")};
}

static int64_t left_ms(struct http *h)
{
    int64_t until = atomic_load(&h->lease->until_ns), now = hm_boottime_ns();
    return until == 0 ? 0 : until == INT64_MAX ? -1 : until > now ? (until - now) / HM_MS : 0;
}

static bool is_fresh(const struct http *h)
{
    return h->status_ns && hm_boottime_ns() - h->status_ns < FRESH_MS * HM_MS;
}

/* With the lock, which is let go of meanwhile. */
static void have_status_made(struct http *h)
{
    struct timespec until;
    if (is_fresh(h) || !h->wanted)
        return;
    h->wanted(h->data);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_MS * HM_MS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!is_fresh(h) && pthread_cond_timedwait(&h->news, &h->lock, &until) == 0)
        ;
}

static struct reply status_reply(struct http *h)
{
    atomic_store(&h->asked_ns, hm_boottime_ns());
    have_status_made(h);
    int64_t now = hm_boottime_ns();
    return (struct reply){
        MHD_HTTP_OK, JSON,
        hm_printf("{\"lease_left_ms\":%lld,\"age_ms\":%lld,\"agent\":%s}\n", (long long)left_ms(h),
                  (long long)((now - h->status_ns) / HM_MS), h->status ? h->status : "null")};
}

/* With the lock, which is let go of meanwhile. */
static void have_metrics_made(struct http *h)
{
    struct http_text next = h->next_metrics;
    if (!next.make)
        return;
    h->next_metrics = (struct http_text){0};
    pthread_mutex_unlock(&h->lock);
    char *text = next.make(next.data);
    next.free(next.data);
    pthread_mutex_lock(&h->lock);
    free(h->metrics);
    h->metrics = text;
}

static struct reply metrics_reply(struct http *h)
{
    have_metrics_made(h);
    return (struct reply){MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                          hm_strdup(h->metrics ? h->metrics : "")};
}

static struct reply page_reply(struct http *h)
{
    (void)h;
    return (struct reply){MHD_HTTP_OK, "text/html; charset=utf-8", hm_strdup(http_page)};
}

static const struct {
    const char *path;
    struct reply (*make)(struct http *h);
} paths[] = {
    {"/primary", primary_reply}, {"/replica", replica_reply}, {"/live", live_reply},
    {"/ready", ready_reply},     {"/status", status_reply},   {"/metrics", metrics_reply},
    {"/", page_reply},
};

static struct reply no_such_path(void)
{
    return (struct reply){MHD_HTTP_NOT_FOUND, TEXT,
                          hm_strdup("there is /primary, /replica, /live, /ready, /status, /metrics "
                                    "and /\n")};
}

static struct reply reply_to(struct http *h, const char *path)
{
    for (size_t i = 0; i < HM_COUNT(paths); i++) {
        if (strcmp(path, paths[i].path) != 0)
            continue;
        pthread_mutex_lock(&h->lock);
        struct reply reply = paths[i].make(h);
        pthread_mutex_unlock(&h->lock);
        return reply;
    }
    return no_such_path();
}

static bool is_reading(const char *method)
{
    return !strcmp(method, "GET") || !strcmp(method, "HEAD") || !strcmp(method, "OPTIONS");
}

/* A page of another site must not read this one through a visitor's browser. */
static void add_headers(struct MHD_Response *response, const struct reply *reply)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; script-src 'unsafe-inline'; style-src "
                            "'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'");
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    (void)version;
    (void)upload;
    (void)context;
    if (*upload_size != 0) { /* nobody has anything to say here */
        *upload_size = 0;
        return MHD_YES;
    }
    struct reply reply = is_reading(method)
                             ? reply_to(data, url)
                             : (struct reply){MHD_HTTP_METHOD_NOT_ALLOWED, TEXT,
                                              hm_strdup("only GET, HEAD and OPTIONS\n")};
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(reply.body), reply.body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(reply.body);
        return MHD_NO;
    }
    add_headers(response, &reply);
    enum MHD_Result queued = MHD_queue_response(connection, reply.code, response);
    MHD_destroy_response(response);
    return queued;
}

/* -- Life ------------------------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* True: IPv6. */
static bool to_address(const char *listen, union address *ret)
{
    char host[HOST_TEXT_MAX + 1];
    uint16_t port = 0;
    memset(ret, 0, sizeof *ret);
    host_port_parse(listen, host, &port); /* was verified with the configuration */
    if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        return true;
    }
    inet_pton(AF_INET, host, &ret->v4.sin_addr);
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons(port);
    return false;
}

static struct MHD_Daemon *listen_on(struct http *h, const char *where)
{
    union address address;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;
    if (to_address(where, &address))
        flags |= MHD_USE_IPv6;
    return MHD_start_daemon(flags, 0, NULL, NULL, answer, h, MHD_OPTION_SOCK_ADDR, &address.any,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                            MHD_OPTION_END);
}

static void init_lock(struct http *h)
{
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->news, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    pthread_mutex_init(&h->lock, NULL);
}

int http_new(const struct http_options *options, struct http **ret, struct hm_error *err)
{
    struct http *h = hm_alloc(sizeof *h);
    h->site = hm_strdup(options->site);
    h->lease = options->lease;
    h->live_ms = options->live_ms ? options->live_ms : LIVE_MS;
    h->told_ns = hm_boottime_ns();
    snprintf(h->role, sizeof h->role, "starting");
    h->wanted = options->wanted;
    h->data = options->data;
    init_lock(h);
    errno = 0;
    h->daemon = listen_on(h, options->listen);
    if (!h->daemon) {
        int r = hm_fail(err, HM_E_IO,
                        "http.listen %s: can't listen there (%s): give another address, or "
                        "\"off\"; there are no endpoints until the agent is restarted",
                        options->listen, errno ? strerror(errno) : "is it in use?");
        http_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

static void forget_metrics(struct http *h)
{
    if (h->next_metrics.make)
        h->next_metrics.free(h->next_metrics.data);
    free(h->metrics);
    h->metrics = NULL;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->news);
    forget_metrics(h);
    free(h->status);
    free(h->not_ready);
    free(h->site);
    free(h);
}

/* -- News (the loop's thread) ------------------------------------------------------------------------ */

void http_say_role(struct http *h, const char *role, uint64_t epoch, bool fit)
{
    pthread_mutex_lock(&h->lock);
    snprintf(h->role, sizeof h->role, "%s", role);
    h->epoch = epoch;
    h->fit = fit;
    pthread_mutex_unlock(&h->lock);
}

static void take(char **place, char *text)
{
    if (!text)
        return;
    free(*place);
    *place = text;
}

static void take_metrics(struct http *h, const struct http_text *text)
{
    if (!text->make)
        return;
    forget_metrics(h);
    h->next_metrics = *text;
}

void http_say(struct http *h, const struct http_news *news)
{
    pthread_mutex_lock(&h->lock);
    h->told_ns = hm_boottime_ns();
    if (news->status)
        h->status_ns = h->told_ns;
    take(&h->status, news->status);
    take_metrics(h, &news->metrics);
    take(&h->not_ready, news->not_ready);
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
}

bool http_is_watched(const struct http *h)
{
    long long asked = atomic_load(&h->asked_ns);
    return asked && hm_boottime_ns() - asked < WATCHED_MS * HM_MS;
}
