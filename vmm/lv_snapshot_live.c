#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "base/alloc.h"
#include "vmm/lv_snapshot.h"
#include "vmm/qmp_reply.h"

/* `command` is taken over. *ret is a new reference. */
static int ask(struct lv *lv, const struct lv_disk_use *use, json_t *command, json_t **ret,
               struct hm_error *err)
{
    HM_AUTOFREE char *text = json_dumps(command, JSON_COMPACT);
    HM_AUTOFREE char *reply = NULL;
    json_decref(command);
    if (virDomainQemuMonitorCommand(use->dom, text, &reply, 0) < 0)
        return lv_fail(lv, err, "vm %s: ask its QEMU", use->vm);
    int r = qmp_reply_parse(reply, strlen(reply), ret, err);
    return r < 0 ? hm_wrap(err, "vm %s", use->vm) : 0;
}

static int tell(struct lv *lv, const struct lv_disk_use *use, json_t *command, struct hm_error *err)
{
    json_t *nothing = NULL;
    int r = ask(lv, use, command, &nothing, err);
    json_decref(nothing);
    return r;
}

static int add_action(const json_t *blocks, const struct lv_disk_use *use, const char *name,
                      json_t *actions, struct hm_error *err)
{
    const char *node = use->alias ? qmp_reply_node(blocks, use->alias) : NULL;
    if (!node)
        return hm_fail(err, HM_E_NOT_FOUND, "vm %s: its QEMU has no disk %s", use->vm, use->target);
    json_array_append_new(actions, json_pack("{s:s, s:{s:s, s:s}}", "type",
                                             "blockdev-snapshot-internal-sync", "data", "device",
                                             node, "name", name));
    return 0;
}

/* One transaction: all of them, of the same instant, or none. */
int lv_snapshot_create_live(struct lv *lv, const struct lv_disk_use *uses, size_t count,
                            const char *name, struct hm_error *err)
{
    json_t *blocks = NULL, *actions = json_array();
    int r = ask(lv, &uses[0], json_pack("{s:s}", "execute", "query-block"), &blocks, err);
    for (size_t i = 0; i < count && r >= 0; i++)
        r = add_action(blocks, &uses[i], name, actions, err);
    if (r >= 0)
        r = tell(
            lv, &uses[0],
            json_pack("{s:s, s:{s:O}}", "execute", "transaction", "arguments", "actions", actions),
            err);
    json_decref(actions);
    json_decref(blocks);
    return r;
}

int lv_snapshot_delete_live(struct lv *lv, const struct lv_disk_use *use, const char *name,
                            struct hm_error *err)
{
    json_t *blocks = NULL;
    int r = ask(lv, use, json_pack("{s:s}", "execute", "query-block"), &blocks, err);
    const char *node = r < 0 || !use->alias ? NULL : qmp_reply_node(blocks, use->alias);
    if (r >= 0 && !node)
        r = hm_fail(err, HM_E_NOT_FOUND, "vm %s: its QEMU has no disk %s", use->vm, use->target);
    if (r >= 0)
        r = tell(lv, use,
                 json_pack("{s:s, s:{s:s, s:s}}", "execute",
                           "blockdev-snapshot-delete-internal-sync", "arguments", "device", node,
                           "name", name),
                 err);
    json_decref(blocks);
    return r;
}
