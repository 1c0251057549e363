/*
 * Links between agents, over real sockets on loopback and real TLS: who is believed, what is answered, and what
 * strangers, floods and silence cost. Each site here is a `struct peers` on the test's loop.
 */
#include "agent/peers.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/peer_conn.h"
#include "agent/peer_tls.h"
#include "base/clock.h"
#include "certificates.h"

static uv_loop_t loop;
static char folder[64];

struct site {
    struct peers *peers;
    struct hb_site name;
    unsigned asked, answered;
    struct hb_site last_from;
    struct peer_message last;
    bool grants;
};

static struct hb_site named(const char *name)
{
    struct hb_site s;
    ck_assert(hb_site_from(name, &s));
    return s;
}

static void on_asked(void *data, const struct hb_site *from, const struct peer_message *ask)
{
    struct site *s = data;
    s->asked++;
    s->last_from = *from;
    s->last = *ask;
    peers_answer(s->peers, from,
                 (struct peer_message){.nonce = ask->nonce, .era = ask->era, .granted = s->grants});
}

static void on_answered(void *data, const struct hb_site *from, const struct peer_message *answer)
{
    struct site *s = data;
    s->answered++;
    s->last_from = *from;
    s->last = *answer;
}

static void on_changed(void *data)
{
    (void)data;
}

static const char *path(const char *name, const char *ending)
{
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, 128, "%s/%s.%s", folder, name, ending);
    return p;
}

static int start(struct site *s, const char *name, const char *ca, const char *cert,
                 const char *group, struct hm_error *err)
{
    memset(s, 0, sizeof *s);
    s->name = named(name);
    s->grants = true;
    struct peers_options options = {.loop = &loop,
                                    .site = s->name,
                                    .group = named(group),
                                    .listen = "127.0.0.1:0",
                                    .tls_ca = path(ca, "pem"),
                                    .tls_cert = path(cert, "pem"),
                                    .tls_key = path(cert, "key"),
                                    .asked = on_asked,
                                    .answered = on_answered,
                                    .changed = on_changed,
                                    .data = s};
    return peers_new(&options, &s->peers, err);
}

static void must_start(struct site *s, const char *name, const char *cert)
{
    struct hm_error err = {0};
    ck_assert_msg(start(s, name, "ca", cert, "default", &err) == 0, "%s", err.text);
}

/* site-a and site-b; an address of each that is given. */
static void join(struct site *s, int port_a, int port_b)
{
    struct cluster_config c = {.site_count = 2, .heartbeat_interval_ms = 250};
    c.sites[0] = named("site-a");
    c.sites[1] = named("site-b");
    if (port_a)
        snprintf(c.addresses[0], sizeof c.addresses[0], "127.0.0.1:%d", port_a);
    if (port_b)
        snprintf(c.addresses[1], sizeof c.addresses[1], "127.0.0.1:%d", port_b);
    peers_set_group(s->peers, &c);
}

static json_t *link_of(const struct site *s)
{
    static json_t *status;
    json_decref(status);
    status = peers_status(s->peers);
    return json_array_get(status, 0);
}

static bool is_connected(const struct site *s)
{
    return json_is_true(json_object_get(link_of(s), "connected"));
}

static const char *why(const struct site *s)
{
    return json_string_value(json_object_get(link_of(s), "why"));
}

/* Turn the loop until the condition holds; 10 s at most. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t until_ = hm_boottime_ns() + 10000 * HM_MS;                                         \
        while (!(condition)) {                                                                     \
            ck_assert_msg(hm_boottime_ns() < until_, "waited in vain for %s", #condition);         \
            uv_run(&loop, UV_RUN_ONCE);                                                            \
        }                                                                                          \
    } while (0)

static void setup(void)
{
    strcpy(folder, "/tmp/harmony-peers-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    uv_loop_init(&loop);
    certificate_make_authority(folder, "ca");
    certificate_make(folder, "ca", "a", "site-a", 30);
    certificate_make(folder, "ca", "b", "site-b", 30);
}

static void stop(struct site *s)
{
    peers_free(s->peers);
}

static void teardown(void)
{
    char command[128];
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0); /* nothing is left open */
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void pair(struct site *a, struct site *b)
{
    must_start(a, "site-a", "a");
    must_start(b, "site-b", "b");
    join(a, 0, peers_port(b->peers));
    join(b, peers_port(a->peers), 0);
}

START_TEST(a_question_is_answered)
{
    struct site a, b;
    pair(&a, &b);
    struct peer_message ask = {.nonce = 99, .era = {1, 7}, .promise_ms = 4753};
    WAIT_FOR(is_connected(&a) && is_connected(&b));
    peers_ask(a.peers, &b.name, ask);
    WAIT_FOR(a.answered == 1);
    ck_assert_uint_eq(b.asked, 1);
    ck_assert_str_eq(b.last_from.text, "site-a");
    ck_assert_int_eq(b.last.promise_ms, 4753);
    ck_assert_str_eq(a.last_from.text, "site-b");
    ck_assert(a.last.granted);
    ck_assert_uint_eq(a.last.nonce, 99);
    ck_assert_uint_eq(a.last.era.epoch, 7);
    ck_assert_str_eq(why(&a), "");
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(nothing_is_sent_before_the_link_is_there)
{
    struct site a, b;
    pair(&a, &b);
    peers_ask(a.peers, &b.name, (struct peer_message){.nonce = 1, .promise_ms = 1});
    WAIT_FOR(is_connected(&a));
    peers_ask(a.peers, &b.name, (struct peer_message){.nonce = 2, .promise_ms = 1});
    WAIT_FOR(a.answered == 1);
    ck_assert_uint_eq(a.last.nonce, 2);
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(a_link_comes_back)
{
    struct site a, b;
    pair(&a, &b);
    WAIT_FOR(is_connected(&a));
    stop(&b);
    WAIT_FOR(!is_connected(&a));
    ck_assert_str_ne(why(&a), "");
    must_start(&b, "site-b", "b");
    join(&b, 0, 0);
    join(&a, 0, peers_port(b.peers));
    WAIT_FOR(is_connected(&a));
    stop(&a);
    stop(&b);
}
END_TEST

/* Who can't be believed, as the server of site-b: by whom is it signed, whom does it name, when does it end? */
static const struct {
    const char *authority, *cert_site, *said;
    int days;
} impostors[] = {
    {"other", "site-b", "certificate", 30}, /* another authority's */
    {"ca", "site-c", "does not name site-b", 30},
    {"ca", "*.b", "does not name site-b", 30},
    {"ca", "site-b", "expired", -1},
};

START_TEST(an_impostor_is_not_asked)
{
    struct site a, b;
    struct hm_error err;
    certificate_make_authority(folder, "other");
    certificate_make(folder, impostors[_i].authority, "x", impostors[_i].cert_site,
                     impostors[_i].days);
    must_start(&a, "site-a", "a");
    ck_assert_int_eq(start(&b, "site-b", "ca", "x", "default", &err), 0);
    join(&b, 0, 0);
    join(&a, 0, peers_port(b.peers));
    WAIT_FOR(*why(&a) != '\0');
    ck_assert_msg(strstr(why(&a), impostors[_i].said) != NULL, "%s", why(&a));
    peers_ask(a.peers, &b.name, (struct peer_message){.nonce = 1, .promise_ms = 1});
    ck_assert_uint_eq(b.asked, 0);
    ck_assert(!is_connected(&a));
    stop(&a);
    stop(&b);
}
END_TEST

/* The same as clients; the last one shows a certificate of the very site that it asks. */
static const struct {
    const char *authority, *cert_site;
    int days;
} strangers[] = {
    {"other", "site-a", 30}, {"ca", "site-c", 30}, {"ca", "site-a", -1}, {"ca", "site-b", 30}};

START_TEST(a_stranger_is_not_answered)
{
    struct site a, b;
    struct hm_error err;
    certificate_make_authority(folder, "other");
    certificate_make(folder, strangers[_i].authority, "x", strangers[_i].cert_site,
                     strangers[_i].days);
    ck_assert_int_eq(start(&a, "site-a", "ca", "x", "default", &err), 0);
    must_start(&b, "site-b", "b");
    join(&b, 0, 0);
    join(&a, 0, peers_port(b.peers));
    WAIT_FOR(*why(&a) != '\0');
    ck_assert(!is_connected(&a));
    ck_assert_uint_eq(b.asked, 0);
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(another_group_is_refused)
{
    struct site a, b;
    struct hm_error err;
    ck_assert_int_eq(start(&a, "site-a", "ca", "a", "other", &err), 0);
    must_start(&b, "site-b", "b");
    join(&b, 0, 0);
    join(&a, 0, peers_port(b.peers));
    WAIT_FOR(*why(&a) != '\0');
    ck_assert(!is_connected(&a));
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(certificates_that_are_not_there_are_an_error)
{
    struct site a;
    struct hm_error err = {0};
    ck_assert_int_lt(start(&a, "site-a", "ca", "nobody", "default", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "failover.peer.tls.cert"));
    ck_assert_ptr_nonnull(strstr(err.text, "nobody.pem"));
}
END_TEST

/* -- what costs nothing ---------------------------------------------------------------------------- */

struct raw {
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uv_write_t writing;
    bool connected, ended;
};

static void on_raw_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void on_raw_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct raw *r = stream->data;
    (void)buf;
    if (n >= 0 || r->ended)
        return;
    r->ended = true;
    uv_close((uv_handle_t *)stream, on_raw_closed);
}

static void on_raw_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char bytes[4096];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_raw_connected(uv_connect_t *request, int status)
{
    struct raw *r = request->handle->data;
    ck_assert_int_eq(status, 0);
    r->connected = true;
    uv_read_start(request->handle, on_raw_alloc, on_raw_read);
}

static void dial(struct raw *r, int port)
{
    struct sockaddr_in to;
    memset(r, 0, sizeof *r);
    uv_ip4_addr("127.0.0.1", port, &to);
    uv_tcp_init(&loop, &r->tcp);
    r->tcp.data = r;
    uv_tcp_connect(&r->connecting, &r->tcp, (const struct sockaddr *)&to, on_raw_connected);
}

static void hang_up(struct raw *r)
{
    if (!r->ended)
        uv_close((uv_handle_t *)&r->tcp, on_raw_closed);
    r->ended = true;
}

START_TEST(garbage_is_hung_up_on)
{
    struct site b;
    struct raw r;
    static char garbage[] = "GET / HTTP/1.1\r\n\r\n";
    uv_buf_t buf = uv_buf_init(garbage, sizeof garbage - 1);
    must_start(&b, "site-b", "b");
    join(&b, 0, 0);
    dial(&r, peers_port(b.peers));
    WAIT_FOR(r.connected);
    uv_write(&r.writing, (uv_stream_t *)&r.tcp, &buf, 1, NULL);
    WAIT_FOR(r.ended);
    stop(&b);
}
END_TEST

/* More who say nothing than there is room for: the first ones go, and the site that belongs here comes in. */
START_TEST(the_silent_do_not_keep_others_out)
{
    enum { SILENT = 12 };
    struct site a, b;
    struct raw silent[SILENT];
    must_start(&b, "site-b", "b");
    must_start(&a, "site-a", "a");
    join(&b, 0, 0);
    for (int i = 0; i < SILENT; i++) {
        dial(&silent[i], peers_port(b.peers));
        WAIT_FOR(silent[i].connected);
    }
    WAIT_FOR(silent[0].ended && silent[1].ended && silent[2].ended && silent[3].ended);
    join(&a, 0, peers_port(b.peers));
    WAIT_FOR(is_connected(&a));
    WAIT_FOR(silent[SILENT - 1].ended); /* after 5 s without a handshake */
    WAIT_FOR(is_connected(&a));         /* still; or again, after a machine that stood still */
    for (int i = 0; i < SILENT; i++)
        hang_up(&silent[i]);
    stop(&a);
    stop(&b);
}
END_TEST

/* A site's own connection with which a test does what it likes. */
struct own {
    struct peer_conn *conn;
    bool proven, closed;
};

static bool own_proven(void *data, struct peer_conn *conn, const SSL *tls, struct hm_error *err)
{
    struct own *o = data;
    (void)conn;
    (void)tls;
    (void)err;
    o->proven = true;
    return true;
}

static void own_message(void *data, struct peer_conn *conn, const struct peer_message *m)
{
    (void)data;
    (void)conn;
    (void)m;
}

static void own_closed(void *data, struct peer_conn *conn, const struct hm_error *err)
{
    struct own *o = data;
    (void)conn;
    (void)err;
    o->closed = true;
}

START_TEST(a_flood_is_closed)
{
    struct site b;
    struct own o = {0};
    struct sockaddr_in to;
    SSL_CTX *tls = NULL;
    struct peer_conn_events events = {own_proven, own_message, own_closed, &o};
    ck_assert_int_eq(
        peer_tls_new(path("ca", "pem"), path("a", "pem"), path("a", "key"), &tls, NULL), 0);
    must_start(&b, "site-b", "b");
    join(&b, 0, 0);
    uv_ip4_addr("127.0.0.1", peers_port(b.peers), &to);
    ck_assert_int_eq(
        peer_conn_open(&loop, tls, (const struct sockaddr *)&to, &events, &o.conn, NULL), 0);
    WAIT_FOR(o.proven);
    struct peer_message ask = {
        .kind = PEER_ASK, .group = named("default"), .nonce = 1, .promise_ms = 5};
    for (int i = 0; i < 1000 && !o.closed; i++)
        peer_conn_send(o.conn, &ask);
    WAIT_FOR(o.closed);
    ck_assert_uint_le(b.asked, 200);
    stop(&b);
    SSL_CTX_free(tls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peers");
    TCase *tc = tcase_create("peers");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_question_is_answered);
    tcase_add_test(tc, nothing_is_sent_before_the_link_is_there);
    tcase_add_test(tc, a_link_comes_back);
    tcase_add_loop_test(tc, an_impostor_is_not_asked, 0, sizeof(impostors) / sizeof(impostors[0]));
    tcase_add_loop_test(tc, a_stranger_is_not_answered, 0,
                        sizeof(strangers) / sizeof(strangers[0]));
    tcase_add_test(tc, another_group_is_refused);
    tcase_add_test(tc, certificates_that_are_not_there_are_an_error);
    tcase_add_test(tc, garbage_is_hung_up_on);
    tcase_add_test(tc, the_silent_do_not_keep_others_out);
    tcase_add_test(tc, a_flood_is_closed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
