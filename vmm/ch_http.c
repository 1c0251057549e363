#include "vmm/ch_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

/* Who waits for several calls. */
struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    size_t left;
};

/* One call, on the loop. In the list from its beginning to its end. */
struct flight {
    struct flight *next;
    struct ch_http *http;
    struct ch_call *call;
    struct waiting *waiting;
    uv_timer_t deadline;
    CURL *easy; /* NULL: it waits for an earlier one to the same socket */
    struct curl_slist *headers;
    struct hm_buf answer;
};

struct ch_http {
    struct ch_loop *loop;
    CURLM *multi;
    uv_timer_t timer; /* curl's */
    struct flight *flights;
};

/* A socket that curl watches. */
struct watched {
    uv_poll_t poll;
    struct ch_http *http;
};

static void look_for_ends(struct ch_http *h);

/* -- The end of a call --------------------------------------------------------------------------- */

static void on_flight_closed(uv_handle_t *handle)
{
    struct flight *f = handle->data;
    hm_buf_free(&f->answer);
    free(f);
}

static void leave_list(struct flight *f)
{
    struct flight **at = &f->http->flights;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
}

static void drop_easy(struct flight *f)
{
    if (!f->easy)
        return;
    curl_multi_remove_handle(f->http->multi, f->easy);
    curl_easy_cleanup(f->easy);
    curl_slist_free_all(f->headers);
    f->easy = NULL;
}

static void wake(struct waiting *w)
{
    pthread_mutex_lock(&w->lock);
    w->left--;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static void begin_next(struct ch_http *h, const char *socket);

/* call->result and err are set. */
static void end_flight(struct flight *f)
{
    struct ch_http *h = f->http;
    HM_AUTOFREE char *socket = hm_strdup(f->call->socket);
    drop_easy(f);
    leave_list(f);
    uv_close((uv_handle_t *)&f->deadline, on_flight_closed);
    wake(f->waiting); /* the call may be gone from here on */
    begin_next(h, socket);
}

static void fail(struct flight *f, enum hm_code code, const char *why)
{
    struct ch_call *c = f->call;
    c->result = hm_fail(&c->err, code, "%s at %s: %s", c->name, c->socket, why);
    end_flight(f);
}

static void on_deadline(uv_timer_t *timer)
{
    struct flight *f = timer->data;
    HM_AUTOFREE char *why =
        hm_printf(f->easy ? "no answer for %lld ms"
                          : "an earlier call to the same VMM has not ended for %lld ms",
                  (long long)f->call->timeout_ms);
    fail(f, HM_E_TIMEOUT, why);
}

static void take_answer(struct flight *f)
{
    struct ch_call *c = f->call;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &c->status);
    c->len = f->answer.len;
    c->text = f->answer.data ? hm_buf_steal(&f->answer) : NULL;
    c->result = 0;
    end_flight(f);
}

static void end_with(struct flight *f, CURLcode code)
{
    long why = 0;
    curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &why);
    if (code == CURLE_OK)
        take_answer(f);
    else if (f->answer.overflowed)
        fail(f, HM_E_TOO_LARGE, "its answer is larger than any that it should give");
    else if (code == CURLE_COULDNT_CONNECT)
        fail(f, HM_E_CONNECTION,
             why == ENOENT         ? "there is no socket: the VMM has ended"
             : why == ECONNREFUSED ? "nobody listens: the VMM has ended"
             : why                 ? strerror((int)why)
                                   : "can't connect");
    else if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
             code == CURLE_PARTIAL_FILE)
        fail(f, HM_E_CONNECTION, "the VMM broke off without an answer");
    else
        fail(f, HM_E_IO, curl_easy_strerror(code));
}

/* -- Its beginning ------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t one, size_t len, void *data)
{
    struct flight *f = data;
    (void)one;
    hm_buf_add(&f->answer, bytes, len);
    return f->answer.overflowed ? 0 : len;
}

static CURL *make_easy(struct flight *f)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        abort(); /* as any other want of memory */
    HM_AUTOFREE char *url = hm_printf("http://localhost/api/v1/%s", f->call->name);
    f->headers = curl_slist_append(NULL, "Expect:");
    f->headers = curl_slist_append(f->headers, "Content-Type: application/json");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, f->call->socket);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L); /* the next VMM may have the same path */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
    if (strcmp(f->call->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, f->call->method);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, f->call->body ? f->call->body : "");
    }
    return easy;
}

static void begin(struct flight *f)
{
    f->easy = make_easy(f);
    curl_multi_add_handle(f->http->multi,
                          f->easy); /* curl sets its timer, and goes on from there */
}

static bool is_busy(const struct ch_http *h, const char *socket)
{
    for (const struct flight *f = h->flights; f; f = f->next)
        if (f->easy && !strcmp(f->call->socket, socket))
            return true;
    return false;
}

static void begin_next(struct ch_http *h, const char *socket)
{
    if (is_busy(h, socket))
        return;
    for (struct flight *f = h->flights; f; f = f->next)
        if (!strcmp(f->call->socket, socket)) {
            begin(f);
            return;
        }
}

static void take_off(void *data)
{
    struct flight *f = data;
    struct flight **last = &f->http->flights;
    while (*last)
        last = &(*last)->next;
    *last = f;
    uv_timer_init(ch_loop_uv(f->http->loop), &f->deadline);
    f->deadline.data = f;
    uv_update_time(ch_loop_uv(f->http->loop));
    uv_timer_start(&f->deadline, on_deadline,
                   (uint64_t)(f->call->timeout_ms > 0 ? f->call->timeout_ms : 0), 0);
    if (!is_busy(f->http, f->call->socket))
        begin(f);
}

/* -- curl on the loop ----------------------------------------------------------------------------- */

static void go_on(struct ch_http *h, curl_socket_t socket, int events)
{
    int running;
    curl_multi_socket_action(h->multi, socket, events, &running);
    look_for_ends(h);
}

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long ms, void *data)
{
    struct ch_http *h = data;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&h->timer);
    else
        uv_timer_start(&h->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watched *w = poll->data;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)poll, &fd) < 0)
        return;
    int seen = (status < 0 ? CURL_CSELECT_ERR : 0) | (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    go_on(w->http, fd, seen);
}

static void on_watched_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watched *watch(struct ch_http *h, curl_socket_t socket)
{
    struct watched *w = hm_alloc(sizeof *w);
    w->http = h;
    if (uv_poll_init(ch_loop_uv(h->loop), &w->poll, socket) < 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    curl_multi_assign(h->multi, socket, w);
    return w;
}

static int set_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *known)
{
    struct ch_http *h = data;
    struct watched *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            uv_close((uv_handle_t *)&w->poll, on_watched_closed);
        curl_multi_assign(h->multi, socket, NULL);
        return 0;
    }
    if (!w && !(w = watch(h, socket)))
        return 0; /* its deadline ends it */
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, events, on_event);
    return 0;
}

static void look_for_ends(struct ch_http *h)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        struct flight *f = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
        end_with(f, code);
    }
}

/* -- For its users -------------------------------------------------------------------------------- */

static void open_on_loop(void *data)
{
    struct ch_http *h = data;
    uv_timer_init(ch_loop_uv(h->loop), &h->timer);
    h->timer.data = h;
}

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct ch_http *ch_http_new(struct ch_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct ch_http *h = hm_alloc(sizeof *h);
    h->loop = loop;
    h->multi = curl_multi_init();
    if (!h->multi)
        abort();
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    ch_loop_do(loop, open_on_loop, h);
    return h;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_on_loop(void *data)
{
    struct ch_http *h = data;
    curl_multi_cleanup(h->multi);
    uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

void ch_http_free(struct ch_http *h)
{
    if (h)
        ch_loop_do(h->loop, close_on_loop, h);
}

/* What would only fail later, and less clearly. */
static bool is_sound(struct ch_call *c)
{
    if (strlen(c->socket) > CH_SOCKET_PATH_MAX)
        c->result = hm_fail(&c->err, HM_E_TOO_LARGE,
                            "%s: the path of a socket has at most %d bytes; choose a shorter "
                            "runtime_dir",
                            c->socket, CH_SOCKET_PATH_MAX);
    else if (c->body && strlen(c->body) > CH_BODY_MAX)
        c->result = hm_fail(&c->err, HM_E_TOO_LARGE,
                            "%s: %zu bytes are more than the %d that "
                            "cloud-hypervisor takes",
                            c->name, strlen(c->body), CH_BODY_MAX);
    return c->result == 0;
}

static struct flight *new_flight(struct ch_http *h, struct ch_call *c, struct waiting *w)
{
    struct flight *f = hm_alloc(sizeof *f);
    *f = (struct flight){.http = h, .call = c, .waiting = w, .answer = {.limit = CH_ANSWER_MAX}};
    return f;
}

void ch_http_calls(struct ch_http *h, struct ch_call *calls, size_t count)
{
    struct waiting w = {.left = count};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    for (size_t i = 0; i < count; i++) {
        calls[i].result = 0;
        calls[i].text = NULL;
        calls[i].len = 0;
        calls[i].status = 0;
        if (is_sound(&calls[i]))
            ch_loop_do(h->loop, take_off, new_flight(h, &calls[i], &w));
        else
            wake(&w);
    }
    pthread_mutex_lock(&w.lock);
    while (w.left > 0)
        pthread_cond_wait(&w.done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.lock);
}
