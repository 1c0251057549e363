#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "base/alloc.h"
#include "vmm/ch.h"
#include "vmm/ch_typing.h"
#include "vmm/procfs.h"
#include "vmm/vm_uuid.h"

#define PROGRAM "cloud-hypervisor"
static const char *const folders[] = {"/usr/local/sbin",
                                      "/usr/local/bin",
                                      "/usr/sbin",
                                      "/usr/bin",
                                      "/opt/cloud-hypervisor/bin",
                                      NULL};

char *ch_sockets_path(const char *runtime_dir)
{
    return hm_printf("%s/vmm", runtime_dir);
}

char *ch_socket_of(const char *sockets, const char *uuid)
{
    return hm_printf("%s/%s.sock", sockets, uuid);
}

char *ch_socket_path(const struct ch *ch, const char *key)
{
    char uuid[VM_UUID_TEXT];
    vm_uuid(ch->site, key, uuid);
    return ch_socket_of(ch->sockets, uuid);
}

char *ch_console_path(const struct ch *ch, const char *vm)
{
    return hm_printf("%s/console/%s.log", ch->image_dir, vm);
}

char *ch_plugged_path(const struct ch *ch, const char *vm)
{
    return hm_printf("%s/harmony-plugged/%s", ch->image_dir, vm);
}

static bool kernel_has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

int ch_program_find(const struct ch *ch, char **ret, struct hm_error *err)
{
    if (ch->program && access(ch->program, X_OK) < 0)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "%s can't be executed (cloud_hypervisor.program of the agent's configuration)",
            ch->program);
    if (ch->program) {
        *ret = hm_strdup(ch->program);
        return 0;
    }
    for (const char *const *f = folders; *f; f++) {
        char *path = hm_printf("%s/" PROGRAM, *f);
        if (access(path, X_OK) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    return hm_fail(
        err, HM_E_UNSUPPORTED,
        "cloud-hypervisor is not installed on this host; install its release, or name it in "
        "cloud_hypervisor.program of the agent's configuration");
}

int ch_need_loop(struct ch *ch, struct hm_error *err)
{
    pthread_mutex_lock(&ch->lock);
    int r = ch->loop ? 0 : ch_loop_new(&ch->loop, err);
    if (r >= 0 && !ch->http)
        ch->http = ch_http_new(ch->loop);
    pthread_mutex_unlock(&ch->lock);
    return r;
}

int ch_open(const struct driver_options *o, struct ch **ret, struct hm_error *err)
{
    if (!o->state_dir || !o->runtime_dir)
        return hm_fail(err, HM_E_INVALID,
                       "VMs on cloud-hypervisor need a state_dir and a runtime_dir");
    struct ch *ch = hm_alloc(sizeof *ch);
    *ch =
        (struct ch){.site = hm_strdup(o->site ? o->site : ""),
                    .records = ch_records_path(o->state_dir),
                    .sockets = ch_sockets_path(o->runtime_dir),
                    .image_dir = hm_strdup(o->image_dir ? o->image_dir : "/var/lib/libvirt/images"),
                    .boot = host_boot_id(),
                    .program = o->vmm_program ? hm_strdup(o->vmm_program) : NULL,
                    .firmware = o->vmm_firmware ? hm_strdup(o->vmm_firmware) : NULL,
                    .has_landlock = kernel_has_landlock(),
                    .talks = ch_talks_new(),
                    .on_change = o->on_change,
                    .data = o->data};
    pthread_mutex_init(&ch->lock, NULL);
    *ret = ch;
    return 0;
}

void ch_close(struct ch *ch)
{
    if (!ch)
        return;
    ch_talks_end(ch->talks);
    ch_cache_free(ch);
    ch_consoles_free(ch);
    ch_http_free(ch->http);
    ch_loop_free(ch->loop);
    json_decref(ch->between);
    pthread_mutex_destroy(&ch->lock);
    free(ch->site);
    free(ch->records);
    free(ch->sockets);
    free(ch->image_dir);
    free(ch->boot);
    free(ch->program);
    free(ch->firmware);
    free(ch);
}
