#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe.h"
#include "base/alloc.h"
#include "proto/doc.h"

static void expect(const char *key, const char *value, const char *words)
{
    struct doc doc = {0};
    struct hm_error err;
    ck_assert_msg(doc_from_value(key, value, strlen(value), &doc, &err) >= 0, "%s", err.text);
    HM_AUTOFREE char *said = describe_spec(doc.kind->name, doc.spec);
    ck_assert_str_eq(said, words);
    doc_clear(&doc);
}

START_TEST(a_vm_is_told_by_what_it_takes)
{
    expect("a.vm.x",
           "{\"vcpus\":1,\"memory\":\"128MiB\",\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}],"
           "\"networks\":[{\"network\":\"lan\"},{\"network\":\"wan\"}]}",
           "1 vcpu, 128MiB, 1 disk, 2 networks");
    expect("a.vm.x", "{\"vcpus\":4,\"memory\":\"2GiB\",\"kernel\":\"/k\"}", "4 vcpus, 2GiB");
}
END_TEST

START_TEST(a_disk_and_a_network_are_told)
{
    expect("a.image-file.x",
           "{\"url\":\"https://h/a.iso?token=secret\",\"format\":\"iso\","
           "\"sha256_url\":\"https://h/SHA256SUMS\"}",
           "iso, https://h/a.iso");
    expect("a.disk.x", "{\"size\":\"20GiB\"}", "20GiB qcow2, pool default");
    expect("a.network.x", "{\"mode\":\"isolated\",\"subnet\":\"10.1.2.1/24\"}",
           "isolated, 10.1.2.1/24");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("describe");
    TCase *t = tcase_create("describe");
    tcase_add_test(t, a_vm_is_told_by_what_it_takes);
    tcase_add_test(t, a_disk_and_a_network_are_told);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
