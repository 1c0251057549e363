/* The group's virtual IPs: where they are, by what the agents say of them (docs/failover/vip.md). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/group_view.h"
#include "ctl/json_text.h"

static struct group_vip *find(struct group_now *g, const char *address)
{
    for (size_t i = 0; i < g->vip_count; i++)
        if (!strcmp(g->vips[i].address, address))
            return &g->vips[i];
    if (g->vip_count == VIPS_MAX)
        return NULL;
    struct group_vip *v = &g->vips[g->vip_count++];
    *v = (struct group_vip){0};
    snprintf(v->address, sizeof v->address, "%s", address);
    return v;
}

/* Of a site that is not heard any more, what it said last is not known to be so. */
void group_hear_vips(struct group_now *g, size_t site, const json_t *list)
{
    size_t i;
    json_t *entry;
    unsigned bit = 1u << site;
    g->vips_told |= bit;
    json_array_foreach(list, i, entry)
    {
        struct vip_address a;
        struct hm_error ignored; /* a text that is no address is shown by nobody */
        struct group_vip *v = vip_address_parse(text_of(entry, "address"), &a, &ignored) < 0
                                  ? NULL
                                  : find(g, text_of(entry, "address"));
        if (!v)
            continue;
        v->configured |= bit;
        if (!g->sites[site].is_silent && !strcmp(text_of(entry, "state"), "up"))
            v->up |= bit;
        if (!g->sites[site].is_silent && json_is_true(json_object_get(entry, "contested")))
            v->contested |= bit;
    }
}

/* "site-a", "site-a and site-b"; empty: none. */
static void add_sites(const struct group_now *g, unsigned bits, struct hm_buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < g->site_count; i++) {
        if (!(bits & 1u << i))
            continue;
        hm_buf_printf(out, "%s%s", is_first ? "" : " and ", g->sites[i].site.text);
        is_first = false;
    }
}

static char *sites_text(const struct group_now *g, unsigned bits)
{
    struct hm_buf text = {0};
    add_sites(g, bits, &text);
    return text.data ? hm_buf_steal(&text) : hm_strdup("nowhere");
}

char *group_vip_place(const struct group_now *g, const struct group_vip *v)
{
    HM_AUTOFREE char *sites = sites_text(g, v->up);
    return v->up ? hm_printf("at %s", sites) : hm_strdup(sites);
}

static bool is_one(unsigned bits)
{
    return bits && !(bits & (bits - 1));
}

bool group_vip_warning(const struct group_now *g, const struct group_vip *v, struct hm_error *ret)
{
    unsigned lacking = g->vips_told & ~v->configured;
    HM_AUTOFREE char *up = sites_text(g, v->up), *without = sites_text(g, lacking);
    HM_AUTOFREE char *heard = sites_text(g, v->contested);
    if (v->up && !is_one(v->up))
        hm_fail(ret, HM_E_CONFLICT,
                "%s is at %s: one of their statuses is old, or both answer for it", v->address, up);
    else if (v->contested)
        hm_fail(
            ret, HM_E_CONFLICT,
            "another host claims %s, %s has heard it: find it by its hardware address, which the "
            "agent's log and harmonyctl doctor name",
            v->address, heard);
    else if (lacking)
        hm_fail(ret, HM_E_INVALID,
                "%s is not in failover.vip of %s: no host has it while that site leads", v->address,
                without);
    else
        return false;
    return true;
}
