#include <check.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/server_version.h"

START_TEST(greetings)
{
    static const struct {
        const char *text;
        int version[3];
    } good[] = {
        {"INFO {\"server_id\":\"x\",\"version\":\"2.10.3\",\"proto\":1}\r\n", {2, 10, 3}},
        {"INFO {\"version\":\"2.11.0-beta.1\"} \r\nPING\r\n", {2, 11, 0}},
    };
    int v[3];
    for (size_t i = 0; i < HM_COUNT(good); i++) {
        ck_assert(bus_parse_server_version(good[i].text, strlen(good[i].text), v));
        ck_assert_int_eq(memcmp(v, good[i].version, sizeof v), 0);
    }
}
END_TEST

START_TEST(what_is_none)
{
    static const char *const bad[] = {"",
                                      "INFO",
                                      "INFO ",
                                      "INFO {",
                                      "INFO []",
                                      "INFO {}",
                                      "INFO {\"version\":2}",
                                      "INFO {\"version\":\"two\"}",
                                      "INFO {\"version\":\"2.10\"}",
                                      "SSH-2.0-OpenSSH_9.2\r\n",
                                      "INFO {\"version\":\"99999999999.1.1\"}"};
    int v[3];
    for (size_t i = 0; i < HM_COUNT(bad); i++) {
        ck_assert_msg(!bus_parse_server_version(bad[i], strlen(bad[i]), v), "%s", bad[i]);
        ck_assert_msg(v[0] == 0 && v[1] == 0 && v[2] == 0, "%s", bad[i]);
    }
}
END_TEST

/* Nobody is there: unknown, and at once. */
START_TEST(nobody_there)
{
    int v[3] = {1, 1, 1};
    bus_fetch_server_version("nats://user:pass@127.0.0.1:1", v);
    ck_assert_int_eq(v[0], 0);
    bus_fetch_server_version("", v);
    ck_assert_int_eq(v[0], 0);
    bus_fetch_server_version("nats://[::1", v);
    ck_assert_int_eq(v[0], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_version");
    TCase *tcase = tcase_create("server_version");
    tcase_add_test(tcase, greetings);
    tcase_add_test(tcase, what_is_none);
    tcase_add_test(tcase, nobody_there);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
