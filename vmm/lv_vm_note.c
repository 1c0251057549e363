/* The run note of a VM (vmm/run_note.h), written into its definition. Thread: any. */
#include <stdlib.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "vmm/lv_vm.h"
#include "vmm/run_note.h"

int lv_vm_keep_note(struct lv *lv, const struct order *o, virDomainPtr dom,
                    const struct run_note *kept, struct hm_error *err)
{
    if (o->run.state == RUN_NONE || run_note_is_same(&o->run, kept))
        return 0;
    HM_AUTOFREE char *element = run_note_element(&o->run);
    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, RUN_NOTE_PREFIX,
                             RUN_NOTE_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG) < 0)
        return lv_fail(lv, err, "vm %s: note that it was %s", o->name,
                       run_state_name(o->run.state));
    return 0;
}

int lv_vm_note(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int r = lv_find_our_domain(lv, o, &dom, &info, err);
    if (r == 0)
        r = lv_fail_absent(o, err);
    else if (r > 0)
        r = lv_vm_keep_note(lv, o, dom, &info.run, err);
    domain_info_clear(&info);
    if (dom)
        lv_touch_domain(lv, dom);
    return r;
}
