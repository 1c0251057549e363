#include "tests/lib/nats_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/lib/held_port.h"

static const char *program(void)
{
    static char path[512];
    const char *given = getenv("HARMONY_NATS_SERVER"), *tools = getenv("HARMONY_TOOLS");
    if (given)
        return given;
    snprintf(path, sizeof path, "%s/python/bin/nats-server", tools ? tools : "build/tools");
    return access(path, X_OK) == 0 ? path : "nats-server";
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT;
}

static void remove_tree(const char *dir)
{
    for (int tries = 0; tries < 20 && access(dir, F_OK) == 0; tries++)
        if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
            poll(NULL, 0, 20); /* the server is still on its way out */
}

/* Its process waits for the end of the test's, whose end closes the pipe, and cleans up. */
static void start_janitor(const char *dir)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        close(ends[0]); /* the other end stays open as long as this process lives */
        return;
    }
    setsid();
    close(ends[1]);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
        ;
    remove_tree(dir);
    _exit(0);
}

static void write_config(const struct nats_server *server, const char *text)
{
    HM_AUTOFREE char *path = hm_printf("%s/nats.conf", server->dir);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void run_server(const struct nats_server *server)
{
    char port[16];
    HM_AUTOFREE char *config = hm_printf("%s/nats.conf", server->dir);
    HM_AUTOFREE char *log = hm_printf("%s/log", server->dir);
    snprintf(port, sizeof port, "%d", server->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp(program(), "nats-server", "-c", config, "-a", "127.0.0.1", "-p", port, "--log", log,
           "--ports_file_dir", server->dir, (char *)NULL);
    fprintf(stderr, "can't run %s: %m\n", program());
    _exit(127);
}

/* "<program>_<pid>.ports" appears when the server is ready for clients. */
static bool is_ready(const struct nats_server *server)
{
    HM_AUTOFREE char *pattern = hm_printf("%s/*_%d.ports", server->dir, (int)server->pid);
    glob_t found;
    bool is = glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return is;
}

static void check_alive(struct nats_server *server)
{
    int status;
    ck_assert_msg(waitpid(server->pid, &status, WNOHANG) == 0,
                  "nats-server ended at once; see HARMONY_NATS_SERVER and %s/log", server->dir);
}

void nats_server_restart(struct nats_server *server)
{
    server->pid = fork();
    ck_assert_int_ge(server->pid, 0);
    if (server->pid == 0)
        run_server(server);
    int64_t until_ns = hm_boottime_ns() + 20000 * HM_MS;
    while (!is_ready(server)) {
        check_alive(server);
        ck_assert_msg(hm_boottime_ns() < until_ns, "nats-server isn't ready within 20 s");
        poll(NULL, 0, 5);
    }
}

void nats_server_reconfigure(struct nats_server *server, const char *config)
{
    HM_AUTOFREE char *text =
        hm_printf("jetstream { store_dir: \"%s/store\" }\n%s\n", server->dir, config ? config : "");
    write_config(server, text);
}

static void make_place(struct nats_server *server)
{
    *server = (struct nats_server){.dir = "/tmp/hm-nats-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(server->dir));
    start_janitor(server->dir);
    server->held = hold_port(&server->port);
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", server->port);
}

void nats_server_start(struct nats_server *server, const char *config)
{
    make_place(server);
    nats_server_reconfigure(server, config);
    nats_server_restart(server);
}

void nats_server_start_without_jetstream(struct nats_server *server)
{
    make_place(server);
    write_config(server, "");
    nats_server_restart(server);
}

void nats_server_kill(struct nats_server *server)
{
    if (!server->pid)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void nats_server_freeze(struct nats_server *server)
{
    int status;
    kill(server->pid, SIGSTOP);
    ck_assert_int_eq(waitpid(server->pid, &status, WUNTRACED), server->pid); /* all its threads */
    ck_assert(WIFSTOPPED(status));
}

void nats_server_thaw(struct nats_server *server)
{
    kill(server->pid, SIGCONT);
}

void nats_server_close(struct nats_server *server)
{
    nats_server_kill(server);
    if (server->held)
        close(server->held);
    server->held = 0;
    remove_tree(server->dir);
}

/* -- The loop --------------------------------------------------------------------------------- */

enum { TICK_MS = 2 };

static void on_tick(uv_timer_t *timer)
{
    struct guard *guard = timer->data;
    guard->expired = hm_boottime_ns() >= guard->until_ns;
}

void guard_begin(uv_loop_t *loop, struct guard *guard, int ms)
{
    *guard = (struct guard){.until_ns = hm_boottime_ns() + ms * HM_MS};
    uv_timer_init(loop, &guard->timer);
    guard->timer.data = guard;
    uv_timer_start(&guard->timer, on_tick, TICK_MS, TICK_MS);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct guard *)handle->data)->closed = true;
}

void guard_end(struct guard *guard)
{
    uv_close((uv_handle_t *)&guard->timer, on_closed);
    while (!guard->closed)
        uv_run(guard->timer.loop, UV_RUN_NOWAIT);
}

void run_for(uv_loop_t *loop, int ms)
{
    struct guard guard;
    guard_begin(loop, &guard, ms);
    while (!guard.expired)
        uv_run(loop, UV_RUN_ONCE);
    guard_end(&guard);
}
