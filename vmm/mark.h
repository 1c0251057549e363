/*
 * The mark: how a thing says that harmony made it, from which document, and with which spec.
 *
 * In domains and networks it is an element of our own namespace in libvirt's <metadata>; volumes,
 * which have no metadata in libvirt, carry the same four values in a JSON file beside them
 * (docs/adr/0010-volume-marks.md). Pure. Thread: any.
 */
#ifndef HM_VMM_MARK_H
#define HM_VMM_MARK_H

#include <libxml/tree.h>

#include "base/error.h"
#include "proto/field.h"
#include "vmm/driver.h"

#define MARK_NAMESPACE "urn:harmony:mark:1"
#define MARK_PREFIX    "harmony"

struct mark {
    char *site, *key, *hash;
    json_t *spec; /* in normal form, as applied */
    json_t *made; /* the shape of what was written (vmm/shape.h), to notice drift; may be NULL */
};

/* From an order (texts copied, the spec referenced, its hash computed); `made` is NULL. */
void mark_of_order(const struct order *o, struct mark *ret);
void mark_clear(struct mark *m); /* frees what it holds; NULL and zeroed are allowed */

/* Put the mark into a <metadata> child of `root`. */
void mark_to_xml(const struct mark *m, xmlNodePtr root);
/* The element alone and without a namespace, as virDomainSetMetadata() wants it (it puts the
 * namespace in); the caller frees it. */
char *mark_element(const struct mark *m);
/* Read it from a domain's or network's root element; `fields` are those of its spec. 1: found; 0: none; one that can't
 * be understood is found with spec NULL. What was read has the form of a spec (proto/field.h), `made` is texts. */
int mark_from_xml(xmlNodePtr root, const struct field *fields, struct mark *ret);

json_t *mark_to_json(const struct mark *m); /* a new reference */
int mark_from_json(const json_t *json, const struct field *fields, struct mark *ret,
                   struct hm_error *err);

/*
 * May this order touch a thing that carries `m` (NULL: carries none)? 0, or HM_E_CONFLICT with a
 * sentence; for a thing without a mark that an order with a spec finds in its place, HM_E_VM_EXISTS and the like. Ours is what has our site and this document's key; a spec with `adopt` takes over
 * anything but what another site made.
 */
int mark_check(const struct mark *m, const struct order *o, struct hm_error *err);

/* The same for stopping and removing: `adopt` permits neither. */
int mark_check_ours(const struct mark *m, const struct order *o, struct hm_error *err);

#endif
