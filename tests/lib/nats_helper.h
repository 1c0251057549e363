/*
 * A real nats-server with JetStream for one C test, and a loop that runs until something is so.
 *
 * The server listens on a port of 127.0.0.1 that nobody else is given, and keeps everything in a temporary folder. Both
 * are gone when the test's process is, however it ends. The program is HARMONY_NATS_SERVER, else the
 * downloaded one under HARMONY_TOOLS (build/tools), else the first in PATH. Failures end the test.
 */
#ifndef HM_TESTS_NATS_HELPER_H
#define HM_TESTS_NATS_HELPER_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct nats_server {
    char dir[64];
    char url[64]; /* nats://127.0.0.1:PORT, the same over restarts */
    uint16_t port;
    int held;  /* the socket that holds it (held_port.h); 0: none yet */
    pid_t pid; /* 0: not running */
};

/* `config`: lines added to the configuration file ("authorization {...}"), or NULL. */
void nats_server_start(struct nats_server *server, const char *config);
void nats_server_start_without_jetstream(struct nats_server *server);
void nats_server_kill(struct nats_server *server);   /* SIGKILL; nothing if it isn't running */
void nats_server_freeze(struct nats_server *server); /* SIGSTOP */
void nats_server_thaw(struct nats_server *server);
void nats_server_restart(struct nats_server *server); /* on the same port and store */
void nats_server_reconfigure(struct nats_server *server,
                             const char *config);   /* for the next start */
void nats_server_close(struct nats_server *server); /* and remove the folder */

/* Run the loop until `condition` holds; fails the test after 20 seconds. */
#define run_until(loop, condition)                                                                 \
    do {                                                                                           \
        struct guard guard_;                                                                       \
        guard_begin((loop), &guard_, 20000);                                                       \
        while (!(condition) && !guard_.expired)                                                    \
            uv_run((loop), UV_RUN_ONCE);                                                           \
        guard_end(&guard_);                                                                        \
        ck_assert_msg(condition, "not within 20 s: %s", #condition);                               \
    } while (0)

/* Its timer ticks, because uv_run(UV_RUN_ONCE) goes on to wait after it has run a timer's callback. */
struct guard {
    uv_timer_t timer;
    int64_t until_ns;
    bool expired, closed;
};
void guard_begin(uv_loop_t *loop, struct guard *guard, int ms);
void guard_end(struct guard *guard);

/* Let the loop run for so long, for what must not happen meanwhile. */
void run_for(uv_loop_t *loop, int ms);

#endif
