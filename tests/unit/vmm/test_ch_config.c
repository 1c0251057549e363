/* What a VMM is told: vm.create's body, from a spec in normal form. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/ch.h"

#define KEY "site-a.vm.web"

static struct hm_error err;

static json_t *spec_of(const char *text)
{
    json_t *given = json_loads(text, 0, NULL), *spec = NULL;
    ck_assert_ptr_nonnull(given);
    json_object_set_new(given, "backend", json_string("cloud-hypervisor"));
    if (!json_object_get(given, "firmware"))
        json_object_set_new(given, "kernel", json_string("/images/kernel"));
    ck_assert_msg(kind_verify(kind_find("vm"), given, &spec, NULL, &err) >= 0, "%s", err.text);
    json_decref(given);
    return spec;
}

/* As ch_disks_prepare() leaves them. */
static void give_files(struct vm_disks *disks)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct vm_disk *d = &disks->items[i];
        d->path = d->seed ? hm_strdup("/images/seed.iso")
                          : hm_printf("/images/%s", spec_str(d->spec, "device"));
        d->format = hm_strdup(d->seed ? "raw" : spec_str(d->spec, "format"));
    }
}

static int build(const json_t *spec, const json_t *placed, const char *firmware, json_t **ret)
{
    struct vm_disks disks;
    vm_disks_of(spec, &disks);
    give_files(&disks);
    struct ch_build b = {.key = KEY,
                         .spec = spec,
                         .placed = placed ? placed : json_object_get(spec, "networks"),
                         .disks = &disks,
                         .firmware = firmware,
                         .landlock = true,
                         .plugged = "/images/plugged",
                         .has_taps = true};
    int r = ch_config(&b, ret, &err);
    vm_disks_clear(&disks);
    return r;
}

static const struct {
    const char *given, *part, *expected;
} parts[] = {
    {"{\"vcpus\":2}", "cpus", "{\"boot_vcpus\":2,\"max_vcpus\":2}"},
    {"{\"vcpus\":1,\"max_vcpus\":4}", "cpus", "{\"boot_vcpus\":1,\"max_vcpus\":4}"},
    {"{\"vcpus\":2,\"cpu_pinning\":[\"4-6,9\",\"0\"]}", "cpus",
     "{\"affinity\":[{\"host_cpus\":[4,5,6,9],\"vcpu\":0},{\"host_cpus\":[0],\"vcpu\":1}],"
     "\"boot_vcpus\":2,\"max_vcpus\":2}"},
    {"{\"memory\":\"256MiB\"}", "memory", "{\"size\":268435456}"},
    {"{\"memory\":\"256MiB\",\"max_memory\":\"512MiB\"}", "memory",
     "{\"hotplug_size\":268435456,\"size\":268435456}"},
    {"{\"memory\":\"256MiB\",\"hugepages\":\"2MiB\"}", "memory",
     "{\"hugepage_size\":2097152,\"hugepages\":true,\"size\":268435456}"},
    {"{\"initramfs\":\"/images/initramfs\",\"cmdline\":\"console=ttyS0\"}", "payload",
     "{\"cmdline\":\"console=ttyS0\",\"initramfs\":\"/images/initramfs\",\"kernel\":\"/images/"
     "kernel\"}"},
    {"{}", "payload", "{\"kernel\":\"/images/kernel\"}"},
    {"{}", "disks", "[]"},
    {"{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"label\":\"root\"}]}", "disks",
     "[{\"id\":\"disk-vda\",\"image_type\":\"Qcow2\",\"path\":\"/images/"
     "vda\",\"readonly\":false,\"serial\":\"root\"}]"},
    {"{\"disks\":[{\"device\":\"iso\",\"image\":\"/"
     "a.iso\",\"format\":\"raw\",\"readonly\":true}]}",
     "disks",
     "[{\"id\":\"disk-iso\",\"image_type\":\"Raw\",\"path\":\"/images/iso\",\"readonly\":true}]"},
    {"{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"backing\":\"/store/base.qcow2\"}]}",
     "disks",
     "[{\"backing_files\":true,\"id\":\"disk-vda\",\"image_type\":\"Qcow2\",\"path\":\"/images/"
     "vda\",\"readonly\":false}]"},
    {"{\"cloud_init\":{\"user_data\":\"#cloud-config\"}}", "disks",
     "[{\"id\":\"seed\",\"image_type\":\"Raw\",\"path\":\"/images/seed.iso\",\"readonly\":true}]"},
    {"{\"watchdog\":\"reset\"}", "watchdog", "true"},
    {"{}", "watchdog", "false"},
    {"{}", "serial", "{\"mode\":\"Tty\"}"},
    {"{}", "landlock_rules",
     "[{\"access\":\"rw\",\"path\":\"/images/plugged\"},{\"access\":\"rw\",\"path\":\"/dev/net/"
     "tun\"},{\"access\":\"r\",\"path\":\"/sys/devices/virtual/net\"}]"},
    {"{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"backing\":\"/store/base.qcow2\"}]}",
     "landlock_rules",
     "[{\"access\":\"rw\",\"path\":\"/images/plugged\"},{\"access\":\"r\",\"path\":\"/store/"
     "base.qcow2\"},{\"access\":\"rw\",\"path\":\"/dev/net/tun\"},{\"access\":\"r\",\"path\":\"/"
     "sys/devices/virtual/net\"}]"},
    {"{}", "landlock_enable", "true"},
};

START_TEST(a_part_is_as_the_spec_says)
{
    json_t *spec = spec_of(parts[_i].given), *config = NULL;
    ck_assert_int_eq(build(spec, NULL, NULL, &config), 0);
    HM_AUTOFREE char *text = json_dumps(json_object_get(config, parts[_i].part),
                                        JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    ck_assert_str_eq(text, parts[_i].expected);
    json_decref(config);
    json_decref(spec);
}
END_TEST

START_TEST(a_guest_without_a_kernel_boots_by_the_firmware_that_is_configured)
{
    json_t *spec =
        spec_of("{\"firmware\":\"uefi\",\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}");
    json_t *config = NULL;
    ck_assert_int_eq(build(spec, NULL, NULL, &config), -HM_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "cloud_hypervisor.firmware"));
    ck_assert_ptr_null(config);
    ck_assert_int_eq(build(spec, NULL, "/fw/CLOUDHV.fd", &config), 0);
    const json_t *payload = json_object_get(config, "payload");
    ck_assert_str_eq(spec_str(payload, "firmware"), "/fw/CLOUDHV.fd");
    ck_assert_ptr_null(json_object_get(payload, "kernel"));
    json_decref(config);
    json_decref(spec);
}
END_TEST

START_TEST(a_card_is_plugged_into_the_tap_that_it_was_given)
{
    json_t *spec = spec_of("{\"networks\":[{\"network\":\"lan\"},{\"bridge\":\"br0\"}]}");
    json_t *placed = json_pack("[{s:s, s:s}, {s:s}]", "tap", "hm0123456789ab", "mac",
                               "52:54:00:00:00:01", "bridge", "br0");
    json_t *config = NULL;
    ck_assert_int_eq(build(spec, placed, NULL, &config), 0);
    const json_t *nets = json_object_get(config, "net");
    const json_t *first = json_array_get(nets, 0), *second = json_array_get(nets, 1);
    ck_assert_uint_eq(json_array_size(nets), 2);
    ck_assert_str_eq(spec_str(first, "tap"), "hm0123456789ab");
    ck_assert_str_eq(spec_str(first, "mac"), "52:54:00:00:00:01");
    ck_assert_int_eq(strncmp(spec_str(second, "tap"), "hv", 2), 0);
    ck_assert_uint_lt(strlen(spec_str(second, "tap")), CH_TAP_TEXT);
    char made[VM_MAC_TEXT];
    vm_mac(KEY, 1, made);
    ck_assert_str_eq(spec_str(second, "mac"), made);
    json_decref(config);
    json_decref(placed);
    json_decref(spec);
}
END_TEST

START_TEST(taps_that_the_vmm_makes_differ_by_document_and_place)
{
    json_t *nic = json_pack("{s:s}", "bridge", "br0");
    char a[CH_TAP_TEXT], b[CH_TAP_TEXT], c[CH_TAP_TEXT], again[CH_TAP_TEXT];
    ch_tap_name("site-a.vm.one", nic, 0, a);
    ch_tap_name("site-a.vm.one", nic, 1, b);
    ch_tap_name("site-a.vm.two", nic, 0, c);
    ch_tap_name("site-a.vm.one", nic, 0, again);
    ck_assert_str_eq(a, again);
    ck_assert(strcmp(a, b) != 0 && strcmp(a, c) != 0 && strcmp(b, c) != 0);
    json_decref(nic);
}
END_TEST

START_TEST(a_network_of_another_backend_is_refused_in_words)
{
    json_t *spec = spec_of("{\"networks\":[{\"network\":\"lan\"}]}"), *config = NULL;
    ck_assert_int_eq(build(spec, NULL, NULL, &config), -HM_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "network lan"));
    ck_assert_ptr_nonnull(strstr(err.text, "backend native"));
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_config");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, a_part_is_as_the_spec_says, 0, HM_COUNT(parts));
    tcase_add_test(t, a_guest_without_a_kernel_boots_by_the_firmware_that_is_configured);
    tcase_add_test(t, a_card_is_plugged_into_the_tap_that_it_was_given);
    tcase_add_test(t, taps_that_the_vmm_makes_differ_by_document_and_place);
    tcase_add_test(t, a_network_of_another_backend_is_refused_in_words);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
