#include "ctl/connection.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

static char folder[64];

static const char *const variables[] = {
    "NATS_URL", "NATS_CREDS", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN",
    "NATS_CA",  "NATS_CERT",  "NATS_KEY",  "NATS_CONTEXT",
};

static void write_file(const char *below, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, below);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void make_home(void)
{
    for (size_t i = 0; i < HM_COUNT(variables); i++)
        unsetenv(variables[i]);
    snprintf(folder, sizeof folder, "/tmp/harmonyctl-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char path[256];
    static const char *const parts[] = {"nats", "nats/context"};
    for (size_t i = 0; i < HM_COUNT(parts); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("HOME", "/home/nobody", 1);
    write_file("nats/context/prod.json", "{\"url\":\"tls://prod\",\"creds\":\"~/prod.creds\","
                                         "\"ca\":\"/ca.pem\",\"password\":\"\"}");
    write_file("nats/context/old.json",
               "{\"url\":\"nats://old\",\"user\":\"u\",\"password\":\"p\"}");
    write_file("nats/context/nkey.json", "{\"url\":\"nats://x\",\"nkey\":\"/seed\"}");
    write_file("nats/context/broken.json", "{\"url\":");
}

static void remove_home(void)
{
    static const char *const below[] = {
        "nats/context/prod.json",
        "nats/context/old.json",
        "nats/context/nkey.json",
        "nats/context/broken.json",
        "nats/context.txt",
        "nats/context",
        "nats",
        "",
    };
    char path[256];
    for (size_t i = 0; i < HM_COUNT(below); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, below[i]);
        remove(path);
    }
}

static int find(struct connection *c, struct hm_error *err, int argc, char *const *argv)
{
    struct invocation in = {.out = stdout, .err = stderr};
    ck_assert_int_eq(command_parse(argc, argv, &in, err), 0);
    return connection_find(&in, c, err);
}

#define FIND(c, err, ...)                                                                          \
    find(c, err, (int)HM_COUNT(((const char *[]){"get", __VA_ARGS__})),                            \
         (char *const *)(const char *[]){"get", __VA_ARGS__})

START_TEST(falls_back_to_loopback)
{
    struct connection c;
    struct hm_error err;
    ck_assert_int_eq(FIND(&c, &err), 0);
    ck_assert_str_eq(c.servers, "nats://127.0.0.1:4222");
    ck_assert_ptr_null(c.creds);
    connection_clear(&c);
}
END_TEST

START_TEST(takes_the_selected_context)
{
    struct connection c;
    struct hm_error err;
    write_file("nats/context.txt", "prod\n");
    ck_assert_int_eq(FIND(&c, &err), 0);
    ck_assert_str_eq(c.servers, "tls://prod");
    ck_assert_str_eq(c.creds, "/home/nobody/prod.creds");
    ck_assert_str_eq(c.tls_ca, "/ca.pem");
    ck_assert_ptr_null(c.password);
    connection_clear(&c);
}
END_TEST

START_TEST(flags_win_over_environment_over_context)
{
    struct connection c;
    struct hm_error err;
    setenv("NATS_URL", "nats://env", 1);
    setenv("NATS_CONTEXT", "prod", 1);
    ck_assert_int_eq(FIND(&c, &err), 0);
    ck_assert_str_eq(c.servers, "nats://env");
    ck_assert_str_eq(c.creds, "/home/nobody/prod.creds");
    connection_clear(&c);
    ck_assert_int_eq(FIND(&c, &err, "-s", "nats://flag", "--context", "old"), 0);
    ck_assert_str_eq(c.servers, "nats://flag");
    ck_assert_str_eq(c.user, "u");
    ck_assert_str_eq(c.password, "p");
    connection_clear(&c);
}
END_TEST

START_TEST(identities_are_not_mixed)
{
    struct connection c;
    struct hm_error err;
    setenv("NATS_PASSWORD", "secret", 1);
    ck_assert_int_eq(FIND(&c, &err, "--user", "me", "--context", "prod"), 0);
    ck_assert_str_eq(c.user, "me");
    ck_assert_str_eq(c.password, "secret");
    ck_assert_ptr_null(c.creds);
    connection_clear(&c);
    unsetenv("NATS_PASSWORD");
    ck_assert_int_eq(FIND(&c, &err, "--user", "me", "--context", "old"), 0);
    ck_assert_ptr_null(c.password);
    ck_assert_str_eq(c.token, "me"); /* as the nats CLI: a user alone is a token */
    connection_clear(&c);
}
END_TEST

START_TEST(refuses_contexts_that_it_cannot_use)
{
    struct connection c;
    struct hm_error err;
    ck_assert_int_eq(FIND(&c, &err, "--context", "nkey"), -HM_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "\"nkey\""));
    ck_assert_int_eq(FIND(&c, &err, "--context", "nosuch"), -HM_E_NOT_FOUND);
    ck_assert_int_eq(FIND(&c, &err, "--context", "broken"), -HM_E_INVALID);
    ck_assert_int_eq(FIND(&c, &err, "--context", "../nats/context/prod"), -HM_E_INVALID);
}
END_TEST

START_TEST(a_selected_context_that_is_gone_is_no_error)
{
    struct connection c;
    struct hm_error err;
    write_file("nats/context.txt", "gone");
    ck_assert_int_eq(FIND(&c, &err), 0);
    ck_assert_str_eq(c.servers, "nats://127.0.0.1:4222");
    connection_clear(&c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {falls_back_to_loopback,
                                  takes_the_selected_context,
                                  flags_win_over_environment_over_context,
                                  identities_are_not_mixed,
                                  refuses_contexts_that_it_cannot_use,
                                  a_selected_context_that_is_gone_is_no_error};
    Suite *suite = suite_create("connection");
    TCase *tc = tcase_create("connection");
    tcase_add_checked_fixture(tc, make_home, remove_home);
    for (size_t i = 0; i < HM_COUNT(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
