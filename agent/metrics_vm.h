/*
 * What VMs use, as metrics and for `harmonyctl top`: made of the tables in vmm/vm_stats.h. Pure. Thread: any.
 */
#ifndef HM_AGENT_METRICS_VM_H
#define HM_AGENT_METRICS_VM_H

#include <jansson.h>

#include "base/buf.h"
#include "vmm/vm_stats.h"

/* Every family harmony_vm_..., with a sample for each VM that has it. */
void metrics_vm_text(const struct vm_stats_list *stats, struct hm_buf *out);
/* [{"vm", ...}]: a new reference. */
json_t *metrics_vm_json(const struct vm_stats_list *stats);

#endif
