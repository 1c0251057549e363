/* What the tests of netalloc share: running a suite, and a repeatable random sequence. */
#ifndef HM_TESTS_UNIT_NETALLOC_SUITE_H
#define HM_TESTS_UNIT_NETALLOC_SUITE_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline int run_case(const char *name, TCase *c)
{
    Suite *s = suite_create(name);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}

/* xorshift; *state is not 0. */
static inline unsigned pick_of(uint64_t *state, unsigned n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)((*state >> 16) % n);
}

#endif
