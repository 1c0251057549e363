#include "ctl/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

struct session {
    uv_loop_t loop;
    uv_timer_t timer;
    struct bus *bus;
    char *servers;
    int64_t timeout_ms;
    bool done, expired;
    struct hm_error *err; /* of the call that is under way */
    int result;
};

/* How long to look for another server once connecting has failed, before giving up. */
enum { GRACE_AFTER_FAILURE_MS = 300, LOOK_AGAIN_MS = 50 };

/* Idle heartbeats of our watches: a watch that gets no answer says why within twice this. */
enum { IDLE_HEARTBEAT_MS = 1000 };

/* -- Running the loop ---------------------------------------------------------------------- */

static void on_expired(uv_timer_t *timer)
{
    struct session *s = timer->data;
    s->expired = true;
    uv_stop(&s->loop);
}

static void begin(struct session *s, struct hm_error *err)
{
    s->done = s->expired = false;
    s->err = err;
    s->result = 0;
}

/* uv_run(UV_RUN_ONCE) goes on to wait after a timer's callback, unless it is told not to. */
static void finish(struct session *s, int result)
{
    uv_stop(&s->loop);
    s->done = true;
    s->result = result;
}

static void fail_with(struct session *s, const struct hm_error *why)
{
    if (s->err)
        *s->err = *why;
    finish(s, -(int)why->code);
}

static void run_until_done(struct session *s)
{
    while (!s->done && !s->expired)
        uv_run(&s->loop, UV_RUN_ONCE);
}

/* false: the limit passed first. */
static bool run_for(struct session *s, int64_t limit_ms)
{
    s->expired = false;
    uv_timer_start(&s->timer, on_expired, limit_ms > 0 ? (uint64_t)limit_ms : 0, 0);
    run_until_done(s);
    uv_timer_stop(&s->timer);
    return s->done;
}

/* -- Opening and closing ------------------------------------------------------------------- */

/* User and password of each URL of a list are shown as three stars. */
static char *without_credentials(const char *servers)
{
    struct hm_buf out = {0};
    while (*servers) {
        size_t len = strcspn(servers, ",");
        const char *scheme = memmem(servers, len, "://", 3);
        const char *host = scheme ? scheme + 3 : servers;
        const char *at = memrchr(host, '@', len - (size_t)(host - servers));
        hm_buf_add(&out, servers, (size_t)(host - servers));
        hm_buf_puts(&out, at ? "***" : "");
        host = at ? at : host;
        hm_buf_add(&out, host, len - (size_t)(host - servers));
        servers += len;
        if (*servers)
            hm_buf_puts(&out, (servers++, ", "));
    }
    return hm_buf_steal(&out);
}

static struct bus_options options_for(const struct connection *c)
{
    return (struct bus_options){
        .servers = c->servers,
        .name = "harmonyctl",
        .credentials = c->creds,
        .user = c->user,
        .password = c->password,
        .token = c->token,
        .tls_ca = c->tls_ca,
        .tls_cert = c->tls_cert,
        .tls_key = c->tls_key,
    };
}

/* The bus tries for ever, a person does not wait that long: a failure that it reports gets a short
 * grace. */
static int wait_connected(struct session *s, struct hm_error *err)
{
    int64_t end = hm_boottime_ns() + s->timeout_ms * HM_MS;
    while (!bus_is_connected(s->bus)) {
        int64_t now = hm_boottime_ns();
        int64_t grace = now + GRACE_AFTER_FAILURE_MS * HM_MS;
        if (*bus_last_error(s->bus) && grace < end)
            end = grace;
        if (now >= end)
            break;
        begin(s, NULL);
        run_for(s, LOOK_AGAIN_MS);
    }
    if (bus_is_connected(s->bus))
        return 0;
    const char *why = bus_last_error(s->bus); /* a sentence that names the server */
    if (*why)
        return hm_fail(err, HM_E_CONNECTION, "%s; --server, --context or NATS_URL name another one",
                       why);
    return hm_fail(err, HM_E_CONNECTION,
                   "no answer from NATS at %s; --server, --context or NATS_URL name another one",
                   s->servers);
}

int session_open(const struct connection *c, int64_t timeout_ms, struct session **ret,
                 struct hm_error *err)
{
    struct session *s = hm_alloc(sizeof *s);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    s->timeout_ms = timeout_ms;
    s->servers = without_credentials(c->servers);
    struct bus_options options = options_for(c);
    int result = bus_open(&s->loop, &options, &s->bus, err);
    if (result >= 0)
        result = wait_connected(s, err);
    if (result < 0) {
        session_close(s);
        return result;
    }
    *ret = s;
    return 0;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    if (s->bus)
        bus_close(s->bus);
    uv_close((uv_handle_t *)&s->timer, NULL);
    while (uv_loop_close(&s->loop) == UV_EBUSY)
        uv_run(&s->loop, UV_RUN_DEFAULT);
    free(s->servers);
    free(s);
}

const char *session_servers(const struct session *s)
{
    return s->servers;
}

/* -- Watching ------------------------------------------------------------------------------ */

struct watching {
    struct session *session;
    const char *bucket;
    session_enough enough;
    session_all_given all_given;
    void (*start_again)(void *data); /* may be NULL */
    void *data;
    struct hm_error broken; /* why it had to be made anew, the last time */
};

static void watch_entry(void *data, const struct bus_entry *given)
{
    struct watching *w = data;
    struct entry entry = {
        .key = hm_strdup(given->key),
        .value = hm_memdup(given->value, given->deleted ? 0 : given->len),
        .len = given->deleted ? 0 : given->len,
        .revision = given->revision,
        .stamp_ns = given->stamp_ns,
        .deleted = given->deleted,
    };
    if (!w->session->done && w->enough(w->data, &entry))
        finish(w->session, 0);
    entry_clear(&entry);
}

static void watch_ready(void *data)
{
    struct watching *w = data;
    if (!w->session->done && w->all_given && w->all_given(w->data))
        finish(w->session, 0);
}

/* The bus makes the watch anew; only a missing bucket is final. */
static void watch_broken(void *data, const struct hm_error *why)
{
    struct watching *w = data;
    if (w->session->done)
        return;
    if (w->start_again)
        w->start_again(w->data);
    w->broken = *why;
    if (why->code != HM_E_NOT_FOUND)
        return;
    finish(w->session,
           hm_fail(w->session->err, HM_E_NOT_FOUND,
                   "bucket %s is not there (harmonyctl failover init makes it)", w->bucket));
}

static int run_watch(struct watching *w, const char *filter, bool history, int64_t limit_ms,
                     struct hm_error *err)
{
    struct bus_watch_options options = {
        .bucket = w->bucket,
        .filter = filter,
        .history = history,
        .idle_heartbeat_ms = IDLE_HEARTBEAT_MS,
        .on_entry = watch_entry,
        .on_ready = watch_ready,
        .on_broken = watch_broken,
        .data = w,
    };
    begin(w->session, err);
    struct bus_watch *watch = bus_watch_start(w->session->bus, &options);
    bool done = run_for(w->session, limit_ms);
    bus_watch_stop(watch);
    if (done)
        return w->session->result;
    return hm_fail(err, HM_E_TIMEOUT, "bucket %s: not all was read within %lld ms%s%s", w->bucket,
                   (long long)limit_ms, *w->broken.text ? ": " : "", w->broken.text);
}

int session_watch(struct session *s, const char *bucket, const char *filter, int64_t limit_ms,
                  session_enough enough, session_all_given all_given, void *data,
                  struct hm_error *err)
{
    struct watching w = {s, bucket, enough, all_given, NULL, data, {0}};
    return run_watch(&w, filter, false, limit_ms, err);
}

static bool keep_entry(void *data, const struct entry *entry)
{
    entries_add(data, entry);
    return false;
}

static bool have_all(void *data)
{
    (void)data;
    return true;
}

static void forget_entries(void *data)
{
    entries_clear(data);
}

int session_list(struct session *s, const char *bucket, const char *filter, bool history,
                 struct entries *ret, struct hm_error *err)
{
    struct entries found = {0};
    struct watching w = {s, bucket, keep_entry, have_all, forget_entries, &found, {0}};
    int result = run_watch(&w, filter, history, s->timeout_ms, err);
    if (result < 0) {
        entries_clear(&found);
        return result;
    }
    if (!history)
        entries_keep_last(&found); /* one that changed while we read is there twice */
    *ret = found;
    return 0;
}

/* -- Writing ------------------------------------------------------------------------------- */

struct putting {
    struct session *session;
    const char *bucket, *key;
    uint64_t *ret_revision;
};

static int explain_conflict(const struct putting *p, const struct bus_put_result *result)
{
    if (result->revision)
        return hm_fail(
            p->session->err, HM_E_CONFLICT,
            "%s: someone else changed it meanwhile (revision %llu is there); look, then try "
            "again",
            p->key, (unsigned long long)result->revision);
    return hm_fail(p->session->err, HM_E_CONFLICT,
                   "%s: someone else changed it meanwhile; look, then try again", p->key);
}

static void put_done(void *data, const struct bus_put_result *result)
{
    struct putting *p = data;
    struct session *s = p->session;
    switch (result->outcome) {
    case BUS_PUT_STORED:
    case BUS_PUT_DUPLICATE:
        *p->ret_revision = result->revision;
        finish(s, 0);
        return;
    case BUS_PUT_CONFLICT:
        finish(s, explain_conflict(p, result));
        return;
    case BUS_PUT_UNKNOWN:
        finish(s,
               hm_fail(s->err, HM_E_TIMEOUT, "%s: no acknowledgement (%s); it may have been stored",
                       p->key, result->error.text));
        return;
    case BUS_PUT_REFUSED:
        fail_with(s, &result->error);
        if (s->err)
            hm_wrap(s->err, "%s in %s", p->key, p->bucket);
        return;
    }
}

int session_put(struct session *s, const char *bucket, const char *key, const char *value,
                int64_t expect, uint64_t *ret_revision, struct hm_error *err)
{
    struct putting p = {s, bucket, key, ret_revision};
    struct bus_put put = {
        .bucket = bucket,
        .key = key,
        .value = value ? value : "",
        .len = value ? strlen(value) : 0,
        .expect_revision = expect,
        .timeout_ms = s->timeout_ms,
        .is_delete = value == NULL,
    };
    begin(s, err);
    bus_put(s->bus, &put, put_done, &p);
    run_until_done(s);
    return s->result;
}

/* -- Buckets and requests ------------------------------------------------------------------ */

struct asking {
    struct session *session;
    void *ret;
};

static void info_done(void *data, const struct bus_bucket *info, const struct hm_error *err)
{
    struct asking *a = data;
    if (!info) {
        fail_with(a->session, err);
        return;
    }
    *(struct bus_bucket *)a->ret = *info;
    finish(a->session, 0);
}

int session_bucket(struct session *s, const char *bucket, struct bus_bucket *ret,
                   struct hm_error *err)
{
    struct asking a = {s, ret};
    begin(s, err);
    bus_bucket_info(s->bus, bucket, s->timeout_ms, info_done, &a);
    run_until_done(s);
    return s->result;
}

static void create_done(void *data, const struct hm_error *err)
{
    struct session *s = data;
    if (err)
        fail_with(s, err);
    else
        finish(s, 0);
}

int session_bucket_create(struct session *s, const struct bus_bucket_config *config,
                          struct hm_error *err)
{
    begin(s, err);
    bus_bucket_create(s->bus, config, s->timeout_ms, create_done, s);
    run_until_done(s);
    return s->result;
}

static void request_done(void *data, const void *reply, size_t len, const struct hm_error *err)
{
    struct asking *a = data;
    if (!reply) {
        fail_with(a->session, err);
        return;
    }
    *(char **)a->ret = hm_memdup(reply, len);
    finish(a->session, 0);
}

int session_request(struct session *s, const char *subject, const char *payload, char **ret_reply,
                    struct hm_error *err)
{
    struct asking a = {s, ret_reply};
    begin(s, err);
    bus_request(s->bus, subject, payload, strlen(payload), s->timeout_ms, request_done, &a);
    run_until_done(s);
    return s->result;
}

/* -- What goes on for longer --------------------------------------------------------------- */

uv_loop_t *session_loop(struct session *s)
{
    return &s->loop;
}

struct bus *session_bus(struct session *s)
{
    return s->bus;
}

int64_t session_timeout_ms(const struct session *s)
{
    return s->timeout_ms;
}

void session_run(struct session *s)
{
    begin(s, NULL);
    run_until_done(s);
}

void session_stop(struct session *s)
{
    finish(s, 0);
}
