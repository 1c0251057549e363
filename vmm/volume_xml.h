/*
 * Directory pools and their volumes as libvirt's XML. Pure. Thread: any.
 * Source: https://libvirt.org/formatstorage.html
 */
#ifndef HM_VMM_VOLUME_XML_H
#define HM_VMM_VOLUME_XML_H

#include <stdint.h>

#include "base/error.h"

/* The caller frees the texts. */
char *pool_xml(const char *name, const char *dir);
/* Sparse; on top of the file `backing` of that format, unless it is NULL. */
char *volume_xml(const char *name, int64_t bytes, const char *format, const char *backing,
                 const char *backing_format);

struct pool_info {
    char *type; /* dir, fs, netfs, logical, ... */
    char *dir;  /* <target><path> */
};
int pool_read(const char *xml, struct pool_info *ret, struct hm_error *err);
void pool_info_clear(struct pool_info *info);

#endif
