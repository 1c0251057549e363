#include "vmm/mark.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "proto/field.h"
#include "vmm/xml.h"

#define X(text) ((const xmlChar *)(text))

void mark_of_order(const struct order *o, struct mark *ret)
{
    char hash[DOC_HASH_TEXT];
    spec_hash(o->spec, hash);
    *ret = (struct mark){
        .site = hm_strdup(o->site),
        .key = hm_strdup(o->key),
        .hash = hm_strdup(hash),
        .spec = json_incref((json_t *)(uintptr_t)o->spec),
    };
}

void mark_clear(struct mark *m)
{
    if (!m)
        return;
    free(m->site);
    free(m->key);
    free(m->hash);
    json_decref(m->spec);
    json_decref(m->made);
    memset(m, 0, sizeof *m);
}

/* Plain ASCII: whatever the JSON holds, XML can hold it. */
static void add_json(xmlNodePtr parent, const char *name, const json_t *json)
{
    HM_AUTOFREE char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (text)
        xml_add_text(parent, name, text); /* in the parent's namespace, if it has one */
}

static void fill(xmlNodePtr node, const struct mark *m)
{
    xml_set(node, "site", m->site);
    xml_set(node, "key", m->key);
    xml_set(node, "hash", m->hash);
    add_json(node, "spec", m->spec);
    if (m->made)
        add_json(node, "made", m->made);
}

void mark_to_xml(const struct mark *m, xmlNodePtr root)
{
    xmlNodePtr node = xml_add(xml_add(root, "metadata"), "mark");
    xmlSetNs(node, xmlNewNs(node, X(MARK_NAMESPACE), X(MARK_PREFIX)));
    fill(node, m);
}

char *mark_element(const struct mark *m)
{
    XML_AUTOFREE xmlDocPtr doc = xml_new("mark");
    fill(xml_root(doc), m);
    xmlBufferPtr out = xmlBufferCreate();
    xmlNodeDump(out, doc, xml_root(doc), 0, 0);
    char *text = hm_strdup((const char *)xmlBufferContent(out));
    xmlBufferFree(out);
    return text;
}

static bool is_mark(const xmlNode *node)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           !strcmp((const char *)node->ns->href, MARK_NAMESPACE) &&
           !strcmp((const char *)node->name, "mark");
}

static json_t *json_at(xmlNodePtr node, const char *name)
{
    HM_AUTOFREE char *text = xml_text(xml_at(node, name));
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static bool are_texts(const json_t *made)
{
    const char *key;
    json_t *text;
    bool are = true;
    json_object_foreach((json_t *)(uintptr_t)made, key, text)
    {
        are = are && json_is_string(text);
    }
    return are;
}

int mark_from_xml(xmlNodePtr root, const struct field *fields, struct mark *ret)
{
    xmlNodePtr metadata = xml_at(root, "metadata");
    xmlNodePtr node = metadata ? metadata->children : NULL;
    while (node && !is_mark(node))
        node = node->next;
    if (!node)
        return 0;
    *ret = (struct mark){.site = xml_get(node, "site"),
                         .key = xml_get(node, "key"),
                         .hash = xml_get(node, "hash"),
                         .spec = json_at(node, "spec"),
                         .made = json_at(node, "made")};
    if (ret->spec && fields_have_form(fields, ret->spec) && are_texts(ret->made))
        return 1;
    json_decref(ret->spec);
    json_decref(ret->made);
    ret->spec = ret->made = NULL;
    return 1;
}

json_t *mark_to_json(const struct mark *m)
{
    return json_pack("{s:s, s:s, s:s, s:O}", "site", m->site, "key", m->key, "hash", m->hash,
                     "spec", m->spec);
}

static char *copy_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? hm_strdup(text) : NULL;
}

int mark_from_json(const json_t *json, const struct field *fields, struct mark *ret,
                   struct hm_error *err)
{
    struct mark m = {.site = copy_text(json, "site"),
                     .key = copy_text(json, "key"),
                     .hash = copy_text(json, "hash"),
                     .spec = json_incref(json_object_get(json, "spec"))};
    if (!m.site || !m.key || !m.hash || !fields_have_form(fields, m.spec)) {
        mark_clear(&m);
        return hm_fail(err, HM_E_INVALID,
                       "a mark must have site, key, hash and the spec of such a thing");
    }
    *ret = m;
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static enum hm_code exists_code(const struct order *o)
{
    return !strcmp(o->kind, "vm")        ? HM_E_VM_EXISTS
           : !strcmp(o->kind, "network") ? HM_E_NETWORK_EXISTS
                                         : HM_E_DISK_EXISTS;
}

int mark_check(const struct mark *m, const struct order *o, struct hm_error *err)
{
    bool adopt = o->spec && spec_bool(o->spec, "adopt");
    if (m && same(m->site, o->site) && same(m->key, o->key))
        return 0;
    if (m && m->site && !same(m->site, o->site))
        return hm_fail(err, HM_E_CONFLICT, "%s %s belongs to site %s; it is left alone", o->kind,
                       o->name, m->site);
    if (adopt)
        return 0;
    if (m)
        return hm_fail(err, HM_E_CONFLICT,
                       "%s %s was made from the document %s; delete that one, or set adopt: true",
                       o->kind, o->name, m->key ? m->key : "(unreadable mark)");
    return hm_fail(err, o->spec ? exists_code(o) : HM_E_CONFLICT,
                   "a %s named %s exists that harmony did not make; rename the document, or set "
                   "adopt: true to take it over",
                   o->kind, o->name);
}

int mark_check_ours(const struct mark *m, const struct order *o, struct hm_error *err)
{
    struct order without_adoption = *o;
    without_adoption.spec = NULL;
    return mark_check(m, &without_adoption, err);
}
