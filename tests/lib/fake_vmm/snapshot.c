/* Snapshots: an existing directory gets config.json, state.json and memory-ranges. */
#include "fake_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char SCHEME[] = "file://";

/* `what`: "Cannot send VM snapshot", "Cannot restore VM". */
static struct answer folder_of(const char *url, const char *what, const char **ret)
{
    static const char sent[] = "Failed to send migratable component snapshot";
    struct stat seen;
    char why[PATH_LIMIT + 64];
    snprintf(why, sizeof(why), "Could not extract path from URL: %s", url);
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
        return refuse(500, what, sent, why, NULL);
    *ret = url + strlen(SCHEME);
    snprintf(why, sizeof(why), "Destination is not a directory: \"%s\"", *ret);
    if (stat(*ret, &seen) || !S_ISDIR(seen.st_mode))
        return refuse(500, what, sent, why, NULL);
    return FINE;
}

static struct answer write_json(const char *folder, const char *name, const json_t *what)
{
    char path[PATH_LIMIT];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || json_dumpfd(what, fd, JSON_INDENT(2)))
        return refuse(500, "Cannot send VM snapshot", name, os_error(errno), NULL);
    close(fd);
    return FINE;
}

/* As large as the guest's memory, with nothing in it but what the fake's guest remembers. */
static struct answer write_memory(const char *folder, uint64_t size, unsigned lines)
{
    char path[PATH_LIMIT];
    snprintf(path, sizeof(path), "%s/memory-ranges", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) ||
        pwrite(fd, &lines, sizeof(lines), 0) != (ssize_t)sizeof(lines))
        return refuse(500, "Cannot send VM snapshot", os_error(errno), NULL);
    close(fd);
    return FINE;
}

struct answer vm_snapshot(struct vmm *v, const char *url)
{
    const char *folder = NULL;
    if (!v->booted)
        return refuse(500, "VM is not running", NULL);
    event("vm", "snapshotting", NULL);
    if (v->state != VM_PAUSED)
        return refuse(500, "Cannot snapshot VM", "Failed to snapshot migratable component",
                      "Trying to snapshot while VM is running", NULL);
    event("vm", "snapshotted", NULL);
    struct answer answer = folder_of(url, "Cannot send VM snapshot", &folder);
    json_t *state = json_object();
    if (!refuses(answer))
        answer = write_json(folder, "config.json", v->config);
    if (!refuses(answer))
        answer = write_memory(folder, total_memory(v->config), v->guest.lines);
    if (!refuses(answer))
        answer = write_json(folder, "state.json", state);
    json_decref(state);
    return answer;
}

static json_t *read_json(const char *folder, const char *name)
{
    char path[PATH_LIMIT];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return json_load_file(path, 0, NULL);
}

/* Read as the body of vm.create is: what it leaves out is filled in. NULL: it is not there, or not one. */
static json_t *read_config(const struct vmm *v, const char *folder)
{
    json_t *given = read_json(folder, "config.json"), *config = NULL;
    char *body = given ? json_dumps(given, JSON_COMPACT) : NULL;
    struct answer answer = body ? read_as(v, "VmConfig", body, strlen(body), &config) : FINE;
    free(answer.text);
    free(body);
    json_decref(given);
    return config;
}

static bool read_memory(const char *folder, unsigned *ret)
{
    char path[PATH_LIMIT];
    snprintf(path, sizeof(path), "%s/memory-ranges", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
    if (fd >= 0)
        close(fd);
    return whole;
}

static struct answer restore_from(struct vmm *v, const char *folder, bool resume)
{
    v->config = read_config(v, folder);
    json_t *state = read_json(folder, "state.json");
    unsigned lines = 0;
    bool whole = v->config && state && read_memory(folder, &lines);
    json_decref(state);
    if (!whole)
        return refuse(500, "Cannot restore VM", os_error(ENOENT), NULL);
    event("vm", "restoring", NULL);
    struct answer answer = open_serial(v);
    if (!refuses(answer))
        answer = open_devices(v);
    if (refuses(answer))
        return answer;
    guest_restore(v, lines);
    v->booted = true;
    v->booted_memory = total_memory(v->config);
    v->state = VM_PAUSED;
    event("vm", "restored", NULL);
    return resume ? vm_resume(v) : FINE;
}

struct answer vm_restore(struct vmm *v, const json_t *how)
{
    const char *folder = NULL;
    if (v->config)
        return refuse(500, "VM is already created", NULL);
    struct answer answer = folder_of(text(how, "source_url"), "Cannot restore VM", &folder);
    if (!refuses(answer))
        answer = restore_from(v, folder, json_is_true(json_object_get(how, "resume")));
    if (refuses(answer) && v->config) {
        close_devices(v);
        close_serial(v);
        json_decref(v->config);
        v->config = NULL;
    }
    return answer;
}
