#include "guardian/upgrade.h"

#include <string.h>

#include "tests/unit/guardian/suite.h"

static char number[] = "7", word[] = "word", resume[] = "--resume", old[] = "3";

START_TEST(an_earlier_resume_is_left_out)
{
    char *argv[] = {word, resume, old, word, NULL}, *next[UPGRADE_ARGV_MAX];
    ck_assert(upgrade_argv(argv, number, next));
    ck_assert_str_eq(next[0], word);
    ck_assert_str_eq(next[1], word);
    ck_assert_str_eq(next[2], resume);
    ck_assert_str_eq(next[3], number);
    ck_assert_ptr_null(next[4]);
}
END_TEST

/* What comes behind `next` is not written to. */
START_TEST(as_many_words_as_have_room_are_taken)
{
    char *argv[UPGRADE_ARGV_MAX + 8] = {0};
    char *next[UPGRADE_ARGV_MAX + 1];
    for (int words = 1; words < UPGRADE_ARGV_MAX + 4; words++) {
        argv[words - 1] = word;
        next[UPGRADE_ARGV_MAX] = old;
        bool has_room = words + 3 <= UPGRADE_ARGV_MAX;
        ck_assert_int_eq(upgrade_argv(argv, number, next), has_room);
        ck_assert_ptr_eq(next[UPGRADE_ARGV_MAX], old);
        if (has_room)
            ck_assert_ptr_null(next[words + 2]);
    }
}
END_TEST

RUN_SUITE("upgrade", an_earlier_resume_is_left_out, as_many_words_as_have_room_are_taken)
