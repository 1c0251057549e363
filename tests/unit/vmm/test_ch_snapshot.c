/* Snapshots of a VM that is off, taken by the real qemu-img. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/run.h"
#include "proto/doc.h"
#include "vmm/ch.h"
#include "vmm/cloud_hypervisor.h"
#include "vmm/qemu_img.h"
#include "vmm/snapshot_name.h"

static char dir[64];
static void *self;
static json_t *spec;
static struct hm_error err;
static const struct driver *const d = &cloud_hypervisor_driver;

static struct order order(void)
{
    return (struct order){
        .kind = "vm", .name = "web", .key = "site-a.vm.web", .site = "site-a", .spec = spec};
}

static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-snapshot-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct driver_options options = {
        .site = "site-a", .state_dir = dir, .runtime_dir = dir, .image_dir = dir};
    json_t *given = json_pack("{s:s, s:s, s:[{s:s, s:i}]}", "backend", "cloud-hypervisor", "kernel",
                              "/k", "disks", "device", "vda", "size", 1 << 20);
    ck_assert_int_ge(kind_verify(kind_find("vm"), given, &spec, NULL, &err), 0);
    json_decref(given);
    ck_assert_int_eq(d->open(&options, &self, &err), 0);
    struct order o = order();
    ck_assert_msg(d->create(self, &o, &err) == 0, "%s", err.text);
}

static void tear_down(void)
{
    const char *argv[] = {"rm", "-r", dir, NULL};
    struct hm_ran ran = {0};
    d->close(self);
    json_decref(spec);
    ck_assert_int_eq(hm_run((char *const *)argv, 20000, 4096, &ran, NULL), 0);
    hm_ran_clear(&ran);
}

/* What it answers, or NULL: err says why not. */
static json_t *ask(const char *name, json_t *args)
{
    const struct driver_operation *op = d->operations;
    while (strcmp(op->name, name) != 0)
        op++;
    struct driver_call call = {.order = order(), .args = args};
    struct driver_result got = {.fd = -1};
    int r = op->run(self, &call, &got, &err);
    json_decref(args);
    return r < 0 ? NULL : got.value;
}

static bool is_done(const char *name, json_t *args)
{
    json_t *answer = ask(name, args);
    json_decref(answer);
    return answer != NULL;
}

START_TEST(one_is_taken_listed_put_back_and_deleted)
{
    ck_assert(is_done("snapshot-create", json_pack("{s:s}", "snapshot", "a")));
    ck_assert(!is_done("snapshot-create", json_pack("{s:s}", "snapshot", "a")));
    ck_assert_int_eq(err.code, HM_E_CONFLICT);
    json_t *listed = ask("snapshot-list", json_object());
    const json_t *first = json_array_get(json_object_get(listed, "snapshots"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "name")), "a");
    ck_assert(json_is_true(json_object_get(first, "complete")));
    json_decref(listed);
    ck_assert(is_done("snapshot-apply", json_pack("{s:s}", "snapshot", "a")));
    ck_assert(!is_done("snapshot-apply", json_pack("{s:s}", "snapshot", "b")));
    ck_assert_int_eq(err.code, HM_E_NOT_FOUND);
    json_t *deleted = ask("snapshot-delete", json_pack("{s:s}", "snapshot", "a"));
    ck_assert(json_is_true(json_object_get(deleted, "existed")));
    json_decref(deleted);
}
END_TEST

/* Who has too many can go back to any, and delete also what is not there. */
START_TEST(the_bound_is_for_taking_them_alone)
{
    HM_AUTOFREE char *path = hm_printf("%s/web-vda.qcow2", dir);
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        ck_assert_msg(qemu_img_snapshot_create(path, name, &err) >= 0, "%s", err.text);
    }
    ck_assert(!is_done("snapshot-create", json_pack("{s:s}", "snapshot", "more")));
    ck_assert_int_eq(err.code, HM_E_TOO_LARGE);
    ck_assert(
        !is_done("snapshot-apply", json_pack("{s:s, s:b}", "snapshot", "none", "discard", 1)));
    ck_assert_int_eq(err.code, HM_E_NOT_FOUND);
    ck_assert(is_done("snapshot-apply", json_pack("{s:s, s:b}", "snapshot", "s7", "discard", 1)));
    json_t *deleted = ask("snapshot-delete", json_pack("{s:s}", "snapshot", "none"));
    ck_assert(json_is_false(json_object_get(deleted, "existed")));
    json_decref(deleted);
    ck_assert(is_done("snapshot-delete", json_pack("{s:s}", "snapshot", "s7")));
    ck_assert(is_done("snapshot-create", json_pack("{s:s}", "snapshot", "more")));
}
END_TEST

START_TEST(what_is_off_holds_nothing_in_memory)
{
    ck_assert(!is_done("snapshot-create", json_pack("{s:s, s:b}", "snapshot", "a", "memory", 1)));
    ck_assert_int_eq(err.code, HM_E_REFUSED);
    json_t *listed = ask("snapshot-list", json_object());
    ck_assert_uint_eq(json_array_size(json_object_get(listed, "snapshots")), 0);
    json_decref(listed);
}
END_TEST

/* Of a save that was cut off, or of a snapshot that somebody else deleted. */
START_TEST(memory_of_an_earlier_one_of_that_name_is_not_its)
{
    HM_AUTOFREE char *folder = hm_printf("%s/harmony-memory/web/a", dir);
    HM_AUTOFREE char *about = hm_printf("%s/about.json", folder);
    ck_assert_int_eq(hm_mkdirs(folder, 0700, &err), 0);
    ck_assert_int_eq(hm_file_write_atomic(about, "{}", 2, 0600, &err), 0);
    ck_assert(is_done("snapshot-create", json_pack("{s:s}", "snapshot", "a")));
    json_t *listed = ask("snapshot-list", json_object());
    const json_t *first = json_array_get(json_object_get(listed, "snapshots"), 0);
    ck_assert_ptr_null(json_object_get(first, "memory"));
    json_decref(listed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_snapshot");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, one_is_taken_listed_put_back_and_deleted);
    tcase_add_test(t, the_bound_is_for_taking_them_alone);
    tcase_add_test(t, what_is_off_holds_nothing_in_memory);
    tcase_add_test(t, memory_of_an_earlier_one_of_that_name_is_not_its);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
