#include "ctl/complete.h"

#include "suite.h"

enum { WORDS_MAX = 12 };

/* What is offered after this line, which ends where the cursor is, as one text. */
static char *offered(const char *line, enum complete_what *ret_what)
{
    char *copy = hm_strdup(line), *at = copy;
    const char *words[WORDS_MAX];
    size_t count = 0;
    for (char *space; (space = strchr(at, ' ')) != NULL; at = space + 1) {
        *space = '\0';
        words[count++] = at;
    }
    words[count++] = at;
    struct completion c;
    struct hm_buf all = {0};
    complete_line(words, count, &c);
    for (size_t i = 0; i < c.count; i++)
        hm_buf_printf(&all, "%s%s", i ? " " : "", c.words[i]);
    *ret_what = c.what;
    complete_clear(&c);
    free(copy);
    return hm_buf_steal(&all);
}

static void offers(const char *line, const char *expected)
{
    enum complete_what what;
    HM_AUTOFREE char *found = offered(line, &what);
    ck_assert_msg(!strcmp(found, expected), "\"%s\": \"%s\", not \"%s\"", line, found, expected);
}

static void asks_for(const char *line, enum complete_what expected)
{
    enum complete_what what;
    HM_AUTOFREE char *found = offered(line, &what);
    ck_assert_msg(what == expected, "\"%s\": %d, not %d", line, what, expected);
    ck_assert_str_eq(found, "");
}

START_TEST(commands_word_by_word)
{
    offers("val", "validate");
    offers("fail", "failover");
    offers("failover pau", "pause");
    offers("incident ", "list show");
    offers("nonsense ", "");
    offers("help incident s", "show");
}
END_TEST

START_TEST(flags_of_the_command_and_of_all)
{
    offers("failover pause --re", "--reason");
    offers("--cre", "--creds");
    offers("validate --si", "");
    offers("plan --si", "--site");
}
END_TEST

START_TEST(values_by_what_they_are)
{
    offers("incident show 3 -o h", "html");
    offers("get -o ", "text wide json yaml");
    offers("get --color a", "auto always");
    asks_for("apply -f ", COMPLETE_FILES);
    asks_for("plan --site ", COMPLETE_SITES);
    asks_for("failover switchover --to ", COMPLETE_SITES);
    asks_for("failover promote ", COMPLETE_SITES);
    asks_for("get --site ", COMPLETE_WHERE);
    asks_for("--server ", COMPLETE_NOTHING);
}
END_TEST

START_TEST(arguments_by_their_names)
{
    offers("get v", "vm");
    asks_for("get vm ", COMPLETE_NAMES);
    asks_for("get --site site-a vm ", COMPLETE_NAMES);
    asks_for("incident show ", COMPLETE_EPOCHS);
    offers("get vm web ", "");
    offers("version ", "");
}
END_TEST

START_TEST(names_are_of_the_kind_that_was_given)
{
    struct completion c;
    const char *const words[] = {"--timeout", "1s", "delete", "disk", "we"};
    complete_line(words, 5, &c);
    ck_assert_int_eq(c.what, COMPLETE_NAMES);
    ck_assert_str_eq(c.kind, "disk");
    complete_offer(&c, "web-data");
    complete_offer(&c, "db-data");
    complete_offer(&c, "web-data");
    ck_assert_uint_eq(c.count, 1);
    complete_clear(&c);
}
END_TEST

START_TEST(nothing_at_all_is_a_line)
{
    struct completion c;
    complete_line(NULL, 0, &c);
    ck_assert_uint_gt(c.count, 5);
    complete_clear(&c);
}
END_TEST

RUN_SUITE("complete", commands_word_by_word, flags_of_the_command_and_of_all,
          values_by_what_they_are, arguments_by_their_names, names_are_of_the_kind_that_was_given,
          nothing_at_all_is_a_line)
