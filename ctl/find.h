/*
 * The document that a command's KIND NAME means, among those that are declared. One at a time.
 */
#ifndef HM_CTL_FIND_H
#define HM_CTL_FIND_H

#include "ctl/entry.h"
#include "proto/doc.h"

/* `docs`: the last entries of the kind (filter "*.<kind>.*"). `where`: NULL, or which of several. The
 * entry is borrowed from `docs`; its place is copied to `ret_where` (may be NULL). HM_E_NOT_FOUND
 * names the nearest one, HM_E_INVALID the places of several. */
int find_document(const struct entries *docs, const char *kind, const char *name, const char *where,
                  const struct entry **ret, char ret_where[DOC_NAME_MAX + 1], struct hm_error *err);

#endif
