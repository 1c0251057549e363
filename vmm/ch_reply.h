/*
 * What a VMM (cloud-hypervisor) answers, parsed and with bounds.
 *
 * Its codes differ between versions and mean little (a 500 for everything that is not so, a 204 for the
 * deletion of nothing), so an error is told by its text; what it says is cleaned before it is shown. A
 * field that is not set is null in v50 and missing in v53: both are read alike. Counters are unsigned 64
 * bits, which jansson does not hold, so they are read by a scanner of their own. Pure. Thread: any.
 * Source: the facts as observed (docs/cloud-hypervisor.md), vmm/src/api/openapi of cloud-hypervisor.
 */
#ifndef HM_VMM_CH_REPLY_H
#define HM_VMM_CH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"

/* `what` was asked ("vm web: boot it"). 0: done. Else HM_E_VM_NOT_FOUND (the VMM holds no VM), HM_E_VM_EXISTS
 * (it holds one already), HM_E_REFUSED (the VM does not run, or runs already), HM_E_BUSY (a TAP or file is in
 * use elsewhere), HM_E_INVALID (the request is malformed), HM_E_UNSUPPORTED (it has no such call),
 * HM_E_VMM. */
int ch_reply_check(const char *what, long status, const char *text, size_t len,
                   struct hm_error *err);

enum ch_state {
    CH_STATE_NONE,    /* the VMM holds no VM */
    CH_STATE_CREATED, /* configured, or ended */
    CH_STATE_RUNNING,
    CH_STATE_PAUSED,
    CH_STATE_UNKNOWN, /* a word that this code does not know */
};

struct ch_info {
    enum ch_state state;
    json_t *config; /* as the VMM holds it; an object, or NULL */
    json_t *
        devices; /* by id, those that are there until the guest has let go of them; an object, or NULL */
    uint64_t memory_bytes; /* that the guest has; 0: not said */
};
/* The answer to vm.info, with its status: that there is no VM is an answer. *ret is to be cleared; untouched
 * on failure. */
int ch_info_parse(const char *what, long status, const char *text, size_t len, struct ch_info *ret,
                  struct hm_error *err);
void ch_info_clear(struct ch_info *info); /* zeroed is allowed */

enum { CH_VERSION_MAX = 47 };
/* "50.1-3-gabc": its numbers count, the text is for people. */
struct ch_version {
    int major, minor;
    char text[CH_VERSION_MAX + 1];
};
/* The answer to vmm.ping: one of cloud-hypervisor says its version. */
int ch_ping_parse(const char *text, size_t len, struct ch_version *ret, struct hm_error *err);
/* "cloud-hypervisor v53.0" of --version; false: it is no such line. */
bool ch_version_parse(const char *text, struct ch_version *ret);
/* HM_E_UNSUPPORTED: it is too old to be given a guest, and why. */
int ch_version_check(const struct ch_version *v, struct hm_error *err);
/* Whether it survives that a guest lets go of a qcow2 disk. */
bool ch_version_can_unplug_qcow2(const struct ch_version *v);

/* vm.counters: `visit` gets each number ("_disk0", "read_bytes", 4096). HM_E_INVALID: it is no such answer;
 * what came before was visited. */
int ch_counters_parse(const char *text, size_t len,
                      void (*visit)(void *data, const char *device, const char *name,
                                    uint64_t value),
                      void *data, struct hm_error *err);

#endif
