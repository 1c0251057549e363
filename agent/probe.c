#include "agent/probe.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct prober {
    CURLM *multi;
    uv_loop_t *loop;
    uv_timer_t timer;
};

struct probe {
    struct prober *owner;
    CURL *easy;
    char *url;
    int status; /* wanted; 0: 200 to 399 */
    bool is_http;
    char why[CURL_ERROR_SIZE];
    void (*done)(void *arg, const struct hm_error *err);
    void *arg;
};

/* A socket that curl waits for. */
struct waited {
    uv_poll_t poll;
    struct prober *owner;
    curl_socket_t fd;
};

/* -- Answers -------------------------------------------------------------------------------------- */

static void free_probe(struct probe *q)
{
    curl_multi_remove_handle(q->owner->multi, q->easy);
    curl_easy_cleanup(q->easy);
    free(q->url);
    free(q);
}

/* Then it is this host that has no way there, and nothing is known about who was asked. */
static bool could_not_ask(const struct probe *q)
{
    long why = 0;
    curl_easy_getinfo(q->easy, CURLINFO_OS_ERRNO, &why);
    return why == ENETUNREACH || why == EMFILE || why == ENFILE || why == EADDRNOTAVAIL;
}

static bool is_good_status(const struct probe *q, long status)
{
    return q->status ? status == q->status : status >= 200 && status < 400;
}

/* A body that was cut off by us is an answer all the same: its status had come. */
static int judge(const struct probe *q, CURLcode code, struct hm_error *err)
{
    long status = 0;
    curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
    bool has_answered = code == CURLE_OK || (q->is_http && code == CURLE_WRITE_ERROR);
    if (!has_answered)
        return hm_fail(err, could_not_ask(q) ? HM_E_UNSUPPORTED : HM_E_CONNECTION, "%s: %s", q->url,
                       *q->why ? q->why : curl_easy_strerror(code));
    if (q->is_http && !is_good_status(q, status))
        return hm_fail(err, HM_E_REFUSED, "%s: status %ld", q->url, status);
    return 0;
}

static void end_probe(struct probe *q, CURLcode code)
{
    struct hm_error err;
    void (*done)(void *, const struct hm_error *) = q->done;
    void *arg = q->arg;
    bool good = judge(q, code, &err) >= 0;
    free_probe(q);
    done(arg, good ? NULL : &err);
}

static void collect(struct prober *p)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(p->multi, &left))) {
        struct probe *q = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&q);
        end_probe(q, code);
    }
}

/* -- curl on the loop ----------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct prober *p = timer->data;
    int running;
    curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(p);
}

static int want_timer(CURLM *multi, long ms, void *data)
{
    struct prober *p = data;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&p->timer);
    else /* never from inside of curl */
        uv_timer_start(&p->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct waited *w = poll->data;
    struct prober *p = w->owner;
    int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(p->multi, w->fd, flags, &running); /* may end w */
    collect(p);
}

static void free_waited(uv_handle_t *handle)
{
    free(handle->data);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct prober *p = data;
    struct waited *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            uv_close((uv_handle_t *)&w->poll, free_waited);
        curl_multi_assign(p->multi, fd, NULL);
        return 0;
    }
    if (!w) {
        w = hm_alloc(sizeof *w);
        w->owner = p;
        w->fd = fd;
        if (uv_poll_init_socket(p->loop, &w->poll, fd) < 0) {
            free(w);
            return -1;
        }
        w->poll.data = w;
        curl_multi_assign(p->multi, fd, w);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, events, on_ready);
    return 0;
}

/* -- Questions ------------------------------------------------------------------------------------ */

/* Not all of it was taken: curl ends here. */
static size_t no_body(const char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)size, (void)count, (void)arg;
    return 0;
}

static char *url_of(const struct probe_question *q)
{
    bool is_v6 = strchr(q->address, ':') != NULL;
    return hm_printf("http://%s%s%s:%u%s", is_v6 ? "[" : "", q->address, is_v6 ? "]" : "", q->port,
                     q->path ? q->path : "");
}

static void set_up(struct probe *q, const struct probe_question *question)
{
    CURL *e = q->easy;
    curl_easy_setopt(e, CURLOPT_URL, q->url);
    curl_easy_setopt(e, CURLOPT_PRIVATE, q);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, q->why);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)question->timeout_ms);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "harmonyd/" HM_VERSION);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, no_body);
    if (!q->is_http)
        curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
}

struct probe *probe_begin(struct prober *p, const struct probe_question *question,
                          void (*done)(void *arg, const struct hm_error *err), void *arg)
{
    struct probe *q = hm_alloc(sizeof *q);
    *q = (struct probe){.owner = p,
                        .easy = curl_easy_init(),
                        .url = url_of(question),
                        .status = question->status,
                        .is_http = question->path != NULL,
                        .done = done,
                        .arg = arg};
    if (!q->easy)
        abort(); /* no memory */
    set_up(q, question);
    curl_multi_add_handle(p->multi, q->easy);
    return q;
}

void probe_cancel(struct probe *probe)
{
    free_probe(probe);
}

/* -- Life ----------------------------------------------------------------------------------------- */

static void set_up_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

struct prober *prober_new(uv_loop_t *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct prober *p = hm_alloc(sizeof *p);
    pthread_once(&once, set_up_curl);
    p->loop = loop;
    p->multi = curl_multi_init();
    if (!p->multi)
        abort(); /* no memory */
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void prober_free(struct prober *p)
{
    if (!p)
        return;
    curl_multi_cleanup(p->multi);
    p->multi = NULL;
    uv_close((uv_handle_t *)&p->timer, on_closed);
}
