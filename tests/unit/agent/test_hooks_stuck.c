/* A hook that can't be killed: no test can make an uninterruptible process, so process.h is faked.
 */
#include "agent/hooks.h"

#include <check.h>
#include <stdlib.h>

#include "base/process.h"

static struct hm_process_options fake_started;
static int fake_starts;

int hm_process_start(uv_loop_t *loop, const struct hm_process_options *options,
                     struct hm_process **ret, struct hm_error *err)
{
    (void)loop;
    (void)err;
    fake_started = *options;
    fake_starts++;
    *ret = NULL;
    return 0;
}

void hm_process_kill(struct hm_process *process)
{
    (void)process;
}

int hm_process_check(const char *what, const struct hm_process_result *result, struct hm_error *err)
{
    return result->unkillable ? hm_fail(err, HM_E_TIMEOUT, "%s is still there", what) : 0;
}

static int failures;

static void note_end(void *data, const struct hm_error *err, const char *out, int64_t took_ns)
{
    (void)data;
    (void)out;
    (void)took_ns;
    failures += err != NULL;
}

START_TEST(unkillable_hook_is_never_run_again)
{
    static char *argv[] = {(char *)"/bin/true", NULL};
    struct hooks_options o = {.site = "site-a", .group = "default"};
    o.commands[HOOK_FENCE].argv = argv;
    struct hooks *hooks = hooks_new(&o);
    struct hook_context context = {.epoch = 1, .leader = "", .reason = "a test"};
    struct hm_error err;
    ck_assert_int_eq(hooks_run(hooks, HOOK_FENCE, &context, 0, note_end, NULL, &err), 1);
    fake_started.done(fake_started.data,
                      &(struct hm_process_result){.unkillable = true, .out = "", .err = ""});
    ck_assert_int_eq(failures, 1);
    ck_assert(hooks_stuck(hooks, HOOK_FENCE));
    ck_assert_int_eq(hooks_run(hooks, HOOK_FENCE, &context, 0, note_end, NULL, &err),
                     -HM_E_REFUSED);
    ck_assert_int_eq(fake_starts, 1);
    hooks_free(hooks);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hooks that can't be killed");
    TCase *t = tcase_create("stuck");
    tcase_add_test(t, unkillable_hook_is_never_run_again);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
