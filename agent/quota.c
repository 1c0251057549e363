#include "agent/quota.h"

#include <string.h>

#include "base/alloc.h"
#include "proto/render.h"

const struct field quota_fields[] = {
#define QUOTA_FIELD(id, text, field_type, words)                                                   \
    {.name = text, .type = field_type, .min = 1, .max = INT64_MAX / 2, .help = words},
    QUOTAS(QUOTA_FIELD)
#undef QUOTA_FIELD
        {.name = NULL},
};

void quota_take(struct quota *ret, const json_t *spec)
{
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        ret->most[i] = spec_int(spec, quota_fields[i].name, 0);
}

/* -- What a spec takes ---------------------------------------------------------------------------- */

static void add(int64_t *total, int64_t amount)
{
    if (amount > 0 && __builtin_add_overflow(*total, amount, total))
        *total = INT64_MAX;
}

static void add_vm(int64_t total[QUOTA_COUNT], const json_t *spec)
{
    const char *power = spec_str(spec, "power");
    size_t i;
    json_t *disk;
    if (!power || strcmp(power, "off") != 0) {
        add(&total[QUOTA_VCPUS], spec_int(spec, "vcpus", 0));
        /* A guest without a balloon driver uses all of it. */
        add(&total[QUOTA_MEMORY], spec_int(spec, "max_memory", spec_int(spec, "memory", 0)));
    }
    json_array_foreach(json_object_get(spec, "disks"), i, disk)
        add(&total[QUOTA_DISK], spec_int(disk, "size", 0));
}

static void add_spec(int64_t total[QUOTA_COUNT], const char *kind, const json_t *spec)
{
    if (!strcmp(kind, "vm"))
        add_vm(total, spec);
    else if (!strcmp(kind, "disk"))
        add(&total[QUOTA_DISK], spec_int(spec, "size", 0));
}

static bool is_held_by(const struct thing *t, const char *site)
{
    return t->marked && t->spec && t->state != THING_ABSENT && t->mark_site &&
           !strcmp(t->mark_site, site);
}

static bool limits_anything(const struct quota *quota)
{
    for (size_t r = 0; quota && r < QUOTA_COUNT; r++)
        if (quota->most[r])
            return true;
    return false;
}

void quota_ledger_open(struct quota_ledger *l, const struct quota *quota)
{
    *l = (struct quota_ledger){.quota = limits_anything(quota) ? quota : NULL};
}

void quota_ledger_add(struct quota_ledger *l, const struct things *things, const char *site)
{
    for (size_t i = 0; l->quota && i < things->count; i++)
        if (is_held_by(&things->items[i], site))
            add_spec(l->used, things->items[i].kind, things->items[i].spec);
}

/* -- Is there room? ------------------------------------------------------------------------------- */

static char *refusal(const struct quota_ledger *l, size_t r, int64_t more)
{
    char used[RENDER_NUMBER_MAX], most[RENDER_NUMBER_MAX], wanted[RENDER_NUMBER_MAX];
    const struct field *f = &quota_fields[r];
    render_number(f->type, l->used[r], used);
    render_number(f->type, l->quota->most[r], most);
    render_number(f->type, more, wanted);
    return hm_printf("%s %s of %s used, this needs %s more (quota in the agent's configuration)",
                     f->name, used, most, wanted);
}

/* What is more than can be counted stays so. */
static void enter(int64_t *used, int64_t need, int64_t held)
{
    if (*used == INT64_MAX)
        return;
    *used -= held;
    add(used, need);
}

char *quota_refusal(struct quota_ledger *l, const char *kind, const json_t *spec,
                    const struct thing *thing)
{
    int64_t held[QUOTA_COUNT] = {0}, need[QUOTA_COUNT] = {0};
    if (!l->quota)
        return NULL;
    add_spec(need, kind, spec);
    if (thing && thing->spec)
        add_spec(held, kind, thing->spec);
    for (size_t r = 0; r < QUOTA_COUNT; r++) {
        int64_t more = need[r] - held[r], most = l->quota->most[r];
        if (most && more > 0 && (l->used[r] > most || more > most - l->used[r]))
            return refusal(l, r, more);
    }
    for (size_t r = 0; r < QUOTA_COUNT; r++)
        enter(&l->used[r], need[r], held[r]);
    return NULL;
}
