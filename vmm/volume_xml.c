#include "vmm/volume_xml.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/xml.h"

char *pool_xml(const char *name, const char *dir)
{
    XML_AUTOFREE xmlDocPtr doc = xml_new("pool");
    xmlNodePtr root = xml_root(doc);
    xml_set(root, "type", "dir");
    xml_add_text(root, "name", name);
    xml_add_text(xml_add(root, "target"), "path", dir);
    return xml_print(doc);
}

char *volume_xml(const char *name, int64_t bytes, const char *format, const char *backing,
                 const char *backing_format)
{
    XML_AUTOFREE xmlDocPtr doc = xml_new("volume");
    xmlNodePtr root = xml_root(doc);
    xml_set(root, "type", "file");
    xml_add_text(root, "name", name);
    xml_set(xml_add_int(root, "capacity", bytes), "unit", "bytes");
    xml_set(xml_add_int(root, "allocation", 0), "unit", "bytes");
    xmlNodePtr target = xml_add(root, "target");
    xml_add_set(target, "format", "type", format, NULL);
    if (!strcmp(format, "qcow2")) /* libvirt's own choice can't be resized once it has snapshots */
        xml_add_text(target, "compat", "1.1");
    if (backing) {
        xmlNodePtr store = xml_add(root, "backingStore");
        xml_add_text(store, "path", backing);
        xml_add_set(store, "format", "type", backing_format, NULL);
    }
    return xml_print(doc);
}

int pool_read(const char *xml, struct pool_info *ret, struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr doc = NULL;
    int r = xml_parse(xml, &doc, err);
    if (r < 0)
        return r;
    ret->type = xml_get(xml_root(doc), "type");
    ret->dir = xml_text(xml_at(xml_root(doc), "target/path"));
    return 0;
}

void pool_info_clear(struct pool_info *info)
{
    free(info->type);
    free(info->dir);
    memset(info, 0, sizeof *info);
}
