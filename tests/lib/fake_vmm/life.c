/* The life of the one VM: created, booted, paused, rebooted, shut down, deleted. */
#include "fake_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing is checked here, as in the real one; but the serial console is opened. */
struct answer vm_create(struct vmm *v, json_t *config)
{
    if (v->config) {
        json_decref(config);
        return refuse(500, "VM is already created", NULL);
    }
    v->config = config;
    v->state = VM_CREATED;
    return open_serial(v);
}

static struct answer readable(const char *path, const char *what)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (path && fd < 0)
        return refuse(500, what, os_error(errno), NULL);
    if (fd >= 0)
        close(fd);
    return FINE;
}

static struct answer load_payload(const json_t *config)
{
    const json_t *payload = json_object_get(config, "payload");
    struct answer answer = readable(text(payload, "kernel"), "Cannot open kernel file");
    if (!refuses(answer))
        answer = readable(text(payload, "initramfs"), "Cannot open initramfs file");
    return refuses(answer)
               ? answer
               : readable(text(payload, "firmware"), "Error manipulating firmware file");
}

static struct answer start_vm(struct vmm *v)
{
    struct answer answer = v->serial < 0 ? open_serial(v) : FINE;
    if (!refuses(answer))
        answer = open_devices(v);
    if (!refuses(answer))
        answer = load_payload(v->config);
    if (refuses(answer)) {
        close_devices(v);
        return answer;
    }
    v->booted = true;
    v->state = VM_RUNNING;
    v->booted_memory = total_memory(v->config);
    guest_boot(v);
    return FINE;
}

struct answer vm_boot(struct vmm *v)
{
    if (v->booted)
        return refuse(500,
                      v->options.version < 53 ? "invalid VM state transition: Running to Running"
                                              : "VM is already created",
                      NULL);
    event("vm", "booting", NULL);
    if (!v->config)
        return refuse(not_there(v), "VM config is missing", NULL);
    struct answer answer = validate(v, v->config);
    if (!refuses(answer))
        answer = start_vm(v);
    if (!refuses(answer))
        event("vm", "booted", NULL);
    return answer;
}

static struct answer not_running(void)
{
    return refuse(500, "VM is not running", NULL);
}

static void stop_vm(struct vmm *v)
{
    guest_stop(v);
    close_devices(v);
    close_serial(v);
    v->booted = false;
    v->state = VM_CREATED;
}

struct answer vm_shutdown(struct vmm *v)
{
    if (!v->booted)
        return not_running();
    stop_vm(v);
    event("vm", "shutdown", NULL);
    return FINE;
}

struct answer vm_reboot(struct vmm *v)
{
    event("vm", "rebooting", NULL);
    if (!v->booted)
        return refuse(not_there(v), "VM is not created", NULL);
    stop_vm(v);
    struct answer answer = start_vm(v);
    if (!refuses(answer))
        event("vm", "rebooted", NULL);
    return answer;
}

struct answer vm_delete(struct vmm *v)
{
    if (!v->config)
        return FINE;
    if (v->booted)
        free(vm_shutdown(v).text);
    close_serial(v);
    json_decref(v->config);
    v->config = NULL;
    event("vm", "deleted", NULL);
    return FINE;
}

static struct answer no_transition(const char *outer, const char *inner, const char *from)
{
    char what[100];
    snprintf(what, sizeof(what), "Invalid transition: InvalidStateTransition(%s, %s)", from, from);
    return refuse(500, outer, inner, what, NULL);
}

struct answer vm_pause_(struct vmm *v)
{
    if (!v->booted)
        return not_running();
    event("vm", "pausing", NULL);
    if (v->state == VM_PAUSED)
        return no_transition("Cannot pause VM", "Failed to pause migratable component", "Paused");
    v->state = VM_PAUSED;
    guest_pause(v);
    event("vm", "paused", NULL);
    return FINE;
}

struct answer vm_resume(struct vmm *v)
{
    if (!v->booted)
        return not_running();
    event("vm", "resuming", NULL);
    if (v->state == VM_RUNNING)
        return no_transition("Cannot resume VM", "Failed to resume migratable component",
                             "Running");
    v->state = VM_RUNNING;
    guest_resume(v);
    event("vm", "resumed", NULL);
    return FINE;
}

char *vm_info(const struct vmm *v)
{
    static const char *const states[] = {"Created", "Running", "Paused"};
    json_t *info = json_pack("{sOsssI}", "config", v->config, "state", states[v->state],
                             "memory_actual_size", (json_int_t)total_memory(v->config));
    if (v->booted)
        json_object_set_new(info, "device_tree", device_tree(v));
    char *rendered = json_dumps(info, JSON_COMPACT);
    json_decref(info);
    return rendered;
}
