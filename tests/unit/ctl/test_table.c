#include "ctl/table.h"

#include "suite.h"

static const char *const titles[] = {"KIND", "NAME", "NOTE"};

START_TEST(aligns_columns_without_trailing_space)
{
    struct table t;
    struct hm_buf out = {0};
    table_start(&t, titles, 3);
    table_add(&t, "vm", MOOD_PLAIN);
    table_add(&t, "größer", MOOD_PLAIN);
    table_add(&t, "", MOOD_PLAIN);
    table_add(&t, "network", MOOD_PLAIN);
    table_add(&t, NULL, MOOD_PLAIN);
    table_add(&t, "up", MOOD_PLAIN);
    table_finish(&t, 2, false, &out);
    ck_assert_str_eq(out.data, "  KIND     NAME    NOTE\n"
                               "  vm       größer\n"
                               "  network  -       up\n");
    hm_buf_free(&out);
}
END_TEST

START_TEST(does_not_count_colour_as_width)
{
    struct table t;
    struct hm_buf out = {0};
    table_start(&t, titles, 3);
    table_add(&t, "vm", MOOD_GOOD);
    table_add(&t, "\033[1m", MOOD_PLAIN);
    table_add(&t, "x", MOOD_PLAIN);
    table_finish(&t, 0, true, &out);
    ck_assert_str_eq(out.data, "KIND  NAME  NOTE\n\033[32mvm\033[0m    ?[1m  x\n");
    hm_buf_free(&out);
}
END_TEST

RUN_SUITE("table", aligns_columns_without_trailing_space, does_not_count_colour_as_width)
