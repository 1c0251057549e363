/*
 * What QEMU answers on its monitor, as far as snapshots need it: parsed, with bounds. Pure. Thread: any.
 * Source: the QMP reference of QEMU, "query-block".
 */
#ifndef HM_VMM_QMP_REPLY_H
#define HM_VMM_QMP_REPLY_H

#include <stddef.h>

#include <jansson.h>

#include "base/error.h"

/* {"return": ...} -> its value, a new reference. {"error": {"class", "desc"}} fails with that sentence:
 * HM_E_NO_SPACE, HM_E_IO, HM_E_UNSUPPORTED, else HM_E_LIBVIRT. */
int qmp_reply_parse(const char *text, size_t len, json_t **ret, struct hm_error *err);

/* In the value of query-block: the name of the node that the device of this alias reads and writes; NULL:
 * there is none. Borrowed. */
const char *qmp_reply_node(const json_t *blocks, const char *alias);

#endif
