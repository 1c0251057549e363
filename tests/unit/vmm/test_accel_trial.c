/* The trial with a fake QEMU, a shell script; tests/integration/test_accel.py has the real one. */
#include "vmm/accel_trial.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "vmm/accel_initramfs.h"

static char dir[32];
static struct accel_record record;

static char *in_dir(const char *name)
{
    return hm_printf("%s/%s", dir, name);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    HM_AUTOFREE char *path = in_dir(name);
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), mode, NULL), 0);
}

static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-trial.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    static const char *const files[] = {"qemu", "vmlinuz-6.1.9-x", "vmlinuz-6.1.10-x", "seen",
                                        "accel-trial.json"};
    for (size_t i = 0; i < HM_COUNT(files); i++) {
        HM_AUTOFREE char *path = in_dir(files[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(dir), 0); /* the initramfs is gone */
}

/* `script` runs as QEMU, with its arguments. */
static void try_with(const char *script, int64_t timeout_ms)
{
    HM_AUTOFREE char *text = hm_printf("#!/bin/sh\n%s\n", script), *qemu = in_dir("qemu");
    write_file("qemu", text, 0755);
    struct accel_trial trial = {
        .qemu = qemu, .boot = dir, .accel = "kvm", .dir = dir, .timeout_ms = timeout_ms};
    accel_trial_run(&trial, &record);
}

START_TEST(the_sentence_is_success)
{
    write_file("vmlinuz-6.1.10-x", "", 0644);
    try_with("printf 'noise\\r\\n'; echo "
             "'" ACCEL_SENTENCE "'; exec cat /dev/zero",
             20000);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_PASSED);
    ck_assert_ptr_nonnull(strstr(record.text, "/vmlinuz-6.1.10-x) reached its userspace in "));
}
END_TEST

START_TEST(silence_is_failure_at_the_deadline)
{
    int64_t began = hm_boottime_ns();
    write_file("vmlinuz-6.1.10-x", "", 0644);
    try_with("echo Decompressing; exec tail -f /dev/null", 1000);
    int64_t took_ms = (hm_boottime_ns() - began) / HM_MS;
    ck_assert_int_eq(record.result, ACCEL_TRIAL_FAILED);
    ck_assert_ptr_nonnull(strstr(record.text, "did not reach its userspace within 1 s"));
    ck_assert_int_ge(took_ms, 1000);
    ck_assert_int_lt(took_ms, 10000);
}
END_TEST

START_TEST(a_qemu_that_ends_is_failure_at_once)
{
    int64_t began = hm_boottime_ns();
    write_file("vmlinuz-6.1.10-x", "", 0644);
    try_with("exit 1", 60000);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_FAILED);
    ck_assert_int_lt((hm_boottime_ns() - began) / HM_MS, 30000);
}
END_TEST

START_TEST(endless_noise_is_failure)
{
    write_file("vmlinuz-6.1.10-x", "", 0644);
    try_with("exec yes spinning", 20000);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_FAILED);
}
END_TEST

START_TEST(the_newest_kernel_but_the_running_one_is_tried)
{
    struct utsname host;
    uname(&host);
    HM_AUTOFREE char *running = hm_printf("vmlinuz-%s", host.release);
    HM_AUTOFREE char *running_path = in_dir(running);
    write_file(running, "", 0644);
    try_with("echo '" ACCEL_SENTENCE "'", 20000);
    unlink(running_path);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_IMPOSSIBLE);
    ck_assert_ptr_nonnull(strstr(record.text, "there is no kernel in "));
    write_file("vmlinuz-6.1.9-x", "", 0644);
    write_file("vmlinuz-6.1.10-x", "", 0644);
    try_with("echo \"$@\" > \"$(dirname \"$0\")/seen\"; echo '" ACCEL_SENTENCE "'", 20000);
    HM_AUTOFREE char *path = in_dir("seen"), *seen = NULL;
    size_t len;
    ck_assert_int_eq(hm_file_read(path, 4096, &seen, &len, NULL), 0);
    ck_assert_ptr_nonnull(strstr(seen, "/vmlinuz-6.1.10-x -initrd "));
    ck_assert_ptr_nonnull(strstr(seen, "-machine q35,accel=kvm "));
}
END_TEST

/* -- The record ------------------------------------------------------------------------------------ */

static void write_record(const char *boot, const char *result)
{
    HM_AUTOFREE char *text =
        hm_printf("{\"boot_id\":\"%s\",\"result\":\"%s\",\"text\":\"as it was\"}", boot, result);
    write_file("accel-trial.json", text, 0644);
}

static char *this_boot(void)
{
    char *text;
    size_t len;
    ck_assert_int_eq(hm_file_read("/proc/sys/kernel/random/boot_id", 64, &text, &len, NULL), 0);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

START_TEST(a_record_holds_for_its_boot)
{
    HM_AUTOFREE char *boot = this_boot();
    write_record(boot, "PASSED");
    accel_record_read(dir, &record);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_PASSED);
    ck_assert_str_eq(record.text, "as it was");
    write_record("00000000-0000-0000-0000-000000000000", "PASSED");
    accel_record_read(dir, &record);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_UNKNOWN);
    write_record(boot, "PERHAPS");
    accel_record_read(dir, &record);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_UNKNOWN);
    write_file("accel-trial.json", "{", 0644);
    accel_record_read(dir, &record);
    ck_assert_int_eq(record.result, ACCEL_TRIAL_UNKNOWN);
}
END_TEST

/* Due only where the record of this boot does not tell: with a /dev/kvm and the module. */
START_TEST(one_trial_per_boot)
{
    HM_AUTOFREE char *boot = this_boot(), *module = in_dir("kvm_pvm");
    struct accel_host host = {.dev = ACCEL_DEV, .modules = dir, .runtime_dir = dir};
    bool has_kvm = access(ACCEL_DEV, R_OK | W_OK) == 0;
    ck_assert(!accel_trial_is_due("auto", &host));
    ck_assert_int_eq(mkdir(module, 0700), 0);
    ck_assert_int_eq(accel_trial_is_due("auto", &host), has_kvm);
    ck_assert(!accel_trial_is_due("tcg", &host));
    write_record(boot, "IMPOSSIBLE"); /* a kernel may have been installed since */
    ck_assert_int_eq(accel_trial_is_due("auto", &host), has_kvm);
    write_record(boot, "FAILED");
    ck_assert(!accel_trial_is_due("auto", &host));
    write_record(boot, "PASSED");
    ck_assert(!accel_trial_is_due("auto", &host));
    rmdir(module);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("accel_trial");
    TCase *c = tcase_create("accel_trial");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, the_sentence_is_success);
    tcase_add_test(c, silence_is_failure_at_the_deadline);
    tcase_add_test(c, a_qemu_that_ends_is_failure_at_once);
    tcase_add_test(c, endless_noise_is_failure);
    tcase_add_test(c, the_newest_kernel_but_the_running_one_is_tried);
    tcase_add_test(c, a_record_holds_for_its_boot);
    tcase_add_test(c, one_trial_per_boot);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
