/* Disks and cards of a booted VM: named, placed on the bus, plugged in and let go of. */
#include "fake_vmm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *list, *prefix;
} sorts[] = {[DEVICE_DISK] = {"disks", "_disk"}, [DEVICE_NET] = {"net", "_net"}};

/* The console comes first, if there is one, then the random numbers. */
static unsigned first_slot(const struct vmm *v)
{
    const char *console = text(json_object_get(v->config, "console"), "mode");
    return strcmp(console, "Off") == 0 ? 2 : 3;
}

static unsigned free_slot(const struct vmm *v)
{
    for (unsigned slot = first_slot(v);; slot++) {
        bool taken = false;
        for (size_t i = 0; i < v->device_count; i++)
            taken = taken || v->devices[i].slot == slot;
        if (!taken)
            return slot;
    }
}

/* The real one names what has no name, and its configuration says so from then on. */
static const char *name_device(struct vmm *v, enum device_sort sort, json_t *config)
{
    if (!text(config, "id"))
        json_object_set_new(config, "id", json_sprintf("%s%u", sorts[sort].prefix, v->next_id++));
    return text(config, "id");
}

static struct answer open_device(struct vmm *v, enum device_sort sort, json_t *config, bool booting)
{
    if (v->device_count == DEVICES_MAX)
        die("more than %d devices", DEVICES_MAX);
    struct device *device = &v->devices[v->device_count];
    *device = (struct device){.sort = sort, .slot = free_slot(v)};
    snprintf(device->id, sizeof(device->id), "%s", name_device(v, sort, config));
    struct answer answer;
    if (sort == DEVICE_DISK) {
        answer = open_disk(v, config, booting, &device->fds[0]);
        device->fd_count = !refuses(answer);
    } else
        answer = open_tap(config, device);
    v->device_count += !refuses(answer);
    return answer;
}

struct answer open_devices(struct vmm *v)
{
    for (enum device_sort sort = DEVICE_DISK; sort <= DEVICE_NET; sort++) {
        json_t *config;
        size_t i;
        json_array_foreach(json_object_get(v->config, sorts[sort].list), i, config)
        {
            struct answer answer = open_device(v, sort, config, true);
            if (refuses(answer))
                return answer;
        }
    }
    return FINE;
}

void close_device(struct vmm *v, struct device *device)
{
    for (size_t i = 0; i < device->fd_count; i++)
        close(device->fds[i]);
    *device = v->devices[--v->device_count];
}

void close_devices(struct vmm *v)
{
    while (v->device_count)
        close_device(v, &v->devices[v->device_count - 1]);
    v->next_id = 0;
}

static struct answer check_added(const struct vmm *v, enum device_sort sort, const json_t *config)
{
    json_t *copy = json_deep_copy(v->config), *list = json_object_get(copy, sorts[sort].list);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(copy, sorts[sort].list, list);
    }
    json_array_append_new(list, json_deep_copy(config));
    struct answer answer = validate(v, copy);
    json_decref(copy);
    return answer;
}

static void add_to_config(struct vmm *v, enum device_sort sort, json_t *config)
{
    if (!json_is_array(json_object_get(v->config, sorts[sort].list)))
        json_object_set_new(v->config, sorts[sort].list, json_array());
    json_array_append(json_object_get(v->config, sorts[sort].list), config);
}

/* `*ret`: NULL when nothing runs yet, and it will be there at the next boot. */
struct answer plug(struct vmm *v, enum device_sort sort, json_t *config, struct device **ret)
{
    *ret = NULL;
    struct answer answer = check_added(v, sort, config);
    if (!refuses(answer) && v->booted)
        answer = open_device(v, sort, config, false);
    if (refuses(answer))
        return answer;
    add_to_config(v, sort, config);
    *ret = v->booted ? &v->devices[v->device_count - 1] : NULL;
    return FINE;
}

static bool take_from_config(struct vmm *v, const char *id)
{
    for (size_t sort = 0; sort < 2; sort++) {
        json_t *list = json_object_get(v->config, sorts[sort].list), *one;
        size_t i;
        json_array_foreach(list, i, one) if (text(one, "id") && strcmp(text(one, "id"), id) == 0)
        {
            json_array_remove(list, i);
            return true;
        }
    }
    return false;
}

struct answer no_such_device(const struct vmm *v, const char *id)
{
    static const char said[] = "Failed to find device corresponding to the given identifier";
    char what[200];
    snprintf(what, sizeof(what), "%s: %.64s", said, id);
    return refuse(500, "Error from device manager", v->options.version < 53 ? said : what, NULL);
}

/* A disk's lock is dropped when it is asked for; the rest when the guest has let go. */
struct answer unplug(struct vmm *v, const char *id)
{
    char what[128];
    snprintf(what, sizeof(what), "No device with id \"%.64s\" to remove", id);
    if (!v->booted)
        return take_from_config(v, id) ? FINE : refuse(500, what, NULL);
    struct device *found = NULL;
    for (size_t i = 0; i < v->device_count; i++)
        found = strcmp(v->devices[i].id, id) == 0 ? &v->devices[i] : found;
    if (!found || !take_from_config(v, id))
        return no_such_device(v, id);
    found->unplugging = true;
    guest_device_asked_back(v);
    return FINE;
}

/* v50 to v52 sync a qcow2 image then, which their own seccomp filter does not let them do in that thread. */
static void end_by_seccomp(const struct vmm *v, const struct device *device)
{
    if (v->options.version < 53 && device->sort == DEVICE_DISK && is_qcow2(device->fds[0]))
        kill(getpid(), SIGSYS);
}

void eject_unplugged(struct vmm *v)
{
    for (size_t i = v->device_count; i-- > 0;)
        if (v->devices[i].unplugging) {
            event("vm", "device-removed",
                  json_pack("{ssso}", "id", v->devices[i].id, "bdf",
                            json_sprintf("0000:00:%02x.0", v->devices[i].slot)));
            end_by_seccomp(v, &v->devices[i]);
            close_device(v, &v->devices[i]);
        }
}

json_t *device_tree(const struct vmm *v)
{
    json_t *tree = json_object();
    for (size_t i = 0; i < v->device_count; i++) {
        const struct device *device = &v->devices[i];
        json_t *parent = json_sprintf("_virtio-pci-%s", device->id);
        const char *parent_id = json_string_value(parent);
        json_object_set_new(tree, parent_id,
                            json_pack("{ss s[] s[s] so}", "id", parent_id, "resources", "children",
                                      device->id, "pci_bdf",
                                      json_sprintf("0000:00:%02x.0", device->slot)));
        json_object_set_new(tree, device->id,
                            json_pack("{ss s[] ss s[]}", "id", device->id, "resources", "parent",
                                      parent_id, "children"));
        json_decref(parent);
    }
    return tree;
}

/* Text and not an object: the least of nothing is 2^64-1, which no JSON library of C writes. */
char *counters(const struct vmm *v)
{
    char *body = NULL;
    size_t size;
    FILE *out = open_memstream(&body, &size);
    fputc('{', out);
    for (size_t i = 0; i < v->device_count; i++) {
        fprintf(out, "%s\"%s\":", i ? "," : "", v->devices[i].id);
        if (v->devices[i].sort == DEVICE_DISK)
            fputs("{\"read_bytes\":0,\"read_ops\":0,\"read_latency_min\":18446744073709551615,"
                  "\"read_latency_max\":18446744073709551615,"
                  "\"read_latency_avg\":1844674407370955,"
                  "\"write_bytes\":0,\"write_ops\":0,\"write_latency_min\":18446744073709551615,"
                  "\"write_latency_max\":18446744073709551615,"
                  "\"write_latency_avg\":1844674407370955}",
                  out);
        else
            fputs("{\"rx_bytes\":0,\"rx_frames\":0,\"tx_bytes\":0,\"tx_frames\":0}", out);
    }
    fputc('}', out);
    fclose(out);
    return body;
}
