/* Inside the libvirt driver: what the files about VMs share. Thread: any. */
#ifndef HM_VMM_LV_VM_H
#define HM_VMM_LV_VM_H

#include "vmm/lv.h"

/* 1: found; 0: absent. */
int lv_find_domain(struct lv *lv, const char *name, virDomainPtr *ret, struct hm_error *err);
int lv_read_domain(struct lv *lv, virDomainPtr dom, unsigned flags, struct domain_info *ret,
                   struct hm_error *err);
/* 1: there and ours (HM_E_CONFLICT if not); 0: absent. *info is to be cleared in every case. */
int lv_find_our_domain(struct lv *lv, const struct order *o, virDomainPtr *ret,
                       struct domain_info *info, struct hm_error *err);

/* kvm, qemu or test: what a domain of this spec is on this host now. */
const char *lv_domain_type(const struct lv *lv, const json_t *spec);

/* Stop it hard, and wait until libvirt says that it is off. One that is off is fine. */
int lv_vm_destroy(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err);

/* SIGKILL to its process, before libvirt is asked for anything that waits for it. Where the process
 * can't be seen nothing is done: lv_vm_destroy() has to do. */
int lv_vm_kill_process(struct lv *lv, const struct order *o, virDomainPtr dom,
                       struct hm_error *err);

/* VIR_DOMAIN_..., or < 0. An absent domain is shut off. */
int lv_vm_state(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err);

/* Make what runs as its definition says, as far as that can be done while it runs (vmm/hot.h). */
int lv_vm_change_running(struct lv *lv, const struct order *o, virDomainPtr dom,
                         struct hm_error *err);

int lv_vm_create(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_start(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_stop(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_kill(struct lv *lv, const struct order *o, struct hm_error *err);
/* driver.kill_seen */
int lv_vm_kill_seen(const struct driver_options *options, const struct order *o,
                    struct hm_error *err);
int lv_vm_pause(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_resume(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_reboot(struct lv *lv, const struct order *o, struct hm_error *err);
/* Write o->run into the definition, unless that has it (`kept`) or the order gives none. */
int lv_vm_keep_note(struct lv *lv, const struct order *o, virDomainPtr dom,
                    const struct run_note *kept, struct hm_error *err);
/* An operation (lv_guest_agent.c). */
int lv_guest_ping(void *self, const struct driver_call *call, struct driver_result *ret,
                  struct hm_error *err);
int lv_vm_note(struct lv *lv, const struct order *o, struct hm_error *err);
int lv_vm_verify_stopped(struct lv *lv, const struct order *o, struct hm_error *err);

#endif
