#include <stdio.h>
#include <string.h>

#include "proto/kind_network.h"

static const char *const protocols[] = {"tcp", "udp", NULL};

const struct field network_forward_fields[] = {
    {.name = "protocol",
     .type = FIELD_ENUM,
     .cost = COST_LIVE,
     .words = protocols,
     .default_value = "\"tcp\"",
     .help = "tcp or udp."},
    {.name = "port",
     .type = FIELD_INT,
     .cost = COST_LIVE,
     .required = true,
     .min = 1,
     .max = 65535,
     .help =
         "Port of the host, on every address that it has; no two networks may forward the same."},
    {.name = "to",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .required = true,
     .help =
         "The machine's address, in the subnet; a card keeps one that its networks[].ip names."},
    {.name = "to_port",
     .type = FIELD_INT,
     .cost = COST_LIVE,
     .min = 1,
     .max = 65535,
     .help = "Its port; absent: the same."},
    {.name = NULL},
};

static int refuse_twin(const json_t *forwards, size_t end, struct field_place *at,
                       struct hm_error *err)
{
    const json_t *last = json_array_get(forwards, end);
    for (size_t i = 0; i < end; i++) {
        const json_t *other = json_array_get(forwards, i);
        if (spec_int(other, "port", 0) != spec_int(last, "port", 0) ||
            strcmp(spec_str(other, "protocol"), spec_str(last, "protocol")) != 0)
            continue;
        field_place_set(at, "forwards[%zu].port", end);
        return field_fail(at, err, "%lld/%s is there twice (also in [%zu])",
                          (long long)spec_int(last, "port", 0), spec_str(last, "protocol"), i);
    }
    return 0;
}

/* What nothing would ever reach is a mistake. */
static int check_whole(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    field_place_set(at, "forwards");
    if (!network_is_native(spec))
        return field_fail(at, err, "needs backend: native; libvirt forwards no ports");
    if (!strcmp(spec_str(spec, "mode"), "isolated"))
        return field_fail(at, err,
                          "nothing is forwarded to an isolated network; set mode: nat or "
                          "route");
    return 0;
}

int network_check_forwards(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *forwards = json_object_get(spec, "forwards");
    struct network_subnet s;
    size_t i;
    json_t *forward;
    int rc = json_array_size(forwards) ? check_whole(spec, at, err) : 0;
    json_array_foreach(forwards, i, forward)
    {
        char path[48];
        snprintf(path, sizeof path, "forwards[%zu]", i);
        if (rc >= 0 && network_subnet(spec, &s))
            rc = network_check_guest_address(&s, forward, "to", path, at, err);
        if (rc >= 0)
            rc = refuse_twin(forwards, i, at, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}
