#include "agent/describe.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/field.h"
#include "proto/network.h"
#include "proto/render.h"
#include "proto/url.h"

static void add_count(struct hm_buf *b, size_t n, const char *one)
{
    if (n > 0)
        hm_buf_printf(b, ", %zu %s%s", n, one, n == 1 ? "" : "s");
}

static void describe_vm(const json_t *spec, struct hm_buf *b)
{
    char memory[RENDER_NUMBER_MAX];
    int64_t vcpus = spec_int(spec, "vcpus", 1);
    render_number(FIELD_SIZE, spec_int(spec, "memory", 0), memory);
    hm_buf_printf(b, "%lld vcpu%s, %s", (long long)vcpus, vcpus == 1 ? "" : "s", memory);
    add_count(b, json_array_size(json_object_get(spec, "disks")), "disk");
    add_count(b, json_array_size(json_object_get(spec, "networks")), "network");
}

static void describe_disk(const json_t *spec, struct hm_buf *b)
{
    char size[RENDER_NUMBER_MAX];
    render_number(FIELD_SIZE, spec_int(spec, "size", 0), size);
    hm_buf_printf(b, "%s %s, pool %s", size, spec_str(spec, "format"), spec_str(spec, "pool"));
}

static void describe_network(const json_t *spec, struct hm_buf *b)
{
    const char *mode = spec_str(spec, "mode"), *subnet = spec_str(spec, "subnet");
    if (!strcmp(subnet, NETWORK_NO_SUBNET))
        hm_buf_printf(b, "%s, a bridge without address", mode);
    else
        hm_buf_printf(b, "%s, %s", mode, subnet);
    if (!strcmp(mode, "route"))
        hm_buf_printf(b, "; the routers outside need a route to it through this host");
}

static void describe_image_file(const json_t *spec, struct hm_buf *b)
{
    char shown[URL_SHOWN_MAX];
    url_shown(spec_str(spec, "url"), shown);
    hm_buf_printf(b, "%s, %s", spec_str(spec, "format"), shown);
}

char *describe_spec(const char *kind, const json_t *spec)
{
    struct hm_buf words = {0};
    if (!strcmp(kind, "vm"))
        describe_vm(spec, &words);
    else if (!strcmp(kind, "disk"))
        describe_disk(spec, &words);
    else if (!strcmp(kind, "image-file"))
        describe_image_file(spec, &words);
    else if (!strcmp(kind, "network"))
        describe_network(spec, &words);
    return hm_buf_steal(&words);
}
