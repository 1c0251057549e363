#include "xml_fixture.h"

static const struct field *fields_of_vm(void)
{
    return kind_find("vm")->fields;
}

#define WEB "{\"kernel\":\"/k\",\"labels\":{\"note\":\"<&> \\uffff \\u00e4\"}}"

START_TEST(a_mark_survives_xml)
{
    json_t *spec = spec_of("vm", WEB);
    struct mark mark = mark_of(spec), found = {0};
    mark.made = json_pack("{s:s}", "memory", "1 KiB");
    xmlDocPtr doc = xml_new("domain"), again = NULL;
    mark_to_xml(&mark, xml_root(doc));
    char *xml = xml_print(doc);
    ck_assert_int_eq(xml_parse(xml, &again, NULL), 0);
    ck_assert_int_eq(mark_from_xml(xml_root(again), fields_of_vm(), &found), 1);
    ck_assert_str_eq(found.site, "site-a");
    ck_assert_str_eq(found.key, "site-a.vm.web");
    ck_assert_str_eq(found.hash, mark.hash);
    ck_assert(json_equal(found.spec, spec));
    ck_assert(json_equal(found.made, mark.made));
    free(xml);
    xml_free(&doc);
    xml_free(&again);
    mark_clear(&found);
    mark_clear(&mark);
    json_decref(spec);
}
END_TEST

START_TEST(foreign_metadata_is_no_mark)
{
    static const char *const others[] = {
        "<domain/>",
        "<domain><metadata/></domain>",
        "<domain><metadata><mark site='site-a'/></metadata></domain>",
        "<domain><metadata><x:mark xmlns:x='urn:other'/></metadata></domain>",
        "<domain><x:mark xmlns:x='" MARK_NAMESPACE "'/></domain>",
    };
    for (size_t i = 0; i < HM_COUNT(others); i++) {
        struct mark found;
        xmlDocPtr doc = NULL;
        ck_assert_int_eq(xml_parse(others[i], &doc, NULL), 0);
        ck_assert_msg(mark_from_xml(xml_root(doc), fields_of_vm(), &found) == 0, "%s", others[i]);
        xml_free(&doc);
    }
}
END_TEST

START_TEST(a_mark_that_cannot_be_understood_is_still_one)
{
    struct mark found;
    xmlDocPtr doc = NULL;
    ck_assert_int_eq(xml_parse("<domain><metadata><h:mark xmlns:h='" MARK_NAMESPACE
                               "' site='site-b'><h:spec>[1]</h:spec></h:mark></metadata></domain>",
                               &doc, NULL),
                     0);
    ck_assert_int_eq(mark_from_xml(xml_root(doc), fields_of_vm(), &found), 1);
    ck_assert_str_eq(found.site, "site-b");
    ck_assert_ptr_null(found.key);
    ck_assert_ptr_null(found.spec);
    mark_clear(&found);
    xml_free(&doc);
}
END_TEST

/* Somebody has edited it: what it says is not to be reckoned with. */
static const char *const damaged[] = {
    "<h:spec>{\"memory\":9223372036854775807}</h:spec>",
    "<h:spec>{\"stop_grace\":-1}</h:spec>",
    "<h:spec>{\"disks\":[{\"size\":1048576}]}</h:spec>",
    "<h:spec>{\"networks\":[7]}</h:spec>",
    "<h:spec>{}</h:spec><h:made>{\"disks[vda].path\":7}</h:made>",
};

START_TEST(a_mark_whose_spec_has_another_form_is_one_without)
{
    struct mark found;
    xmlDocPtr doc = NULL;
    HM_AUTOFREE char *xml =
        hm_printf("<domain><metadata><h:mark xmlns:h='" MARK_NAMESPACE
                  "' site='site-b' key='site-b.vm.web'>%s</h:mark></metadata></domain>",
                  damaged[_i]);
    ck_assert_int_eq(xml_parse(xml, &doc, NULL), 0);
    ck_assert_int_eq(mark_from_xml(xml_root(doc), fields_of_vm(), &found), 1);
    ck_assert_str_eq(found.key, "site-b.vm.web");
    ck_assert_ptr_null(found.spec);
    ck_assert_ptr_null(found.made);
    mark_clear(&found);
    xml_free(&doc);
}
END_TEST

START_TEST(a_mark_survives_json)
{
    json_t *spec = spec_of("vm", WEB);
    struct mark mark = mark_of(spec), found = {0};
    json_t *json = mark_to_json(&mark);
    ck_assert_int_eq(mark_from_json(json, fields_of_vm(), &found, NULL), 0);
    ck_assert_str_eq(found.hash, mark.hash);
    ck_assert(json_equal(found.spec, spec));
    mark_clear(&found);
    json_object_set_new(json_object_get(json, "spec"), "vcpus", json_string("2"));
    ck_assert_int_eq(mark_from_json(json, fields_of_vm(), &found, NULL), -HM_E_INVALID);
    json_object_set_new(json_object_get(json, "spec"), "vcpus", json_integer(2));
    json_object_del(json, "key");
    ck_assert_int_eq(mark_from_json(json, fields_of_vm(), &found, NULL), -HM_E_INVALID);
    ck_assert_int_eq(mark_from_json(NULL, fields_of_vm(), &found, NULL), -HM_E_INVALID);
    json_decref(json);
    mark_clear(&mark);
    json_decref(spec);
}
END_TEST

/* -- Whose is it? ------------------------------------------------------------------------------ */

static const struct {
    const char *site, *key; /* NULL, NULL: no mark */
    bool adopt;
    int create, remove; /* what mark_check() and mark_check_ours() say */
} cases[] = {
    {"site-a", "site-a.vm.web", false, 0, 0},
    {"site-a", "site-a.vm.web", true, 0, 0},
    {"site-a", "site-a.vm.other", false, -HM_E_CONFLICT, -HM_E_CONFLICT},
    {"site-a", "site-a.vm.other", true, 0, -HM_E_CONFLICT},
    {"site-a", "primary.vm.web", false, -HM_E_CONFLICT, -HM_E_CONFLICT},
    {"site-b", "site-a.vm.web", false, -HM_E_CONFLICT, -HM_E_CONFLICT},
    {"site-b", "site-a.vm.web", true, -HM_E_CONFLICT, -HM_E_CONFLICT},
    {NULL, NULL, false, -HM_E_VM_EXISTS, -HM_E_CONFLICT},
    {NULL, NULL, true, 0, -HM_E_CONFLICT},
};

START_TEST(only_ours_is_touched_and_adoption_is_not_for_removal)
{
    json_t *spec = json_pack("{s:b}", "adopt", cases[_i].adopt);
    struct mark mark = {.site = (char *)(uintptr_t)cases[_i].site,
                        .key = (char *)(uintptr_t)cases[_i].key};
    const struct mark *m = cases[_i].site ? &mark : NULL;
    struct order o = {
        .kind = "vm", .name = "web", .site = "site-a", .key = "site-a.vm.web", .spec = spec};
    ck_assert_int_eq(mark_check(m, &o, NULL), cases[_i].create);
    ck_assert_int_eq(mark_check_ours(m, &o, NULL), cases[_i].remove);
    json_decref(spec);
}
END_TEST

START_TEST(text_that_xml_cannot_hold_is_refused_with_its_place)
{
    json_t *spec = json_pack("{s:[{s:s}]}", "disks", "label", "a\x01");
    struct hm_error err = {0};
    ck_assert_int_eq(xml_check_text(spec, &err), -HM_E_INVALID);
    ck_assert_str_eq(err.text, "disks: element 0: label: text with a control character");
    json_decref(spec);
    spec = json_pack("{s:s, s:s}", "a", "tab\t line\n \xc3\xa4", "b", "<&>\"'");
    ck_assert_int_eq(xml_check_text(spec, &err), 0);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mark");
    TCase *t = tcase_create("all");
    xml_setup();
    tcase_add_test(t, a_mark_survives_xml);
    tcase_add_test(t, foreign_metadata_is_no_mark);
    tcase_add_test(t, a_mark_that_cannot_be_understood_is_still_one);
    tcase_add_loop_test(t, a_mark_whose_spec_has_another_form_is_one_without, 0, HM_COUNT(damaged));
    tcase_add_test(t, a_mark_survives_json);
    tcase_add_loop_test(t, only_ours_is_touched_and_adoption_is_not_for_removal, 0,
                        HM_COUNT(cases));
    tcase_add_test(t, text_that_xml_cannot_hold_is_refused_with_its_place);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
