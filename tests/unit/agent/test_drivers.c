#include "agent/drivers.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct driver *taker(const char *kind, const json_t *spec)
{
    for (const struct driver *const *d = drivers_all(); *d; d++)
        if (driver_takes(*d, kind, spec))
            return *d;
    return NULL;
}

START_TEST(kinds_find_their_driver)
{
    ck_assert_str_eq(taker("vm", NULL)->name, "libvirt");
    ck_assert_str_eq(taker("network", NULL)->name, "libvirt");
    ck_assert_ptr_null(taker("container", NULL));
}
END_TEST

START_TEST(backend_of_the_document_decides)
{
    json_t *libvirt = json_pack("{s:s}", "backend", "libvirt");
    json_t *ch = json_pack("{s:s}", "backend", "cloud-hypervisor");
    ck_assert_str_eq(taker("vm", ch)->name, "cloud-hypervisor");
    ck_assert_ptr_null(taker("network", ch));
    json_decref(ch);
    json_t *xen = json_pack("{s:s}", "backend", "xen");
    ck_assert_str_eq(taker("vm", libvirt)->name, "libvirt");
    ck_assert_ptr_null(taker("vm", xen));
#if HM_WITH_NETALLOC
    json_t *native = json_pack("{s:s}", "backend", "native");
    ck_assert_str_eq(taker("network", native)->name, "native");
    ck_assert_ptr_null(taker("vm", native));
    json_decref(native);
#endif
    json_decref(libvirt);
    json_decref(xen);
}
END_TEST

START_TEST(names_are_unique)
{
    for (const struct driver *const *d = drivers_all(); *d; d++)
        for (const struct driver *const *e = d + 1; *e; e++)
            ck_assert_str_ne((*d)->name, (*e)->name);
}
END_TEST

START_TEST(a_host_without_libvirt_has_all_others)
{
    const struct driver *const *all = drivers_all(), *const *others = drivers_without_libvirt();
    ck_assert_str_eq(all[0]->name, "libvirt");
    for (size_t i = 0; all[i]; i++)
        ck_assert_ptr_eq(all[i + 1], others[i]);
}
END_TEST

START_TEST(configuration_says_which_and_with_what)
{
    struct agent_config config = {.site_id = (char *)"site-a", .state_dir = (char *)"/state"};
    ck_assert_ptr_eq(drivers_of(&config), drivers_without_libvirt());
    config.libvirt.enabled = true;
    ck_assert_ptr_eq(drivers_of(&config), drivers_all());
    struct driver_options options = driver_options_of(&config);
    ck_assert_str_eq(options.site, "site-a");
    ck_assert_str_eq(options.state_dir, "/state");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("drivers");
    TCase *c = tcase_create("drivers");
    tcase_add_test(c, kinds_find_their_driver);
    tcase_add_test(c, backend_of_the_document_decides);
    tcase_add_test(c, names_are_unique);
    tcase_add_test(c, a_host_without_libvirt_has_all_others);
    tcase_add_test(c, configuration_says_which_and_with_what);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
