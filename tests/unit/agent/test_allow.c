#include "agent/allow.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static char image_dir[] = "/var/lib/images";
static char kernels[] = "/boot/kernels";
static char *host_paths[] = {kernels, NULL};
static const struct agent_config config = {.libvirt = {.image_dir = image_dir},
                                           .host_paths = host_paths};

static int check_vm(const char *json, struct hm_error *err)
{
    json_t *spec = world_spec("vm", json);
    int r = allow_paths(&config, kind_find("vm"), spec, err);
    json_decref(spec);
    return r;
}

static const char *const allowed[] = {
    "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}",
    "{\"disks\":[{\"device\":\"vda\",\"image\":\"/var/lib/images/a.qcow2\"}]}",
    "{\"kernel\":\"/boot/kernels/vmlinuz\",\"initramfs\":\"/boot/kernels/6.1/initrd\"}",
    "{\"cdroms\":[{\"path\":\"/boot/kernels/x.iso\"}]}",
};

START_TEST(own_folders_may_be_named)
{
    struct hm_error err = {0};
    ck_assert_msg(check_vm(allowed[_i], &err) == 0, "%s", err.text);
}
END_TEST

static const struct {
    const char *json, *field, *path;
} refused[] = {
    {"{\"kernel\":\"/etc/shadow\"}", "kernel", "/etc/shadow"},
    {"{\"kernel\":\"/boot/kernels/k\",\"initramfs\":\"/boot/other\"}", "initramfs", "/boot/other"},
    {"{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"},{\"device\":\"vdb\",\"image\":\"/dev/"
     "sda\"}]}",
     "disks[1]", "/dev/sda"},
    {"{\"cdroms\":[{\"path\":\"/var/lib/imagesx/a.iso\"}]}", "cdroms[0]", "/var/lib/imagesx/a.iso"},
};

START_TEST(other_paths_are_refused_by_name)
{
    struct hm_error err = {0};
    ck_assert_int_eq(check_vm(refused[_i].json, &err), -(int)HM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, refused[_i].field));
    ck_assert_ptr_nonnull(strstr(err.text, refused[_i].path));
    ck_assert_ptr_nonnull(strstr(err.text, "host_paths"));
}
END_TEST

START_TEST(kinds_without_paths_are_fine)
{
    json_t *spec = world_spec("network", "{}");
    ck_assert_int_eq(allow_paths(&config, kind_find("network"), spec, NULL), 0);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allow");
    TCase *c = tcase_create("allow");
    tcase_add_loop_test(c, own_folders_may_be_named, 0, 4);
    tcase_add_loop_test(c, other_paths_are_refused_by_name, 0, 4);
    tcase_add_test(c, kinds_without_paths_are_fine);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
