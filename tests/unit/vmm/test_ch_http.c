/* Calls over unix sockets. The other end is a socket of the test that answers what the test says. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/ch_http.h"

enum { LONG_MS = 20000, SHORT_MS = 100 };

static struct ch_loop *loop;
static struct ch_http *http;
static char dir[64];

/* A server of one connection after the other. */
struct server {
    char path[100];
    int listening;
    pthread_t thread;
    const char *answer; /* NULL: takes the request, and says nothing; "": hangs up */
    int count;          /* how many it serves before it ends */
    char request[4096]; /* the last one */
    int hold[2];        /* a silent one hangs up when the write end is closed */
};

static void read_request(struct server *s, int fd)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, s->request + len, sizeof s->request - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        s->request[len] = '\0';
        const char *head = strstr(s->request, "\r\n\r\n"), *body = strstr(s->request, "Length: ");
        size_t length = body ? strtoul(body + 8, NULL, 10) : 0;
        if (head && len >= (size_t)(head + 4 - s->request) + length)
            return;
    }
}

static void *serve(void *data)
{
    struct server *s = data;
    char end;
    for (int i = 0; i < s->count; i++) {
        int fd = accept(s->listening, NULL, NULL);
        ck_assert_int_ge(fd, 0);
        read_request(s, fd);
        if (s->answer)
            ck_assert_int_eq(write(fd, s->answer, strlen(s->answer)), (ssize_t)strlen(s->answer));
        else
            ck_assert_int_eq(read(s->hold[0], &end, 1), 0);
        close(fd);
    }
    return NULL;
}

static void start(struct server *s, const char *name, const char *answer, int count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *s = (struct server){.answer = answer, .count = count};
    snprintf(s->path, sizeof s->path, "%s/%s", dir, name);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", s->path);
    ck_assert_int_eq(pipe(s->hold), 0);
    s->listening = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s->listening, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(s->listening, 16), 0);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    close(s->hold[1]);
    pthread_join(s->thread, NULL);
    close(s->hold[0]);
    close(s->listening);
    unlink(s->path);
}

static struct ch_call get(const char *socket, int64_t ms)
{
    return (struct ch_call){.socket = socket, .method = "GET", .name = "vm.info", .timeout_ms = ms};
}

static void set_up(void)
{
    struct hm_error err = {0};
    snprintf(dir, sizeof dir, "/tmp/harmony-http-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(ch_loop_new(&loop, &err), 0);
    http = ch_http_new(loop);
}

static void tear_down(void)
{
    ch_http_free(http);
    ch_loop_free(loop);
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(a_call_has_method_path_body_and_answer)
{
    struct server s;
    start(&s, "a", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}", 1);
    struct ch_call c = {.socket = s.path,
                        .method = "PUT",
                        .name = "vm.resize",
                        .body = "{\"desired_vcpus\":2}",
                        .timeout_ms = LONG_MS};
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, 0);
    ck_assert_int_eq(c.status, 200);
    ck_assert_str_eq(c.text, "{\"a\":1}");
    ck_assert_uint_eq(c.len, 7);
    free(c.text);
    stop(&s);
    ck_assert(!strncmp(s.request, "PUT /api/v1/vm.resize HTTP/1.1\r\n", 32));
    ck_assert_ptr_nonnull(strstr(s.request, "\r\n\r\n{\"desired_vcpus\":2}"));
    ck_assert_ptr_null(strstr(s.request, "Expect"));
}
END_TEST

START_TEST(an_answer_without_a_body_is_one)
{
    struct server s;
    start(&s, "a", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 1);
    struct ch_call c = {
        .socket = s.path, .method = "PUT", .name = "vm.boot", .timeout_ms = LONG_MS};
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, 0);
    ck_assert_int_eq(c.status, 204);
    ck_assert_ptr_null(c.text);
    stop(&s);
}
END_TEST

START_TEST(one_that_is_silent_is_left_at_the_deadline)
{
    struct server s;
    start(&s, "a", NULL, 1);
    struct ch_call c = get(s.path, SHORT_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(c.err.text, "no answer for 100 ms"));
    stop(&s);
}
END_TEST

START_TEST(one_that_hangs_holds_up_no_other)
{
    struct server silent, well;
    start(&silent, "a", NULL, 1);
    start(&well, "b", "HTTP/1.1 204 No Content\r\n\r\n", 1);
    struct ch_call c[] = {get(silent.path, SHORT_MS), get(well.path, LONG_MS)};
    ch_http_calls(http, c, 2);
    ck_assert_int_eq(c[0].result, -HM_E_TIMEOUT);
    ck_assert_int_eq(c[1].result, 0);
    ck_assert_int_eq(c[1].status, 204);
    stop(&silent);
    stop(&well);
}
END_TEST

/* The server takes a second connection only after it is done with the first one, which is after the second
 * call's deadline: were both sent at once, the second one's sentence would be another. */
START_TEST(two_calls_to_one_vmm_come_one_after_the_other)
{
    struct server s;
    start(&s, "a", NULL, 1);
    struct ch_call c[] = {get(s.path, SHORT_MS * 2), get(s.path, SHORT_MS)};
    ch_http_calls(http, c, 2);
    ck_assert_int_eq(c[0].result, -HM_E_TIMEOUT);
    ck_assert_int_eq(c[1].result, -HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(c[1].err.text, "an earlier call"));
    stop(&s);
}
END_TEST

START_TEST(the_next_one_begins_when_the_first_has_ended)
{
    struct server s;
    start(&s, "a", "HTTP/1.1 204 No Content\r\n\r\n", 20);
    struct ch_call c[20];
    for (int i = 0; i < 20; i++)
        c[i] = get(s.path, LONG_MS);
    ch_http_calls(http, c, 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(c[i].result, 0);
    stop(&s);
}
END_TEST

START_TEST(no_socket_is_no_connection)
{
    HM_AUTOFREE char *path = hm_printf("%s/none", dir);
    struct ch_call c = get(path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_CONNECTION);
}
END_TEST

/* What SIGKILL leaves behind. */
START_TEST(a_stale_socket_is_no_connection)
{
    struct server s;
    start(&s, "a", "HTTP/1.1 204 No Content\r\n\r\n", 0);
    pthread_join(s.thread, NULL);
    close(s.listening);
    struct ch_call c = get(s.path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_CONNECTION);
    close(s.hold[0]), close(s.hold[1]);
    unlink(s.path);
}
END_TEST

START_TEST(one_that_dies_while_asked_is_no_answer)
{
    struct server s;
    start(&s, "a", "", 1);
    struct ch_call c = get(s.path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_CONNECTION);
    stop(&s);
}
END_TEST

START_TEST(what_is_no_http_is_an_error)
{
    struct server s;
    start(&s, "a", "\x01\x02 garbage\r\n\r\n", 1);
    struct ch_call c = get(s.path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_lt(c.result, 0);
    stop(&s);
}
END_TEST

/* It goes on writing until it is hung up on. */
static void *serve_without_end(void *data)
{
    struct server *s = data;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n";
    static const char piece[65536];
    int fd = accept(s->listening, NULL, NULL);
    read_request(s, fd);
    ck_assert_int_eq(write(fd, head, sizeof head - 1), sizeof head - 1);
    while (send(fd, piece, sizeof piece, MSG_NOSIGNAL) > 0)
        ;
    close(fd);
    return NULL;
}

START_TEST(an_endless_answer_is_cut)
{
    struct server s;
    start(&s, "a", "", 0);
    pthread_join(s.thread, NULL);
    ck_assert_int_eq(pthread_create(&s.thread, NULL, serve_without_end, &s), 0);
    struct ch_call c = get(s.path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_TOO_LARGE);
    ck_assert_ptr_null(c.text);
    stop(&s);
}
END_TEST

START_TEST(a_request_that_is_too_large_is_not_sent)
{
    HM_AUTOFREE char *path = hm_printf("%s/none", dir);
    HM_AUTOFREE char *body = hm_alloc(CH_BODY_MAX + 2);
    memset(body, ' ', CH_BODY_MAX + 1);
    struct ch_call c = get(path, LONG_MS);
    c.body = body;
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_TOO_LARGE);
}
END_TEST

START_TEST(a_path_that_fits_no_socket_is_refused)
{
    char path[CH_SOCKET_PATH_MAX + 2];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct ch_call c = get(path, LONG_MS);
    ch_http_calls(http, &c, 1);
    ck_assert_int_eq(c.result, -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(c.err.text, "runtime_dir"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_http");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_call_has_method_path_body_and_answer);
    tcase_add_test(t, an_answer_without_a_body_is_one);
    tcase_add_test(t, one_that_is_silent_is_left_at_the_deadline);
    tcase_add_test(t, one_that_hangs_holds_up_no_other);
    tcase_add_test(t, two_calls_to_one_vmm_come_one_after_the_other);
    tcase_add_test(t, the_next_one_begins_when_the_first_has_ended);
    tcase_add_test(t, no_socket_is_no_connection);
    tcase_add_test(t, a_stale_socket_is_no_connection);
    tcase_add_test(t, one_that_dies_while_asked_is_no_answer);
    tcase_add_test(t, what_is_no_http_is_an_error);
    tcase_add_test(t, an_endless_answer_is_cut);
    tcase_add_test(t, a_request_that_is_too_large_is_not_sent);
    tcase_add_test(t, a_path_that_fits_no_socket_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
