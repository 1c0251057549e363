#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vmm/accel.h"

START_TEST(what_is_asked_for_is_given)
{
    struct accel a;
    accel_choose("kvm", "/nonexistent", "/nonexistent", &a);
    ck_assert(a.kvm);
    accel_choose("tcg", "/dev/null", "/nonexistent", &a);
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason, "tcg because the configuration says so");
}
END_TEST

START_TEST(without_the_device_it_is_tcg)
{
    struct accel a;
    accel_choose("auto", "/nonexistent/kvm", "/nonexistent", &a);
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason,
                     "tcg because /nonexistent/kvm can't be opened: No such file or directory");
}
END_TEST

START_TEST(a_device_that_is_no_kvm_is_not_believed)
{
    struct accel a;
    accel_choose("auto", "/dev/null", "/nonexistent", &a);
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason, "tcg because /dev/null does not answer as KVM does");
}
END_TEST

START_TEST(paravirtual_kvm_is_not_used)
{
    char dir[] = "/tmp/harmony-modules.XXXXXX";
    struct accel a;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    char *module = hm_printf("%s/kvm_pvm", dir);
    ck_assert_int_eq(mkdir(module, 0700), 0);
    accel_choose(NULL, "/dev/kvm", dir, &a);
    ck_assert(!a.kvm);
    ck_assert_str_eq(a.reason, "tcg because kvm_pvm is loaded");
    rmdir(module);
    rmdir(dir);
    free(module);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("accel");
    TCase *t = tcase_create("all");
    tcase_add_test(t, what_is_asked_for_is_given);
    tcase_add_test(t, without_the_device_it_is_tcg);
    tcase_add_test(t, a_device_that_is_no_kvm_is_not_believed);
    tcase_add_test(t, paravirtual_kvm_is_not_used);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
