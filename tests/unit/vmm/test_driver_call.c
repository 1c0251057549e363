/* What operations of all backends do alike. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/doc.h"
#include "vmm/driver.h"

static struct hm_error err;

static int64_t grace(const char *spec, const char *args, int64_t left_ms)
{
    struct driver_call call = {.order = {.spec = json_loads(spec, 0, NULL)},
                               .args = json_loads(args, 0, NULL),
                               .until_ns = hm_boottime_ns() + left_ms * HM_MS};
    int64_t ms = driver_call_grace(&call);
    json_decref((json_t *)(uintptr_t)call.order.spec);
    json_decref((json_t *)(uintptr_t)call.args);
    return ms;
}

START_TEST(the_guest_has_its_grace_as_far_as_somebody_waits)
{
    ck_assert_int_eq(grace("{}", "{}", 100000), STOP_GRACE_DEFAULT_MS);
    ck_assert_int_eq(grace("{\"stop_grace\":5000}", "{}", 100000), 5000);
    ck_assert_int_eq(grace("{\"stop_grace\":5000}", "{\"grace\":0}", 100000), 0);
    ck_assert_int_eq(grace("{}", "{}", 15000), 0); /* a reset takes its time, too */
    int64_t cut = grace("{}", "{}", 25000);
    ck_assert(cut > 0 && cut <= 10000);
}
END_TEST

START_TEST(the_default_is_that_of_documents)
{
    json_t *given = json_pack("{s:s}", "kernel", "/k"), *spec = NULL;
    ck_assert_int_ge(kind_verify(kind_find("vm"), given, &spec, NULL, &err), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(spec, "stop_grace")),
                     STOP_GRACE_DEFAULT_MS);
    json_decref(given);
    json_decref(spec);
}
END_TEST

START_TEST(a_log_begins_where_since_says)
{
    char dir[] = "/tmp/harmony-log-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    HM_AUTOFREE char *log = hm_printf("%s/web.log", dir);
    ck_assert_int_ge(hm_file_write_atomic(log, "boot\n", 5, 0600, &err), 0);
    const struct timespec hour_ago[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, log, hour_ago, 0), 0);
    struct driver_call call = {.args = json_object()};
    struct driver_result all = {.fd = -1}, late = {.fd = -1};
    ck_assert_int_eq(driver_call_log(&call, hm_strdup(log), &all, &err), 0);
    ck_assert_str_eq(all.path, log);
    ck_assert_int_eq(all.from, 0);
    json_object_set_new((json_t *)(uintptr_t)call.args, "since", json_integer(60000));
    ck_assert_int_eq(driver_call_log(&call, hm_strdup(log), &late, &err), 0);
    ck_assert_str_eq(late.path, log);
    ck_assert_int_eq(late.from, 5);
    free(all.path);
    free(late.path);
    json_decref((json_t *)(uintptr_t)call.args);
    unlink(log);
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("driver_call");
    TCase *t = tcase_create("all");
    tcase_add_test(t, the_guest_has_its_grace_as_far_as_somebody_waits);
    tcase_add_test(t, the_default_is_that_of_documents);
    tcase_add_test(t, a_log_begins_where_since_says);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
