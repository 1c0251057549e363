/* What the unit tests of ctl share: running a suite, JSON written with single quotes. */
#ifndef HM_TESTS_UNIT_CTL_SUITE_H
#define HM_TESTS_UNIT_CTL_SUITE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "ctl/entry.h"

static inline int run_suite(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define RUN_SUITE(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return run_suite(name, tests, sizeof tests / sizeof tests[0]);                             \
    }

static inline char *json_text(const char *single_quoted)
{
    char *text = hm_strdup(single_quoted);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

static inline json_t *json_of(const char *single_quoted)
{
    HM_AUTOFREE char *text = json_text(single_quoted);
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &why);
    ck_assert_msg(value != NULL, "%s: %s", why.text, text);
    return value;
}

/* An entry as a bucket would give it; NULL value: a delete marker. */
static inline void put_entry(struct entries *list, const char *key, const char *single_quoted,
                             uint64_t revision, int64_t stamp_ns)
{
    HM_AUTOFREE char *value = json_text(single_quoted ? single_quoted : "");
    struct entry e = {
        .key = hm_strdup(key),
        .value = value,
        .len = strlen(value),
        .revision = revision,
        .stamp_ns = stamp_ns,
        .deleted = single_quoted == NULL,
    };
    entries_add(list, &e);
    free(e.key);
}

#endif
