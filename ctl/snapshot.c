/* harmonyctl snapshot create, list, apply, delete KIND NAME [SNAPSHOT]. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ask.h"
#include "ctl/op_call.h"
#include "ctl/run.h"
#include "ctl/table.h"

static json_t *snapshot_args(const struct invocation *in)
{
    return json_pack("{s:s}", "snapshot", in->arguments[2]);
}

/* Ask; the site is of no interest. */
static enum ctl_exit ask(struct invocation *in, const char *operation, json_t *args, json_t **ret)
{
    HM_AUTOFREE char *site = NULL;
    return op_command(in, operation, args, &site, ret);
}

enum ctl_exit run_snapshot_create(struct invocation *in)
{
    json_t *result = NULL, *args = snapshot_args(in);
    if (flag_is_set(in, "memory")) /* an older agent knows no such field */
        json_object_set_new(args, "memory", json_true());
    enum ctl_exit code = ask(in, "snapshot-create", args, &result);
    double stood_s = (double)json_integer_value(json_object_get(result, "stood_still_ms")) / 1e3;
    if (code == CTL_OK && json_is_true(json_object_get(result, "memory")))
        fprintf(in->out, "%s/%s has snapshot %s, with its memory; it stood still for %.1f s\n",
                in->arguments[0], in->arguments[1], in->arguments[2], stood_s);
    else if (code == CTL_OK)
        fprintf(in->out, "%s/%s has snapshot %s\n", in->arguments[0], in->arguments[1],
                in->arguments[2]);
    json_decref(result);
    return code;
}

/* -- List -------------------------------------------------------------------------------------- */

/* "root, data"; the caller frees it. */
static char *disks_of(const json_t *snapshot)
{
    struct hm_buf text = {0};
    size_t i;
    const json_t *disk;
    json_array_foreach(json_object_get(snapshot, "disks"), i, disk)
    {
        const char *name = json_string_value(disk);
        hm_buf_printf(&text, "%s%s", i ? ", " : "", name ? name : "?");
    }
    return hm_buf_steal(&text);
}

static const char *note_of(const json_t *snapshot)
{
    if (json_is_false(json_object_get(snapshot, "complete")))
        return "not on all disks";
    if (json_is_true(json_object_get(snapshot, "memory")))
        return "with memory";
    return json_is_true(json_object_get(snapshot, "declared")) ? "declared" : NULL;
}

static void add_row(struct table *t, const json_t *snapshot)
{
    HM_AUTOFREE char *disks = disks_of(snapshot);
    table_add(t, json_string_value(json_object_get(snapshot, "name")), MOOD_PLAIN);
    table_add(t, json_string_value(json_object_get(snapshot, "created")), MOOD_PLAIN);
    table_add(t, disks, MOOD_PLAIN);
    table_add(t, note_of(snapshot), MOOD_PLAIN);
}

static void print_table(struct invocation *in, const json_t *snapshots)
{
    static const char *const titles[] = {"SNAPSHOT", "CREATED", "DISKS", "NOTE"};
    struct hm_buf out = {0};
    struct table t;
    size_t i;
    const json_t *snapshot;
    table_start(&t, titles, HM_COUNT(titles));
    json_array_foreach(snapshots, i, snapshot)
    {
        add_row(&t, snapshot);
    }
    table_finish(&t, 0, wants_colour(in), &out);
    print_buf(in, &out);
}

enum ctl_exit run_snapshot_list(struct invocation *in)
{
    json_t *result = NULL;
    enum ctl_exit code = ask(in, "snapshot-list", NULL, &result);
    const json_t *snapshots = json_object_get(result, "snapshots");
    if (code == CTL_OK && !strcmp(output_format(in), "json")) {
        json_dumpf(snapshots, in->out, JSON_INDENT(2));
        fputc('\n', in->out);
    } else if (code == CTL_OK && json_array_size(snapshots) == 0)
        fprintf(in->out, "%s/%s has no snapshots\n", in->arguments[0], in->arguments[1]);
    else if (code == CTL_OK)
        print_table(in, snapshots);
    json_decref(result);
    return code;
}

/* -- Apply, delete ----------------------------------------------------------------------------- */

enum ctl_exit run_snapshot_apply(struct invocation *in)
{
    json_t *result = NULL, *args = snapshot_args(in);
    bool discards = flag_is_set(in, "discard");
    enum ctl_exit code =
        discards ? ask_first(in, "What the disks hold now will be lost. Go on?", "not done")
                 : CTL_OK;
    if (code != CTL_OK) {
        json_decref(args);
        return code;
    }
    json_object_set_new(args, "discard", json_boolean(discards));
    if (flag_is_set(in, "disk-only"))
        json_object_set_new(args, "disk_only", json_true());
    code = ask(in, "snapshot-apply", args, &result);
    const char *kept = json_string_value(json_object_get(result, "kept_as"));
    HM_AUTOFREE char *clean = show_cleaned(kept);
    if (code == CTL_OK)
        fprintf(in->out, "%s/%s holds what it held at snapshot %s%s%s%s\n", in->arguments[0],
                in->arguments[1], in->arguments[2],
                json_is_true(json_object_get(result, "memory"))
                    ? ", and its next start goes on from there"
                    : "",
                kept ? "; what it held until now is in snapshot " : "", clean);
    json_decref(result);
    return code;
}

enum ctl_exit run_snapshot_delete(struct invocation *in)
{
    json_t *result = NULL;
    HM_AUTOFREE char *question = hm_printf("Snapshot %s of %s/%s will be lost. Go on?",
                                           in->arguments[2], in->arguments[0], in->arguments[1]);
    enum ctl_exit code = ask_first(in, question, "not done");
    if (code == CTL_OK)
        code = ask(in, "snapshot-delete", snapshot_args(in), &result);
    bool existed = json_is_true(json_object_get(result, "existed"));
    if (code == CTL_OK)
        fprintf(in->out,
                existed ? "snapshot %s of %s/%s is deleted\n"
                        : "there was no snapshot %s of %s/%s\n",
                in->arguments[2], in->arguments[0], in->arguments[1]);
    json_decref(result);
    return code;
}
