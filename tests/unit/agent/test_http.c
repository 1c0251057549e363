/* The endpoints, asked over real sockets as a load balancer asks. */
#include "agent/http.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tests/lib/held_port.h"

static struct http *http;
static struct lease_limit lease;
static uint16_t port;
static int held;
static char listen_text[32];

static struct sockaddr_in loopback(uint16_t number)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(number),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void begin(int64_t live_ms)
{
    struct hm_error err;
    struct http_options options = {
        .listen = listen_text, .site = "site-a", .lease = &lease, .live_ms = live_ms};
    held = hold_port(&port);
    snprintf(listen_text, sizeof listen_text, "127.0.0.1:%u", port);
    ck_assert_msg(http_new(&options, &http, &err) >= 0, "%s", err.text);
}

static void set_up(void)
{
    lease_set(&lease, 0);
    begin(0);
}

static void tear_down(void)
{
    http_free(http);
    close(held);
}

static int connected(void)
{
    struct sockaddr_in a = loopback(port);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof a), 0);
    return s;
}

/* The whole answer; the caller frees it. */
static char *say(const char *request)
{
    struct hm_buf all = {0};
    char piece[4096];
    ssize_t n;
    int s = connected();
    ck_assert_int_eq(send(s, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while ((n = recv(s, piece, sizeof piece, 0)) > 0)
        hm_buf_add(&all, piece, (size_t)n);
    close(s);
    return hm_buf_steal(&all);
}

static char *ask(const char *method, const char *path)
{
    HM_AUTOFREE char *request =
        hm_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    return say(request);
}

static int code_of(const char *method, const char *path)
{
    HM_AUTOFREE char *answer = ask(method, path);
    int code = 0;
    ck_assert_msg(sscanf(answer, "HTTP/1.1 %d", &code) == 1, "%s", answer);
    return code;
}

static int get(const char *path)
{
    return code_of("GET", path);
}

static bool body_has(const char *path, const char *part)
{
    HM_AUTOFREE char *answer = ask("GET", path);
    return strstr(answer, part) != NULL;
}

static void turn(const char *not_ready)
{
    struct http_news news = {.not_ready = hm_strdup(not_ready)};
    http_say(http, &news);
}

START_TEST(primary_is_who_leads_under_a_lease)
{
    turn("");
    ck_assert_int_eq(get("/primary"), 503);
    http_say_role(http, "leader", 7, true);
    ck_assert_int_eq(get("/primary"), 503); /* a role without a lease is none */
    lease_set(&lease, hm_boottime_ns() + 60000 * HM_MS);
    ck_assert_int_eq(get("/primary"), 200);
    ck_assert(body_has("/primary", "{\"site\":\"site-a\",\"role\":\"leader\",\"epoch\":7,"
                                   "\"serves\":true}"));
    ck_assert_int_eq(get("/replica"), 503);
    http_say_role(http, "demoting", 7, true);
    ck_assert_int_eq(get("/primary"), 503);
}
END_TEST

/* Nobody has to say that it has run out: the one who would may stand still. */
START_TEST(lease_that_ran_out_serves_nobody)
{
    turn("");
    http_say_role(http, "leader", 7, true);
    lease_set(&lease, hm_boottime_ns() - 1);
    ck_assert_int_eq(get("/primary"), 503);
    ck_assert(body_has("/primary", "\"serves\":false"));
}
END_TEST

START_TEST(replica_is_one_that_could_lead)
{
    turn("");
    http_say_role(http, "replica", 7, false);
    ck_assert_int_eq(get("/replica"), 503);
    http_say_role(http, "replica", 7, true);
    ck_assert_int_eq(get("/replica"), 200);
    ck_assert_int_eq(get("/primary"), 503);
}
END_TEST

START_TEST(ready_says_what_is_in_the_way)
{
    ck_assert_int_eq(get("/ready"), 503);
    ck_assert(body_has("/ready", "starting"));
    turn("libvirt: no connection\n");
    ck_assert_int_eq(get("/ready"), 503);
    ck_assert(body_has("/ready", "libvirt: no connection"));
    turn("");
    ck_assert_int_eq(get("/ready"), 200);
}
END_TEST

static bool wait_for_code(const char *path, int code)
{
    int64_t give_up = hm_boottime_ns() + 10000 * HM_MS;
    while (get(path) != code)
        if (hm_boottime_ns() > give_up)
            return false;
    return true;
}

START_TEST(loop_that_stands_still_is_not_live)
{
    tear_down();
    begin(300);
    turn("");
    lease_set(&lease, INT64_MAX); /* paused: it does not run out */
    http_say_role(http, "leader", 7, true);
    ck_assert(wait_for_code("/live", 503));
    ck_assert_int_eq(get("/primary"), 503);
    ck_assert_int_eq(get("/ready"), 503);
    ck_assert(body_has("/live", "has not turned"));
    turn("");
    ck_assert_int_eq(get("/live"), 200);
}
END_TEST

START_TEST(status_is_made_for_those_who_ask)
{
    struct http_news news = {.status = hm_strdup("{\"site\":\"site-a\"}")};
    http_say(http, &news);
    lease_set(&lease, INT64_MAX);
    ck_assert(!http_is_watched(http));
    ck_assert(body_has("/status", "{\"lease_left_ms\":-1,"));
    ck_assert(body_has("/status", "\"agent\":{\"site\":\"site-a\"}}"));
    ck_assert(http_is_watched(http));
}
END_TEST

struct measured {
    const char *text;
    int made, freed;
};

static char *make_text(void *data)
{
    struct measured *m = data;
    m->made++;
    return hm_strdup(m->text);
}

static void free_text(void *data)
{
    struct measured *m = data;
    m->freed++;
}

static void say_measured(struct measured *m)
{
    struct http_news news = {.metrics = {.make = make_text, .free = free_text, .data = m}};
    http_say(http, &news);
}

START_TEST(metrics_are_made_once_and_only_for_who_asks)
{
    struct measured unread = {.text = "a 1\n"}, read = {.text = "a 2\n"}, next = {.text = "a 3\n"};
    ck_assert_int_eq(get("/metrics"), 200); /* there are none yet */
    say_measured(&unread);
    say_measured(&read);
    ck_assert(unread.made == 0 && unread.freed == 1);
    ck_assert(body_has("/metrics", "\r\n\r\na 2\n"));
    turn("");
    ck_assert(body_has("/metrics", "\r\n\r\na 2\n"));
    ck_assert(read.made == 1 && read.freed == 1);
    say_measured(&next);
    ck_assert(body_has("/metrics", "\r\n\r\na 3\n"));
    ck_assert(next.made == 1 && next.freed == 1);
}
END_TEST

START_TEST(metrics_that_nobody_read_are_freed_at_the_end)
{
    struct measured unread = {.text = "a 1\n"};
    say_measured(&unread);
    http_free(http);
    http = NULL;
    ck_assert(unread.made == 0 && unread.freed == 1);
}
END_TEST

static atomic_int times_wanted;

static void *make_status_soon(void *unused)
{
    struct http_news news = {.status = hm_strdup("{\"fresh\":true}")};
    http_say(http, &news);
    return unused;
}

/* As the loop does: from another thread, once the one that asks waits. */
static void note_wanted(void *data)
{
    pthread_t *maker = data;
    times_wanted++;
    ck_assert_int_eq(pthread_create(maker, NULL, make_status_soon, NULL), 0);
}

START_TEST(old_status_is_made_anew_for_who_asks)
{
    static pthread_t maker;
    struct hm_error err;
    http_free(http);
    struct http_options options = {.listen = listen_text,
                                   .site = "site-a",
                                   .lease = &lease,
                                   .wanted = note_wanted,
                                   .data = &maker};
    ck_assert_msg(http_new(&options, &http, &err) >= 0, "%s", err.text);
    ck_assert(body_has("/status", "\"agent\":{\"fresh\":true}}"));
    pthread_join(maker, NULL);
    ck_assert(body_has("/status", "fresh")); /* still young */
    ck_assert_int_eq(times_wanted, 1);
}
END_TEST

START_TEST(page_is_whole_and_fetches_nothing_from_elsewhere)
{
    HM_AUTOFREE char *answer = ask("GET", "/");
    ck_assert_ptr_nonnull(strstr(answer, "text/html"));
    ck_assert_ptr_nonnull(strstr(answer, "Content-Security-Policy: default-src 'none'"));
    ck_assert_ptr_nonnull(strstr(answer, "</html>"));
    ck_assert_ptr_null(strstr(answer, "src=\"http"));
    ck_assert_ptr_null(strstr(answer, "href=\"http"));
}
END_TEST

START_TEST(it_only_reads)
{
    turn("");
    ck_assert_int_eq(code_of("POST", "/primary"), 405);
    ck_assert_int_eq(code_of("DELETE", "/"), 405);
    ck_assert_int_eq(code_of("OPTIONS", "/live"), 200); /* what haproxy asks by default */
    HM_AUTOFREE char *head = ask("HEAD", "/live");
    ck_assert_ptr_nonnull(strstr(head, "200"));
    ck_assert_ptr_null(strstr(head, "live\n"));
    ck_assert_int_eq(get("/etc/passwd"), 404);
    ck_assert_int_eq(get("/primary/../.."), 404);
}
END_TEST

START_TEST(nonsense_harms_nobody)
{
    turn("");
    HM_AUTOFREE char *a = say("\x01\x02\x03\r\n\r\n");
    HM_AUTOFREE char *b = say("GET\r\n\r\n");
    char *long_request = hm_alloc(40000);
    memset(long_request, 'A', 39999);
    memcpy(long_request, "GET /", 5);
    memcpy(long_request + 39000, " HTTP/1.1\r\n\r\n", 13);
    long_request[39013] = '\0';
    HM_AUTOFREE char *c = say(long_request);
    free(long_request);
    ck_assert_int_eq(get("/live"), 200);
}
END_TEST

/* Connections that say nothing take up all places; they are the first to be refused more. */
START_TEST(silent_clients_do_not_stop_the_loop)
{
    enum { MANY = 100 };
    int sockets[MANY];
    for (int i = 0; i < MANY; i++)
        sockets[i] = connected();
    int64_t before = hm_boottime_ns();
    turn("");
    http_say_role(http, "leader", 8, true);
    ck_assert_int_lt(hm_boottime_ns() - before, 5000 * HM_MS);
    for (int i = 0; i < MANY; i++)
        close(sockets[i]);
    ck_assert(wait_for_code("/live", 200));
}
END_TEST

START_TEST(address_in_use_is_an_error_with_the_address)
{
    struct http *second = NULL;
    struct hm_error err;
    struct http_options options = {.listen = listen_text, .site = "site-b", .lease = &lease};
    ck_assert_int_eq(http_new(&options, &second, &err), -HM_E_IO);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(err.text, listen_text));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("http");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, primary_is_who_leads_under_a_lease);
    tcase_add_test(t, lease_that_ran_out_serves_nobody);
    tcase_add_test(t, replica_is_one_that_could_lead);
    tcase_add_test(t, ready_says_what_is_in_the_way);
    tcase_add_test(t, loop_that_stands_still_is_not_live);
    tcase_add_test(t, status_is_made_for_those_who_ask);
    tcase_add_test(t, metrics_are_made_once_and_only_for_who_asks);
    tcase_add_test(t, metrics_that_nobody_read_are_freed_at_the_end);
    tcase_add_test(t, old_status_is_made_anew_for_who_asks);
    tcase_add_test(t, page_is_whole_and_fetches_nothing_from_elsewhere);
    tcase_add_test(t, it_only_reads);
    tcase_add_test(t, nonsense_harms_nobody);
    tcase_add_test(t, silent_clients_do_not_stop_the_loop);
    tcase_add_test(t, address_in_use_is_an_error_with_the_address);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
