/* Checkups on a real loop, against servers on loopback that the test plays itself, and a fake agent in a guest. */
#include "agent/checkup.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "tests/lib/held_port.h"
#include "tests/lib/turn.h"

static uv_loop_t loop;
static struct checkups *all;
static struct checkup *one;
static json_t *spec;
static int changes, ills;

/* -- A server that says one thing ----------------------------------------------------------------- */

static struct server {
    uv_poll_t poll;
    int fd;
    uint16_t port;
    const char *says; /* NULL: nothing, and it keeps the connection */
    int64_t
        stands_still_ms; /* the loop, with the machine, as soon as it has said it the second time */
    int accepted;
    int kept[32]; /* connections that it leaves open */
} server;
static int held; /* its port, also when it has hung up: nobody else answers there */

static void stand_still(int64_t ms)
{
    int64_t until = hm_boottime_ns() + ms * HM_MS;
    while (hm_boottime_ns() < until)
        sched_yield();
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct server *s = poll->data;
    (void)status, (void)events;
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0)
        return;
    ck_assert_int_lt(s->accepted, 32);
    s->kept[s->accepted++] = fd;
    if (!s->says)
        return;
    ck_assert_int_ge(send(fd, s->says, strlen(s->says), MSG_NOSIGNAL), 0);
    shutdown(fd, SHUT_WR);
    if (s->accepted == 2)
        stand_still(s->stands_still_ms);
}

static void serve(const char *says)
{
    int on = 1;
    server = (struct server){.says = says, .fd = socket(AF_INET, SOCK_STREAM, 0)};
    held = hold_port(&server.port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(server.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(server.fd, 16), 0);
    uv_poll_init(&loop, &server.poll, server.fd);
    server.poll.data = &server;
    uv_poll_start(&server.poll, UV_READABLE, on_connection);
}

/* What the last one that connected has sent by now. */
static const char *heard(void)
{
    static char text[512];
    ssize_t n = recv(server.kept[server.accepted - 1], text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void hang_up(void)
{
    for (int i = 0; i < server.accepted; i++)
        close(server.kept[i]);
    if (server.fd > 0) {
        uv_close((uv_handle_t *)&server.poll, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
        close(server.fd);
    }
    server = (struct server){0};
}

/* -- A fake agent in a guest ---------------------------------------------------------------------- */

static struct {
    int asked;
    checkup_answer answer;
    void (*ended)(void *arg);
    void *arg;
} agent;

static int ping(void *whom, int64_t timeout_ms, checkup_answer answer, void (*ended)(void *arg),
                void *arg, struct hm_error *err)
{
    (void)timeout_ms;
    ck_assert_ptr_eq(whom, &agent);
    if (agent.arg)
        return hm_fail(err, HM_E_BUSY, "the fake is asked already");
    agent.asked++;
    agent.answer = answer;
    agent.ended = ended;
    agent.arg = arg;
    return 0;
}

static void agent_answers(const struct hm_error *err)
{
    void *arg = agent.arg;
    agent.arg = NULL;
    agent.answer(arg, err);
    agent.ended(arg);
}

/* -- The rest ------------------------------------------------------------------------------------- */

static void on_change(void *data, void *whom, const struct health *health)
{
    (void)data;
    ck_assert_ptr_eq(whom, &agent);
    ck_assert_ptr_nonnull(health);
    changes++;
    ills += health->state == HEALTH_ILL;
}

static void set_up(void)
{
    uv_loop_init(&loop);
    struct checkups_options o = {.loop = &loop, .ping = ping, .on_change = on_change};
    all = checkups_new(&o);
    one = NULL;
    changes = ills = 0;
    memset(&agent, 0, sizeof agent);
}

static void tear_down(void)
{
    checkup_drop(&one);
    checkups_free(all);
    hang_up();
    if (held)
        close(held);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    json_decref(spec);
    spec = NULL;
}

static void declare(const char *health)
{
    struct hm_error err = {0};
    HM_AUTOFREE char *text = hm_printf("{\"kernel\":\"/k\",\"health\":%s}", health);
    json_t *in = json_loads(text, 0, NULL);
    json_decref(spec);
    ck_assert_msg(kind_verify(kind_find("vm"), in, &spec, NULL, &err) >= 0, "%s", err.text);
    json_decref(in);
}

static void see(bool runs, int64_t run, const char *address)
{
    struct checkup_view v = {.health = json_object_get(spec, "health"),
                             .runs = runs,
                             .run = run,
                             .address = address,
                             .whom = &agent};
    checkup_see(all, &one, &v);
}

static void declare_http(const char *more)
{
    HM_AUTOFREE char *health = hm_printf(
        "{\"http\":{\"port\":%u,\"path\":\"/up?x=1\"%s},\"interval\":\"1s\",\"timeout\":\"300ms\","
        "\"retries\":1,\"start_period\":\"0s\"}",
        server.port, more);
    declare(health);
}

static bool is(enum health_state state)
{
    return checkup_health(one)->state == state;
}

static const char *reason(void)
{
    return checkup_health(one)->reason;
}

START_TEST(a_page_is_well_and_the_question_is_a_plain_get)
{
    serve("HTTP/1.1 204 No Content\r\n\r\n");
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_WELL));
    ck_assert_ptr_nonnull(strstr(heard(), "GET /up?x=1 HTTP/1.1\r\n"));
    ck_assert_int_ge(changes, 1);
    ck_assert_int_gt((int)strlen(checkup_since(one)), 0);
}
END_TEST

START_TEST(an_answer_with_an_endless_body_is_an_answer)
{
    serve("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nso it begins");
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_WELL));
}
END_TEST

START_TEST(another_status_is_ill_and_said)
{
    serve("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_ILL));
    ck_assert_msg(strstr(reason(), "/up?x=1: status 500") != NULL, "%s", reason());
}
END_TEST

START_TEST(a_redirect_is_an_answer_unless_another_is_expected)
{
    serve("HTTP/1.1 302 Elsewhere\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n");
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_WELL));
    declare_http(",\"status\":200");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_ILL));
}
END_TEST

START_TEST(what_is_no_http_or_says_nothing_is_ill)
{
    serve(_i ? NULL : "SSH-2.0-OpenSSH\r\n");
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, is(HEALTH_ILL));
    ck_assert_int_gt((int)strlen(reason()), 20);
}
END_TEST

START_TEST(a_port_that_takes_connections_is_well_and_a_closed_one_is_not)
{
    serve(NULL);
    HM_AUTOFREE char *health =
        hm_printf("{\"tcp\":{\"port\":%u},\"interval\":\"1s\",\"timeout\":\"1s\",\"retries\":1,"
                  "\"start_period\":\"0s\",\"address\":\"127.0.0.1\"}",
                  server.port);
    declare(health);
    see(true, 1, NULL);
    TURN_UNTIL(&loop, is(HEALTH_WELL));
    hang_up();
    TURN_UNTIL(&loop, is(HEALTH_ILL));
    ck_assert_msg(strstr(reason(), "refused") || strstr(reason(), "connect"), "%s", reason());
}
END_TEST

/* The answer is there, and nobody came to read it in time. */
START_TEST(a_machine_that_stood_still_makes_nobody_ill)
{
    serve("HTTP/1.0 200 OK\r\n\r\n");
    server.stands_still_ms = 500;
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, server.accepted == 2);
    TURN_UNTIL(&loop, server.accepted == 3 && is(HEALTH_WELL));
    ck_assert_int_eq(ills, 0);
}
END_TEST

START_TEST(without_an_address_nobody_is_asked)
{
    declare("{\"tcp\":{\"port\":1},\"interval\":\"1s\",\"timeout\":\"1s\",\"retries\":1,\"start_"
            "period\":\"0s\"}");
    see(true, 1, NULL);
    TURN_UNTIL(&loop, *reason());
    ck_assert(is(HEALTH_STARTING) || is(HEALTH_UNKNOWN));
    ck_assert_str_eq(reason(), "no address of it is known");
}
END_TEST

static void declare_agent(void)
{
    declare("{\"guest_agent\":true,\"interval\":\"1s\",\"timeout\":\"1s\",\"retries\":1,\"start_"
            "period\":\"0s\"}");
}

START_TEST(the_guest_agent_answers_or_is_silent_or_cannot_be_asked)
{
    static const struct hm_error silent = {HM_E_REFUSED, "the guest agent does not answer"};
    static const struct hm_error away = {HM_E_UNSUPPORTED, "libvirt is away"};
    declare_agent();
    see(true, 1, NULL);
    TURN_UNTIL(&loop, agent.arg);
    agent_answers(NULL);
    ck_assert(is(HEALTH_WELL));
    TURN_UNTIL(&loop, agent.arg);
    agent_answers(&silent);
    ck_assert(is(HEALTH_ILL));
    TURN_UNTIL(&loop, agent.arg);
    agent_answers(&away);
    ck_assert(is(HEALTH_UNKNOWN));
    ck_assert_str_eq(reason(), "libvirt is away");
}
END_TEST

START_TEST(another_run_begins_anew_and_old_answers_are_void)
{
    declare_agent();
    see(true, 1, NULL);
    TURN_UNTIL(&loop, agent.arg);
    see(true, 2, NULL);
    ck_assert(is(HEALTH_STARTING));
    agent_answers(NULL);
    ck_assert(is(HEALTH_STARTING));
    TURN_UNTIL(&loop, agent.arg);
    agent_answers(NULL);
    ck_assert(is(HEALTH_WELL));
    see(false, 0, NULL);
    ck_assert(is(HEALTH_NONE));
}
END_TEST

START_TEST(dropped_in_the_middle_of_a_question)
{
    serve(NULL);
    declare_http("");
    see(true, 1, "127.0.0.1");
    TURN_UNTIL(&loop, server.accepted);
    checkup_drop(&one);
    ck_assert_ptr_null(one);
    declare_agent();
    see(true, 1, NULL);
    TURN_UNTIL(&loop, agent.arg);
    checkup_drop(&one);
    uv_run(&loop, UV_RUN_NOWAIT);
    agent_answers(NULL); /* it comes back all the same */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checkup");
    TCase *c = tcase_create("checkup");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_page_is_well_and_the_question_is_a_plain_get);
    tcase_add_test(c, an_answer_with_an_endless_body_is_an_answer);
    tcase_add_test(c, another_status_is_ill_and_said);
    tcase_add_test(c, a_redirect_is_an_answer_unless_another_is_expected);
    tcase_add_loop_test(c, what_is_no_http_or_says_nothing_is_ill, 0, 2);
    tcase_add_test(c, a_port_that_takes_connections_is_well_and_a_closed_one_is_not);
    tcase_add_test(c, a_machine_that_stood_still_makes_nobody_ill);
    tcase_add_test(c, without_an_address_nobody_is_asked);
    tcase_add_test(c, the_guest_agent_answers_or_is_silent_or_cannot_be_asked);
    tcase_add_test(c, another_run_begins_anew_and_old_answers_are_void);
    tcase_add_test(c, dropped_in_the_middle_of_a_question);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
