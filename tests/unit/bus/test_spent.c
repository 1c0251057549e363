/* Messages that are done with go together, and not too late. That they are freed, the leak sanitizer sees. */
#include <check.h>
#include <stdlib.h>

#include "bus/spent.h"

static void put(size_t size)
{
    natsMsg *message;
    char *data = calloc(1, size + 1);
    ck_assert_int_eq(natsMsg_Create(&message, "subject", NULL, data, (int)size), NATS_OK);
    free(data);
    spent_put(message);
}

START_TEST(kept_until_there_are_some)
{
    for (size_t i = 1; i < SPENT_MAX; i++) {
        put(10);
        ck_assert_uint_eq(spent_count(), i);
    }
    put(10);
    ck_assert_uint_eq(spent_count(), 0);
}
END_TEST

START_TEST(large_ones_are_not_kept)
{
    put(SPENT_BYTES - 1);
    ck_assert_uint_eq(spent_count(), 1);
    put(1);
    ck_assert_uint_eq(spent_count(), 0);
}
END_TEST

START_TEST(flushed_at_the_end)
{
    spent_put(NULL);
    ck_assert_uint_eq(spent_count(), 0);
    put(0);
    put(3);
    spent_flush();
    ck_assert_uint_eq(spent_count(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spent");
    TCase *tc = tcase_create("spent");
    tcase_add_test(tc, kept_until_there_are_some);
    tcase_add_test(tc, large_ones_are_not_kept);
    tcase_add_test(tc, flushed_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK); /* the thread that frees is of this process */
    if (nats_Open(-1) != NATS_OK)
        return EXIT_FAILURE;
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nats_Close();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
