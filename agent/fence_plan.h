/*
 * The compiled plan: how the guardian ends this site's workload without asking anybody.
 *
 * A VM is named by a word on the command line of its process that no other has: the UUID that libvirt gives QEMU
 * (`-uuid`), or the socket of a cloud-hypervisor (`--api-socket path=...`), which is named after the UUID. Not by its name: a
 * stranger may have a VM of that name, and what libvirt writes after `-name` has changed over time. What a document will be
 * made of carries a UUID that follows from site and key (vmm/vm_uuid.h), so it is in the plan before it
 * exists, and libvirt may start it as late as it likes. The rest is the operator's (`guardian.fence`).
 * Equal plans have equal numbers, in every run. Pure. Thread: one at a time.
 */
#ifndef HM_AGENT_FENCE_PLAN_H
#define HM_AGENT_FENCE_PLAN_H

#include <stdbool.h>

#include "agent/config_guardian.h"
#include "base/buf.h"
#include "base/error.h"
#include "proto/vip.h"

/* Zeroed is empty and valid for fence_plan_clear(). */
struct fence_plan {
    struct hm_buf text; /* struct guard_plan and its entries, once it is ended */
};

/* What it held is freed. */
void fence_plan_begin(struct fence_plan *p, const struct guardian_config *config);
void fence_plan_add_vip(struct fence_plan *p, const struct vip_address *address);
void fence_plan_add_vm(struct fence_plan *p, const char *word); /* once each */
/* A link that is set down when the kill can't be verified: a TAP of such a VM. */
void fence_plan_add_link(struct fence_plan *p, const char *name);
/* Fails when it is larger than the guardian takes. */
int fence_plan_end(struct fence_plan *p, struct hm_error *err);
void fence_plan_clear(struct fence_plan *p);

/* Of a plan that was ended; the header is the client's to fill in (agent/guard.h). */
struct guard_plan *fence_plan_message(const struct fence_plan *p);
uint64_t fence_plan_number(const struct fence_plan *p); /* 0: it was never ended */
bool fence_plan_has_vm(const struct fence_plan *p, const char *word);

#endif
