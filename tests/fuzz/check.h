/* What every fuzz target asks of an error: a sentence that can be shown anywhere. */
#ifndef HM_TESTS_FUZZ_CHECK_H
#define HM_TESTS_FUZZ_CHECK_H

#include "base/error.h"

/* Stop the fuzzer with a message when the condition does not hold. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_stop(__FILE__, __LINE__, #condition);                                             \
    } while (0)

_Noreturn void fuzz_stop(const char *file, int line, const char *condition);

/* `rc` is negative, the code fits, and the sentence is there, in UTF-8 without control characters. */
void fuzz_require_sentence(int rc, const struct hm_error *err);

#endif
