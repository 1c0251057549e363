#include "guardian/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/guardian/suite.h"

static char text[1 << 20];

/* stderr becomes the end `fd`, and keeps its flags. */
static void speak_into(int fd)
{
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    close(fd);
}

static const char *heard(int fd)
{
    size_t len = 0;
    ssize_t n;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

START_TEST(lines_are_like_the_agents)
{
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    speak_into(p[1]);
    say(LOG_WARN, "epoch %d\nforged", 7);
    ck_assert_ptr_nonnull(strstr(heard(p[0]), "Z warn  guardian: epoch 7 forged\n"));
}
END_TEST

START_TEST(below_the_level_nothing_is_said)
{
    int p[2];
    enum log_level level;
    ck_assert_int_eq(pipe(p), 0);
    speak_into(p[1]);
    ck_assert(log_level_from_name("warn", &level));
    ck_assert(!log_level_from_name("loud", &level));
    log_setup(level);
    say(LOG_INFO, "quiet");
    say(LOG_ERROR, "loud");
    heard(p[0]);
    ck_assert_ptr_null(strstr(text, "quiet"));
    ck_assert_ptr_nonnull(strstr(text, "loud"));
}
END_TEST

/* Nobody reads: it must come back all the same (the test's time limit says so), and count. */
static void flood(int fd)
{
    for (int i = 0; i < 20000; i++)
        say(LOG_ERROR, "line %d of many that nobody reads", i);
    heard(fd);
    ck_assert_ptr_nonnull(strstr(text, "line 0 of"));
    ck_assert_ptr_null(strstr(text, "line 19999 of"));
    say(LOG_ERROR, "the next one");
    ck_assert_ptr_nonnull(strstr(heard(fd), "lines before were lost)"));
}

START_TEST(a_full_pipe_does_not_block)
{
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    speak_into(p[1]);
    flood(p[0]);
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(a_full_socket_does_not_block)
{
    int p[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    speak_into(p[1]);
    flood(p[0]);
}
END_TEST

RUN_SUITE("log", lines_are_like_the_agents, below_the_level_nothing_is_said,
          a_full_pipe_does_not_block, a_full_socket_does_not_block)
