/* The loop without descriptors, and with. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/ch_loop.h"

static int order[2], count;

static void note(void *data)
{
    order[count++] = *(const int *)data;
}

START_TEST(errands_are_done_in_order_before_it_ends)
{
    static const int first = 1, second = 2;
    struct hm_error err;
    struct ch_loop *loop = NULL;
    ck_assert_int_eq(ch_loop_new(&loop, &err), 0);
    ch_loop_do(loop, note, (void *)(uintptr_t)&first);
    ch_loop_do(loop, note, (void *)(uintptr_t)&second);
    ch_loop_free(loop);
    ck_assert_int_eq(count, 2);
    ck_assert(order[0] == 1 && order[1] == 2);
}
END_TEST

START_TEST(without_descriptors_there_is_none_and_a_reason)
{
    struct hm_error err = {0};
    struct ch_loop *loop = NULL;
    struct rlimit before, few;
    ck_assert_int_eq(ch_loop_new(&loop, &err), 0); /* as in the agent: libuv is set up */
    ch_loop_free(loop);
    loop = NULL;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int more = 0; more < 2; more++) { /* nothing, and a part of it, can be had */
        few = (struct rlimit){(rlim_t)(next + more), before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        int r = ch_loop_new(&loop, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_int_eq(r, -HM_E_IO);
        ck_assert_ptr_null(loop);
        ck_assert_str_eq(err.text, "cloud-hypervisor: a loop for its answers: too many open files");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_loop");
    TCase *t = tcase_create("all");
    tcase_add_test(t, errands_are_done_in_order_before_it_ends);
    tcase_add_test(t, without_descriptors_there_is_none_and_a_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
