/* What the unit tests of the guardian share: running a suite, building plans, a child to kill. */
#ifndef HM_TESTS_UNIT_GUARDIAN_SUITE_H
#define HM_TESTS_UNIT_GUARDIAN_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>

#include "guardian/message.h"
#include "guardian/plan.h"

#define RUN_SUITE(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return run_suite(name, tests, sizeof tests / sizeof tests[0]);                             \
    }

int run_suite(const char *name, const TTest *const *tests, size_t count);

/* A new folder, and a path in it; both go after the last test, also of a test that has crashed. */
enum { TEST_PATH_MAX = 128 };
void make_folder(char ret[TEST_PATH_MAX]);

/* An empty plan in `m`, and an entry more; words end with NULL. */
void plan_begin(union message *m);
void plan_add(union message *m, unsigned type, ...) __attribute__((sentinel));

/* A child that waits for ever; `argv` is what it executes (NULL: nothing). Killed in the end by
 * end_child(), which also waits for it. */
pid_t start_child(const char *const argv[]);
void end_child(pid_t pid);
/* Waits until the child has ended (a zombie stays); false: not within 10 s. */
bool has_ended(pid_t pid);
/* Calls `holds` until it returns true, for at most 10 s. */
bool wait_for(bool (*holds)(void *), void *data);

#endif
