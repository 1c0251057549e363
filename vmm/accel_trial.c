#include "vmm/accel_trial.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spawn.h"
#include "vmm/accel_initramfs.h"
#include "vmm/procfs.h"

extern char **environ;

enum { OUTPUT_MAX = 64 * 1024, RECORD_MAX = 4096 };

static const char *const result_names[] = {
#define ACCEL_TRIAL_NAME(id) #id,
    ACCEL_TRIALS(ACCEL_TRIAL_NAME)
#undef ACCEL_TRIAL_NAME
};

/* -- The record ---------------------------------------------------------------------------------- */

static char *record_path(const char *runtime_dir)
{
    return hm_printf("%s/accel-trial.json", runtime_dir);
}

static void take_record(const json_t *o, struct accel_record *ret)
{
    const char *name = json_string_value(json_object_get(o, "result"));
    const char *text = json_string_value(json_object_get(o, "text"));
    for (size_t i = 0; name && text && i < HM_COUNT(result_names); i++)
        if (!strcmp(name, result_names[i])) {
            ret->result = (enum accel_trial_result)i;
            snprintf(ret->text, sizeof ret->text, "%s", text);
        }
}

void accel_record_read(const char *runtime_dir, struct accel_record *ret)
{
    HM_AUTOFREE char *path = record_path(runtime_dir), *boot = host_boot_id(), *text = NULL;
    size_t len;
    *ret = (struct accel_record){0};
    if (!*boot || hm_file_read(path, RECORD_MAX, &text, &len, NULL) < 0)
        return;
    json_t *o = json_loadb(text, len, 0, NULL);
    const char *of = json_string_value(json_object_get(o, "boot_id"));
    if (of && !strcmp(of, boot))
        take_record(o, ret);
    json_decref(o);
}

static int write_record(const char *runtime_dir, const struct accel_record *r, struct hm_error *err)
{
    HM_AUTOFREE char *path = record_path(runtime_dir), *boot = host_boot_id();
    json_t *o = json_pack("{s:s, s:s, s:s}", "boot_id", boot, "result", result_names[r->result],
                          "text", r->text);
    HM_AUTOFREE char *text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return hm_file_write_atomic(path, text, strlen(text), 0644, err);
}

/* -- What to try it with ------------------------------------------------------------------------- */

static const char *find_qemu(void)
{
    static const char *const places[] = {"/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm",
                                         "/usr/bin/qemu-kvm"};
    for (size_t i = 0; i < HM_COUNT(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static bool is_the_running_one(const char *path)
{
    struct utsname host;
    const char *version = strstr(path, "/vmlinuz-");
    return uname(&host) == 0 && version && !strcmp(version + strlen("/vmlinuz-"), host.release);
}

/* The newest, by version. NULL: none. */
static char *find_kernel(const char *boot)
{
    HM_AUTOFREE char *pattern = hm_printf("%s/vmlinuz-*", boot);
    glob_t found = {0};
    const char *best = NULL;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *path = found.gl_pathv[i];
            if (!is_the_running_one(path) && access(path, R_OK) == 0 &&
                (!best || strverscmp(path, best) > 0))
                best = path;
        }
    char *kernel = best ? hm_strdup(best) : NULL;
    globfree(&found);
    return kernel;
}

/* -- The run ------------------------------------------------------------------------------------- */

static void conclude(struct accel_record *ret, enum accel_trial_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void conclude(struct accel_record *ret, enum accel_trial_result result, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(ret->text, sizeof ret->text, fmt, args);
    va_end(args);
    ret->result = result;
}

/* Read until the sentence, the end or the deadline. 1: it was said. */
static int listen_for_sentence(int fd, int64_t until_ns)
{
    struct hm_buf said = {.limit = OUTPUT_MAX};
    int heard = 0;
    while (!heard && !said.overflowed) {
        char chunk[4096];
        int64_t left = (until_ns - hm_boottime_ns()) / HM_MS;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&ready, 1, (int)left) == 0)
            break;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0)
            hm_buf_add(&said, chunk, (size_t)n);
        heard = said.data && memmem(said.data, said.len, ACCEL_SENTENCE, strlen(ACCEL_SENTENCE));
    }
    hm_buf_free(&said);
    return heard;
}

static void end_child(struct hm_spawned *child)
{
    kill(-child->pid, SIGKILL); /* it leads its own group */
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(child->out);
    close(child->err);
    close(child->verdict);
}

/* nice: a kernel that spins takes a whole processor until the deadline. timeout: it ends then also
 * when this process is gone. */
static void boot(const struct accel_trial *t, const char *qemu, const char *kernel,
                 const char *initramfs, struct accel_record *ret)
{
    HM_AUTOFREE char *machine = hm_printf("q35,accel=%s", t->accel);
    HM_AUTOFREE char *seconds = hm_printf("%lld", (long long)t->timeout_ms / 1000 + 5);
    const char *argv[] = {"timeout",
                          "--signal=KILL",
                          seconds,
                          "nice",
                          "-n",
                          "5",
                          qemu,
                          "-nodefaults",
                          "-no-user-config",
                          "-no-reboot",
                          "-display",
                          "none",
                          "-machine",
                          machine,
                          "-m",
                          "256",
                          "-serial",
                          "stdio",
                          "-kernel",
                          kernel,
                          "-initrd",
                          initramfs,
                          "-append",
                          "console=ttyS0 quiet panic=-1",
                          NULL};
    struct hm_spawned child;
    struct hm_error err;
    int64_t began = hm_boottime_ns();
    if (hm_spawn((char *const *)argv, environ, -1, &child, &err) < 0) {
        conclude(ret, ACCEL_TRIAL_IMPOSSIBLE, "%.100s", err.text);
        return;
    }
    int64_t until = began + t->timeout_ms * HM_MS;
    if (listen_for_sentence(child.out, until))
        conclude(ret, ACCEL_TRIAL_PASSED, "a stock kernel (%.60s) reached its userspace in %.1f s",
                 kernel, (double)(hm_boottime_ns() - began) / 1e9);
    else
        conclude(ret, ACCEL_TRIAL_FAILED,
                 "a stock kernel (%.60s) did not reach its userspace within %lld s", kernel,
                 (long long)t->timeout_ms / 1000);
    end_child(&child);
}

static void boot_with_initramfs(const struct accel_trial *t, const char *qemu, const char *kernel,
                                struct accel_record *ret)
{
    HM_AUTOFREE char *path = hm_printf("%s/accel-trial.initramfs", t->dir);
    struct hm_buf content = {0};
    struct hm_error err;
    accel_initramfs(&content);
    if (hm_file_write_atomic(path, content.data, content.len, 0600, &err) < 0)
        conclude(ret, ACCEL_TRIAL_IMPOSSIBLE, "%.100s", err.text);
    else
        boot(t, qemu, kernel, path, ret);
    unlink(path);
    hm_buf_free(&content);
}

void accel_trial_run(const struct accel_trial *t, struct accel_record *ret)
{
    const char *qemu = t->qemu ? t->qemu : find_qemu();
    HM_AUTOFREE char *kernel = find_kernel(t->boot);
    *ret = (struct accel_record){0};
    if (!qemu)
        conclude(ret, ACCEL_TRIAL_IMPOSSIBLE, "there is no qemu-system-x86_64 to try one with");
    else if (!kernel)
        conclude(ret, ACCEL_TRIAL_IMPOSSIBLE,
                 "there is no kernel in %.60s to try, but for the running one", t->boot);
    else
        boot_with_initramfs(t, qemu, kernel, ret);
}

int accel_trial_run_and_record(const char *runtime_dir, struct accel_record *ret,
                               struct hm_error *err)
{
    struct accel_trial trial = {
        .boot = "/boot", .accel = "kvm", .dir = runtime_dir, .timeout_ms = ACCEL_TRIAL_MS};
    accel_trial_run(&trial, ret);
    return write_record(runtime_dir, ret, err);
}

bool accel_trial_is_due(const char *wish, const struct accel_host *host)
{
    struct accel_record record;
    struct accel without;
    struct accel_host unremembered = *host;
    unremembered.runtime_dir = NULL;
    accel_choose(wish, &unremembered, &without);
    accel_record_read(host->runtime_dir, &record);
    return without.trial_awaited &&
           (record.result == ACCEL_TRIAL_UNKNOWN || record.result == ACCEL_TRIAL_IMPOSSIBLE);
}
