/*
 * What the drivers need of libxml2: build a tree, print it; parse a tree, walk it.
 *
 * Everything that goes in is escaped by libxml2; text that XML can't hold (control characters) is
 * refused by xml_check_text(), which is called on every text of a spec before a tree is built.
 * Parsing reads no external entity and no network, and at most XML_MAX_BYTES. Thread: any
 * (xml_setup() first).
 */
#ifndef HM_VMM_XML_H
#define HM_VMM_XML_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <libxml/tree.h>

#include "base/error.h"

enum { XML_MAX_BYTES = 8 * 1024 * 1024 };

void xml_setup(void); /* once per process; repeating it is harmless */

/* Every text in a spec, at any depth, can stand in an XML document. */
int xml_check_text(const json_t *spec, struct hm_error *err);

/* -- Building. Allocation failure aborts, so nothing returns NULL. */
xmlDocPtr xml_new(const char *root);
xmlNodePtr xml_root(xmlDocPtr doc);
xmlNodePtr xml_add(xmlNodePtr parent, const char *name);
xmlNodePtr xml_add_text(xmlNodePtr parent, const char *name, const char *text);
xmlNodePtr xml_add_int(xmlNodePtr parent, const char *name, int64_t value);
void xml_set(xmlNodePtr node, const char *attribute, const char *value);
void xml_set_int(xmlNodePtr node, const char *attribute, int64_t value);
/* One element with attributes in pairs, ending in NULL: xml_add_set(n, "target", "dev", "vda",
 * NULL). */
xmlNodePtr xml_add_set(xmlNodePtr parent, const char *name, ...) __attribute__((sentinel));
char *xml_print(xmlDocPtr doc); /* the caller frees it */

/* -- Reading. */
int xml_parse(const char *text, xmlDocPtr *ret_doc, struct hm_error *err);
void xml_free(xmlDocPtr *doc); /* for cleanup attributes; NULL inside is allowed */
#define XML_AUTOFREE __attribute__((cleanup(xml_free)))

/* The first element at `path` ("os/type") below the node, or NULL; a NULL node gives NULL. */
xmlNodePtr xml_at(xmlNodePtr node, const char *path);
/* The next sibling of the same name, or NULL. */
xmlNodePtr xml_next(xmlNodePtr node);
/* Attribute or text, as the caller's own copy; NULL when absent. A NULL node gives NULL. */
char *xml_get(xmlNodePtr node, const char *attribute);
char *xml_text(xmlNodePtr node);
int64_t xml_int(xmlNodePtr node, int64_t fallback); /* the text as a number */

#endif
