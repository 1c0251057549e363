#include "tests/bench/bench_domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/domain_xml.h"
#include "vmm/mark.h"

struct doc bench_document(unsigned long number)
{
    HM_AUTOFREE char *key = hm_printf("site-a.vm.vm%lu", number);
    HM_AUTOFREE char *spec = hm_printf(BENCH_SPEC_FORMAT, number);
    struct doc doc = {0};
    struct hm_error err;
    if (doc_from_value(key, spec, strlen(spec), &doc, &err) < 0) {
        fprintf(stderr, "bench: %s\n", err.text);
        exit(1);
    }
    return doc;
}

char *bench_domain_xml(const struct doc *doc)
{
    char key[DOC_KEY_MAX + 1];
    doc_key(doc, key);
    struct order order = {
        .kind = "vm", .name = doc->name, .key = key, .site = "site-a", .spec = doc->spec};
    struct vm_disks none = {0};
    struct vm_build build = {
        .name = doc->name, .type = "test", .arch = "i686", .spec = doc->spec, .disks = &none};
    struct mark mark;
    mark_of_order(&order, &mark);
    char *xml = domain_xml(&build, &mark);
    mark_clear(&mark);
    return xml;
}
