#include "agent/back_off.h"

#include <check.h>
#include <stdlib.h>

/* The rule, for every attempt and every jitter: from 1 s, at most doubling, at most 5 min, and a quarter more. */
START_TEST(the_wait_doubles_from_a_second_to_five_minutes_and_a_quarter)
{
    int64_t base = 1000;
    ck_assert_int_eq(back_off_ms(0, 12345), 0);
    for (uint32_t nth = 1; nth < 40; nth++) {
        int64_t most = 0;
        for (uint32_t jitter = 0; jitter < 256; jitter++) {
            int64_t ms = back_off_ms(nth, jitter * 2654435761u + nth);
            ck_assert_int_ge(ms, base);
            ck_assert_int_le(ms, base + base / 4);
            most = ms > most ? ms : most;
        }
        ck_assert_int_gt(most, base + base / 5); /* it is spread */
        ck_assert_int_eq(back_off_ms(nth, 0), base);
        base = base * 2 < 300000 ? base * 2 : 300000;
    }
    ck_assert_int_ge(back_off_ms(UINT32_MAX, UINT32_MAX), 300000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("back_off");
    TCase *c = tcase_create("back_off");
    tcase_add_test(c, the_wait_doubles_from_a_second_to_five_minutes_and_a_quarter);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
