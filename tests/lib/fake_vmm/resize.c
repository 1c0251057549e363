/* vcpus and memory, within what the configuration allows. */
#include "fake_vmm.h"

#include <stdlib.h>

static const uint64_t STEP = 128 << 20; /* of ACPI memory */

static struct answer resize_vcpus(json_t *cpus, uint64_t wanted)
{
    if (wanted > number(cpus, "max_vcpus"))
        return refuse(500, "Error from CPU manager", "Requested vCPUs exceed maximum", NULL);
    if (wanted == 0)
        return refuse(500, "Error from CPU manager", "Requested zero vCPUs", NULL);
    json_object_set_new(cpus, "boot_vcpus", json_integer((json_int_t)wanted));
    return FINE;
}

/* Shrinking is taken, and shows at the next boot. `v->booted_memory` is what it can't go below. */
static struct answer resize_memory(const struct vmm *v, json_t *memory, uint64_t wanted)
{
    uint64_t now = number(memory, "size");
    uint64_t most = v->booted_memory + number(memory, "hotplug_size");
    if (wanted > now && wanted > most)
        return refuse(500, "Memory manager error", "Not enough space in the hotplug RAM region",
                      NULL);
    if (wanted > now && (wanted - now) % STEP)
        return refuse(500, "Memory manager error",
                      "The requested hotplug memory addition is "
                      "not a valid size",
                      NULL);
    json_object_set_new(memory, "size", json_integer((json_int_t)wanted));
    return FINE;
}

struct answer vm_resize(struct vmm *v, const json_t *wanted)
{
    if (!v->config)
        return refuse(not_there(v), "VM is not created", NULL);
    json_t *cpus = json_object_get(v->config, "cpus"),
           *memory = json_object_get(v->config, "memory");
    if (v->booted)
        event("vm", "resizing", NULL);
    if (number(wanted, "desired_vcpus") ||
        json_is_integer(json_object_get(wanted, "desired_vcpus"))) {
        struct answer answer = resize_vcpus(cpus, number(wanted, "desired_vcpus"));
        if (refuses(answer))
            return answer;
    }
    if (number(wanted, "desired_ram")) {
        struct answer answer = resize_memory(v, memory, number(wanted, "desired_ram"));
        if (refuses(answer))
            return answer;
    }
    if (v->booted)
        event("vm", "resized", NULL);
    return FINE;
}
