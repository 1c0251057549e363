#include "vmm/qmp_reply.h"

#include <stdbool.h>
#include <string.h>

#include "proto/text.h"
#include "proto/tree.h"

static int fail_as_said(const json_t *error, struct hm_error *err)
{
    const char *said = json_string_value(json_object_get(error, "desc"));
    enum hm_code code = HM_E_LIBVIRT;
    if (!said)
        return hm_fail(err, HM_E_LIBVIRT, "QEMU refused it without a reason");
    if (strstr(said, "No space left on device"))
        code = HM_E_NO_SPACE;
    else if (strstr(said, "Input/output error"))
        code = HM_E_IO;
    else if (strstr(said, "does not support"))
        code = HM_E_UNSUPPORTED;
    char shown[256];
    text_clean(said, shown, sizeof shown);
    return hm_fail(err, code, "QEMU refused it: %s", shown);
}

static int read_reply(const json_t *root, json_t **ret, struct hm_error *err)
{
    json_t *value = json_object_get(root, "return");
    if (!value)
        return fail_as_said(json_object_get(root, "error"), err);
    *ret = json_incref(value);
    return 0;
}

int qmp_reply_parse(const char *text, size_t len, json_t **ret, struct hm_error *err)
{
    struct tree tree = {0};
    int r = tree_parse(TREE_JSON, "QEMU's monitor", text, len, &tree, err);
    if (r < 0)
        return r;
    r = read_reply(json_array_get(tree.docs, 0), ret, err);
    tree_clear(&tree);
    return r;
}

/* "/machine/peripheral/virtio-disk0/virtio-backend" is of virtio-disk0. */
static bool is_of(const char *qdev, const char *alias)
{
    size_t len = strlen(alias);
    for (const char *at = qdev; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (!strncmp(at, alias, len) && (at[len] == '/' || at[len] == '\0'))
            return true;
    }
    return false;
}

const char *qmp_reply_node(const json_t *blocks, const char *alias)
{
    size_t i;
    const json_t *block;
    json_array_foreach(blocks, i, block)
    {
        const char *qdev = json_string_value(json_object_get(block, "qdev"));
        if (qdev && *alias && is_of(qdev, alias))
            return json_string_value(
                json_object_get(json_object_get(block, "inserted"), "node-name"));
    }
    return NULL;
}
