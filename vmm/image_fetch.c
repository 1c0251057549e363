#include "vmm/image_fetch.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/url.h"
#include "vmm/image_part.h"

enum { CONNECT_MS = 30000, POLL_MS = 500, REDIRECTS = 5, REPLY_MAX = 200 };

/* What the server says about the file, in the last of its answers (those before were redirects). */
struct reply {
    long status;
    int64_t length;            /* Content-Length; -1: not said */
    int64_t range_from, whole; /* Content-Range; -1: not said */
    char etag[IMAGE_VALIDATOR_MAX], last_modified[IMAGE_VALIDATOR_MAX];
};

struct transfer {
    const struct image_fetch *fetch;
    CURL *curl;
    struct reply reply;
    int64_t heard_ns;        /* when the server last sent anything */
    struct hm_buf *text;     /* either */
    struct image_part *part; /* or */
    bool begun;              /* the first byte was looked at */
    bool resumes;            /* a range was asked for */
    bool misfits;            /* and another one came */
    struct hm_error *err;    /* of our own callbacks; code HM_OK: none */
};

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* -- Headers -------------------------------------------------------------------------------------- */

static const struct reply no_reply = {.length = -1, .range_from = -1, .whole = -1};

/* "Name: value\r\n": the value, if that is the name. */
static bool value_of(const char *line, size_t len, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    line += n + 1;
    len -= n + 1;
    while (len > 0 && isspace((unsigned char)*line))
        line++, len--;
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        len--;
    if (len >= size)
        return false;
    memcpy(out, line, len);
    out[len] = '\0';
    return true;
}

/* "bytes 100-999/1000" */
static void read_range(struct reply *r, const char *value)
{
    long long from = -1, to = -1, whole = -1;
    if (sscanf(value, "bytes %lld-%lld/%lld", &from, &to, &whole) != 3 || from < 0 || to < from)
        return;
    r->range_from = from;
    r->whole = whole;
}

static size_t on_header(char *line, size_t one, size_t len, void *data)
{
    struct transfer *t = data;
    char value[IMAGE_VALIDATOR_MAX];
    (void)one;
    t->heard_ns = hm_boottime_ns();
    if (len > 5 && !strncmp(line, "HTTP/", 5))
        t->reply = no_reply;
    else if (value_of(line, len, "ETag", value, sizeof value))
        memcpy(t->reply.etag, value, sizeof value);
    else if (value_of(line, len, "Last-Modified", value, sizeof value))
        memcpy(t->reply.last_modified, value, sizeof value);
    else if (value_of(line, len, "Content-Range", value, sizeof value))
        read_range(&t->reply, value);
    return len;
}

/* A weak ETag says nothing about single bytes. */
static const char *validator_of(const struct reply *r)
{
    return *r->etag && strncmp(r->etag, "W/", 2) != 0 ? r->etag : r->last_modified;
}

/* -- Body ----------------------------------------------------------------------------------------- */

/* The answer to a Range either goes on where we are, or is the whole file anew. */
static int begin_body(struct transfer *t)
{
    struct image_part *p = t->part;
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->reply.status);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->begun = true;
    if (t->reply.status != 206)
        return image_part_begin(p, validator_of(&t->reply), length > 0 ? length : 0, t->err);
    t->misfits = !t->resumes || t->reply.range_from != p->have ||
                 (p->total && t->reply.whole >= 0 && t->reply.whole != p->total);
    if (t->misfits)
        return hm_fail(t->err, HM_E_DOWNLOAD, "it answered with another part than was asked for");
    return p->total ? image_part_check_room(p, p->total - p->have, t->err) : 0;
}

static int take(struct transfer *t, const char *data, size_t len)
{
    if (t->text) {
        hm_buf_add(t->text, data, len);
        return t->text->overflowed ? hm_fail(t->err, HM_E_TOO_LARGE,
                                             "the answer has more than "
                                             "%zu bytes",
                                             t->text->limit)
                                   : 0;
    }
    int r = t->begun ? 0 : begin_body(t);
    return r < 0 ? r : image_part_add(t->part, data, len, t->err);
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;
    (void)one;
    t->heard_ns = hm_boottime_ns();
    if (take(t, data, len) < 0)
        return 0; /* curl: CURLE_WRITE_ERROR */
    if (t->part && t->fetch->on_progress)
        t->fetch->on_progress(t->fetch->data, t->part->have, t->part->total);
    return len;
}

/* -- One run of curl ------------------------------------------------------------------------------ */

static void set_options(const struct transfer *t)
{
    const struct image_fetch *f = t->fetch;
    CURL *c = t->curl;
    const char *protocols = f->https_only ? "https" : "http,https";
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "harmony/" HM_VERSION);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    if (f->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
}

/* The caller frees the list after the transfer. */
static struct curl_slist *ask_for_the_rest(struct transfer *t)
{
    struct image_part *p = t->part;
    t->resumes = p && p->have > 0 && *p->validator;
    if (!t->resumes)
        return NULL;
    HM_AUTOFREE char *range = hm_printf("%lld-", (long long)p->have);
    HM_AUTOFREE char *condition = hm_printf("If-Range: %s", p->validator);
    struct curl_slist *headers = curl_slist_append(NULL, condition);
    curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static bool is_stalled(const struct transfer *t)
{
    return hm_boottime_ns() - t->heard_ns > t->fetch->stall_ms * HM_MS;
}

/* By a multi handle, so that `stop` and a stall are seen between two waits. */
static CURLcode run(CURLM *multi, const struct transfer *t)
{
    int running = 1, left;
    curl_multi_add_handle(multi, t->curl);
    while (running && !atomic_load(t->fetch->stop) && !is_stalled(t)) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        if (running)
            curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    CURLMsg *message = curl_multi_info_read(multi, &left);
    CURLcode code =
        message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_ABORTED_BY_CALLBACK;
    curl_multi_remove_handle(multi, t->curl);
    return code;
}

static int say_failure(const struct transfer *t, CURLcode code, struct hm_error *err)
{
    if (atomic_load(t->fetch->stop))
        return hm_fail(err, HM_E_CANCELLED, "it was given up");
    if (t->err->code)
        return hm_fail(err, t->err->code, "%s", t->err->text);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return hm_fail(err, HM_E_DOWNLOAD, "the server answered %ld", t->reply.status);
    if (is_stalled(t))
        return hm_fail(err, HM_E_DOWNLOAD, "nothing came for %lld s",
                       (long long)t->fetch->stall_ms / 1000);
    if (code == CURLE_PARTIAL_FILE && t->part)
        return hm_fail(err, HM_E_DOWNLOAD, "it broke off after %lld of %lld bytes",
                       (long long)t->part->have, (long long)t->part->total);
    return hm_fail(err, HM_E_DOWNLOAD, "%s", curl_easy_strerror(code));
}

static int transfer(struct transfer *t, struct hm_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct hm_error own = {0};
    pthread_once(&once, global_init);
    CURLM *multi = curl_multi_init();
    t->curl = curl_easy_init();
    if (!multi || !t->curl)
        abort();
    t->reply = no_reply;
    t->err = &own;
    t->heard_ns = hm_boottime_ns();
    set_options(t);
    struct curl_slist *headers = ask_for_the_rest(t);
    CURLcode code = run(multi, t);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->reply.status);
    int r = code == CURLE_OK ? 0 : say_failure(t, code, err);
    curl_easy_cleanup(t->curl);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return r;
}

/* -- Both kinds ----------------------------------------------------------------------------------- */

static int name_it(const struct image_fetch *f, int r, struct hm_error *err)
{
    char shown[URL_SHOWN_MAX];
    url_shown(f->url, shown);
    return r < 0 ? hm_wrap(err, "%s", shown) : 0;
}

int image_fetch_text(const struct image_fetch *f, struct hm_buf *into, struct hm_error *err)
{
    struct transfer t = {.fetch = f, .text = into};
    return name_it(f, transfer(&t, err), err);
}

/* Nothing that it could be compared with is known: what it has is the whole. */
static int check_complete(const struct image_part *p, struct hm_error *err)
{
    if (!p->total || p->have == p->total)
        return 0;
    return hm_fail(err, HM_E_DOWNLOAD, "it has %lld bytes, and should have %lld",
                   (long long)p->have, (long long)p->total);
}

static bool is_there_already(const struct image_part *p)
{
    return p->total > 0 && p->have == p->total;
}

/* A server that can't go on from there: once more, from the beginning. */
static int fetch_rest(const struct image_fetch *f, struct image_part *p, struct hm_error *err)
{
    struct transfer t = {.fetch = f, .part = p};
    int r = transfer(&t, err);
    if (r >= 0 || !t.resumes || (t.reply.status != 416 && !t.misfits))
        return r;
    r = image_part_begin(p, "", 0, err);
    t = (struct transfer){.fetch = f, .part = p};
    return r < 0 ? r : transfer(&t, err);
}

int image_fetch_file(const struct image_fetch *f, const char *path, struct hm_error *err)
{
    struct image_part p;
    int r = image_part_open(path, f->url, &p, err);
    if (r < 0)
        return r;
    r = is_there_already(&p) ? 0 : fetch_rest(f, &p, err);
    if (r >= 0)
        r = check_complete(&p, err);
    if (r >= 0)
        r = image_part_sync(&p, err);
    image_part_close(&p);
    if (r == -HM_E_NO_SPACE) /* others need the room more than the next attempt does */
        image_part_remove(path);
    return name_it(f, r, err);
}
