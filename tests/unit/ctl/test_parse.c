#include "ctl/command.h"

#include "suite.h"

enum { WORDS_MAX = 16 };

static int parse(struct invocation *in, struct hm_error *err, const char *line)
{
    static char copy[256];
    char *argv[WORDS_MAX];
    int argc = 0;
    ck_assert_uint_lt(strlen(line), sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    *in = (struct invocation){.out = stdout, .err = stderr};
    return command_parse(argc, argv, in, err);
}

static void assert_refused(const char *line, const char *sentence)
{
    struct invocation in;
    struct hm_error err = {0};
    ck_assert_int_lt(parse(&in, &err, line), 0);
    ck_assert_msg(strstr(err.text, sentence) != NULL, "%s: %s", line, err.text);
}

START_TEST(understands_flags_anywhere)
{
    struct invocation in;
    struct hm_error err;
    ck_assert_int_eq(parse(&in, &err, "-s nats://x get --output=json vm -- --web"), 0);
    ck_assert_str_eq(in.command->name, "get");
    ck_assert_uint_eq(in.argument_count, 2);
    ck_assert_str_eq(in.arguments[1], "--web");
    ck_assert_str_eq(flag_value(&in, "server"), "nats://x");
    ck_assert_str_eq(output_format(&in), "json");
}
END_TEST

START_TEST(understands_repeated_flags)
{
    struct invocation in;
    struct hm_error err;
    ck_assert_int_eq(parse(&in, &err, "apply -fa.yaml --file b.yaml --wait"), 0);
    ck_assert_str_eq(flag_nth(&in, "file", 0), "a.yaml");
    ck_assert_str_eq(flag_nth(&in, "file", 1), "b.yaml");
    ck_assert_ptr_null(flag_nth(&in, "file", 2));
    ck_assert(flag_is_set(&in, "wait"));
}
END_TEST

START_TEST(understands_commands_of_two_words)
{
    struct invocation in;
    struct hm_error err;
    ck_assert_int_eq(parse(&in, &err, "failover init --primary a --replica b --replica c"), 0);
    ck_assert_str_eq(in.command->name, "failover init");
    ck_assert_uint_eq(in.argument_count, 0);
    ck_assert_int_eq(parse(&in, &err, ""), 0);
    ck_assert_str_eq(in.command->name, "help");
    ck_assert_int_eq(parse(&in, &err, "delete --help"), 0);
    ck_assert(in.wants_help);
}
END_TEST

START_TEST(refuses_with_a_sentence_that_helps)
{
    assert_refused("aply -f x", "did you mean \"apply\"?");
    assert_refused("failover statsu", "did you mean \"failover status\"?");
    assert_refused("failover", "a second word is missing after \"failover\"");
    assert_refused("failover sing", "unknown command \"failover sing\"");
    assert_refused("apply --fil x", "did you mean --file?");
    assert_refused("apply -f", "--file needs a value: --file FILE|DIR");
    assert_refused("get --wait", "get does not take --wait");
    assert_refused("get vm web more",
                   "\"more\" is one argument too many: harmonyctl get [KIND [NAME]]");
    assert_refused("get -o xml", "get gives text|wide|json|yaml");
    assert_refused("apply --wait=yes -f x", "--wait takes no value");
    assert_refused("get --site a --site b", "--site is given twice");
    assert_refused("get --color blue", "auto, always or never");
    assert_refused("get --s x", "unknown flag --s");
}
END_TEST

START_TEST(reads_durations)
{
    struct invocation in;
    struct hm_error err;
    int64_t ms;
    ck_assert_int_eq(parse(&in, &err, "get --timeout 500ms"), 0);
    ck_assert_int_eq(flag_duration(&in, "timeout", 7, &ms, &err), 0);
    ck_assert_int_eq(ms, 500);
    ck_assert_int_eq(parse(&in, &err, "get --timeout soon"), 0);
    ck_assert_int_lt(flag_duration(&in, "timeout", 7, &ms, &err), 0);
    ck_assert_str_eq(err.text, "--timeout soon: is not a duration (500ms, 10s, 2m)");
    ck_assert_int_eq(parse(&in, &err, "get --timeout 36500d"), 0);
    ck_assert_int_eq(flag_duration(&in, "timeout", 7, &ms, &err), 0);
    ck_assert_int_eq(ms, 3153600000000);
    ck_assert_int_eq(parse(&in, &err, "get --timeout 36501d"), 0);
    ck_assert_int_lt(flag_duration(&in, "timeout", 7, &ms, &err), 0);
    ck_assert_str_eq(err.text, "--timeout 36501d: is longer than 36500d, the most allowed");
    ck_assert_int_eq(parse(&in, &err, "get"), 0);
    ck_assert_int_eq(flag_duration(&in, "timeout", 7, &ms, &err), 0);
    ck_assert_int_eq(ms, 7);
}
END_TEST

START_TEST(every_command_stands_for_itself)
{
    COMMANDS_EACH (c) {
        struct invocation in;
        struct hm_error err;
        char line[128];
        snprintf(line, sizeof line, "%s --help", c->name);
        ck_assert_int_eq(parse(&in, &err, line), 0);
        ck_assert_ptr_eq(in.command, c);
    }
}
END_TEST

/* A flag may stand before its command: parsing must not depend on which one that is. */
START_TEST(flags_of_one_name_are_alike)
{
    COMMANDS_EACH (a)
        for (const struct flag *f = a->flags; f && f->name; f++)
            COMMANDS_EACH (b)
                for (const struct flag *g = b->flags; g && g->name; g++)
                    if (strcmp(f->name, g->name) == 0)
                        ck_assert_msg(!f->value == !g->value && f->letter == g->letter, "--%s",
                                      f->name);
}
END_TEST

RUN_SUITE("parse", flags_of_one_name_are_alike, understands_flags_anywhere,
          understands_repeated_flags, understands_commands_of_two_words,
          refuses_with_a_sentence_that_helps, reads_durations, every_command_stands_for_itself)
