#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/bus/fixture.h"

/* Each test starts its own server, with its own configuration. */

static void setup_loop(void)
{
    connects = disconnects = 0;
    server = (struct nats_server){0};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static void refuse(const struct bus_options *options, enum hm_code code, const char *part)
{
    struct hm_error err = {0};
    struct bus *none = NULL;
    ck_assert_int_eq(bus_open(&loop, options, &none, &err), -(int)code);
    ck_assert_msg(strstr(err.text, part), "%s", err.text);
    ck_assert_ptr_null(none);
    uv_run(&loop, UV_RUN_DEFAULT);
}

START_TEST(refuses_what_can_never_work)
{
    static const char *const urls[] = {"",
                                       " , ",
                                       "http://host",
                                       "nats://",
                                       "nats://:4222",
                                       "nats://host:0",
                                       "nats://host:99999",
                                       "nats://host:port",
                                       "nats://[::1:4222",
                                       "nats://ok:4222,nats://host/path"};
    for (size_t i = 0; i < HM_COUNT(urls); i++)
        refuse(&(struct bus_options){.servers = urls[i]}, HM_E_INVALID_URI, "nats.servers");
    refuse(&(struct bus_options){.servers = "nats://user:se:cret@host:x"}, HM_E_INVALID_URI,
           "\"host:x\"");
    const char *host = "nats://host:4222";
    refuse(&(struct bus_options){.servers = host, .credentials = "/nonexistent"}, HM_E_INVALID,
           "/nonexistent");
    refuse(&(struct bus_options){.servers = host, .credentials = "/etc/hostname"}, HM_E_INVALID,
           "holds no user JWT");
    refuse(&(struct bus_options){.servers = host, .tls_ca = "/nonexistent"}, HM_E_INVALID,
           "nats.tls.ca");
    refuse(&(struct bus_options){.servers = host, .tls_ca = "/etc/hostname"}, HM_E_INVALID,
           "nats.tls.ca");
    refuse(&(struct bus_options){.servers = host, .tls_cert = "/etc/hostname"}, HM_E_INVALID,
           "belong together");
}
END_TEST

START_TEST(version_and_name)
{
    nats_server_start(&server, NULL);
    struct bus_options options = default_options();
    connect_bus(&options);
    int version[3];
    bus_server_version(bus, version);
    ck_assert_int_eq(version[0], 2);
    ck_assert_int_ge(version[1], 10);
    ck_assert_int_eq(connects, 1);
    ck_assert_str_eq(bus_last_error(bus), "");
    nats_server_kill(&server);
    run_until(&loop, !bus_is_connected(bus));
    bus_server_version(bus, version);
    ck_assert_int_eq(version[0] + version[1] + version[2], 0);
    ck_assert_str_ne(bus_last_error(bus), "");
}
END_TEST

/* It is not there yet: no harm; it comes: connected. Several times, as an operator would. */
START_TEST(waits_for_the_server)
{
    nats_server_start(&server, NULL);
    nats_server_kill(&server);
    struct bus_options options = default_options();
    open_bus(&options);
    run_until(&loop, bus_last_error(bus)[0]);
    ck_assert_ptr_nonnull(strstr(bus_last_error(bus), "127.0.0.1"));
    ck_assert(!bus_is_connected(bus));
    for (int round = 1; round <= 3; round++) {
        nats_server_restart(&server);
        run_until(&loop, bus_is_connected(bus));
        ck_assert_int_eq(connects, round);
        ck_assert(!create("b", 8, false).failed);
        nats_server_kill(&server);
        run_until(&loop, !bus_is_connected(bus));
        ck_assert_int_eq(disconnects, round);
    }
}
END_TEST

/* -- A server whose greeting is heard late ------------------------------------------------------- */

static void copy_between(int a, int b)
{
    struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    char bytes[4096];
    while (poll(ends, 2, -1) > 0)
        for (int i = 0; i < 2; i++) {
            ssize_t n = ends[i].revents ? read(ends[i].fd, bytes, sizeof bytes) : 0;
            if (ends[i].revents && (n <= 0 || write(ends[!i].fd, bytes, (size_t)n) != n))
                _exit(0);
        }
    _exit(0);
}

static int listen_on_loopback(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static int dial_server(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        _exit(1);
    return fd;
}

/* A process that passes the first connection on to the server, and those after the next `silent`
 * ones, to which it says nothing. It ends with the test. */
static int start_reluctant_proxy(int silent)
{
    int port, listener = listen_on_loopback(&port);
    if (fork() > 0) {
        close(listener);
        return port;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0;; i++) {
        int client = accept(listener, NULL, NULL);
        if (i > 0 && i <= silent)
            continue; /* it stays open */
        if (fork() == 0)
            copy_between(client, dial_server());
        close(client);
    }
}

/* It is connected all the same, and says so once more when the version is known. */
START_TEST(version_that_comes_late)
{
    nats_server_start(&server, NULL);
    HM_AUTOFREE char *url = hm_printf("nats://127.0.0.1:%d", start_reluctant_proxy(2));
    struct bus_options options = default_options();
    options.servers = url;
    connect_bus(&options);
    int version[3];
    bus_server_version(bus, version);
    ck_assert_int_eq(version[0], 0);
    ck_assert(!create("b", 8, false).failed);
    run_until(&loop, connects == 2);
    bus_server_version(bus, version);
    ck_assert_int_eq(version[0], 2);
    ck_assert_int_eq(disconnects, 0);
}
END_TEST

/* The second of two addresses is the good one; secrets in an address are never shown. */
START_TEST(tries_every_address)
{
    nats_server_start(&server, NULL);
    HM_AUTOFREE char *servers = hm_printf("nats://anna:secret@127.0.0.1:1, %s", server.url);
    struct bus_options options = default_options();
    options.servers = servers;
    connect_bus(&options);
    nats_server_kill(&server);
    run_until(&loop, strstr(bus_last_error(bus), "can't connect"));
    ck_assert_ptr_null(strstr(bus_last_error(bus), "secret"));
}
END_TEST

/* Two servers that know nothing of each other: only the first has the bucket. */
START_TEST(another_server_is_tried_first)
{
    struct nats_server other = {0};
    nats_server_start(&server, NULL);
    nats_server_start(&other, NULL);
    nats_server_kill(&other);
    HM_AUTOFREE char *servers = hm_printf("%s,%s", server.url, other.url);
    struct bus_options options = default_options();
    options.servers = servers;
    connect_bus(&options);
    ck_assert(!create("here", 8, false).failed);
    nats_server_restart(&other);
    for (int turn = 1; turn <= 6; turn++) {
        bus_try_another_server(bus);
        run_until(&loop, connects == turn + 1);
        ck_assert_int_eq(disconnects, turn);
        ck_assert_int_eq(info("here").bucket.exists, turn % 2 == 0);
    }
    nats_server_kill(&other);
    bus_try_another_server(bus); /* there is none: back to the one that was left */
    run_until(&loop, connects == 8);
    ck_assert(info("here").bucket.exists);
    close_bus();
    nats_server_close(&other);
}
END_TEST

START_TEST(the_only_server_is_not_given_up)
{
    nats_server_start(&server, NULL);
    struct bus_options options = default_options();
    connect_bus(&options);
    bus_try_another_server(bus);
    ck_assert(!create("b", 8, false).failed);
    ck_assert_int_eq(connects, 1);
    ck_assert_int_eq(disconnects, 0);
}
END_TEST

START_TEST(user_and_password)
{
    nats_server_start(&server, "authorization { user: anna, password: secret }");
    struct bus_options options = default_options();
    options.user = "anna";
    options.password = "wrong";
    open_bus(&options);
    run_until(&loop, bus_last_error(bus)[0]);
    ck_assert(!bus_is_connected(bus));
    ck_assert_ptr_nonnull(strstr(bus_last_error(bus), "uthoriz"));
    ck_assert_ptr_null(strstr(bus_last_error(bus), "wrong"));
    close_bus();
    options.password = "secret";
    connect_bus(&options);
}
END_TEST

/* A refusal is not for ever: somebody corrects the server, and it connects. */
START_TEST(refused_until_corrected)
{
    nats_server_start(&server, "authorization { user: anna, password: other }");
    struct bus_options options = default_options();
    options.user = "anna";
    options.password = "secret";
    open_bus(&options);
    for (int i = 0; i < 3; i++)
        run_for(&loop, 300);
    ck_assert(!bus_is_connected(bus));
    nats_server_kill(&server);
    nats_server_reconfigure(&server, "authorization { user: anna, password: secret }");
    nats_server_restart(&server);
    run_until(&loop, bus_is_connected(bus));
}
END_TEST

START_TEST(token)
{
    nats_server_start(&server, "authorization { token: \"s3cret\" }");
    struct bus_options options = default_options();
    options.token = "s3cret";
    connect_bus(&options);
    ck_assert(!create("b", 8, false).failed);
}
END_TEST

/* What the account may not do is silence from the server: the sentence has its complaint. */
START_TEST(forbidden_subjects)
{
    nats_server_start(&server,
                      "authorization { users: [ { user: a, password: b, permissions: {"
                      " publish: [\"$JS.API.STREAM.INFO.*\"], subscribe: \"_INBOX.>\" } } ] }");
    struct bus_options options = default_options();
    options.user = "a";
    options.password = "b";
    connect_bus(&options);
    struct outcome o = {0};
    struct bus_put one = {
        .bucket = "b", .key = "k", .value = "1", .len = 1, .expect_revision = 0, .timeout_ms = 300};
    bus_put(bus, &one, on_put, &o);
    run_until(&loop, o.calls);
    ck_assert_int_eq(o.put.outcome, BUS_PUT_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(o.put.error.text, "ermissions"));
    ck_assert(bus_is_connected(bus));
}
END_TEST

/* -- TLS -------------------------------------------------------------------------------------- */

static void run_openssl(const char *arguments)
{
    HM_AUTOFREE char *copy = hm_printf("openssl %s", arguments);
    char *argv[40];
    int argc = 0;
    for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL && argc < 39;)
        argv[argc++] = word;
    argv[argc] = NULL;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        execvp("openssl", argv);
        _exit(127);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s", arguments);
}

static void make_authority(const char *dir, const char *name)
{
    HM_AUTOFREE char *arguments = hm_printf(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=%s "
        "-keyout %s/%s.key -out %s/%s.pem",
        name, dir, name, dir, name);
    run_openssl(arguments);
}

static void make_certificate(const char *dir, const char *name, const char *subject_name)
{
    HM_AUTOFREE char *request =
        hm_printf("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=%s "
                  "-addext subjectAltName=%s -keyout %s/%s.key -out %s/%s.csr",
                  name, subject_name, dir, name, dir, name);
    run_openssl(request);
    HM_AUTOFREE char *sign =
        hm_printf("x509 -req -in %s/%s.csr -CA %s/ca.pem -CAkey %s/ca.key "
                  "-CAcreateserial -days 2 -copy_extensions copy -out %s/%s.pem",
                  dir, name, dir, dir, dir, name);
    run_openssl(sign);
}

static void start_with_tls(const char *subject_name)
{
    nats_server_start(&server, NULL);
    nats_server_kill(&server);
    make_authority(server.dir, "ca");
    make_authority(server.dir, "stranger");
    make_certificate(server.dir, "server", subject_name);
    make_certificate(server.dir, "client", "DNS:client");
    HM_AUTOFREE char *config =
        hm_printf("tls { ca_file: \"%s/ca.pem\", cert_file: \"%s/server.pem\", key_file: "
                  "\"%s/server.key\", verify: true }",
                  server.dir, server.dir, server.dir);
    nats_server_reconfigure(&server, config);
    nats_server_restart(&server);
}

static char *in_folder(const char *name)
{
    return hm_printf("%s/%s", server.dir, name);
}

START_TEST(tls_on_both_sides)
{
    start_with_tls("IP:127.0.0.1");
    HM_AUTOFREE char *ca = in_folder("ca.pem");
    HM_AUTOFREE char *cert = in_folder("client.pem");
    HM_AUTOFREE char *key = in_folder("client.key");
    struct bus_options options = default_options();
    options.tls_ca = ca;
    options.tls_cert = cert;
    options.tls_key = key;
    connect_bus(&options);
    ck_assert(!create("b", 8, false).failed);
    ck_assert_int_eq(put_text("b", "k", "1", 0).put.outcome, BUS_PUT_STORED);
    int version[3];
    bus_server_version(bus, version);
    ck_assert_int_eq(version[0], 2);
    nats_server_kill(&server);
    run_until(&loop, !bus_is_connected(bus));
    nats_server_restart(&server);
    run_until(&loop, bus_is_connected(bus));
    ck_assert_int_eq(put_text("b", "k", "2", 1).put.outcome, BUS_PUT_STORED);
}
END_TEST

static void never_connects(const struct bus_options *options, const char *reason)
{
    open_bus(options);
    run_until(&loop, bus_last_error(bus)[0]);
    run_for(&loop, 500);
    ck_assert(!bus_is_connected(bus));
    ck_assert_int_eq(connects, 0);
    ck_assert_msg(strstr(bus_last_error(bus), reason), "%s", bus_last_error(bus));
}

START_TEST(tls_of_a_stranger)
{
    start_with_tls("IP:127.0.0.1");
    HM_AUTOFREE char *ca = in_folder("stranger.pem");
    HM_AUTOFREE char *cert = in_folder("client.pem");
    HM_AUTOFREE char *key = in_folder("client.key");
    struct bus_options options = default_options();
    options.tls_ca = ca;
    options.tls_cert = cert;
    options.tls_key = key;
    never_connects(&options, "issuer");
}
END_TEST

START_TEST(tls_without_our_certificate)
{
    start_with_tls("IP:127.0.0.1");
    HM_AUTOFREE char *ca = in_folder("ca.pem");
    struct bus_options options = default_options();
    options.tls_ca = ca;
    never_connects(&options, "can't connect");
}
END_TEST

/* The certificate is of a good authority, but of another host. */
START_TEST(tls_of_another_host)
{
    start_with_tls("DNS:elsewhere.example");
    HM_AUTOFREE char *ca = in_folder("ca.pem");
    HM_AUTOFREE char *cert = in_folder("client.pem");
    HM_AUTOFREE char *key = in_folder("client.key");
    struct bus_options options = default_options();
    options.tls_ca = ca;
    options.tls_cert = cert;
    options.tls_key = key;
    never_connects(&options, "mismatch");
}
END_TEST

START_TEST(no_tls_where_it_is_wanted)
{
    nats_server_start(&server, NULL);
    make_authority(server.dir, "ca");
    HM_AUTOFREE char *ca = in_folder("ca.pem");
    struct bus_options options = default_options();
    options.tls_ca = ca;
    never_connects(&options, "ecure");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {refuses_what_can_never_work,
                            version_and_name,
                            waits_for_the_server,
                            version_that_comes_late,
                            tries_every_address,
                            another_server_is_tried_first,
                            the_only_server_is_not_given_up,
                            user_and_password,
                            refused_until_corrected,
                            token,
                            forbidden_subjects,
                            tls_on_both_sides,
                            tls_of_a_stranger,
                            tls_without_our_certificate,
                            tls_of_another_host,
                            no_tls_where_it_is_wanted};
    Suite *suite = suite_create("bus");
    TCase *tcase = tcase_create("bus");
    tcase_add_checked_fixture(tcase, setup_loop, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < HM_COUNT(tests); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
