/* The driver without a VMM: what its records say, and the end of processes that are known by their socket alone. A
 * shell with a VMM's arguments stands in for its command line. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/doc.h"
#include "vmm/ch.h"
#include "vmm/cloud_hypervisor.h"
#include "vmm/vm_stats.h"
#include "vmm/vm_uuid.h"

#define KEY "site-a.vm.web"

static char dir[64];
static struct driver_options options;
static void *self;
static json_t *spec;
static struct hm_error err;
static const struct driver *const d = &cloud_hypervisor_driver;

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/harmony-ch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    options = (struct driver_options){.site = "site-a",
                                      .state_dir = dir,
                                      .runtime_dir = dir,
                                      .image_dir = dir,
                                      .vmm_program = "/nowhere/cloud-hypervisor"};
    json_t *given = json_pack("{s:s, s:s}", "backend", "cloud-hypervisor", "kernel", "/k");
    ck_assert_int_ge(kind_verify(kind_find("vm"), given, &spec, NULL, &err), 0);
    json_decref(given);
    ck_assert_int_eq(d->open(&options, &self, &err), 0);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void tear_down(void)
{
    d->close(self);
    json_decref(spec);
    ck_assert_int_eq(nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct order order(void)
{
    return (struct order){.kind = "vm", .name = "web", .key = KEY, .site = "site-a", .spec = spec};
}

static char *record(const char *file)
{
    return hm_printf("%s/cloud-hypervisor/web/%s", dir, file);
}

static void write_record(const char *file, const char *text)
{
    HM_AUTOFREE char *folder = hm_printf("%s/cloud-hypervisor/web", dir), *path = record(file);
    ck_assert_int_ge(hm_mkdirs(folder, 0700, &err), 0);
    ck_assert_int_ge(hm_file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

/* The state of the one thing there; THING_ABSENT: none. */
static enum thing_state look(char **ret_reason)
{
    struct things things = {0};
    ck_assert_msg(d->observe(self, &things, &err) >= 0, "%s", err.text);
    ck_assert_uint_le(things.count, 1);
    enum thing_state state = things.count ? things.items[0].state : THING_ABSENT;
    if (ret_reason)
        *ret_reason =
            things.count && things.items[0].reason ? hm_strdup(things.items[0].reason) : NULL;
    things_clear(&things);
    return state;
}

/* The first process of a namespace does not stop, and reads what nobody writes. */
static void be_a_vmm(int up, const char *word) __attribute__((noreturn));
static void be_a_vmm(int up, const char *word)
{
    int never[2];
    dup2(up, STDOUT_FILENO);
    if (pipe(never) == 0 && dup2(never[0], STDIN_FILENO) == STDIN_FILENO)
        execl("/bin/sh", "sh", "-c", "echo; kill -STOP $$; read never", "vmm", CH_SOCKET_OPTION,
              word, NULL);
    _exit(1);
}

/* `before`: what it does first. */
static pid_t run_with_its_words(void (*before)(void))
{
    HM_AUTOFREE char *socket = ch_socket_path(self, KEY), *word = ch_socket_word(socket);
    int up[2];
    char byte;
    ck_assert_int_eq(pipe(up), 0);
    pid_t child = fork();
    if (child == 0) {
        if (before)
            before();
        be_a_vmm(up[1], word);
    }
    ck_assert_int_eq(read(up[0], &byte, 1), 1);
    close(up[0]);
    close(up[1]);
    return child;
}

static pid_t run_as_vmm(void)
{
    HM_AUTOFREE char *socket = ch_socket_path(self, KEY);
    struct ch_pid found;
    pid_t child = run_with_its_words(NULL);
    ck_assert_int_eq(ch_process_find(socket, &found, &err), 1);
    ck_assert_int_eq(found.pid, child);
    return child;
}

/* As its start leaves it. */
static void record_run_saying(pid_t child, int64_t said)
{
    struct order o = order();
    struct ch *ch = self;
    struct ch_process p = {.boot = ch->boot, .socket = ch_socket_path(ch, KEY), .said = said};
    ck_assert(ch_pid_of(child, &p.pid));
    mark_of_order(&o, &p.mark);
    ck_assert_int_ge(ch_record_write_process(ch->records, "web", &p, &err), 0);
    mark_clear(&p.mark);
    free(p.socket);
}

static void record_run(pid_t child)
{
    record_run_saying(child, 0);
}

static bool is_killed(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}

START_TEST(a_vm_is_its_record_until_it_is_removed)
{
    struct order o = order();
    ck_assert_int_eq(look(NULL), THING_ABSENT);
    ck_assert_msg(d->create(self, &o, &err) == 0, "%s", err.text);
    ck_assert_int_eq(look(NULL), THING_OFF);
    ck_assert_int_eq(d->stop(self, &o, &err), 0);
    ck_assert_int_eq(d->remove(self, &o, &err), 0);
    ck_assert_int_eq(look(NULL), THING_ABSENT);
    ck_assert_int_gt(d->remove(self, &o, &err), 0);
}
END_TEST

START_TEST(without_the_program_a_start_says_so_and_leaves_it_off)
{
    struct order o = order();
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    ck_assert_int_eq(d->start(self, &o, &err), -HM_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "cloud_hypervisor.program"));
    ck_assert_int_eq(look(NULL), THING_OFF);
}
END_TEST

START_TEST(another_documents_vm_is_a_conflict)
{
    struct order mine = order(), other = order();
    other.key = "primary.vm.web";
    ck_assert_int_eq(d->create(self, &mine, &err), 0);
    ck_assert_int_eq(d->create(self, &other, &err), -HM_E_CONFLICT);
    ck_assert_int_eq(d->kill(self, &other, &err), -HM_E_CONFLICT);
    ck_assert_int_eq(d->remove(self, &other, &err), -HM_E_CONFLICT);
    ck_assert_int_eq(look(NULL), THING_OFF);
}
END_TEST

START_TEST(a_record_that_cannot_be_read_makes_it_unknown_and_not_absent)
{
    HM_AUTOFREE char *reason = NULL;
    write_record("vm.json", "{");
    ck_assert_int_eq(look(&reason), THING_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(reason, "vm.json"));
}
END_TEST

/* A fence goes by it, also where nobody can tell which documents there are. */
START_TEST(whose_it_is_is_known_by_its_run_too)
{
    struct order o = order();
    struct things things = {0};
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    ck_assert_int_eq(look(NULL), THING_OFF);
    pid_t child = run_as_vmm();
    record_run(child);
    write_record("vm.json", "{");
    ck_assert_int_ge(d->observe(self, &things, &err), 0);
    ck_assert_uint_eq(things.count, 1);
    ck_assert_int_eq(things.items[0].state, THING_UNKNOWN);
    ck_assert(things.items[0].marked);
    ck_assert_str_eq(things.items[0].mark_site, "site-a");
    ck_assert_str_eq(things.items[0].mark_key, KEY);
    things_clear(&things);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert(is_killed(child));
}
END_TEST

START_TEST(a_run_that_cannot_be_read_makes_it_unknown)
{
    struct order o = order();
    HM_AUTOFREE char *reason = NULL;
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    write_record("process.json", "{");
    ck_assert_int_eq(look(&reason), THING_UNKNOWN);
    ck_assert_ptr_nonnull(strstr(reason, "process.json"));
}
END_TEST

START_TEST(a_kill_needs_no_record_to_end_the_process_of_the_socket)
{
    struct order o = order();
    write_record("vm.json", "{");
    pid_t child = run_as_vmm();
    ck_assert_int_eq(d->verify_stopped(self, &o, &err), -HM_E_REFUSED);
    ck_assert_msg(d->kill(self, &o, &err) == 0, "%s", err.text);
    ck_assert(is_killed(child));
    ck_assert_int_eq(d->verify_stopped(self, &o, &err), 0);
}
END_TEST

START_TEST(what_was_seen_is_killed_unasked_by_its_uuid)
{
    struct order o = order();
    char uuid[VM_UUID_TEXT];
    vm_uuid("site-a", KEY, uuid);
    ck_assert_int_eq(d->kill_seen(&options, &o, &err), 0); /* none was seen */
    o.seen_uuid = uuid;
    ck_assert_int_eq(d->kill_seen(&options, &o, &err), 0);
    pid_t child = run_as_vmm();
    ck_assert_int_eq(d->kill_seen(&options, &o, &err), 1);
    ck_assert(is_killed(child));
}
END_TEST

START_TEST(the_first_look_ends_what_an_agent_that_died_has_left)
{
    struct order o = order();
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm(); /* nobody can ask it, and no record knows of it */
    ck_assert_int_eq(look(NULL), THING_OFF);
    ck_assert(is_killed(child));
}
END_TEST

START_TEST(the_first_look_sweeps_what_is_left_of_a_removal)
{
    HM_AUTOFREE char *folder = hm_printf("%s/cloud-hypervisor/web", dir);
    write_record("note.json", "{}");
    ck_assert_int_eq(look(NULL), THING_ABSENT);
    ck_assert_int_ne(access(folder, F_OK), 0);
    write_record("note.json", "{}"); /* by a verb of this agent, for all that a later look knows */
    ck_assert_int_eq(look(NULL), THING_ABSENT);
    ck_assert_int_eq(access(folder, F_OK), 0);
}
END_TEST

START_TEST(the_first_look_sweeps_what_was_not_written_to_its_end)
{
    struct order o = order();
    HM_AUTOFREE char *left = record("vm.json.a1B2c3");
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    write_record("vm.json.a1B2c3", "{");
    ck_assert_int_eq(look(NULL), THING_OFF);
    ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

START_TEST(a_vmm_that_does_not_answer_is_unknown_and_left_alone)
{
    struct order o = order();
    ck_assert_int_eq(look(NULL), THING_ABSENT);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm();
    ck_assert_int_eq(look(NULL), THING_UNKNOWN);
    ck_assert_int_eq(kill(child, 0), 0);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert(is_killed(child));
    ck_assert_int_eq(look(NULL), THING_OFF);
}
END_TEST

static struct rlimit limit_descriptors(void)
{
    struct rlimit before;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {(rlim_t)next, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    return before;
}

static void be_another_user(void)
{
    if (setuid(65534) != 0)
        _exit(1);
}

/* Its parent waits for it outside, and takes it along. */
static void be_in_a_container(void)
{
    if (unshare(CLONE_NEWPID) != 0)
        _exit(1);
    pid_t inside = fork();
    if (inside == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return;
    }
    waitpid(inside, NULL, 0);
    _exit(0);
}

/* Any user of the host may give a process these words, and so may a container. */
START_TEST(who_only_has_its_words_is_not_it)
{
    static void (*const strangers[])(void) = {be_another_user, be_in_a_container};
    struct order o = order();
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t stranger = run_with_its_words(strangers[_i]);
    ck_assert_int_eq(look(NULL), THING_OFF);
    ck_assert_int_eq(d->verify_stopped(self, &o, &err), 0);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert_int_eq(d->start(self, &o, &err), -HM_E_UNSUPPORTED); /* no program here */
    ck_assert_int_eq(waitpid(stranger, NULL, WNOHANG), 0);
    ck_assert_int_eq(kill(stranger, SIGKILL), 0);
    ck_assert(is_killed(stranger));
}
END_TEST

/* An answer that it is dead is believed by a fence. */
START_TEST(a_kill_that_can_see_no_process_is_not_done)
{
    struct order o = order();
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm();
    record_run(child);
    struct rlimit before = limit_descriptors();
    int killed = d->kill(self, &o, &err), verified = d->verify_stopped(self, &o, &err);
    struct things things = {0};
    int seen = d->observe(self, &things, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_lt(killed, 0);
    ck_assert_int_lt(verified, 0);
    ck_assert_int_lt(seen, 0);
    ck_assert_int_eq(kill(child, 0), 0);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert(is_killed(child));
    ck_assert_int_eq(look(NULL), THING_OFF);
}
END_TEST

/* Its memory would be taken for one that fits its disks. */
START_TEST(an_end_that_can_not_be_seen_is_no_clean_one)
{
    struct order o = order();
    struct ch_vm vm;
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm();
    record_run(child);
    ck_assert_int_eq(ch_vm_look(self, "web", KEY, &vm, &err), 0);
    struct rlimit before = limit_descriptors();
    int ended = ch_vm_shut_down(self, "web", &vm);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(ended, 0);
    ck_assert_int_eq(ch_vm_end(self, "web", &vm, &err), 0);
    ck_assert(is_killed(child));
    ck_assert_int_eq(ch_vm_shut_down(self, "web", &vm), 1);
    ch_vm_clear(&vm);
}
END_TEST

/* As one does whose threads hang. */
static int listen_and_never_answer(void)
{
    struct ch *ch = self;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    HM_AUTOFREE char *path = ch_socket_path(ch, KEY);
    ck_assert_int_ge(hm_mkdirs(ch->sockets, 0700, &err), 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    return fd;
}

START_TEST(who_does_not_answer_has_no_longer_than_its_grace)
{
    struct order o = order();
    o.primary = true;
    o.grace_ms = 200;
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm();
    record_run(child);
    int fd = listen_and_never_answer();
    int64_t began = hm_boottime_ns();
    ck_assert_msg(d->stop(self, &o, &err) == 0, "%s", err.text);
    ck_assert(is_killed(child));
    ck_assert_int_lt(hm_boottime_ns() - began, CH_ANSWER_MS * HM_MS);
    close(fd);
}
END_TEST

START_TEST(a_note_that_cannot_be_kept_holds_up_a_stop_and_no_kill)
{
    struct order o = order();
    HM_AUTOFREE char *note = record("note.json"), *run = record("process.json");
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    ck_assert_int_eq(mkdir(note, 0700), 0);
    pid_t child = run_as_vmm();
    record_run(child);
    o.run.state = RUN_STOPPED;
    ck_assert_int_lt(d->stop(self, &o, &err), 0);
    ck_assert_int_eq(kill(child, 0), 0);
    ck_assert_int_eq(access(run, F_OK), 0);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert(is_killed(child));
    ck_assert_int_ne(access(run, F_OK), 0);
}
END_TEST

static int64_t logs_begin_at(int since_ms)
{
    const struct driver_operation *op = d->operations;
    while (strcmp(op->name, "logs") != 0)
        op++;
    struct driver_call call = {.order = order(),
                               .args = since_ms < 0 ? json_object()
                                                    : json_pack("{s:i}", "since", since_ms)};
    struct driver_result got = {.fd = -1};
    ck_assert_msg(op->run(self, &call, &got, &err) == 0, "%s", err.text);
    HM_AUTOFREE char *console = hm_printf("%s/console/web.log", dir);
    ck_assert_str_eq(got.path, console);
    free(got.path);
    json_decref((json_t *)(uintptr_t)call.args);
    return got.from;
}

static void note_what_runs_uses(void)
{
    struct vm_stats_list list = {0};
    ck_assert_msg(d->stats(self, &list, &err) >= 0, "%s", err.text);
    ck_assert_uint_eq(list.count, 1);
    vm_stats_clear(&list);
}

START_TEST(a_look_notes_how_far_the_console_is)
{
    struct order o = order();
    HM_AUTOFREE char *folder = hm_printf("%s/console", dir),
                     *console = hm_printf("%s/web.log", folder),
                     *times = hm_printf("%s.times", console);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    ck_assert_int_eq(logs_begin_at(1000), 0);
    ck_assert_int_ge(hm_mkdirs(folder, 0700, &err), 0);
    ck_assert_int_ge(hm_file_write_atomic(console, "boot\n", 5, 0600, &err), 0);
    pid_t child = run_as_vmm();
    record_run(child);
    note_what_runs_uses();
    int fd = open(console, O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(fd, "more\n", 5), 5);
    close(fd);
    note_what_runs_uses();
    note_what_runs_uses(); /* nothing new */
    HM_AUTOFREE char *text = NULL;
    ck_assert_int_ge(hm_file_read(times, 4096, &text, NULL, &err), 0);
    long long at[2], inode[2], length[2];
    int used = 0;
    ck_assert_int_eq(sscanf(text, "%lld %lld %lld %lld %lld %lld %n", &at[0], &inode[0], &length[0],
                            &at[1], &inode[1], &length[1], &used),
                     6);
    ck_assert_int_eq(text[used], '\0');
    ck_assert(length[0] == 5 && length[1] == 10);
    ck_assert_int_eq(logs_begin_at(-1), 0);
    ck_assert_int_eq(logs_begin_at(3600000), 0);
    ck_assert_int_eq(d->kill(self, &o, &err), 0);
    ck_assert(is_killed(child));
}
END_TEST

static off_t size_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size + st.st_blocks; /* it keeps its length */
}

/* What a guest makes its VMM tell has a bound while it runs, and its end still says how it ended. */
START_TEST(events_of_many_resets_are_bounded_and_the_last_one_counts)
{
    static const char reset[] = "{ \"event\": \"rebooting\" }\n\n",
                      shutdown[] = "{ \"event\": \"shutdown\" }\n\n";
    struct order o = order();
    struct hm_buf many = {0};
    HM_AUTOFREE char *events = record("events"), *why = NULL;
    while (many.len < 4 << 20)
        hm_buf_add(&many, reset, sizeof reset - 1);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    ck_assert_int_eq(look(NULL), THING_OFF);
    pid_t child = run_as_vmm();
    record_run(child);
    hm_buf_add(&many, shutdown, sizeof shutdown - 1);
    ck_assert_int_ge(hm_file_write_atomic(events, many.data, many.len, 0600, &err), 0);
    off_t before = size_of(events);
    note_what_runs_uses();
    ck_assert_int_lt(size_of(events), before);
    kill(child, SIGKILL);
    ck_assert(is_killed(child));
    ck_assert_int_eq(look(&why), THING_OFF);
    ck_assert_str_eq(why, "shut down");
    hm_buf_free(&many);
}
END_TEST

static void set_program(const char *path)
{
    struct ch *ch = self;
    free(ch->program);
    ch->program = hm_strdup(path);
}

static const char shut_down[] = "{ \"event\": \"shutdown\" }\n\n";

/* An agent in a process of its own, which its VMM ends before it has told of anything. */
static void start_until_the_agent_dies(void)
{
    HM_AUTOFREE char *program = hm_printf("%s/program", dir);
    const struct ch *ch = self;
    struct ch_process vmm = {0};
    pid_t agent = fork();
    if (agent == 0) {
        struct order o = order();
        HM_AUTOFREE char *text = hm_printf("#!/bin/sh\nkill -KILL %d\n", (int)getpid());
        set_program(program);
        if (hm_file_write_atomic(program, text, strlen(text), 0700, &err) >= 0)
            d->start(self, &o, &err);
        _exit(1);
    }
    ck_assert(is_killed(agent));
    ck_assert_int_eq(ch_record_read_process(ch->records, "web", &vmm, &err), 1);
    ck_assert_int_eq(ch_pid_kill(&vmm.pid, CH_KILL_WAIT_MS, &err), 0); /* it is about to end */
    ch_process_clear(&vmm);
}

START_TEST(what_the_run_before_has_told_says_nothing_of_this_one)
{
    struct order o = order();
    HM_AUTOFREE char *why = NULL, *run = record("process.json");
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    write_record("events", shut_down);
    start_until_the_agent_dies();
    ck_assert_int_eq(access(run, F_OK), 0);
    ck_assert_int_eq(look(&why), THING_CRASHED);
    ck_assert_str_eq(why, "its process has ended");
}
END_TEST

/* As a guest leaves it that has shut down: its process is gone, and nobody has stopped it. */
static char *leave_a_run_with_a_cgroup(void)
{
    HM_AUTOFREE char *run = record("process.json"), *text = NULL;
    char *cgroup = hm_printf("%s/cgroup", dir);
    pid_t child = run_as_vmm();
    ck_assert_int_eq(mkdir(cgroup, 0755), 0);
    record_run(child);
    kill(child, SIGKILL);
    ck_assert(is_killed(child));
    size_t len;
    ck_assert_int_ge(hm_file_read(run, 1 << 20, &text, &len, &err), 0);
    json_t *json = json_loadb(text, len, 0, NULL);
    json_object_set_new(json, "cgroup", json_string(cgroup));
    ck_assert_int_eq(json_dump_file(json, run, 0), 0);
    json_decref(json);
    return cgroup;
}

START_TEST(a_start_takes_away_the_cgroup_of_the_run_before)
{
    struct order o = order();
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    HM_AUTOFREE char *cgroup = leave_a_run_with_a_cgroup();
    set_program("/bin/false");
    ck_assert_int_lt(d->start(self, &o, &err), 0);
    ck_assert_int_ne(access(cgroup, F_OK), 0);
}
END_TEST

START_TEST(a_guest_that_could_not_be_run_any_further_has_not_shut_down)
{
    static const char failed[] = "ERROR:vmm/src/cpu.rs:1460 -- VCPU generated error: VcpuRun\n";
    struct order o = order();
    HM_AUTOFREE char *twice = hm_printf("%s%s", failed, failed);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    pid_t child = run_as_vmm();
    record_run_saying(child, sizeof failed - 1);
    kill(child, SIGKILL);
    ck_assert(is_killed(child));
    write_record("events", shut_down);
    write_record("vmm.log", failed); /* of the run before */
    ck_assert_int_eq(look(NULL), THING_OFF);
    write_record("vmm.log", twice);
    ck_assert_int_eq(look(NULL), THING_CRASHED);
    write_record("vmm.log", "ERROR: VCPU generated error"); /* it was cut meanwhile */
    ck_assert_int_eq(look(NULL), THING_CRASHED);
}
END_TEST

/* It is what the guardian knows before the VM starts. The run before had that of a key from which the VM was adopted. */
START_TEST(a_start_takes_the_socket_of_its_own_key)
{
    struct order o = order();
    struct ch *ch = self;
    HM_AUTOFREE char *program = hm_printf("%s/program", dir), *words = hm_printf("%s/words", dir),
                     *text = hm_printf("#!/bin/sh\necho \"$@\" >%s\n", words), *said = NULL,
                     *socket = ch_socket_path(ch, KEY), *left = ch_socket_path(ch, "site-a.vm.old"),
                     *word = ch_socket_word(socket);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    struct ch_process p = {.pid = {1, 1}, .boot = ch->boot, .socket = left};
    mark_of_order(&o, &p.mark);
    ck_assert_int_ge(ch_record_write_process(ch->records, "web", &p, &err), 0);
    mark_clear(&p.mark);
    ck_assert_int_ge(hm_mkdirs(ch->sockets, 0700, &err), 0);
    ck_assert_int_ge(hm_file_write_atomic(left, "", 0, 0600, &err), 0);
    ck_assert_int_ge(hm_file_write_atomic(program, text, strlen(text), 0700, &err), 0);
    set_program(program);
    ck_assert_int_lt(d->start(self, &o, &err), 0);
    ck_assert_int_ge(hm_file_read(words, 4096, &said, NULL, &err), 0);
    ck_assert_msg(strstr(said, word) != NULL, "%s", said);
    ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

/* Cgroups of runs of this socket, wherever this machine has them. */
static size_t count_cgroups(const char *socket)
{
    const char *name = strrchr(socket, '/') + 1;
    HM_AUTOFREE char *own = hm_printf("harmony-vms/%.*s-*", (int)strcspn(name, "."), name);
    HM_AUTOFREE char *v2 = hm_printf("/sys/fs/cgroup/%s", own),
                     *hybrid = hm_printf("/sys/fs/cgroup/unified/%s", own);
    glob_t found;
    glob(v2, 0, NULL, &found);
    glob(hybrid, GLOB_APPEND, NULL, &found);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

/* No other test on this machine has VMs of this site. */
static void be_another_site(void)
{
    struct ch *ch = self;
    free(ch->site);
    ch->site = hm_printf("site-%d", (int)getpid());
}

START_TEST(a_start_that_cannot_be_noted_leaves_no_process_and_no_cgroup)
{
    struct order o = order();
    struct ch_pid pid;
    struct rlimit before;
    be_another_site();
    HM_AUTOFREE char *socket = ch_socket_path(self, KEY);
    ck_assert_int_eq(d->create(self, &o, &err), 0);
    set_program("/bin/true");
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit nothing = {0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &nothing), 0);
    int r = d->start(self, &o, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_lt(r, 0);
    ck_assert_ptr_nonnull(strstr(err.text, "process.json"));
    ck_assert_int_eq(ch_process_find(socket, &pid, &err), 0);
    ck_assert_uint_eq(count_cgroups(socket), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cloud_hypervisor");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_vm_is_its_record_until_it_is_removed);
    tcase_add_test(t, without_the_program_a_start_says_so_and_leaves_it_off);
    tcase_add_test(t, another_documents_vm_is_a_conflict);
    tcase_add_test(t, a_record_that_cannot_be_read_makes_it_unknown_and_not_absent);
    tcase_add_test(t, whose_it_is_is_known_by_its_run_too);
    tcase_add_test(t, a_run_that_cannot_be_read_makes_it_unknown);
    tcase_add_test(t, a_kill_needs_no_record_to_end_the_process_of_the_socket);
    tcase_add_test(t, what_was_seen_is_killed_unasked_by_its_uuid);
    tcase_add_test(t, the_first_look_ends_what_an_agent_that_died_has_left);
    tcase_add_test(t, the_first_look_sweeps_what_is_left_of_a_removal);
    tcase_add_test(t, the_first_look_sweeps_what_was_not_written_to_its_end);
    tcase_add_test(t, a_vmm_that_does_not_answer_is_unknown_and_left_alone);
    tcase_add_loop_test(t, who_only_has_its_words_is_not_it, 0, 2);
    tcase_add_test(t, a_kill_that_can_see_no_process_is_not_done);
    tcase_add_test(t, an_end_that_can_not_be_seen_is_no_clean_one);
    tcase_add_test(t, who_does_not_answer_has_no_longer_than_its_grace);
    tcase_add_test(t, a_note_that_cannot_be_kept_holds_up_a_stop_and_no_kill);
    tcase_add_test(t, a_look_notes_how_far_the_console_is);
    tcase_add_test(t, events_of_many_resets_are_bounded_and_the_last_one_counts);
    tcase_add_test(t, what_the_run_before_has_told_says_nothing_of_this_one);
    tcase_add_test(t, a_start_takes_away_the_cgroup_of_the_run_before);
    tcase_add_test(t, a_start_takes_the_socket_of_its_own_key);
    tcase_add_test(t, a_guest_that_could_not_be_run_any_further_has_not_shut_down);
    tcase_add_test(t, a_start_that_cannot_be_noted_leaves_no_process_and_no_cgroup);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
