/*
 * A shape: what matters to us of a thing's XML, as a flat object of texts ("memory": "524288 KiB").
 *
 * The XML that libvirt gives back is not the one it was given: it fills in addresses, aliases,
 * models. So drift is looked for by comparing two shapes, that of the XML we would write and that
 * of the one that is there; what libvirt added, or a newer libvirt adds, is in neither. Pure.
 * Thread: any.
 */
#ifndef HM_VMM_SHAPE_H
#define HM_VMM_SHAPE_H

#include <libxml/tree.h>

#include "vmm/driver.h"

/* Put a text under a key made by printf; a NULL text is left out. */
void shape_set(json_t *shape, const char *text, const char *key_fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* In words, the differences (the first three and how many more): "memory is 1048576 KiB, was made
 * as 524288 KiB". NULL: none. The caller frees it. */
char *shape_difference(const json_t *made, const json_t *found);

#endif
