/* That a start goes on from memory that was saved, and whether it still may (ch_memory.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/ch_memory.h"

/* It changes whenever somebody writes to the file; null: it is not there. */
static json_t *stamp_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return json_null();
    return json_pack("[I, I, I, I]", (json_int_t)st.st_ino, (json_int_t)st.st_size,
                     (json_int_t)st.st_mtim.tv_sec, (json_int_t)st.st_mtim.tv_nsec);
}

int ch_resume_note(const struct ch *ch, const char *vm, const char *snapshot, const json_t *disks,
                   struct hm_error *err)
{
    json_t *stamps = json_object();
    size_t i;
    json_t *disk;
    int r = 0;
    json_array_foreach((json_t *)(uintptr_t)disks, i, disk)
    {
        const char *path = json_string_value(disk);
        if (r >=
            0) /* a power cut would else leave a note of what its guest wrote last, without that */
            r = hm_file_sync(path, err);
        json_object_set_new(stamps, path, stamp_of(path));
    }
    if (r < 0) {
        json_decref(stamps);
        return hm_wrap(err, "vm %s", vm);
    }
    json_t *note = json_pack("{s:s, s:o}", "snapshot", snapshot, "disks", stamps);
    return ch_record_write_resume(ch->records, vm, note, err);
}

int ch_resume_forget(const struct ch *ch, const char *vm, struct hm_error *err)
{
    return ch_record_forget_resume(ch->records, vm, err);
}

static int check_unwritten(const json_t *note, struct hm_error *err)
{
    const char *path;
    json_t *stamp;
    int r = 0;
    json_object_foreach(json_object_get(note, "disks"), path, stamp)
    {
        json_t *now = stamp_of(path);
        if (r >= 0 && !json_equal(now, stamp))
            r = hm_fail(err, HM_E_REFUSED, "%s was written to since", path);
        json_decref(now);
    }
    return r;
}

/* All that it will write to has a stamp: a disk may have been given another file meanwhile. */
static int check_disks(const json_t *note, const json_t *config, struct hm_error *err)
{
    const json_t *stamps = json_object_get(note, "disks");
    size_t i, count = 0;
    json_t *disk;
    json_array_foreach(json_object_get(config, "disks"), i, disk)
    {
        if (spec_bool(disk, "readonly"))
            continue;
        count++;
        if (!json_object_get(stamps, spec_str(disk, "path")))
            return hm_fail(err, HM_E_REFUSED, "%s is another disk than it knows",
                           spec_str(disk, "path"));
    }
    return count == json_object_size(stamps)
               ? 0
               : hm_fail(err, HM_E_REFUSED, "it has fewer disks than it knows");
}

/* The guest's memory as it had grown while it ran; all else as it is to be started now. */
static int write_config(const char *folder, const json_t *held, const json_t *config,
                        struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_printf("%s/config.json", folder);
    json_t *whole = json_copy((json_t *)(uintptr_t)config);
    json_object_set(whole, "memory", json_object_get(held, "memory"));
    HM_AUTOFREE char *text = json_dumps(whole, JSON_INDENT(1));
    json_decref(whole);
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

static int make_ready(const struct ch *ch, const char *vm, const json_t *note, const json_t *config,
                      char **ret, struct hm_error *err)
{
    const char *snapshot = spec_str(note, "snapshot");
    json_t *held = NULL;
    int r = snapshot ? ch_memory_read(ch, vm, snapshot, config, &held, err)
                     : hm_fail(err, HM_E_INVALID, "the note of it can't be read");
    if (r >= 0)
        r = check_disks(note, config, err);
    if (r >= 0)
        r = check_unwritten(note, err);
    char *folder = r >= 0 ? ch_memory_path(ch, vm, snapshot) : NULL;
    if (r >= 0)
        r = write_config(folder, held, config, err);
    json_decref(held);
    if (r < 0)
        free(folder);
    else
        *ret = folder;
    return r;
}

int ch_resume_look(const struct ch *ch, const char *vm, const json_t *config, char **ret,
                   struct hm_error *err)
{
    json_t *note = NULL;
    struct hm_error why = {0};
    int found = ch_record_read_resume(ch->records, vm, &note, &why);
    int r = found > 0 ? make_ready(ch, vm, note, config, ret, &why) : found;
    json_decref(note);
    if (r >= 0)
        return found;
    r = ch_resume_forget(ch, vm, err);
    if (r < 0)
        return r;
    return hm_fail(err, HM_E_REFUSED,
                   "vm %s was to go on from what its memory held, and can't: %s; its next start "
                   "boots it",
                   vm, why.text);
}
