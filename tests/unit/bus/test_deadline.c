#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bus/deadline.h"

enum { COUNT = 500 };

static int64_t pseudo_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int64_t)(*state >> 44);
}

START_TEST(comes_out_in_order)
{
    struct deadline_heap heap = {0};
    struct deadline nodes[COUNT] = {0};
    uint64_t seed = 1;
    for (int i = 0; i < COUNT; i++)
        deadline_set(&heap, &nodes[i], pseudo_random(&seed));
    for (int i = 0; i < COUNT; i += 3)
        deadline_set(&heap, &nodes[i], pseudo_random(&seed)); /* moved */
    for (int i = 1; i < COUNT; i += 3)
        deadline_clear(&heap, &nodes[i]);
    int64_t last = -1;
    int taken = 0;
    for (struct deadline *node; (node = deadline_take_due(&heap, INT64_MAX - 1)) != NULL; taken++) {
        ck_assert_int_ge(node->at_ns, last);
        ck_assert_uint_eq(node->place, 0);
        last = node->at_ns;
    }
    ck_assert_int_eq(taken, COUNT - (COUNT + 1) / 3);
    ck_assert_int_eq(deadline_next(&heap), INT64_MAX);
    deadline_heap_free(&heap);
}
END_TEST

START_TEST(only_what_is_due)
{
    struct deadline_heap heap = {0};
    struct deadline early = {0}, late = {0};
    deadline_set(&heap, &late, 20);
    deadline_set(&heap, &early, 10);
    ck_assert_ptr_null(deadline_take_due(&heap, 9));
    ck_assert_ptr_eq(deadline_take_due(&heap, 10), &early);
    ck_assert_ptr_null(deadline_take_due(&heap, 10));
    ck_assert_int_eq(deadline_next(&heap), 20);
    deadline_clear(&heap, &early); /* it isn't there any more: nothing happens */
    deadline_clear(&heap, &late);
    ck_assert_int_eq(deadline_next(&heap), INT64_MAX);
    deadline_heap_free(&heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *tcase = tcase_create("deadline");
    tcase_add_test(tcase, comes_out_in_order);
    tcase_add_test(tcase, only_what_is_due);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
