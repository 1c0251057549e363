#include "agent/nics.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/domain_xml.h"

#if HM_WITH_NETALLOC
#include "netalloc/attach.h"
#include "netalloc/native_work.h"

static bool builds(enum plan_verb verb)
{
    return verb == VERB_CREATE || verb == VERB_UPDATE || verb == VERB_START;
}

int nics_prepare(const struct driver *driver, const struct driver_options *options,
                 enum plan_verb verb, struct order *order, struct hm_error *err)
{
    struct attach_options attach = {.site = options->site,
                                    .state_dir = options->state_dir,
                                    .runtime_dir = options->runtime_dir,
                                    .by_tap = driver->opens_taps,
                                    .starting = verb == VERB_START,
                                    .plugging = verb == VERB_UPDATE};
    json_t *placed = NULL;
    int r = 0;
    if (strcmp(order->kind, "vm") != 0 || !options->state_dir || !options->runtime_dir)
        return 0;
    if (verb == VERB_REMOVE)
        return detach_vm(&attach, order, err);
    if (builds(verb) && order->spec)
        r = attach_vm(&attach, order, &placed, err);
    if (r >= 0)
        order->placed = placed;
    return r;
}

void nics_stopped(const struct driver *driver, const struct driver_options *options,
                  const struct order *order)
{
    struct attach_options attach = {.site = options->site,
                                    .state_dir = options->state_dir,
                                    .runtime_dir = options->runtime_dir,
                                    .by_tap = true};
    if (driver->opens_taps && !strcmp(order->kind, "vm") && options->state_dir &&
        options->runtime_dir)
        unplug_vm(&attach, order);
}

static bool native_tap(const char *site, const char *key, size_t index, char out[NICS_TAP_TEXT])
{
    char owner[OWNER_MAX + 1];
    if (!owner_make(key, index, owner))
        return false;
    tap_name(site, owner, out);
    return true;
}
#else
static bool native_tap(const char *site, const char *key, size_t index, char out[NICS_TAP_TEXT])
{
    (void)site;
    (void)key;
    (void)index;
    (void)out;
    return false;
}

void nics_stopped(const struct driver *driver, const struct driver_options *options,
                  const struct order *order)
{
    (void)driver;
    (void)options;
    (void)order;
}

int nics_prepare(const struct driver *driver, const struct driver_options *options,
                 enum plan_verb verb, struct order *order, struct hm_error *err)
{
    (void)driver;
    (void)options;
    (void)verb;
    (void)order;
    (void)err;
    return 0;
}
#endif

bool nics_tap(const struct driver *driver, const char *site, const char *key, const json_t *nic,
              size_t index, char out[NICS_TAP_TEXT])
{
    if (!driver->opens_taps)
        return false;
    if (!spec_str(nic, "bridge"))
        return native_tap(site, key, index, out);
    driver->bridge_tap(key, index, out);
    return true;
}

void nics_release(struct order *order)
{
    json_decref((json_t *)(uintptr_t)order->placed);
    order->placed = NULL;
}

static const char *held_on(const struct thing *network, const char *key, size_t cards)
{
    const json_t *held = json_object_get(network->details, "addresses");
    for (size_t i = 0; held && i < cards; i++) {
        HM_AUTOFREE char *owner = hm_printf("%s#%zu", key, i);
        const char *address = spec_str(held, owner);
        if (address)
            return address;
    }
    return NULL;
}

const char *nics_address(const struct things *things, const char *key, const json_t *spec)
{
    size_t cards = json_array_size(json_object_get(spec, "networks"));
    for (size_t i = 0; i < things->count; i++) {
        const struct thing *t = &things->items[i];
        const char *address = !strcmp(t->kind, "network") ? held_on(t, key, cards) : NULL;
        if (address)
            return address;
    }
    return NULL;
}

uint64_t nics_held(const struct things *things, uint64_t before)
{
    for (size_t i = 0; i < things->count; i++) {
        const struct thing *t = &things->items[i];
        if (!strcmp(t->kind, "network") && json_object_get(t->details, "addresses"))
            before = (before ^ (uint64_t)(uintptr_t)t->details) * 1099511628211u;
    }
    return before;
}

static json_t *card_with(json_t *details, const char *mac)
{
    size_t i;
    json_t *card;
    json_array_foreach(json_object_get(details, "networks"), i, card)
    {
        const char *own = spec_str(card, "mac");
        if (own && !strcasecmp(own, mac))
            return card;
    }
    return NULL;
}

static void show_on(const struct thing *network, const char *key, const json_t *spec,
                    json_t *details)
{
    const json_t *held = json_object_get(network->details, "addresses");
    const json_t *held6 = json_object_get(network->details, "addresses6");
    size_t i;
    json_t *nic;
    json_array_foreach(json_object_get(spec, "networks"), i, nic)
    {
        HM_AUTOFREE char *owner = hm_printf("%s#%zu", key, i);
        json_t *address = json_object_get(held, owner), *address6 = json_object_get(held6, owner);
        char made[VM_MAC_TEXT];
        vm_mac(key, i, made);
        json_t *card =
            address ? card_with(details, spec_str(nic, "mac") ? spec_str(nic, "mac") : made) : NULL;
        if (card)
            json_object_set(card, "address", address);
        if (card && address6)
            json_object_set(card, "address6", address6);
    }
}

void nics_show(const struct things *things, const char *key, const json_t *spec, json_t *status)
{
    if (!nics_address(things, key, spec) || !json_object_get(status, "details"))
        return;
    json_t *details = json_deep_copy(json_object_get(status, "details")); /* shared with others */
    for (size_t i = 0; i < things->count; i++)
        if (!strcmp(things->items[i].kind, "network"))
            show_on(&things->items[i], key, spec, details);
    json_object_set_new(status, "details", details);
}
