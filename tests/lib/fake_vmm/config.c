/* What is checked of a configuration, when it is booted and when a device is added. */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

uint64_t total_memory(const json_t *config)
{
    return number(json_object_get(config, "memory"), "size");
}

static struct answer invalid(const char *what)
{
    return refuse(500, "Failed to validate config", what, NULL);
}

static struct answer validate_payload(const json_t *payload)
{
    const char *firmware = text(payload, "firmware"), *kernel = text(payload, "kernel");
    const char *what = NULL;
    if (firmware && kernel)
        what = "Specifying a kernel is not supported when a firmware is provided";
    if (!firmware && !kernel)
        what = "No bootitem provided: neither firmware nor kernel";
    return what ? refuse(500, "Failed to validate config", "Payload configuration is not bootable",
                         what, NULL)
                : FINE;
}

static struct answer validate_consoles(const json_t *config)
{
    static const char *const consoles[] = {"console", "serial"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *one = json_object_get(config, consoles[i]);
        if (strcmp(text(one, "mode"), "File") == 0 && !text(one, "file"))
            return invalid("Path missing when using file console mode");
    }
    return FINE;
}

static struct answer validate_ids(const json_t *config)
{
    static const char *const lists[] = {"disks", "net"};
    json_t *seen = json_object(), *device;
    struct answer answer = FINE;
    size_t at;
    for (size_t i = 0; i < 2; i++)
        json_array_foreach(json_object_get(config, lists[i]), at, device)
        {
            const char *id = text(device, "id");
            char what[128];
            if (id && json_object_get(seen, id) && !refuses(answer)) {
                snprintf(what, sizeof(what), "Identifier %.64s is not unique", id);
                answer = invalid(what);
            }
            if (id)
                json_object_set_new(seen, id, json_true());
        }
    json_decref(seen);
    return answer;
}

static struct answer refuse_queues(const struct vmm *v, uint64_t queues, uint64_t vcpus)
{
    char what[100];
    if (queues < 2)
        snprintf(what, sizeof(what), "Number of queues (%lu) to virtio_net should be higher than 2",
                 queues);
    else
        snprintf(what, sizeof(what), "Queue count (%lu) must not exceed boot vCPUs (%lu)", queues,
                 vcpus);
    if (v->options.version >= 53)
        return invalid(what);
    return invalid(queues < 2 ? "Number of queues to virtio_net less than 2"
                              : "Number of vCPUs is insufficient for number of queues");
}

static struct answer validate_queues(const struct vmm *v, const json_t *config)
{
    uint64_t vcpus = number(json_object_get(config, "cpus"), "boot_vcpus");
    json_t *net;
    size_t i;
    json_array_foreach(json_object_get(config, "net"), i, net)
    {
        uint64_t queues = number(net, "num_queues");
        if (queues < 2 || queues / 2 > vcpus)
            return refuse_queues(v, queues, vcpus);
    }
    return FINE;
}

static struct answer validate_cpus(const struct vmm *v, const json_t *cpus)
{
    char what[100];
    uint64_t boot = number(cpus, "boot_vcpus"), most = number(cpus, "max_vcpus");
    if (most >= boot)
        return FINE;
    snprintf(what, sizeof(what), "Max CPUs (%lu) lower than boot CPUs (%lu)", most, boot);
    return invalid(v->options.version < 53 ? "Max CPUs lower than boot CPUs" : what);
}

struct answer validate(const struct vmm *v, const json_t *config)
{
    struct answer answer = validate_payload(json_object_get(config, "payload"));
    if (!refuses(answer))
        answer = validate_consoles(config);
    if (!refuses(answer))
        answer = validate_cpus(v, json_object_get(config, "cpus"));
    if (!refuses(answer))
        answer = validate_queues(v, config);
    return refuses(answer) ? answer : validate_ids(config);
}
