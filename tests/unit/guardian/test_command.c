#include "guardian/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guardian/procfs.h"
#include "tests/unit/guardian/suite.h"

static union message m;
static struct command c;
static enum command_result result;
static const struct epoch epoch = {2, 41};

static bool is_over(void *unused)
{
    (void)unused;
    result = command_check(&c, &m.plan, "site-a", "db", epoch);
    return result != COMMAND_RUNS;
}

static enum command_result run(void)
{
    command_init(&c);
    result = command_begin(&c, &m.plan, "site-a", "db", epoch);
    if (result == COMMAND_RUNS)
        ck_assert(wait_for(is_over, NULL));
    return result;
}

static void shell(const char *script)
{
    plan_begin(&m);
    plan_add(&m, GUARD_COMMAND, "/bin/sh", "-c", script, NULL);
}

START_TEST(exit_0_is_a_success_and_nothing_else)
{
    shell("exit 0");
    ck_assert_int_eq(run(), COMMAND_WORKED);
    shell("exit 3");
    ck_assert_int_eq(run(), COMMAND_FAILED);
    shell("kill -9 $$");
    ck_assert_int_eq(run(), COMMAND_FAILED);
    plan_begin(&m);
    plan_add(&m, GUARD_COMMAND, "/is/not/there", NULL);
    ck_assert_int_eq(run(), COMMAND_FAILED);
    ck_assert_int_eq(c.pid, 0);
}
END_TEST

START_TEST(it_knows_what_it_is_for_and_inherits_nothing)
{
    setenv("SECRET", "x", 1);
    ck_assert_int_eq(dup2(STDERR_FILENO, 77), 77);
    shell("test \"$HARMONY_SITE $HARMONY_GROUP $HARMONY_GENERATION $HARMONY_EPOCH\" = "
          "'site-a db 2 41' && test -n \"$HARMONY_REASON\" && test -z \"$SECRET\" && "
          "test ! -e /proc/$$/fd/77");
    ck_assert_int_eq(run(), COMMAND_WORKED);
}
END_TEST

START_TEST(one_follows_the_other_while_they_work)
{
    plan_begin(&m);
    plan_add(&m, GUARD_COMMAND, "/bin/true", NULL);
    plan_add(&m, GUARD_LINK, "eth0", NULL);
    plan_add(&m, GUARD_COMMAND, "/bin/false", NULL);
    plan_add(&m, GUARD_COMMAND, "/bin/sh", "-c", "kill -9 $PPID", NULL);
    ck_assert_int_eq(run(), COMMAND_FAILED);
}
END_TEST

START_TEST(the_last_one_is_followed_by_none)
{
    plan_begin(&m);
    plan_add(&m, GUARD_COMMAND, "/bin/true", NULL);
    plan_add(&m, GUARD_COMMAND, "/bin/false", NULL);
    command_init(&c);
    command_begin(&c, &m.plan, "site-a", "db", epoch);
    command_is_last(&c);
    ck_assert(wait_for(is_over, NULL));
    ck_assert_int_eq(result, COMMAND_WORKED);
}
END_TEST

static bool is_gone(void *data)
{
    return process_start_time(*(pid_t *)data) == 0;
}

START_TEST(it_is_killed_with_its_group)
{
    int said[2];
    char text[32] = "";
    ck_assert_int_eq(pipe(said), 0);
    dup2(said[1], STDERR_FILENO); /* which is the command's stdout too */
    shell("trap '' TERM; /bin/sleep 1000 & echo $!; wait");
    command_init(&c);
    ck_assert_int_eq(command_begin(&c, &m.plan, "site-a", "db", epoch), COMMAND_RUNS);
    pid_t child = 0;
    while (child == 0) { /* past the guardian's own line */
        FILE *lines = fdopen(dup(said[0]), "r");
        setbuf(lines, NULL);
        while (child == 0 && fgets(text, sizeof text, lines))
            if (strchr(text, '\n') && strspn(text, "0123456789") + 1 == strlen(text))
                child = (pid_t)strtol(text, NULL, 10);
        fclose(lines);
    }
    ck_assert_int_eq(command_check(&c, &m.plan, "site-a", "db", epoch), COMMAND_RUNS);
    command_kill(&c);
    ck_assert(wait_for(is_over, NULL));
    ck_assert_int_eq(result, COMMAND_FAILED);
    ck_assert(wait_for(is_gone, &child));
}
END_TEST

START_TEST(while_one_is_left_no_other_is_run)
{
    shell("read x");
    command_init(&c);
    c.pid = 1; /* one of an earlier fire */
    ck_assert_int_eq(command_begin(&c, &m.plan, "site-a", "db", epoch), COMMAND_FAILED);
}
END_TEST

RUN_SUITE("command", exit_0_is_a_success_and_nothing_else,
          it_knows_what_it_is_for_and_inherits_nothing, one_follows_the_other_while_they_work,
          the_last_one_is_followed_by_none, it_is_killed_with_its_group,
          while_one_is_left_no_other_is_run)
