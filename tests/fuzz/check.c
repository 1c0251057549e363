#include "tests/fuzz/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/text.h"

void fuzz_stop(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

void fuzz_require_sentence(int rc, const struct hm_error *err)
{
    int line;
    FUZZ_REQUIRE(rc < 0);
    FUZZ_REQUIRE(rc == -(int)err->code);
    FUZZ_REQUIRE(*err->text);
    FUZZ_REQUIRE(!text_has_control(err->text));
    FUZZ_REQUIRE(text_is_utf8(err->text, strlen(err->text), &line));
}
