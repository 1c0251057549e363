/* Virtual IPs from the loop: real ones, on the loopback of a network namespace of the test's own. */
#include "agent/vips.h"

#include <check.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static uv_loop_t loop;
static struct vips *vips;
static struct workload_vips calls;
static struct vip_want want;
static struct vip_config config = {.wants = &want, .count = 1};
static struct lease_limit lease;
static char folder[] = "/tmp/test_vips.XXXXXX";
static struct hm_buf story; /* what was answered, in order: "up:ok " */
static struct hm_error err;
static int changes;

static void on_change(void *data)
{
    (void)data;
    changes++;
}

static void enter_network(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static void make(const char *link)
{
    struct vips_options o = {.loop = &loop,
                             .config = &config,
                             .runtime_dir = folder,
                             .group = "default",
                             .lease = &lease,
                             .on_change = on_change};
    ck_assert_int_eq(vip_address_parse("192.0.2.10/24", &want.address, &err), 0);
    snprintf(want.link, sizeof want.link, "%s", link);
    ck_assert_int_eq(vips_new(&o, &vips, &err), 0);
    calls = vips_workload(vips);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    enter_network();
    uv_loop_init(&loop);
    lease_set(&lease, INT64_MAX);
    config.count = 1;
}

static void tear_down(void)
{
    char record[64];
    vips_free(vips);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    hm_buf_free(&story);
    snprintf(record, sizeof record, "%s/vip-default", folder);
    unlink(record);
    rmdir(folder);
}

#if HM_WITH_NETALLOC
static void answered(void *arg, const struct hm_error *failed)
{
    hm_buf_printf(&story, "%s:%s ", (const char *)arg, failed ? hm_code_name(failed->code) : "ok");
}

static void run_until(const char *told)
{
    while (!story.data || strcmp(story.data, told) != 0)
        uv_run(&loop, UV_RUN_ONCE);
}

static int64_t in_ms(int64_t ms)
{
    return hm_boottime_ns() + ms * HM_MS;
}

/* Can a socket be bound to it? */
static bool is_there(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    memcpy(&at.sin_addr, want.address.bytes, 4);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int e = bind(fd, (const struct sockaddr *)&at, sizeof at);
    close(fd);
    return e == 0;
}

static char up[] = "up", down[] = "down";

START_TEST(they_come_and_go_as_they_are_told)
{
    make("lo");
    calls.put_up(calls.data, in_ms(20000), answered, up);
    run_until("up:ok ");
    ck_assert(is_there());
    calls.take_away(calls.data, in_ms(20000), answered, down);
    run_until("up:ok down:ok ");
    ck_assert(!is_there());
    ck_assert_int_ge(changes, 1);
}
END_TEST

START_TEST(taking_away_cancels_putting_up)
{
    make("lo");
    calls.put_up(calls.data, in_ms(20000), answered, up);
    calls.take_away(calls.data, in_ms(20000), answered, down);
    ck_assert_str_eq(story.data, "up:cancelled ");
    run_until("up:cancelled down:ok ");
    ck_assert(!is_there());
}
END_TEST

START_TEST(without_a_lease_there_is_none)
{
    lease_set(&lease, 0);
    make("lo");
    calls.put_up(calls.data, in_ms(20000), answered, up);
    run_until("up:refused ");
    ck_assert(!is_there());
}
END_TEST

START_TEST(what_stands_in_the_way_is_said)
{
    make("eth77");
    calls.put_up(calls.data, in_ms(20000), answered, up);
    run_until("up:not-found ");
    ck_assert_int_eq(vips_check(vips, &err), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "eth77"));
    json_t *list = vips_json(vips), *warnings = json_array();
    json_t *one = json_array_get(list, 0);
    ck_assert_str_eq(json_string_value(json_object_get(one, "address")), "192.0.2.10/24");
    ck_assert_str_eq(json_string_value(json_object_get(one, "state")), "failed");
    vips_warnings(vips, warnings);
    ck_assert_uint_eq(json_array_size(warnings), 1);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_array_get(warnings, 0)), "192.0.2.10/24"));
    json_decref(list);
    json_decref(warnings);
}
END_TEST

START_TEST(metrics_name_each)
{
    struct hm_buf text = {0};
    make("lo");
    calls.put_up(calls.data, in_ms(20000), answered, up);
    run_until("up:ok ");
    vips_metrics(vips, &text);
    ck_assert_ptr_nonnull(
        strstr(text.data, "harmony_vip_up{address=\"192.0.2.10/24\",link=\"lo\"} 1\n"));
    hm_buf_free(&text);
}
END_TEST

#endif

START_TEST(none_is_nothing)
{
    struct hm_buf text = {0};
    config.count = 0;
    make("lo");
    ck_assert_ptr_null(vips);
    ck_assert_ptr_null(calls.put_up);
    ck_assert_int_eq(vips_check(vips, &err), 0);
    vips_metrics(vips, &text);
    ck_assert_ptr_null(text.data);
    json_t *list = vips_json(vips);
    ck_assert_uint_eq(json_array_size(list), 0);
    json_decref(list);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vips");
    TCase *t = tcase_create("vips");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
#if HM_WITH_NETALLOC
    tcase_add_test(t, they_come_and_go_as_they_are_told);
    tcase_add_test(t, taking_away_cancels_putting_up);
    tcase_add_test(t, without_a_lease_there_is_none);
    tcase_add_test(t, what_stands_in_the_way_is_said);
    tcase_add_test(t, metrics_name_each);
#endif
    tcase_add_test(t, none_is_nothing);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
