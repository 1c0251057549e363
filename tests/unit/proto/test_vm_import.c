#include "proto/vm_import.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"

static struct hm_error err;
static struct hm_buf notes;

/* Stands in for the files: "/store/..." is nobody's to write, "*.qcow2" is one, "missing" is not there. */
static int fake_look(void *data, const char *path, struct import_file *ret, struct hm_error *e)
{
    (void)data;
    if (strstr(path, "missing"))
        return hm_fail(e, HM_E_NOT_FOUND, "the disk %s: not there", path);
    *ret = (struct import_file){.size = 8 << 20,
                                .is_qcow2 = strstr(path, ".qcow2") != NULL,
                                .is_written = strncmp(path, "/store/", 7) != 0};
    return 0;
}

static int import(const char *text, const char *network, json_t **ret)
{
    json_t *config = json_loads(text, 0, NULL);
    struct vm_import o = {.name = "web",
                          .site = "site-a",
                          .network = network,
                          .folder = "/store/vm",
                          .look = fake_look};
    ck_assert_ptr_nonnull(config);
    hm_buf_free(&notes);
    int r = vm_import(config, &o, ret, &notes, &err);
    json_decref(config);
    return r;
}

static void ck_document(const json_t *doc)
{
    json_t *given = json_copy((json_t *)(uintptr_t)doc), *spec = NULL;
    const struct kind *kind = kind_find(spec_str(doc, "kind"));
    json_object_del(given, "kind");
    json_object_del(given, "name");
    json_object_del(given, "site");
    ck_assert_msg(kind_verify(kind, given, &spec, NULL, &err) >= 0, "%s", err.text);
    json_decref(given);
    json_decref(spec);
}

#define BOOTS "\"payload\":{\"kernel\":\"/k\"}"

static const struct {
    const char *config, *field, *value; /* of the VM */
} taken[] = {
    {"{" BOOTS ",\"cpus\":{\"boot_vcpus\":2,\"max_vcpus\":4}}", "max_vcpus", "4"},
    {"{" BOOTS ",\"cpus\":{\"boot_vcpus\":2,\"max_vcpus\":2}}", "max_vcpus", NULL},
    {"{" BOOTS ",\"cpus\":{\"boot_vcpus\":2,\"affinity\":[{\"vcpu\":0,\"host_cpus\":[1,3]},{"
     "\"vcpu\":1,\"host_cpus\":[2]}]}}",
     "cpu_pinning", "[\"1,3\",\"2\"]"},
    {"{" BOOTS "}", "vcpus", "1"},
    {"{" BOOTS "}", "memory", "536870912"},
    {"{" BOOTS ",\"memory\":{\"size\":134217728,\"hotplug_size\":134217728}}", "max_memory",
     "268435456"},
    {"{" BOOTS ",\"memory\":{\"hotplug_size\":134217728}}", "max_memory", "671088640"},
    {"{" BOOTS ",\"memory\":{\"size\":134217728,\"hugepages\":true}}", "hugepages", "2097152"},
    {"{" BOOTS "}", "kernel", "\"/k\""},
    {"{\"kernel\":{\"path\":\"vmlinux\"},\"cmdline\":{\"args\":\"quiet\"}}", "kernel",
     "\"/store/vm/vmlinux\""},
    {"{\"kernel\":\"/k\",\"cmdline\":\"quiet\"}", "cmdline", "\"quiet\""},
    {"{\"payload\":{\"firmware\":\"/fw\"},\"disks\":[{\"path\":\"/d.raw\"}]}", "firmware",
     "\"uefi\""},
    {"{" BOOTS ",\"disks\":[{\"path\":\"/d.raw\"},{\"path\":\"/e.qcow2\",\"readonly\":true,"
     "\"serial\":\"data\"}]}",
     "disks",
     "[{\"device\":\"vda\",\"format\":\"raw\",\"image\":\"/d.raw\"},{\"device\":\"vdb\",\"format\":"
     "\"qcow2\",\"image\":\"/e.qcow2\",\"label\":\"data\",\"readonly\":true}]"},
    {"{" BOOTS ",\"disks\":[{\"path\":\"/store/root.qcow2\"}]}", "disks",
     "[{\"backing\":\"/store/root.qcow2\",\"backing_format\":\"qcow2\",\"device\":\"vda\","
     "\"size\":8388608}]"},
    {"{" BOOTS ",\"disks\":[{\"path\":\"/store/root.raw\",\"readonly\":true}]}", "disks",
     "[{\"device\":\"vda\",\"format\":\"raw\",\"image\":\"/store/root.raw\",\"readonly\":true}]"},
    {"{" BOOTS ",\"net\":[{\"tap\":\"t\",\"ip\":\"10.0.0.1\",\"mask\":\"255.255.0.0\",\"mac\":"
     "\"52:54:00:00:00:01\"}]}",
     "networks", "[{\"mac\":\"52:54:00:00:00:01\",\"network\":\"web-net0\"}]"},
    {"{" BOOTS ",\"fs\":null,\"vsock\":null,\"devices\":[],\"rng\":{\"src\":\"/dev/urandom\"}}",
     "vcpus", "1"},
};

START_TEST(what_is_taken_over_becomes_a_document_that_can_be_applied)
{
    json_t *docs = NULL;
    ck_assert_msg(import(taken[_i].config, NULL, &docs) == 0, "%s", err.text);
    const json_t *vm = json_array_get(docs, json_array_size(docs) - 1);
    const json_t *value = json_object_get(vm, taken[_i].field);
    HM_AUTOFREE char *text =
        value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    if (taken[_i].value)
        ck_assert_str_eq(text, taken[_i].value);
    else
        ck_assert_ptr_null(text);
    for (size_t i = 0; i < json_array_size(docs); i++)
        ck_document(json_array_get(docs, i));
    json_decref(docs);
}
END_TEST

START_TEST(a_tap_with_an_address_becomes_a_network_of_its_own)
{
    json_t *docs = NULL;
    ck_assert_int_eq(
        import("{" BOOTS
               ",\"net\":[{\"ip\":\"10.0.0.1\",\"mask\":\"255.255.0.0\"},{\"ip\":\"10.1.0.1\"}]}",
               NULL, &docs),
        0);
    ck_assert_uint_eq(json_array_size(docs), 3);
    ck_assert_str_eq(spec_str(json_array_get(docs, 0), "subnet"), "10.0.0.1/16");
    ck_assert_str_eq(spec_str(json_array_get(docs, 0), "name"), "web-net0");
    ck_assert_str_eq(spec_str(json_array_get(docs, 1), "subnet"), "10.1.0.1/24");
    ck_assert_str_eq(spec_str(json_array_get(docs, 1), "backend"), "native");
    ck_assert_ptr_nonnull(strstr(notes.data, "isolated"));
    json_decref(docs);
}
END_TEST

START_TEST(cards_go_on_the_network_that_was_named)
{
    json_t *docs = NULL;
    ck_assert_int_eq(import("{" BOOTS ",\"net\":[{\"tap\":\"tap0\"}]}", "lan", &docs), 0);
    ck_assert_uint_eq(json_array_size(docs), 1);
    const json_t *nic = json_array_get(json_object_get(json_array_get(docs, 0), "networks"), 0);
    ck_assert_str_eq(spec_str(nic, "network"), "lan");
    json_decref(docs);
}
END_TEST

static const struct {
    const char *config;
    enum hm_code code;
    const char *part;
} refused[] = {
    {"[]", HM_E_INVALID, "no JSON object"},
    {"{}", HM_E_UNSUPPORTED, "neither a kernel nor a firmware"},
    {"{" BOOTS ",\"vsock\":{\"cid\":3}}", HM_E_UNSUPPORTED, "vsock: a VM of harmony can't have it"},
    {"{" BOOTS ",\"fs\":[{\"tag\":\"x\"}]}", HM_E_UNSUPPORTED, "fs:"},
    {"{" BOOTS ",\"memory\":{\"size\":\"1G\"}}", HM_E_UNSUPPORTED, "size: must be a number"},
    {"{" BOOTS ",\"memory\":{\"size\":-1}}", HM_E_UNSUPPORTED, "size: must be a number"},
    {"{" BOOTS ",\"memory\":{\"zones\":[{\"id\":\"a\"}]}}", HM_E_UNSUPPORTED, "memory.zones"},
    {"{" BOOTS ",\"cpus\":{\"affinity\":[{\"vcpu\":1,\"host_cpus\":[1]}]}}", HM_E_UNSUPPORTED,
     "cpus.affinity"},
    {"{\"kernel\":\"../k\"}", HM_E_UNSUPPORTED, "no absolute path"},
    {"{" BOOTS ",\"disks\":[{\"socket\":\"/s\"}]}", HM_E_UNSUPPORTED, "without path"},
    {"{" BOOTS ",\"disks\":[{\"path\":\"/missing\"}]}", HM_E_NOT_FOUND, "/missing"},
    {"{" BOOTS ",\"net\":[{\"tap\":\"tap0\"}]}", HM_E_UNSUPPORTED, "--network"},
    {"{" BOOTS ",\"net\":[{\"ip\":\"10.0.0.1\",\"mask\":\"255.0.255.0\"}]}", HM_E_UNSUPPORTED,
     "no IPv4 address and mask"},
    {"{" BOOTS ",\"net\":[{\"vhost_user\":true,\"ip\":\"10.0.0.1\"}]}", HM_E_UNSUPPORTED,
     "vhost-user"},
};

START_TEST(what_would_mean_something_else_is_refused_by_name)
{
    json_t *docs = NULL;
    ck_assert_int_eq(import(refused[_i].config, NULL, &docs), -(int)refused[_i].code);
    ck_assert_msg(strstr(err.text, refused[_i].part) != NULL, "%s", err.text);
    ck_assert_ptr_null(docs);
}
END_TEST

static void tear_down(void)
{
    hm_buf_free(&notes);
}

int main(void)
{
    Suite *s = suite_create("vm_import");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_loop_test(t, what_is_taken_over_becomes_a_document_that_can_be_applied, 0,
                        HM_COUNT(taken));
    tcase_add_test(t, a_tap_with_an_address_becomes_a_network_of_its_own);
    tcase_add_test(t, cards_go_on_the_network_that_was_named);
    tcase_add_loop_test(t, what_would_mean_something_else_is_refused_by_name, 0, HM_COUNT(refused));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
