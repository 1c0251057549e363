#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vmm/accel.h"

/* -- The decision, by its table -------------------------------------------------------------------- */

#define DEV       "/dev/kvm answers"
#define NO_DEV    "/dev/kvm can't be opened: No such file or directory"
#define PASSED    "a stock kernel (/boot/vmlinuz-6) reached its userspace in 1.9 s"
#define FAILED    "a stock kernel (/boot/vmlinuz-6) did not reach its userspace within 30 s"
#define NO_KERNEL "there is no kernel in /boot to try"

static const struct {
    struct accel_facts facts;
    bool kvm, trial_awaited;
    const char *reason;
} decisions[] = {
    {{"kvm", false, NO_DEV, true, ACCEL_TRIAL_FAILED, FAILED},
     true,
     false,
     "kvm because the configuration says so"},
    {{"tcg", true, DEV, false, ACCEL_TRIAL_PASSED, PASSED},
     false,
     false,
     "tcg because the configuration says so"},
    {{"auto", false, NO_DEV, false, ACCEL_TRIAL_UNKNOWN, ""}, false, false, "tcg because " NO_DEV},
    {{"auto", false, NO_DEV, true, ACCEL_TRIAL_PASSED, PASSED},
     false,
     false,
     "tcg because " NO_DEV},
    {{"auto", true, DEV, false, ACCEL_TRIAL_UNKNOWN, ""}, true, false, "kvm because " DEV},
    {{NULL, true, DEV, false, ACCEL_TRIAL_FAILED, FAILED}, true, false, "kvm because " DEV},
    {{"auto", true, DEV, true, ACCEL_TRIAL_UNKNOWN, ""},
     false,
     true,
     "tcg because kvm_pvm is loaded, and no stock kernel was seen to boot under it yet"},
    {{"auto", true, DEV, true, ACCEL_TRIAL_PASSED, PASSED},
     true,
     false,
     "kvm because " PASSED ", although kvm_pvm is loaded"},
    {{NULL, true, DEV, true, ACCEL_TRIAL_FAILED, FAILED},
     false,
     false,
     "tcg because kvm_pvm is loaded, and " FAILED},
    {{"auto", true, DEV, true, ACCEL_TRIAL_IMPOSSIBLE, NO_KERNEL},
     false,
     false,
     "tcg because kvm_pvm is loaded, and " NO_KERNEL},
};

START_TEST(decision_follows_the_table)
{
    struct accel a;
    accel_decide(&decisions[_i].facts, &a);
    ck_assert_int_eq(a.kvm, decisions[_i].kvm);
    ck_assert_int_eq(a.trial_awaited, decisions[_i].trial_awaited);
    ck_assert_str_eq(a.reason, decisions[_i].reason);
}
END_TEST

/* -- Looking at a host ----------------------------------------------------------------------------- */

static struct accel look(const char *dev, const char *modules)
{
    struct accel a;
    struct accel_host host = {.dev = dev, .modules = modules};
    accel_choose("auto", &host, &a);
    return a;
}

START_TEST(without_the_device_it_is_tcg)
{
    struct accel a = look("/nonexistent/kvm", "/nonexistent");
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason,
                     "tcg because /nonexistent/kvm can't be opened: No such file or directory");
}
END_TEST

START_TEST(a_device_that_is_no_kvm_is_not_believed)
{
    struct accel a = look("/dev/null", "/nonexistent");
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason, "tcg because /dev/null does not answer as KVM does");
}
END_TEST

/* With the host's own /dev/kvm, where there is one. */
START_TEST(paravirtual_kvm_waits_for_a_trial)
{
    char dir[] = "/tmp/harmony-modules.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    char *module = hm_printf("%s/kvm_pvm", dir);
    ck_assert_int_eq(mkdir(module, 0700), 0);
    struct accel plain = look("/dev/kvm", "/nonexistent"), pvm = look("/dev/kvm", dir);
    ck_assert(!pvm.kvm);
    ck_assert(!plain.trial_awaited);
    ck_assert_int_eq(pvm.trial_awaited, plain.kvm);
    rmdir(module);
    rmdir(dir);
    free(module);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("accel");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, decision_follows_the_table, 0, HM_COUNT(decisions));
    tcase_add_test(t, without_the_device_it_is_tcg);
    tcase_add_test(t, a_device_that_is_no_kvm_is_not_believed);
    tcase_add_test(t, paravirtual_kvm_waits_for_a_trial);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
