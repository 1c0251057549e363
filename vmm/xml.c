#include "vmm/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

#include "base/alloc.h"
#include "proto/text.h"

#define X(text) ((const xmlChar *)(text))

void xml_setup(void)
{
    xmlInitParser();
}

static bool text_fits(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 && c != '\t' && c != '\n')
            return false;
        if (c == 0x7f)
            return false;
        /* U+FFFE and U+FFFF, as UTF-8 */
        if (c == 0xef && i + 2 < len && (unsigned char)s[i + 1] == 0xbf &&
            (unsigned char)s[i + 2] >= 0xbe)
            return false;
    }
    return true;
}

int xml_check_text(const json_t *spec, struct hm_error *err)
{
    const char *key;
    json_t *value;
    size_t i;
    int r = 0;
    if (json_is_string(spec) && !text_fits(json_string_value(spec), json_string_length(spec)))
        return hm_fail(err, HM_E_INVALID, "text with a control character");
    json_array_foreach((json_t *)(uintptr_t)spec, i, value)
    {
        r = xml_check_text(value, err);
        if (r < 0)
            return hm_wrap(err, "element %zu", i);
    }
    json_object_foreach((json_t *)(uintptr_t)spec, key, value)
    {
        r = xml_check_text(value, err);
        if (r < 0)
            return hm_wrap(err, "%s", key);
    }
    return r;
}

static void *there(void *p)
{
    if (!p)
        abort();
    return p;
}

xmlDocPtr xml_new(const char *root)
{
    xmlDocPtr doc = there(xmlNewDoc(X("1.0")));
    xmlDocSetRootElement(doc, there(xmlNewDocNode(doc, NULL, X(root), NULL)));
    return doc;
}

xmlNodePtr xml_root(xmlDocPtr doc)
{
    return doc ? xmlDocGetRootElement(doc) : NULL;
}

xmlNodePtr xml_add(xmlNodePtr parent, const char *name)
{
    return there(xmlNewTextChild(parent, NULL, X(name), NULL));
}

xmlNodePtr xml_add_text(xmlNodePtr parent, const char *name, const char *text)
{
    return there(xmlNewTextChild(parent, NULL, X(name), X(text)));
}

xmlNodePtr xml_add_int(xmlNodePtr parent, const char *name, int64_t value)
{
    HM_AUTOFREE char *text = hm_printf("%lld", (long long)value);
    return xml_add_text(parent, name, text);
}

void xml_set(xmlNodePtr node, const char *attribute, const char *value)
{
    there(xmlNewProp(node, X(attribute), X(value)));
}

void xml_set_int(xmlNodePtr node, const char *attribute, int64_t value)
{
    HM_AUTOFREE char *text = hm_printf("%lld", (long long)value);
    xml_set(node, attribute, text);
}

xmlNodePtr xml_add_set(xmlNodePtr parent, const char *name, ...)
{
    xmlNodePtr node = xml_add(parent, name);
    va_list ap;
    va_start(ap, name);
    for (const char *attribute = va_arg(ap, const char *); attribute;
         attribute = va_arg(ap, const char *))
        xml_set(node, attribute, va_arg(ap, const char *));
    va_end(ap);
    return node;
}

char *xml_print(xmlDocPtr doc)
{
    xmlChar *text = NULL;
    int len = 0;
    xmlDocDumpFormatMemory(doc, &text, &len, 1);
    there(text);
    char *copy = hm_strndup((const char *)text, (size_t)len);
    xmlFree(text);
    return copy;
}

int xml_parse(const char *text, xmlDocPtr *ret_doc, struct hm_error *err)
{
    size_t len = strlen(text);
    if (len > XML_MAX_BYTES)
        return hm_fail(err, HM_E_TOO_LARGE, "XML of %zu bytes (at most %d)", len, XML_MAX_BYTES);
    xmlDocPtr doc = xmlReadMemory(text, (int)len, NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || !xmlDocGetRootElement(doc)) {
        char shown[TEXT_QUOTE_MAX];
        xmlFreeDoc(doc);
        text_quote(text, shown);
        return hm_fail(err, HM_E_INVALID, "XML can't be parsed: %s", shown);
    }
    *ret_doc = doc;
    return 0;
}

void xml_free(xmlDocPtr *doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
    *doc = NULL;
}

static bool is_named(const xmlNode *node, const char *name, size_t len)
{
    return node->type == XML_ELEMENT_NODE && !strncmp((const char *)node->name, name, len) &&
           node->name[len] == '\0';
}

static xmlNodePtr first_named(xmlNodePtr node, const char *name, size_t len)
{
    while (node && !is_named(node, name, len))
        node = node->next;
    return node;
}

xmlNodePtr xml_at(xmlNodePtr node, const char *path)
{
    while (node && *path) {
        size_t len = strcspn(path, "/");
        node = first_named(node->children, path, len);
        path += len + (path[len] == '/');
    }
    return node;
}

xmlNodePtr xml_next(xmlNodePtr node)
{
    const char *name = (const char *)node->name;
    return first_named(node->next, name, strlen(name));
}

static char *own_copy(xmlChar *text)
{
    char *copy = text ? hm_strdup((const char *)text) : NULL;
    xmlFree(text);
    return copy;
}

char *xml_get(xmlNodePtr node, const char *attribute)
{
    return node ? own_copy(xmlGetProp(node, X(attribute))) : NULL;
}

char *xml_text(xmlNodePtr node)
{
    return node ? own_copy(xmlNodeGetContent(node)) : NULL;
}

int64_t xml_int(xmlNodePtr node, int64_t fallback)
{
    HM_AUTOFREE char *text = xml_text(node);
    if (!text)
        return fallback;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno || end == text ? fallback : value;
}
