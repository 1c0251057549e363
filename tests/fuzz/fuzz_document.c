/*
 * Documents as a file (YAML and JSON) and as the value of a KV entry, of each kind. Whatever is read,
 * it is refused with a clean sentence, or its normal form verifies to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "proto/network.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_network(const struct doc *doc)
{
    char bridge[NETWORK_BRIDGE_MAX + 1], start[NETWORK_ADDRESS_MAX + 1],
        end[NETWORK_ADDRESS_MAX + 1];
    network_bridge_name(doc->name, doc->spec, bridge);
    network_dhcp_range(doc->spec, start, end);
    int prefix = network_gateway(doc->spec, start);
    network_netmask(doc->spec, end);
    FUZZ_REQUIRE(prefix == 0 || (prefix >= 8 && prefix <= 30)); /* 0: subnet: none */
}

static void check_doc(const struct doc *doc)
{
    struct hm_error err;
    json_t *again = NULL;
    char hash[DOC_HASH_TEXT], hash_again[DOC_HASH_TEXT];
    struct spec_diff diff;
    FUZZ_REQUIRE(name_is_valid(doc->name) && name_is_valid(doc->where));
    FUZZ_REQUIRE(kind_verify(doc->kind, doc->spec, &again, NULL, &err) >= 0);
    FUZZ_REQUIRE(json_equal(again, doc->spec));
    spec_hash(doc->spec, hash);
    spec_hash(again, hash_again);
    FUZZ_REQUIRE(!strcmp(hash, hash_again));
    spec_diff(doc->kind, doc->spec, again, &diff);
    FUZZ_REQUIRE(diff.count == 0 && diff.cost == COST_NONE);
    spec_diff_clear(&diff);
    spec_diff(doc->kind, NULL, doc->spec, &diff);
    spec_diff_clear(&diff);
    if (!strcmp(doc->kind->name, "network"))
        check_network(doc);
    json_decref(again);
}

static void check_report(void *data, const struct hm_error *err)
{
    ++*(size_t *)data;
    fuzz_require_sentence(-(int)err->code, err);
}

static void as_file(const char *name, const char *text, size_t len)
{
    struct doc_list docs;
    struct hm_error err;
    size_t reports = 0;
    int rc = docs_parse(name, text, len, &docs, check_report, &reports, &err);
    FUZZ_REQUIRE((rc < 0) == (reports > 0));
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    for (size_t i = 0; i < docs.count; i++)
        check_doc(&docs.items[i]);
    doc_list_clear(&docs);
}

static void as_value(const char *key, const char *text, size_t len)
{
    struct doc doc;
    struct hm_error err;
    int rc = doc_from_value(key, text, len, &doc, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    check_doc(&doc);
    doc_clear(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HM_AUTOFREE char *text = hm_memdup(data, size); /* the sanitizer sees reads beyond it */
    as_file("f.yaml", text, size);
    as_file("f.json", text, size);
    for (const struct kind *const *k = kinds_all(); *k; k++) {
        HM_AUTOFREE char *key = hm_printf("site-a.%s.thing", (*k)->name);
        as_value(key, text, size);
    }
    as_value(text, "{}", 2);
    return 0;
}
