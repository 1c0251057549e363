/*
 * Inside the libvirt driver: disks of running guests that fail.
 *
 * QEMU stops a guest whose disk has no room on the host (or whose definition says so for other errors); which disk
 * that is libvirt can be asked at any time, also by an agent that was not there then. Any other error the guest is
 * told, and runs on: of that there is an event and nothing else, so the first one of each disk is remembered until
 * the guest is off. Nobody resumes a guest for that: it would only fail again while the host is as it was.
 */
#ifndef HM_VMM_LV_FAULT_H
#define HM_VMM_LV_FAULT_H

#include "vmm/domain_xml.h"
#include "vmm/lv.h"

/* The guest was told that a request to this file failed. Whether that is news. Thread: any. */
bool lv_fault_note(struct lv *lv, virDomainPtr dom, const char *path);
void lv_faults_forget(struct lv *lv, virDomainPtr dom); /* it is off */
void lv_faults_clear(struct lv *lv); /* at the end: nobody else has it any more */

/* What ails the disks of a domain. Observing thread. */
struct lv_fault_look {
    const struct domain_info *live; /* without a name: it is off */
    int64_t stopped_ms; /* wall clock when QEMU was seen to have stopped it; 0: it has not */
};
void lv_faults_read(struct lv *lv, virDomainPtr dom, const struct lv_fault_look *look,
                    struct thing_fault *ret);
/* Of a fault that stands still: for `reason` of its thing. */
char *lv_fault_reason(const struct thing_fault *fault);

#endif
