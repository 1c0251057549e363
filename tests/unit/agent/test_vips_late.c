/* Virtual IPs that the kernel takes its time with: no test can hold it up, so vip_keeper.h is faked. */
#include "agent/vips.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "netalloc/vip_keeper.h"

#if HM_WITH_NETALLOC
static struct vip_keeper_options fake_options;
static uint64_t fake_ordered, fake_answered; /* the last order; the last that was carried out */
static bool fake_holds;

int vip_keeper_new(const struct vip_keeper_options *options, struct vip_keeper **ret,
                   struct hm_error *err)
{
    (void)err;
    fake_options = *options;
    *ret = (struct vip_keeper *)&fake_options;
    return 0;
}

void vip_keeper_free(struct vip_keeper *k)
{
    (void)k;
}

uint64_t vip_keeper_tell(struct vip_keeper *k, bool hold)
{
    (void)k;
    fake_holds = hold;
    return ++fake_ordered;
}

bool vip_keeper_answered(struct vip_keeper *k, uint64_t order, struct hm_error *ret_failed)
{
    (void)k;
    *ret_failed = (struct hm_error){0};
    return fake_answered >= order;
}

struct vip_now vip_keeper_now(struct vip_keeper *k, size_t i)
{
    (void)k;
    (void)i;
    return (struct vip_now){.state = VIP_IS_UNKNOWN};
}

static void fake_carries_out(void)
{
    fake_answered = fake_ordered;
    fake_options.on_news(fake_options.data);
}

static uv_loop_t loop;
static struct vips *vips;
static struct workload_vips calls;
static struct vip_want want = {.link = "lo"};
static struct vip_config config = {.wants = &want, .count = 1};
static struct hm_buf story; /* what was answered, in order: "up:ok " */

static void set_up(void)
{
    struct hm_error err;
    struct vips_options o = {
        .loop = &loop, .config = &config, .runtime_dir = "/run", .group = "default"};
    uv_loop_init(&loop);
    ck_assert_int_eq(vip_address_parse("192.0.2.10/24", &want.address, &err), 0);
    ck_assert_int_eq(vips_new(&o, &vips, &err), 0);
    calls = vips_workload(vips);
}

static void tear_down(void)
{
    vips_free(vips);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    hm_buf_free(&story);
}

static void answered(void *arg, const struct hm_error *failed)
{
    hm_buf_printf(&story, "%s:%s ", (const char *)arg, failed ? hm_code_name(failed->code) : "ok");
}

static void run_until(const char *told)
{
    while (!story.data || strcmp(story.data, told) != 0)
        uv_run(&loop, UV_RUN_NOWAIT); /* ONCE may wait for more after a timer */
}

static int64_t in_ms(int64_t ms)
{
    return hm_boottime_ns() + ms * HM_MS;
}

static char up[] = "up", down[] = "down";

START_TEST(one_that_is_not_put_up_in_time_is_told_so_once)
{
    int64_t deadline = in_ms(20);
    calls.put_up(calls.data, deadline, answered, up);
    run_until("up:timeout ");
    ck_assert_int_ge(hm_boottime_ns(), deadline);
    ck_assert(fake_holds); /* it goes on */
    fake_carries_out();
    uv_run(&loop, UV_RUN_ONCE);
    ck_assert_str_eq(story.data, "up:timeout ");
}
END_TEST

START_TEST(deadline_that_has_passed_is_told_from_the_loop)
{
    calls.put_up(calls.data, in_ms(-1), answered, up);
    ck_assert_ptr_null(story.data);
    run_until("up:timeout ");
}
END_TEST

START_TEST(one_that_comes_in_time_is_no_timeout)
{
    calls.put_up(calls.data, in_ms(20000), answered, up);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_ptr_null(story.data);
    fake_carries_out();
    run_until("up:ok ");
}
END_TEST

START_TEST(taking_away_is_waited_for_on_its_own_after_a_timeout)
{
    calls.put_up(calls.data, in_ms(1), answered, up);
    run_until("up:timeout ");
    calls.take_away(calls.data, in_ms(20000), answered, down);
    ck_assert(!fake_holds);
    ck_assert_str_eq(story.data, "up:timeout ");
    fake_carries_out();
    run_until("up:timeout down:ok ");
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("vips_late");
    TCase *t = tcase_create("vips_late");
    tcase_set_timeout(t, 60);
#if HM_WITH_NETALLOC
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, one_that_is_not_put_up_in_time_is_told_so_once);
    tcase_add_test(t, deadline_that_has_passed_is_told_from_the_loop);
    tcase_add_test(t, one_that_comes_in_time_is_no_timeout);
    tcase_add_test(t, taking_away_is_waited_for_on_its_own_after_a_timeout);
#endif
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
