/*
 * Networks as libvirt's XML: built from a network spec, and read back. Pure. Thread: any.
 * Source: https://libvirt.org/formatnetwork.html
 */
#ifndef HM_VMM_NETWORK_XML_H
#define HM_VMM_NETWORK_XML_H

#include <stdbool.h>

#include "vmm/driver.h"
#include "vmm/mark.h"

/* `uuid`: of the network that is redefined, or NULL. The mark goes in, and mark->made is set to the
 * XML's shape. The caller frees the text. */
char *network_xml(const char *name, const char *uuid, const json_t *spec, struct mark *mark);

struct network_info {
    char *name, *uuid;
    bool marked;
    struct mark mark;
    json_t *shape;   /* vmm/shape.h */
    json_t *details; /* bridge, mode, address */
};
int network_read(const char *xml, struct network_info *ret, struct hm_error *err);
void network_info_clear(struct network_info *info);

#endif
