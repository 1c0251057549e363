/* Bringing a native network up and down; see native_work.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netalloc/firewall.h"
#include "netalloc/host.h"
#include "netalloc/native_work.h"
#include "netalloc/ruleset.h"
#include "netalloc/tap.h"

/* -- The firewall ------------------------------------------------------------------------------ */

/*
 * What was told to the kernel, and how the kernel lists it, as hashes in a file of this boot: they tell
 * whether the table is still what it should be. Without the file it is set once more, which disturbs no
 * connection.
 */
static char *firewall_note_path(const struct work *w)
{
    return hm_printf("%s/native/firewall", w->native->runtime_dir);
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037ULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * 1099511628211ULL;
    return hash;
}

static char *firewall_note(const char *told, const char *listed)
{
    return hm_printf("%016llx %016llx\n", (unsigned long long)hash_of(told),
                     (unsigned long long)hash_of(listed));
}

static int list_table(const struct work *w, char **ret, struct hm_error *err)
{
    char table[RULESET_TABLE_MAX + 1];
    if (!ruleset_table_name(w->native->site, table))
        return hm_fail(err, HM_E_INVALID, "the site's name is none");
    return firewall_list(table, ret, err);
}

/* > 0: with rules of some networks; 0: of none. */
static int render(const struct work *w, size_t also, size_t except, char **ret,
                  struct hm_error *err)
{
    HM_AUTOFREE const struct net **nets = NULL;
    size_t count = work_firewalled(w, also, except, &nets);
    int r = ruleset_render(w->native->site, nets, count, ret, err);
    return r < 0 ? r : count > 0;
}

/* How the kernel lists what was just set is what it shall be: not, if somebody has flushed all rules in between. */
static int list_set_table(const struct work *w, bool has_networks, char **ret, struct hm_error *err)
{
    char *listed = NULL;
    int r = list_table(w, &listed, err);
    if (r >= 0 && has_networks && !*listed) {
        free(listed);
        return hm_fail(err, HM_E_BUSY,
                       "nftables: somebody took the table away as soon as it was set");
    }
    if (r >= 0)
        *ret = listed;
    return r;
}

static int write_note(const struct work *w, const char *told, bool has_networks,
                      struct hm_error *err)
{
    HM_AUTOFREE char *dir = hm_printf("%s/native", w->native->runtime_dir), *listed = NULL;
    int r = list_set_table(w, has_networks, &listed, err);
    if (r >= 0)
        r = hm_mkdirs(dir, 0755, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *path = firewall_note_path(w), *note = firewall_note(told, listed);
    return hm_file_write_atomic(path, note, strlen(note), 0644, err);
}

int work_set_firewall(const struct work *w, size_t also, size_t except, struct hm_error *err)
{
    HM_AUTOFREE char *text = NULL;
    int rendered = render(w, also, except, &text, err);
    int r = rendered < 0 ? rendered : firewall_apply(text, err);
    return r < 0 ? r : write_note(w, text, rendered > 0, err);
}

int work_firewall_is_set(const struct work *w, struct hm_error *err)
{
    HM_AUTOFREE char *text = NULL, *listed = NULL, *noted = NULL, *path = firewall_note_path(w);
    int r = render(w, SIZE_MAX, SIZE_MAX, &text, err);
    if (r >= 0)
        r = list_table(w, &listed, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *note = firewall_note(text, listed);
    return hm_file_read(path, 64, &noted, NULL, NULL) >= 0 && !strcmp(note, noted);
}

/* -- Links ------------------------------------------------------------------------------------- */

/* "site-a.vm.web#0" is a card of site-a.vm.web. */
static bool is_card_of(const char *owner, const char *vm_key)
{
    size_t len = strlen(vm_key);
    return !strncmp(owner, vm_key, len) && owner[len] == '#';
}

static void keep_wants(struct link_want *wants, size_t *count,
                       bool (*is_kept)(const struct link_want *want, const void *arg),
                       const void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (is_kept(&wants[i], arg))
            wants[kept++] = wants[i];
    *count = kept;
}

static bool is_bridge_or_seen(const struct link_want *want, const void *seen)
{
    return want->kind != LINK_TAP || links_find(seen, want->name);
}

static bool is_of_vm(const struct link_want *want, const void *vm_key)
{
    return is_card_of(want->owner, vm_key);
}

static int carry_out(struct work *w, const struct link_steps *steps, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < steps->count && r >= 0; i++)
        r = netlink_step(w->netlink, &steps->items[i], err);
    return r;
}

static const struct link_want *find_bridge(const struct link_want *wants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (wants[i].kind == LINK_BRIDGE)
            return &wants[i];
    return NULL;
}

/* Its bridge, and TAPs that are there: others come when their VM starts. Planned against what was seen. `wants` and `steps` are the caller's. */
static int plan_links(const struct work *w, size_t i, bool gone, struct link_want **wants,
                      size_t *count, struct link_steps *steps, struct hm_error *err)
{
    *wants = hm_alloc(sizeof **wants);
    *count = 1;
    if (!work_bridge(w, i, gone, *wants))
        return hm_fail(err, HM_E_INVALID, "its mark can't be read");
    int r = work_taps(w, i, wants, count, err);
    keep_wants(*wants, count, is_bridge_or_seen, &w->seen);
    for (size_t k = 0; k < *count; k++)
        (*wants)[k].gone = gone;
    link_wants_sort(*wants, *count);
    if (r >= 0)
        link_plan(w->native->site, &w->seen, *wants, *count, steps);
    return r;
}

static int run_dhcp(const struct work *w, size_t i, struct hm_error *err)
{
    struct dhcp d;
    struct pool pool;
    int r = store_read_pool(&w->native->store, w->nets[i].name, &pool, err);
    if (r < 0)
        return r;
    work_dhcp(w, i, &d);
    r = dhcp_is_wanted(&w->nets[i]) ? dhcp_serve(&d, &w->nets[i], &pool, err) : dhcp_end(&d, err);
    dhcp_clear(&d);
    pool_clear(&pool);
    return r;
}

/* Rules before links: no packet passes that they would have stopped. */
static int make_up(struct work *w, size_t i, const struct link_steps *steps, struct hm_error *err)
{
    int r = work_set_firewall(w, i, SIZE_MAX, err);
    if (r >= 0)
        r = carry_out(w, steps, err);
    if (r >= 0 && w->nets[i].mode != NET_ISOLATED)
        r = host_let_forward(err);
    if (r >= 0 && w->nets[i].mode != NET_ISOLATED && w->nets[i].has6)
        r = host_let_forward6(err);
    return r < 0 ? r : run_dhcp(w, i, err);
}

int work_bring_up(struct work *w, size_t i, struct hm_error *err)
{
    struct link_want *wants = NULL;
    struct link_steps steps = {0};
    size_t count = 0;
    int r = plan_links(w, i, false, &wants, &count, &steps, err);
    if (r >= 0)
        r = link_verdict_check(find_bridge(wants, count), err);
    if (r >= 0)
        r = make_up(w, i, &steps, err);
    link_steps_clear(&steps);
    free(wants);
    return r < 0 ? hm_wrap(err, "network %s", w->nets[i].name) : 0;
}

/* A bridge of that name that is not ours was never brought up by us. */
int work_take_down(struct work *w, size_t i, struct hm_error *err)
{
    struct link_want *wants = NULL;
    struct link_steps steps = {0};
    struct dhcp d;
    size_t count = 0;
    work_dhcp(w, i, &d);
    int r = dhcp_end(&d, err);
    dhcp_clear(&d);
    if (r >= 0)
        r = plan_links(w, i, true, &wants, &count, &steps, err);
    if (r >= 0)
        r = carry_out(w, &steps, err);
    if (r >= 0)
        r = work_set_firewall(w, SIZE_MAX, i, err);
    link_steps_clear(&steps);
    free(wants);
    return r < 0 ? hm_wrap(err, "network %s", w->nets[i].name) : 0;
}

int work_make_taps(struct work *w, size_t i, const char *vm_key, struct hm_error *err)
{
    struct link_want *wants = NULL;
    struct link_steps steps = {0};
    size_t count = 0;
    int r = work_taps(w, i, &wants, &count, err);
    keep_wants(wants, &count, is_of_vm, vm_key);
    link_wants_sort(wants, count);
    if (r >= 0)
        link_plan(w->native->site, &w->seen, wants, count, &steps);
    for (size_t k = 0; k < count && r >= 0; k++)
        r = link_verdict_check(&wants[k], err);
    if (r >= 0)
        r = carry_out(w, &steps, err);
    link_steps_clear(&steps);
    free(wants);
    return r < 0 ? r : 0;
}

void work_drop_taps(const struct work *w, const char *vm_key)
{
    for (size_t i = 0; i < w->seen.count; i++) {
        const struct link *l = &w->seen.items[i];
        struct alias alias;
        if (l->kind == LINK_TAP && alias_parse(l->alias, &alias) &&
            !strcmp(alias.site, w->native->site) && is_card_of(alias.owner, vm_key))
            tap_delete(l->name, NULL);
    }
}

int work_sweep(struct work *w, struct hm_error *err)
{
    struct link_want *wants = NULL;
    struct link_steps steps = {0};
    size_t count = 0;
    int r = 0;
    for (size_t i = 0; i < w->definitions.count && r >= 0; i++)
        r = work_taps(w, i, &wants, &count, err); /* what can't be read may want any of them */
    link_wants_sort(wants, count);
    if (r >= 0)
        link_plan_sweep(w->native->site, &w->seen, wants, count, &steps);
    for (size_t i = 0; i < steps.count; i++)
        netlink_step(w->netlink, &steps.items[i], NULL);
    link_steps_clear(&steps);
    free(wants);
    return r;
}
