#include "agent/config_vip.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/text.h"

const struct field vip_fields[] = {
    {.name = "address",
     .type = FIELD_STRING,
     .required = true,
     .min = 1,
     .max = VIP_TEXT_MAX,
     .help = "IPv4 or IPv6, with the prefix of its network (192.0.2.10/24, 2001:db8::10/64)."},
    {.name = "link",
     .type = FIELD_STRING,
     .required = true,
     .min = 1,
     .max = LINK_NAME_MAX,
     .help = "The interface that gets it."},
    {.name = NULL},
};

/* As the kernel takes them. */
static bool is_link_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (isspace((unsigned char)*c) || *c == '/' || *c == ':')
            return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_one(const json_t *list, size_t i, struct field_place *at, struct hm_error *err)
{
    struct vip_address a, b;
    struct hm_error why;
    const json_t *entry = json_array_get(list, i);
    char shown[TEXT_QUOTE_MAX];
    field_place_set(at, "failover.vip[%zu].address", i);
    if (vip_address_parse(spec_str(entry, "address"), &a, &why) < 0)
        return field_fail(at, err, "%s", why.text);
    for (size_t j = 0; j < i; j++)
        if (vip_address_parse(spec_str(json_array_get(list, j), "address"), &b, &why) >= 0 &&
            vip_address_is_same(&a, &b))
            return field_fail(at, err, "is the address of failover.vip[%zu], too", j);
    field_place_set(at, "failover.vip[%zu].link", i);
    if (is_link_name(spec_str(entry, "link")))
        return 0;
    text_quote(spec_str(entry, "link"), shown);
    return field_fail(at, err, "%s can't be the name of an interface", shown);
}

int vip_config_check(const json_t *list, struct field_place *at, struct hm_error *err)
{
    size_t count = json_array_size(list);
    field_place_set(at, "failover.vip");
    if (count > 0 && !HM_WITH_NETALLOC)
        return field_fail(at, err, "this build has no virtual IPs (make WITH_NETALLOC=1)");
    for (size_t i = 0; i < count; i++) {
        int r = check_one(list, i, at, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void vip_config_take(struct vip_config *ret, const json_t *list)
{
    struct vip_config c = {.count = json_array_size(list)};
    struct hm_error checked;
    c.wants = hm_alloc((c.count + 1) * sizeof *c.wants);
    for (size_t i = 0; i < c.count; i++) {
        const json_t *entry = json_array_get(list, i);
        vip_address_parse(spec_str(entry, "address"), &c.wants[i].address, &checked);
        snprintf(c.wants[i].link, sizeof c.wants[i].link, "%s", spec_str(entry, "link"));
    }
    *ret = c;
}

void vip_config_clear(struct vip_config *c)
{
    free(c->wants);
    *c = (struct vip_config){0};
}
