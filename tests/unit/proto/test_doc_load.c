#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "proto/doc.h"

static void collect(void *data, const struct hm_error *err)
{
    hm_buf_printf(data, "%s\n", err->text);
}

#define SITE "name: x\nsite: a\n"

static const struct {
    const char *name, *text, *errors;
} refused[] = {
    {"w.yaml",
     "kind: vm\nname: web\nsite: site-a\nkernel: /k\ndisks:\n  - device: vda\n    size: 1GiB\n"
     "  - device: vdb\n    size: 20 GB\n",
     "w.yaml:9: vm web: disks[1].size: \"20 GB\" is not a size (use 20GB or 20GiB)\n"},
    {"w.json",
     "{\"kind\": \"vm\", \"name\": \"web\", \"site\": \"a\",\n\"kernel\": \"/k\",\n\"memmory\": 1}",
     "w.json:3: vm web: unknown field \"memmory\" (did you mean \"memory\"?)\n"},
    /* a field that two have to agree on, and one that is missing */
    {"w.yaml",
     "kind: network\n" SITE "subnet: 10.0.0.1/24\ndhcp:\n  start: 10.0.0.9\n  end: 10.0.0.3\n",
     "w.yaml:7: network x: dhcp.end: 10.0.0.3 is before start, 10.0.0.9\n"},
    {"w.yaml", "\nkind: disk\n" SITE,
     "w.yaml:2: disk x: size: is required: How large the guest sees it; space on the host is taken "
     "as it is written.\n"},
    /* every document of the file is looked at */
    {"w.yaml",
     "kind: disk\n" SITE
     "size: 0B\n---\nkind: disk\nname: y\nsite: a\nsize: 1GiB\n---\nkind: vmm\n",
     "w.yaml:4: disk x: size: \"0B\" is below 1MiB, the least allowed\n"
     "w.yaml:11: unknown kind \"vmm\" (did you mean \"vm\"?); there are: network, image-file, "
     "disk, "
     "vm\n"},
    {"w.yaml", "", "w.yaml:1: holds no document\n"},
    {"w.yaml", "- 5\n", "w.yaml:1: 5 is not a document: expected fields such as kind: vm\n"},
    {"w.yaml", "text\n",
     "w.yaml:1: \"text\" is not a document: expected fields such as kind: vm\n"},
    {"w.yaml", "name: x\n", "w.yaml:1: a document needs kind and name\n"},
    {"w.yaml", "kind: vm\n", "w.yaml:1: a vm needs a name\n"},
    {"w.yaml", "kind: 5\n", "w.yaml:1: kind: 5 is not text\n"},
    {"w.yaml", "kind: vm\nname: [x]\n", "w.yaml:2: name: a list is not text\n"},
    {"w.yaml", "kind: vm\nname: ../x\n",
     "w.yaml:2: name: \"../x\" is not a name ([a-z0-9-], at most 63, no dash at the ends)\n"},
    {"w.yaml", "kind: vm\nname: x\n", "w.yaml:1: vm x: give site: NAME or placement: primary\n"},
    {"w.yaml", "kind: vm\n" SITE "placement: primary\n",
     "w.yaml:1: vm x: give only one of site: NAME or placement: primary\n"},
    {"w.yaml", "kind: vm\nname: x\nplacement: site-a\n",
     "w.yaml:3: vm x: placement: the only placement is primary; a site's name goes into site\n"},
    {"w.yaml", "kind: vm\nname: x\nsite: primary\n",
     "w.yaml:3: vm x: site: no site is called primary; write placement: primary\n"},
    {"w.yaml", "kind: vm\nname: x\nsite: Site A\n",
     "w.yaml:3: vm x: site: \"Site A\" is not a name ([a-z0-9-], at most 63, no dash at the "
     "ends)\n"},
    {"w.yaml", "kind: vm\n x: 1\n",
     "w.yaml:2: not valid YAML: mapping values are not allowed in this context\n"},
    /* the same thing twice, and on a site and on primary */
    {"w.yaml", "kind: disk\n" SITE "size: 1GiB\n---\nkind: disk\n" SITE "size: 1GiB\n",
     "w.yaml:6: disk x: is there twice for a (w.yaml:1)\n"},
    {"w.yaml",
     "kind: disk\n" SITE "size: 1GiB\n---\nkind: disk\nname: x\nplacement: primary\nsize: 1GiB\n",
     "w.yaml:1: disk x: is also declared for primary (w.yaml:6)\n"
     "w.yaml:6: disk x: is also declared for a (w.yaml:1)\n"},
};

START_TEST(every_error_names_file_line_and_thing)
{
    struct doc_list docs = {0};
    struct hm_error err = {0};
    struct hm_buf errors = {0};
    const char *text = refused[_i].text;
    int rc = docs_parse(refused[_i].name, text, strlen(text), &docs, collect, &errors, &err);
    ck_assert_int_lt(rc, 0);
    ck_assert_str_eq(errors.data, refused[_i].errors);
    ck_assert_ptr_null(docs.items);
    hm_buf_free(&errors);
}
END_TEST

START_TEST(several_errors_are_summed_up)
{
    static const char text[] = "kind: a\n---\nkind: b\n---\nkind: c\n";
    struct doc_list docs;
    struct hm_error err = {0};
    ck_assert_int_eq(docs_parse("w.yaml", text, strlen(text), &docs, NULL, NULL, &err),
                     -HM_E_INVALID);
    ck_assert_str_eq(err.text,
                     "w.yaml:1: unknown kind \"a\"; there are: network, image-file, disk, vm (and "
                     "2 more)");
}
END_TEST

START_TEST(one_name_on_two_sites_is_two_things)
{
    static const char text[] = "kind: disk\nname: x\nsite: a\nsize: 1GiB\n---\n"
                               "kind: disk\nname: x\nsite: b\nsize: 1GiB\n---\n"
                               "kind: network\nname: x\nplacement: primary\n";
    struct doc_list docs;
    struct hm_error err = {0};
    int rc = docs_parse("w.yaml", text, strlen(text), &docs, NULL, NULL, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    ck_assert_uint_eq(docs.count, 3);
    ck_assert_str_eq(docs.items[1].where, "b");
    ck_assert_str_eq(docs.items[1].source, "w.yaml:6");
    ck_assert_str_eq(docs.items[2].where, "primary");
    ck_assert_ptr_null(json_object_get(docs.items[0].given, "kind"));
    ck_assert_str_eq(spec_str(docs.items[0].given, "size"), "1GiB");
    doc_list_clear(&docs);
}
END_TEST

/* -- folders ---------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_doc_load.XXXXXX";
static const char *const files[] = {"b.json", "a.yaml", "c.yml", "README.md", ".hidden.yaml"};

static void make_folder(void)
{
    static const char *const texts[] = {
        "{\"kind\":\"disk\",\"name\":\"b\",\"site\":\"s\",\"size\":\"1GiB\"}",
        "kind: disk\nname: a\nsite: s\nsize: 1GiB\n",
        "- {kind: disk, name: c, site: s, size: 1GiB}\n", "not a document", "not: a document"};
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < HM_COUNT(files); i++) {
        HM_AUTOFREE char *path = hm_printf("%s/%s", folder, files[i]);
        ck_assert_int_eq(hm_file_write_atomic(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
    }
}

static void remove_folder(void)
{
    for (size_t i = 0; i < HM_COUNT(files); i++) {
        HM_AUTOFREE char *path = hm_printf("%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

START_TEST(a_folder_is_read_in_order_of_names)
{
    struct doc_list docs;
    struct hm_error err = {0};
    int rc = docs_load(folder, &docs, NULL, NULL, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    ck_assert_uint_eq(docs.count, 3);
    ck_assert_str_eq(docs.items[0].name, "a");
    ck_assert_str_eq(docs.items[1].name, "b");
    ck_assert_str_eq(docs.items[2].name, "c");
    doc_list_clear(&docs);
}
END_TEST

START_TEST(a_file_is_read_whatever_its_name)
{
    HM_AUTOFREE char *path = hm_printf("%s/.hidden.yaml", folder);
    struct doc_list docs;
    struct hm_error err = {0};
    ck_assert_int_lt(docs_load(path, &docs, NULL, NULL, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, ".hidden.yaml:1: a document needs kind and name"));
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
    struct doc_list docs;
    struct hm_error err = {0};
    HM_AUTOFREE char *absent = hm_printf("%s/absent.yaml", folder);
    HM_AUTOFREE char *empty = hm_printf("%s/empty", folder);
    ck_assert_int_eq(docs_load(absent, &docs, NULL, NULL, &err), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, absent));
    ck_assert_int_eq(mkdir(empty, 0700), 0);
    int rc = docs_load(empty, &docs, NULL, NULL, &err);
    rmdir(empty);
    ck_assert_int_eq(rc, -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "no .yaml, .yml or .json file in this folder"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doc_load");
    TCase *t = tcase_create("texts"), *f = tcase_create("folders");
    tcase_add_loop_test(t, every_error_names_file_line_and_thing, 0, HM_COUNT(refused));
    tcase_add_test(t, several_errors_are_summed_up);
    tcase_add_test(t, one_name_on_two_sites_is_two_things);
    tcase_add_unchecked_fixture(f, make_folder, remove_folder);
    tcase_add_test(f, a_folder_is_read_in_order_of_names);
    tcase_add_test(f, a_file_is_read_whatever_its_name);
    tcase_add_test(f, what_is_not_there_is_said);
    suite_add_tcase(s, t);
    suite_add_tcase(s, f);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
