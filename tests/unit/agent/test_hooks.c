#include "agent/hooks.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

static uv_loop_t loop;
static struct hooks *hooks;
static int ends;
static struct hm_error last_error; /* code OK: it succeeded */
static char *last_out;

static void note_end(void *data, const struct hm_error *err, const char *out, int64_t took_ns)
{
    ck_assert_ptr_eq(data, &ends);
    ck_assert_int_ge(took_ns, 0);
    ends++;
    last_error = err ? *err : (struct hm_error){0};
    free(last_out);
    last_out = hm_strdup(out);
}

/* One hook: sh -c SCRIPT (a test's stand-in for an operator's program). */
static void with_hook(enum hook hook, const char *script, int64_t limit_ms)
{
    static char *argv[4];
    argv[0] = (char *)"/bin/sh";
    argv[1] = (char *)"-c";
    argv[2] = (char *)script;
    struct hooks_options o = {.loop = &loop, .site = "site-a", .group = "default"};
    o.commands[hook] = (struct hook_command){.argv = argv, .limit_ms = limit_ms};
    hooks = hooks_new(&o);
}

static const struct hook_context context = {
    .epoch = 7, .from_epoch = 5, .leader = "site-b", .reason = "a test"};

static int run(enum hook hook, int64_t limit_ms, struct hm_error *err)
{
    return hooks_run(hooks, hook, &context, limit_ms, note_end, &ends, err);
}

static void set_up(void)
{
    uv_loop_init(&loop);
    ends = 0;
    last_error = (struct hm_error){0};
}

static void tear_down(void)
{
    hooks_free(hooks);
    hooks = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    free(last_out);
    last_out = NULL;
}

START_TEST(gives_the_environment)
{
    with_hook(
        HOOK_PROMOTE,
        "echo $HARMONY_SITE $HARMONY_GROUP $HARMONY_EPOCH $HARMONY_FROM_EPOCH $HARMONY_LEADER "
        "$HARMONY_REASON ${HARMONY_CGROUP:-none}",
        0);
    ck_assert_int_eq(run(HOOK_PROMOTE, 0, NULL), 1);
    ck_assert_int_eq(ends, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ends, 1);
    ck_assert_int_eq(last_error.code, HM_OK);
    ck_assert_str_eq(last_out, "site-a default 7 5 site-b a test none\n");
}
END_TEST

START_TEST(absent_hook_is_not_run)
{
    with_hook(HOOK_PROMOTE, "true", 0);
    ck_assert_int_eq(run(HOOK_FENCE, 0, NULL), 0);
    ck_assert(!hooks_has(hooks, HOOK_FENCE));
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ends, 0);
}
END_TEST

START_TEST(failure_names_the_hook_and_its_last_words)
{
    with_hook(HOOK_FENCE, "echo no such database >&2; exit 3", 0);
    run(HOOK_FENCE, 0, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(last_error.code, HM_E_PROCESS);
    ck_assert_str_eq(last_error.text, "fence hook exited with 3: no such database");
}
END_TEST

START_TEST(the_shorter_limit_counts)
{
    int64_t before = hm_boottime_ns();
    with_hook(HOOK_PROBE, "exec sleep 60", 60000);
    run(HOOK_PROBE, 50, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(last_error.code, HM_E_TIMEOUT);
    ck_assert_int_lt(hm_boottime_ns() - before, 30000 * HM_MS);
    ck_assert_int_eq(run(HOOK_PROBE, 1, NULL), 1); /* it could be killed: it may be run again */
}
END_TEST

START_TEST(runs_once_at_a_time)
{
    struct hm_error err;
    with_hook(HOOK_PROBE, "exec sleep 60", 0);
    run(HOOK_PROBE, 0, NULL);
    ck_assert(hooks_running(hooks, HOOK_PROBE));
    ck_assert_int_eq(run(HOOK_PROBE, 0, &err), -HM_E_BUSY);
    hooks_kill(hooks, HOOK_PROBE);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ends, 1);
    ck_assert_str_eq(last_error.text, "probe hook was ended by signal 9");
    ck_assert(!hooks_running(hooks, HOOK_PROBE));
}
END_TEST

START_TEST(missing_program_is_told)
{
    static char *argv[] = {(char *)"/nonexistent/hook", NULL};
    struct hooks_options o = {.loop = &loop, .site = "site-a", .group = "default"};
    o.commands[HOOK_FENCE].argv = argv;
    hooks = hooks_new(&o);
    ck_assert_int_eq(run(HOOK_FENCE, 0, NULL), 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ends, 1);
    ck_assert_int_eq(last_error.code, HM_E_PROCESS);
    ck_assert_str_eq(last_error.text,
                     "fence hook /nonexistent/hook can't be started: No such file or directory");
    ck_assert(!hooks_running(hooks, HOOK_FENCE));
}
END_TEST

START_TEST(runs_in_the_cgroup_of_its_epoch_or_not_at_all)
{
    struct hook_context epoch = context;
    struct hm_error err;
    char folder[] = "/tmp/test_hooks.XXXXXX", procs[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    epoch.cgroup = folder;
    with_hook(HOOK_PROMOTE, "echo runs in $HARMONY_CGROUP", 0);
    ck_assert_int_eq(hooks_run(hooks, HOOK_PROMOTE, &epoch, 0, note_end, &ends, &err),
                     -HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "the guardian has ended epoch 7"));
    snprintf(procs, sizeof procs, "%s/cgroup.procs", folder); /* a plain file stands in for it */
    close(open(procs, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ck_assert_int_eq(hooks_run(hooks, HOOK_PROMOTE, &epoch, 0, note_end, &ends, &err), 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    char expected[64];
    snprintf(expected, sizeof expected, "runs in %s\n", folder);
    ck_assert_str_eq(last_out, expected);
    FILE *file = fopen(procs, "re");
    ck_assert_int_eq(fgetc(file), '0');
    fclose(file);
    unlink(procs);
    rmdir(folder);
}
END_TEST

START_TEST(freeing_kills_silently)
{
    with_hook(HOOK_PROMOTE, "exec sleep 60", 0);
    run(HOOK_PROMOTE, 0, NULL);
    hooks_free(hooks);
    hooks = NULL;
    int64_t before = hm_boottime_ns();
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ends, 0);
    ck_assert_int_lt(hm_boottime_ns() - before, 30000 * HM_MS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hooks");
    TCase *t = tcase_create("hooks");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, gives_the_environment);
    tcase_add_test(t, absent_hook_is_not_run);
    tcase_add_test(t, failure_names_the_hook_and_its_last_words);
    tcase_add_test(t, the_shorter_limit_counts);
    tcase_add_test(t, runs_once_at_a_time);
    tcase_add_test(t, missing_program_is_told);
    tcase_add_test(t, runs_in_the_cgroup_of_its_epoch_or_not_at_all);
    tcase_add_test(t, freeing_kills_silently);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
