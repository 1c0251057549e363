#include <string.h>

#include "proto/field.h"
#include "vmm/ch.h"

/* -1: none that could be of a guest, so that two of them add up. */
static json_int_t number(const json_t *of, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(of, name));
    return n < 0 || n > INT64_MAX / 2 ? -1 : n;
}

/* -- Memory ------------------------------------------------------------------------------------------ */

static json_int_t total(const json_t *memory)
{
    return number(memory, "size") + number(memory, "hotplugged_size");
}

static json_int_t most(const json_t *memory)
{
    return number(memory, "size") + number(memory, "hotplug_size");
}

/* Its parts are the VMM's word. Memory that came while it ran is part of `size`, and room for it stays what it was at the
 * boot. */
static bool is_memory_of(const json_t *held, const json_t *given)
{
    return number(held, "size") > 0 && number(held, "hotplugged_size") >= 0 &&
           number(held, "hotplug_size") >= 0 && total(held) == total(given) &&
           number(held, "hotplug_size") <= most(given);
}

/* -- Devices ----------------------------------------------------------------------------------------- */

static bool has_same_ids(const json_t *config, const json_t *held, const char *sort)
{
    const json_t *given = json_object_get(config, sort), *there = json_object_get(held, sort);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)given, i, item)
    {
        if (!ch_config_find(there, spec_str(item, "id")))
            return false;
    }
    return json_array_size(given) == json_array_size(there);
}

/* -- The whole ---------------------------------------------------------------------------------------- */

int ch_config_held(const char *vm, const json_t *config, const json_t *held, json_t **ret,
                   struct hm_error *err)
{
    const json_t *given = json_object_get(config, "memory"), *has = json_object_get(held, "memory");
    const json_t *cpus = json_object_get(held, "cpus");
    bool is_as_given =
        is_memory_of(has, given) &&
        number(cpus, "boot_vcpus") == number(json_object_get(config, "cpus"), "boot_vcpus") &&
        has_same_ids(config, held, "disks") && has_same_ids(config, held, "net");
    if (!is_as_given)
        return hm_fail(err, HM_E_REFUSED,
                       "vm %s: its VMM holds other processors, memory, disks or cards than harmony "
                       "gave it last; restart it first",
                       vm);
    json_t *whole = json_copy((json_t *)(uintptr_t)config), *memory = json_deep_copy(given);
    static const char *const parts[] = {"size", "hotplug_size", "hotplugged_size", NULL};
    for (size_t i = 0; parts[i]; i++) {
        json_object_del(memory, parts[i]);
        if (number(has, parts[i]) > 0)
            json_object_set_new(memory, parts[i], json_integer(number(has, parts[i])));
    }
    json_object_set_new(whole, "memory", memory);
    *ret = whole;
    return 0;
}

static void drop_of_all(json_t *list, const char *field)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        json_object_del(item, field);
    }
}

/* What a guest sees of it. */
static json_t *shape_of(const json_t *config)
{
    json_t *shape = json_deep_copy(config), *memory = json_object_get(shape, "memory");
    json_object_set_new(memory, "size", json_integer(total(memory)));
    json_object_del(memory, "hotplug_size");
    json_object_del(memory, "hotplugged_size");
    json_object_del(shape, "landlock_enable");
    json_object_del(shape, "landlock_rules");
    drop_of_all(json_object_get(shape, "disks"), "path");
    drop_of_all(json_object_get(shape, "net"), "tap");
    return shape;
}

bool ch_config_is_same_hardware(const json_t *a, const json_t *b)
{
    json_t *of_a = shape_of(a), *of_b = shape_of(b);
    bool is_same = json_equal(of_a, of_b);
    json_decref(of_a);
    json_decref(of_b);
    return is_same;
}
