#include "vmm/ch_record.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "proto/field.h"
#include "vmm/run_note.h"

#define FOLDER     "cloud-hypervisor"
#define DEFINITION "vm.json"
#define PROCESS    "process.json"
#define NOTE       "note.json"
#define RESUME     "resume.json"
#define HOLD       "hold.json"
#define EVENTS     "events"
#define VMM_LOG    "vmm.log"

enum { FILE_MAX = 2 * PROTO_MAX_BYTES };

void ch_process_clear(struct ch_process *p)
{
    free(p->boot);
    free(p->socket);
    free(p->cgroup);
    json_decref(p->taps);
    json_decref(p->placed);
    mark_clear(&p->mark);
    *p = (struct ch_process){0};
}

/* -- Paths ---------------------------------------------------------------------------------------- */

char *ch_records_path(const char *state_dir)
{
    return hm_printf("%s/" FOLDER, state_dir);
}

char *ch_record_path(const char *records, const char *vm)
{
    return hm_printf("%s/%s", records, vm);
}

static char *path_of(const char *records, const char *vm, const char *file)
{
    return hm_printf("%s/%s/%s", records, vm, file);
}

char *ch_log_path(const char *records, const char *vm)
{
    return path_of(records, vm, VMM_LOG);
}

char *ch_events_path(const char *records, const char *vm)
{
    return path_of(records, vm, EVENTS);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **items;
    size_t count;
};

static json_t *take_sorted(struct names *names)
{
    json_t *list = json_array();
    if (names->items)
        qsort(names->items, names->count, sizeof *names->items, by_name);
    for (size_t i = 0; i < names->count; i++) {
        json_array_append_new(list, json_string(names->items[i])); /* nothing, if it is no UTF-8 */
        free(names->items[i]);
    }
    free(names->items);
    return list;
}

/* errno is 0 if all of them were read. */
static void read_names(DIR *dir, struct names *into)
{
    for (struct dirent *e; (e = hm_next_entry(dir));)
        if (e->d_name[0] != '.') { /* names of VMs begin with a letter or digit */
            into->items = hm_realloc_array(into->items, into->count + 1, sizeof *into->items);
            into->items[into->count++] = hm_strdup(e->d_name);
        }
}

/* An empty list where there is no such folder; NULL: errno says why. */
static json_t *list_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct names names = {0};
    if (!dir)
        return errno == ENOENT ? json_array() : NULL;
    read_names(dir, &names);
    int why = errno;
    closedir(dir);
    json_t *list = take_sorted(&names);
    if (!why)
        return list;
    json_decref(list);
    errno = why;
    return NULL;
}

int ch_records_list(const char *records, json_t **ret, struct hm_error *err)
{
    json_t *list = list_folder(records);
    if (!list)
        return hm_fail(err, HM_E_IO, "cannot list %s: %s", records, strerror(errno));
    *ret = list;
    return 0;
}

/* -- Files ---------------------------------------------------------------------------------------- */

/* 1: read; 0: there is none. */
static int read_json(const char *records, const char *vm, const char *file, json_t **ret,
                     struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(records, vm, file);
    HM_AUTOFREE char *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, FILE_MAX, &text, &len, err);
    if (r < 0)
        return r == -(int)HM_E_NOT_FOUND ? 0 : r;
    *ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*ret))
        return 1;
    json_decref(*ret);
    *ret = NULL;
    return hm_fail(err, HM_E_INVALID,
                   "%s can't be read; repair it, or remove its folder to give the VM up", path);
}

/* `json` is taken over. */
static int write_json(const char *records, const char *vm, const char *file, json_t *json,
                      struct hm_error *err)
{
    HM_AUTOFREE char *dir = ch_record_path(records, vm);
    HM_AUTOFREE char *path = path_of(records, vm, file);
    HM_AUTOFREE char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    int r = hm_mkdirs(dir, 0700, err);
    return r < 0 ? r : hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

static int forget(const char *records, const char *vm, const char *file, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(records, vm, file);
    if (unlink(path) < 0 && errno != ENOENT)
        return hm_fail(err, HM_E_IO, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}

/* -- The definition ------------------------------------------------------------------------------- */

int ch_record_read(const char *records, const char *vm, struct mark *ret, struct hm_error *err)
{
    json_t *json = NULL;
    int found = read_json(records, vm, DEFINITION, &json, err);
    if (found <= 0)
        return found;
    int r = mark_from_json(json, kind_find("vm")->fields, ret, err);
    json_decref(json);
    return r < 0 ? hm_wrap(err, "vm %s: its record " DEFINITION, vm) : 1;
}

int ch_record_write(const char *records, const char *vm, const struct mark *m, struct hm_error *err)
{
    return write_json(records, vm, DEFINITION, mark_to_json(m), err);
}

/* Also what an agent that was killed had not written to its end. */
static int forget_remains(const char *records, const char *vm, DIR *dir, struct hm_error *err)
{
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, DEFINITION) != 0)
            r = forget(records, vm, e->d_name, err);
    return r;
}

void ch_record_sweep_unfinished(const char *records, const char *vm)
{
    HM_AUTOFREE char *path = ch_record_path(records, vm);
    hm_file_sweep(path, ".json");
}

void ch_record_sweep(const char *records, const char *vm)
{
    HM_AUTOFREE char *path = ch_record_path(records, vm);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    forget_remains(records, vm, dir, NULL);
    closedir(dir);
    rmdir(path);
}

int ch_record_remove(const char *records, const char *vm, struct hm_error *err)
{
    HM_AUTOFREE char *dir = ch_record_path(records, vm);
    DIR *open_dir = opendir(dir);
    if (!open_dir && errno == ENOENT)
        return 1;
    if (!open_dir)
        return hm_fail(err, HM_E_IO, "cannot list %s: %s", dir, strerror(errno));
    int r = forget_remains(records, vm, open_dir, err);
    closedir(open_dir);
    if (r >= 0)
        r = forget(records, vm, DEFINITION, err);
    if (r < 0)
        return r;
    if (rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY)
        return hm_fail(err, HM_E_IO, "cannot remove %s: %s", dir, strerror(errno));
    return 0;
}

/* -- Its process ---------------------------------------------------------------------------------- */

static char *text_at(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? hm_strdup(text) : NULL;
}

/* 0 for what is out of range. */
static int64_t number_at(const json_t *json, const char *name, int64_t max)
{
    json_int_t n = json_integer_value(json_object_get(json, name));
    return n >= 0 && n <= max ? n : 0;
}

int ch_process_parse(const char *text, size_t len, struct ch_process *ret, struct hm_error *err)
{
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t pid = json_integer_value(json_object_get(json, "pid"));
    json_int_t start = json_integer_value(json_object_get(json, "start_time"));
    struct ch_process p = {.boot = text_at(json, "boot_id"),
                           .socket = text_at(json, "socket"),
                           .cgroup = text_at(json, "cgroup"),
                           .taps = json_incref(json_object_get(json, "taps")),
                           .placed = json_incref(json_object_get(json, "placed")),
                           .said = number_at(json, "said", INT64_MAX)};
    int r =
        json ? mark_from_json(json_object_get(json, "mark"), kind_find("vm")->fields, &p.mark, err)
             : hm_fail(err, HM_E_INVALID, "it is no JSON object");
    json_decref(json);
    if (r >= 0 &&
        (pid <= 0 || pid > INT32_MAX || start <= 0 || !p.boot || !p.socket || p.socket[0] != '/'))
        r = hm_fail(err, HM_E_INVALID, "pid, start_time, boot_id or socket is missing");
    if (r < 0) {
        ch_process_clear(&p);
        return r;
    }
    p.pid = (struct ch_pid){(int)pid, (uint64_t)start};
    *ret = p;
    return 0;
}

int ch_record_read_process(const char *records, const char *vm, struct ch_process *ret,
                           struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(records, vm, PROCESS), *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, FILE_MAX, &text, &len, err);
    if (r < 0)
        return r == -(int)HM_E_NOT_FOUND ? 0 : r;
    return ch_process_parse(text, len, ret, err) < 0
               ? hm_wrap(err, "vm %s: its record " PROCESS, vm)
               : 1;
}

int ch_record_write_process(const char *records, const char *vm, const struct ch_process *p,
                            struct hm_error *err)
{
    json_t *json =
        json_pack("{s:i, s:I, s:s, s:s, s:s*, s:O*, s:O*, s:I, s:o}", "pid", p->pid.pid,
                  "start_time", (json_int_t)p->pid.start, "boot_id", p->boot, "socket", p->socket,
                  "cgroup", p->cgroup, "taps", p->taps, "placed", p->placed, "said",
                  (json_int_t)p->said, "mark", mark_to_json(&p->mark));
    return write_json(records, vm, PROCESS, json, err);
}

int ch_record_forget_process(const char *records, const char *vm, struct hm_error *err)
{
    return forget(records, vm, PROCESS, err);
}

/* -- The run note --------------------------------------------------------------------------------- */

struct run_note ch_record_read_note(const char *records, const char *vm)
{
    json_t *json = NULL;
    struct run_note note = {.state = RUN_NONE};
    if (read_json(records, vm, NOTE, &json, NULL) <= 0)
        return note;
    note = (struct run_note){.state =
                                 run_state_named(json_string_value(json_object_get(json, "state"))),
                             .epoch = (uint64_t)number_at(json, "epoch", INT64_MAX),
                             .restarts = (uint32_t)number_at(json, "restarts", UINT32_MAX),
                             .streak = (uint32_t)number_at(json, "streak", UINT32_MAX),
                             .began_ms = number_at(json, "began", RUN_NOTE_MS_MAX),
                             .loop_since_ms = number_at(json, "loop_since", RUN_NOTE_MS_MAX)};
    json_decref(json);
    return note.state == RUN_NONE ? (struct run_note){.state = RUN_NONE} : note;
}

int ch_record_write_note(const char *records, const char *vm, const struct run_note *n,
                         struct hm_error *err)
{
    return write_json(records, vm, NOTE,
                      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "state", run_state_name(n->state),
                                "epoch", (json_int_t)n->epoch, "restarts", (json_int_t)n->restarts,
                                "streak", (json_int_t)n->streak, "began", (json_int_t)n->began_ms,
                                "loop_since", (json_int_t)n->loop_since_ms),
                      err);
}

/* -- Going on from memory --------------------------------------------------------------------------- */

int ch_record_read_resume(const char *records, const char *vm, json_t **ret, struct hm_error *err)
{
    return read_json(records, vm, RESUME, ret, err);
}

int ch_record_write_resume(const char *records, const char *vm, json_t *note, struct hm_error *err)
{
    return write_json(records, vm, RESUME, note, err);
}

int ch_record_forget_resume(const char *records, const char *vm, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(records, vm, RESUME);
    return hm_file_remove(path, err);
}

int ch_record_read_hold(const char *records, const char *vm, json_t **ret, struct hm_error *err)
{
    return read_json(records, vm, HOLD, ret, err);
}

int ch_record_write_hold(const char *records, const char *vm, json_t *note, struct hm_error *err)
{
    return write_json(records, vm, HOLD, note, err);
}

int ch_record_forget_hold(const char *records, const char *vm, struct hm_error *err)
{
    return forget(records, vm, HOLD, err);
}
