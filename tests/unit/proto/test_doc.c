#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "proto/network.h"

/* -- names and keys -----------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    bool valid;
} names[] = {
    {"a", true},
    {"web-1", true},
    {"0", true},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}, /* 64 */
    {"", false},
    {"-a", false},
    {"a-", false},
    {"Web", false},
    {"a.b", false},
    {"a/b", false},
    {"..", false},
    {"a b", false},
    {"a\n", false},
    {"\xc3\xa4", false},
    {"$(reboot)", false},
};

START_TEST(names_are_checked)
{
    ck_assert_int_eq(name_is_valid(names[_i].name), names[_i].valid);
}
END_TEST

START_TEST(a_key_is_split_and_joined)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    ck_assert_int_eq(doc_key_split("site-a.vm.web1", where, kind, name, NULL), 0);
    ck_assert_str_eq(where, "site-a");
    ck_assert_str_eq(kind, "vm");
    ck_assert_str_eq(name, "web1");
    struct doc doc = {.where = where, .kind = kind_find("vm"), .name = name};
    char key[DOC_KEY_MAX + 1];
    doc_key(&doc, key);
    ck_assert_str_eq(key, "site-a.vm.web1");
}
END_TEST

static const char *const wrong_keys[] = {
    "",
    "site-a",
    "site-a.vm",
    "site-a.vm.",
    ".vm.web",
    "site-a..web",
    "site-a.vm.web.x",
    "Site.vm.web",
    "site-a.vm.>",
    "site-a.vm.*",
    "site-a.vm.../../etc",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.vm.web"};

START_TEST(a_wrong_key_is_refused)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    struct hm_error err = {0};
    ck_assert_int_eq(doc_key_split(wrong_keys[_i], where, kind, name, &err), -HM_E_INVALID);
    ck_assert_msg(strstr(err.text, "expected WHERE.KIND.NAME") != NULL, "%s", err.text);
}
END_TEST

/* -- values -------------------------------------------------------------------------------------
 */

static const struct {
    const char *key, *value, *sentence;
} wrong_values[] = {
    {"a.vm.x", "{\"kernel\":\"/k\",\"memmory\":1}",
     "unknown field \"memmory\" (did you mean \"memory\"?)"},
    {"a.vm.x", "{\"kernel\":\"/k\",\"zzzzzz\":1}", "unknown field \"zzzzzz\""},
    {"a.vm.x", "{\"kind\":\"vm\"}",
     "unknown field \"kind\": in the bucket the key says kind, name and site; leave them out of "
     "the "
     "value (harmonyctl apply does)"},
    {"a.vmm.x", "{}",
     "unknown kind \"vmm\" (did you mean \"vm\"?); there are: network, image-file, disk, vm"},
    {"a.vm.x", "", "the value must be one JSON object, the spec; it is empty"},
    {"a.vm.x", "{}{}", "the value must be one JSON object, the spec; it is several"},
    {"a.vm.x", "[]", "a list is not an object"},
    {"a.disk.x", "{}",
     "size: is required: How large the guest sees it; space on the host is taken "
     "as it is written."},
};

START_TEST(a_wrong_value_gets_one_sentence)
{
    struct doc doc = {.name = NULL};
    struct hm_error err = {0};
    const char *value = wrong_values[_i].value;
    int rc = doc_from_value(wrong_values[_i].key, value, strlen(value), &doc, &err);
    ck_assert_int_eq(rc, -HM_E_INVALID);
    ck_assert_str_eq(err.text, wrong_values[_i].sentence);
    ck_assert_ptr_null(doc.spec);
}
END_TEST

START_TEST(a_value_becomes_a_document)
{
    static const char value[] = "{\"size\": \"20GiB\"}";
    struct doc doc;
    ck_assert_int_eq(doc_from_value("site-a.disk.data", value, strlen(value), &doc, NULL), 0);
    ck_assert_str_eq(doc.where, "site-a");
    ck_assert_str_eq(doc.kind->name, "disk");
    ck_assert_str_eq(doc.name, "data");
    ck_assert_int_eq(spec_int(doc.spec, "size", 0), 20LL << 30);
    ck_assert_str_eq(spec_str(doc.spec, "pool"), "default");
    ck_assert_str_eq(spec_str(doc.given, "size"), "20GiB");
    ck_assert_ptr_null(json_object_get(doc.given, "pool"));
    doc_clear(&doc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doc");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, names_are_checked, 0, HM_COUNT(names));
    tcase_add_test(t, a_key_is_split_and_joined);
    tcase_add_loop_test(t, a_wrong_key_is_refused, 0, HM_COUNT(wrong_keys));
    tcase_add_loop_test(t, a_wrong_value_gets_one_sentence, 0, HM_COUNT(wrong_values));
    tcase_add_test(t, a_value_becomes_a_document);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
