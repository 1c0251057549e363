#include "base/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/spawn.h"

extern char **environ;

enum { REAP_MS = 1000, OUT = 0, ERR = 1, STREAMS = 2 };

struct running {
    const char *program;
    struct hm_spawned child;
    struct hm_buf text[STREAMS];
    bool at_end[STREAMS];
    int64_t until_ns;
};

static int left_ms(const struct running *r)
{
    int64_t left = (r->until_ns - hm_boottime_ns()) / HM_MS;
    return left > 0 ? (int)left : 0;
}

static void read_stream(struct running *r, int which, int fd)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n > 0)
        hm_buf_add(&r->text[which], chunk, (size_t)n);
    else if (n == 0 || errno != EINTR)
        r->at_end[which] = true;
}

/* Until both streams have ended. False: the deadline came, or there was too much. */
static bool listen_to(struct running *r)
{
    while (!r->at_end[OUT] || !r->at_end[ERR]) {
        struct pollfd ready[STREAMS] = {
            {.fd = r->at_end[OUT] ? -1 : r->child.out, .events = POLLIN},
            {.fd = r->at_end[ERR] ? -1 : r->child.err, .events = POLLIN}};
        int left = left_ms(r);
        if (left == 0 || (poll(ready, STREAMS, left) < 0 && errno != EINTR))
            return false;
        for (int i = 0; i < STREAMS; i++)
            if (ready[i].revents)
                read_stream(r, i, ready[i].fd);
        if (r->text[OUT].overflowed || r->text[ERR].overflowed)
            return false;
    }
    return true;
}

/* Its wait status, or -1: it is still there after that time. */
static int reap(pid_t pid, int ms)
{
    int pidfd = pidfd_open(pid, 0), status = -1;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int64_t until = hm_boottime_ns() + ms * HM_MS;
    while (pidfd >= 0 && waitpid(pid, &status, WNOHANG) == 0) {
        int64_t left = (until - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            break;
        poll(&ended, 1, (int)left);
    }
    if (pidfd >= 0)
        close(pidfd);
    return status;
}

static char *as_one_line(const struct hm_buf *text)
{
    struct hm_buf line = {0};
    const char *at = text->data ? text->data : "";
    while (*at) {
        size_t len = strcspn(at, "\r\n");
        if (len > 0 && line.len > 0)
            hm_buf_puts(&line, "; ");
        hm_buf_add(&line, at, len);
        at += len + (at[len] != '\0');
    }
    for (size_t i = 0; i < line.len; i++) /* it may repeat what somebody wrote into a file */
        if ((unsigned char)line.data[i] < ' ' || line.data[i] == 0x7f)
            line.data[i] = '?';
    return hm_buf_steal(&line);
}

static int fail_early(const struct running *r, int64_t timeout_ms, struct hm_error *err)
{
    if (r->text[OUT].overflowed || r->text[ERR].overflowed)
        return hm_fail(err, HM_E_TOO_LARGE, "%s wrote too much and was killed", r->program);
    return hm_fail(err, HM_E_TIMEOUT, "%s has not ended within %lld ms and was killed", r->program,
                   (long long)timeout_ms);
}

static int judge(const struct running *r, int status, struct hm_error *err)
{
    int why = hm_spawn_errno(&r->child);
    if (why)
        return hm_fail(err, HM_E_PROCESS, "cannot start %s: %s", r->program, strerror(why));
    if (!WIFEXITED(status))
        return hm_fail(err, HM_E_PROCESS, "%s died of signal %d", r->program, WTERMSIG(status));
    return 0;
}

static int run_to_end(struct running *r, int64_t timeout_ms, struct hm_ran *ret,
                      struct hm_error *err)
{
    bool heard = listen_to(r);
    int status = heard ? reap(r->child.pid, left_ms(r) + 1) : -1;
    if (status < 0) {
        kill(-r->child.pid, SIGKILL); /* it leads its own group */
        reap(r->child.pid, REAP_MS);
        return fail_early(r, timeout_ms, err);
    }
    int rc = judge(r, status, err);
    if (rc < 0)
        return rc;
    size_t len = r->text[OUT].len;
    *ret = (struct hm_ran){.exit_code = WEXITSTATUS(status),
                           .out = hm_buf_steal(&r->text[OUT]),
                           .out_len = len,
                           .err = as_one_line(&r->text[ERR])};
    return 0;
}

int hm_run(char *const *argv, int64_t timeout_ms, size_t output_max, struct hm_ran *ret,
           struct hm_error *err)
{
    struct running r = {.program = argv[0],
                        .text = {{.limit = output_max}, {.limit = output_max}},
                        .until_ns = hm_boottime_ns() + timeout_ms * HM_MS};
    int rc = hm_spawn(argv, environ, -1, &r.child, err);
    if (rc < 0)
        return rc;
    rc = run_to_end(&r, timeout_ms, ret, err);
    close(r.child.out);
    close(r.child.err);
    close(r.child.verdict);
    hm_buf_free(&r.text[OUT]);
    hm_buf_free(&r.text[ERR]);
    return rc;
}

void hm_ran_clear(struct hm_ran *ran)
{
    free(ran->out);
    free(ran->err);
    *ran = (struct hm_ran){0};
}
