/* The calls of the API: one table of paths, methods and bodies. */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call that was carried out answers 204 unless it says otherwise. */
static struct answer or_done(struct answer answer)
{
    return refuses(answer) ? answer : done();
}

static struct answer ping(struct vmm *v, json_t *body)
{
    (void)body;
    const char *version = version_name(v->options.version);
    char build[32];
    snprintf(build, sizeof(build), "v%s-fake", version);
    return done_with(json_pack("{sssssis[ss]}", "build_version", build, "version", version, "pid",
                               (int)getpid(), "features", "io_uring", "kvm"));
}

static struct answer end_vmm(struct vmm *v, json_t *body)
{
    (void)body;
    free(vm_delete(v).text);
    event("vmm", "shutdown", NULL);
    v->ends = true;
    return done_with_text(strdup(""));
}

static struct answer create(struct vmm *v, json_t *body)
{
    return or_done(vm_create(v, json_incref(body)));
}

static struct answer missing(const struct vmm *v)
{
    return refuse(not_there(v), "VM is not created", NULL);
}

static struct answer info(struct vmm *v, json_t *body)
{
    (void)body;
    if (!v->config)
        return missing(v);
    return done_with_text(vm_info(v));
}

static struct answer count(struct vmm *v, json_t *body)
{
    (void)body;
    return v->booted ? done_with_text(counters(v)) : refuse(500, "VM is not running", NULL);
}

static struct answer power_button(struct vmm *v, json_t *body)
{
    (void)body;
    if (!v->booted)
        return refuse(500, "VM is not running", NULL);
    guest_power_button(v);
    return done();
}

static struct answer add(struct vmm *v, json_t *body, enum device_sort sort)
{
    struct device *device;
    if (!v->config)
        return missing(v);
    struct answer answer = plug(v, sort, body, &device);
    if (refuses(answer))
        return answer;
    return device ? done_with(json_pack("{ssso}", "id", device->id, "bdf",
                                        json_sprintf("0000:00:%02x.0", device->slot)))
                  : done();
}

static struct answer add_disk(struct vmm *v, json_t *body)
{
    return add(v, body, DEVICE_DISK);
}

static struct answer add_net(struct vmm *v, json_t *body)
{
    return add(v, body, DEVICE_NET);
}

static struct answer remove_device(struct vmm *v, json_t *body)
{
    return v->config ? or_done(unplug(v, text(body, "id"))) : missing(v);
}

static struct answer resize(struct vmm *v, json_t *body)
{
    return or_done(vm_resize(v, body));
}

static struct answer enlarge_disk(struct vmm *v, json_t *body)
{
    if (!v->config)
        return missing(v);
    if (!v->booted)
        return refuse(500, "Failed resizing a disk image", NULL);
    return or_done(resize_disk(v, body, number(body, "desired_size")));
}

static struct answer snapshot(struct vmm *v, json_t *body)
{
    return or_done(vm_snapshot(v, text(body, "destination_url")));
}

static struct answer restore(struct vmm *v, json_t *body)
{
    return or_done(vm_restore(v, body));
}

#define PLAIN(call)                                                                                \
    static struct answer call(struct vmm *v, json_t *body)                                         \
    {                                                                                              \
        (void)body;                                                                                \
        return or_done(vm_##call(v));                                                              \
    }
PLAIN(boot)
PLAIN(pause_)
PLAIN(resume)
PLAIN(reboot)
PLAIN(shutdown)
PLAIN(delete)

static const struct call {
    const char *path, *method;
    const char *kind; /* of the body; NULL: there must be none */
    const char *failed;
    struct answer (*run)(struct vmm *v, json_t *body);
} calls[] = {
    {"vmm.ping", "GET", NULL, "", ping},
    {"vmm.shutdown", "PUT", NULL, "The VMM could not shutdown", end_vmm},
    {"vm.info", "GET", NULL, "The VM info is not available", info},
    {"vm.counters", "GET", NULL, "The VM info is not available", count},
    {"vm.create", "PUT", "VmConfig", "The VM could not be created", create},
    {"vm.boot", "PUT", NULL, "The VM could not boot", boot},
    {"vm.pause", "PUT", NULL, "The VM could not be paused", pause_},
    {"vm.resume", "PUT", NULL, "The VM could not resume", resume},
    {"vm.reboot", "PUT", NULL, "The VM could not reboot", reboot},
    {"vm.shutdown", "PUT", NULL, "The VM could not shutdown", shutdown},
    {"vm.delete", "PUT", NULL, "The VM could not be deleted", delete},
    {"vm.power-button", "PUT", NULL, "Error triggering power button", power_button},
    {"vm.resize", "PUT", "VmResizeData", "The VM could not be resized", resize},
    {"vm.resize-disk", "PUT", "VmResizeDiskData", "The disk could not be resized", enlarge_disk},
    {"vm.add-disk", "PUT", "DiskConfig", "The disk could not be added to the VM", add_disk},
    {"vm.add-net", "PUT", "NetConfig", "The network device could not be added to the VM", add_net},
    {"vm.remove-device", "PUT", "VmRemoveDeviceData", "The device could not be removed from the VM",
     remove_device},
    {"vm.snapshot", "PUT", "VmSnapshotConfig", "The VM could not be snapshotted", snapshot},
    {"vm.restore", "PUT", "RestoreConfig", "The VM could not be restored", restore},
};

static const struct call *call_of(const char *path)
{
    static const char root[] = "/api/v1/";
    if (strncmp(path, root, strlen(root)) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(calls[i].path, path + strlen(root)) == 0)
            return &calls[i];
    return NULL;
}

struct answer handle(struct vmm *v, const char *method, const char *path, const char *body,
                     size_t size)
{
    const struct call *call = call_of(path);
    if (!call)
        return refuse(404, "Not Found", NULL);
    if (strcmp(call->method, method) != 0 || (!call->kind && body))
        return refuse(400, "Bad Request", NULL);
    if (call->kind && !body)
        return (struct answer){400, strdup("")};
    json_t *given = NULL;
    if (call->kind) {
        struct answer answer = read_as(v, call->kind, body, size, &given);
        if (refuses(answer))
            return answer;
    }
    struct answer answer = call->run(v, given);
    json_decref(given);
    if (answer.status < 400)
        return answer;
    return within("Error from API", within(call->failed, answer));
}
