/*
 * The process of a VMM: started so that it outlives the agent, found again, and ended.
 *
 * It is nobody's child, leads its own session, has an environment of its own and the default OOM score. A
 * terminal of its own is its stdin, its guest's console its stdout, a log its stderr; it holds the other end of the
 * terminal, too, and no other descriptor (ADR 60). It waits at a gate before its
 * program runs: so its pid is on disk, and it is in its cgroup, before there is anything to lose; if the
 * agent dies first, the gate never opens and it ends. A process is ended through a pidfd that was checked
 * against its start time, so never a later one of the same number. Blocks; thread: any but the loop's.
 */
#ifndef HM_VMM_CH_PROCESS_H
#define HM_VMM_CH_PROCESS_H

#include <stdbool.h>

#include "base/error.h"
#include "vmm/ch_record.h"

/* Looks at /proc. A zombie with no thread left is not alive; what can't be looked at is. */
bool ch_pid_is_alive(const struct ch_pid *p);
/* Of any process that is there; false: it is not. */
bool ch_pid_of(int pid, struct ch_pid *ret);
/* 1: *ret is a pidfd of it, the caller's to close; 0: it is gone. HM_E_PROCESS: it can't be held, for want of descriptors. */
int ch_pid_hold(const struct ch_pid *p, int *ret, struct hm_error *err);
/* SIGKILL, and see it ended: 0. HM_E_TIMEOUT: it hangs in the kernel. One that is gone is fine. */
int ch_pid_kill(const struct ch_pid *p, int64_t wait_ms, struct hm_error *err);

/* The VMM that was started for this socket, by its command line, whatever any record says; of this user and pid namespace. 1: found; 0: none;
 * HM_E_IO: it can't be told, for want of descriptors. */
int ch_process_find(const char *socket, struct ch_pid *ret, struct hm_error *err);

/* All that have their socket in that folder, by one walk. HM_E_IO as above, with nothing in *ret. */
struct ch_processes {
    struct ch_socket_process {
        char *socket;
        struct ch_pid pid;
    } * items;
    size_t count;
};
int ch_processes_read(const char *sockets, struct ch_processes *ret, struct hm_error *err);
void ch_processes_clear(struct ch_processes *list);
int ch_processes_find(const struct ch_processes *list, const char *socket, struct ch_pid *ret);

#define CH_SOCKET_OPTION "--api-socket"
/* The word after it: "path=SOCKET"; the caller's. */
char *ch_socket_word(const char *socket);

struct ch_spawn {
    char *const *argv;
    const char *console, *log; /* appended to: what it writes to stdout, to stderr */
};
/* Of the VMM: what is written there is typed on its terminal. /dev/null where the host had no terminal left. */
enum { CH_TYPING_FD = 3 };
/* At the gate. */
struct ch_gate {
    struct ch_pid pid;
    int go;      /* a byte opens it */
    int verdict; /* errno of execve(2), or the end */
};
int ch_spawn(const struct ch_spawn *spawn, struct ch_gate *ret, struct hm_error *err);
/* Let it run its program. HM_E_PROCESS: it could not, and is gone. Either way the gate is used up. */
int ch_gate_open(struct ch_gate *gate, const char *program, struct hm_error *err);
void ch_gate_refuse(struct ch_gate *gate); /* it ends without having run anything */

/* The last lines of a VMM's log, for an error: one line, cleaned; the caller's; "" if there is nothing. */
char *ch_log_tail(const char *path);

#endif
