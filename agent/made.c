#include "agent/made.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"

static const char NOTE[] = "A VM of placement primary was made on this host. While this file is "
                           "here, a backend that can't\nbe reached keeps a stop from being "
                           "verified. Remove it only when no such VM exists here.\n";

bool made_is_primary_key(const char *key)
{
    return key && !strncmp(key, DOC_PLACEMENT_PRIMARY ".", sizeof DOC_PLACEMENT_PRIMARY);
}

void made_open(struct made *m, const char *state_dir)
{
    *m = (struct made){0};
    if (!state_dir)
        return;
    m->path = hm_printf("%s/primary-made", state_dir);
    bool there = access(m->path, F_OK) == 0;
    atomic_store(&m->on_disk, there);
    atomic_store(&m->noted, there || errno != ENOENT);
}

void made_close(struct made *m)
{
    free(m->path);
    m->path = NULL;
}

int made_note(struct made *m, struct hm_error *err)
{
    atomic_store(&m->noted, true);
    if (!m->path || atomic_load(&m->on_disk))
        return 0;
    int r = hm_file_write_atomic(m->path, NOTE, sizeof NOTE - 1, 0600, err);
    if (r < 0)
        return hm_wrap(err, "before a VM of placement primary is touched, that has to be noted");
    atomic_store(&m->on_disk, true);
    return 0;
}

void made_note_seen(struct made *m, const struct things *things)
{
    for (size_t i = 0; i < things->count; i++) {
        const struct thing *t = &things->items[i];
        if (t->marked && made_is_primary_key(t->mark_key) && !strcmp(t->kind, "vm")) {
            made_note(m, NULL);
            return;
        }
    }
}

bool made_any(const struct made *m)
{
    return atomic_load(&m->noted);
}
