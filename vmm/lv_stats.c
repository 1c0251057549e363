/* What the VMs use, by one bulk call. Observing thread only: which are ours is in the cache. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"
#include "vmm/lv_cache.h"
#include "vmm/vm_stats.h"

enum {
    GROUPS = VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
             VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK,
    FLAGS = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
};

static void take(struct vm_stats *s, const virTypedParameter *p)
{
    switch (p->type) {
    case VIR_TYPED_PARAM_ULLONG:
        vm_stats_take(s, p->field, p->value.ul);
        break;
    case VIR_TYPED_PARAM_UINT:
        vm_stats_take(s, p->field, p->value.ui);
        break;
    case VIR_TYPED_PARAM_STRING:
        vm_stats_take_text(s, p->field, p->value.s);
        break;
    default:
        break;
    }
}

static bool is_ours(const struct lv *lv, const char *name)
{
    const struct lv_entry *e = lv_cache_find(lv->cache, name);
    const struct thing *t = e && e->shared ? thing_shared_get(e->shared) : NULL;
    return t && t->marked && t->mark_site && !strcmp(t->mark_site, lv->site);
}

/* For `logs --since`: what it has written by now. */
static void note_console(struct lv *lv, const char *name)
{
    struct lv_entry *e = lv_cache_entry(lv->cache, name);
    const struct thing *t = thing_shared_get(e->shared);
    const char *console = spec_str(t->details, "console");
    if (console && lv->is_local)
        console_times_note(console, hm_wall_ns() / HM_MS, &e->console);
}

static void take_record(struct lv *lv, const virDomainStatsRecord *record,
                        struct vm_stats_list *ret)
{
    const char *name = virDomainGetName(record->dom);
    if (!name || !is_ours(lv, name))
        return;
    struct vm_stats *s = &ret->items[ret->count++];
    *s = (struct vm_stats){.name = hm_strdup(name)};
    for (int i = 0; i < record->nparams; i++)
        take(s, &record->params[i]);
    note_console(lv, name);
}

int lv_stats(struct lv *lv, struct vm_stats_list *ret, struct hm_error *err)
{
    virDomainStatsRecordPtr *records = NULL;
    int r = lv_check_alive(lv, err);
    if (r < 0)
        return r;
    if (!lv->cache) {
        *ret = (struct vm_stats_list){0};
        return 0;
    }
    int count = virConnectGetAllDomainStats(lv->conn, GROUPS, &records, FLAGS);
    if (count < 0)
        return lv_fail(lv, err, "ask what domains use");
    *ret = (struct vm_stats_list){.items = hm_alloc(((size_t)count + 1) * sizeof *ret->items)};
    for (int i = 0; i < count; i++)
        take_record(lv, records[i], ret);
    virDomainStatsRecordListFree(records);
    return 0;
}
