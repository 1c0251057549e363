/* Specs as the agent has them, and XPath into XML that was built. */
#ifndef HM_TESTS_UNIT_VMM_XML_FIXTURE_H
#define HM_TESTS_UNIT_VMM_XML_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/mark.h"
#include "vmm/xml.h"

/* The verified spec of a document; the caller drops it. */
static inline json_t *spec_of(const char *kind, const char *text)
{
    char key[64];
    struct doc doc = {0};
    struct hm_error err = {0};
    snprintf(key, sizeof key, "site-a.%s.x", kind);
    ck_assert_msg(doc_from_value(key, text, strlen(text), &doc, &err) >= 0, "%s", err.text);
    json_t *spec = json_incref(doc.spec);
    doc_clear(&doc);
    return spec;
}

static inline struct mark mark_of(const json_t *spec)
{
    struct order o = {.site = "site-a", .key = "site-a.vm.web", .spec = spec};
    struct mark m;
    mark_of_order(&o, &m);
    return m;
}

/* The string value of an XPath expression ("" when nothing matches); the caller frees it. */
static inline char *xpath(xmlDocPtr doc, const char *expression)
{
    xmlXPathContextPtr context = xmlXPathNewContext(doc);
    xmlXPathRegisterNs(context, (const xmlChar *)"h", (const xmlChar *)MARK_NAMESPACE);
    char *wrapped = hm_printf("string(%s)", expression);
    xmlXPathObjectPtr value = xmlXPathEvalExpression((const xmlChar *)wrapped, context);
    ck_assert_msg(value != NULL, "bad XPath %s", expression);
    char *text = hm_strdup((const char *)value->stringval);
    xmlXPathFreeObject(value);
    xmlXPathFreeContext(context);
    free(wrapped);
    return text;
}

#define ck_xpath(doc, expression, wanted)                                                          \
    do {                                                                                           \
        char *text_ = xpath(doc, expression);                                                      \
        ck_assert_msg(!strcmp(text_, wanted), "%s is \"%s\", not \"%s\"", expression, text_,       \
                      wanted);                                                                     \
        free(text_);                                                                               \
    } while (0)

#endif
