#include "netalloc/alias.h"

#include "suite.h"

START_TEST(an_alias_is_read_as_it_was_made)
{
    char text[ALIAS_MAX + 1];
    struct alias a;
    ck_assert(alias_make("site-a", "site-a.vm.web#12", text));
    ck_assert_str_eq(text, "harmony:site-a:site-a.vm.web#12");
    ck_assert(alias_parse(text, &a));
    ck_assert_str_eq(a.site, "site-a");
    ck_assert_str_eq(a.owner, "site-a.vm.web#12");
}
END_TEST

static const char *const foreign[] = {
    "",
    "harmony",
    "harmony:",
    "harmony:site-a",
    "harmony:site-a:",
    "harmony::site-a.vm.web",
    "Harmony:site-a:site-a.vm.web",
    "harmony:site a:site-a.vm.web",
    "harmony:site-a:site-a.vm.web#",
    "harmony:site-a:site-a.vm.web#1x",
    "harmony:site-a:#1",
    "harmony:site-a:site-a.vm.web\n",
    "harmony:site-a:site-a.vm.web:more",
    " harmony:site-a:site-a.vm.web",
};

START_TEST(what_reads_otherwise_is_nobodys_mark)
{
    struct alias a;
    ck_assert_msg(!alias_parse(foreign[_i], &a), "%s", foreign[_i]);
}
END_TEST

START_TEST(what_would_not_fit_is_not_made)
{
    char long_name[300], text[ALIAS_MAX + 1] = "as before";
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert(!alias_make("site-a", long_name, text));
    ck_assert(!alias_make(long_name, "site-a.vm.web", text));
    ck_assert(!owner_make(long_name, 1, text));
    ck_assert_str_eq(text, "as before");
    long_name[OWNER_MAX] = '\0';
    char site[ALIAS_SITE_MAX + 1];
    memset(site, 's', ALIAS_SITE_MAX);
    site[ALIAS_SITE_MAX] = '\0';
    long_name[180] = '\0'; /* the longest key that is verified, with the longest site */
    ck_assert(alias_make(site, long_name, text));
}
END_TEST

START_TEST(a_bridge_has_an_address_that_follows_from_its_owner)
{
    uint8_t one[6], again[6], other[6], shifted[6];
    alias_mac("site-a", "site-a.network.lan", one);
    alias_mac("site-a", "site-a.network.lan", again);
    alias_mac("site-b", "site-a.network.lan", other);
    alias_mac("site-as", "ite-a.network.lan", shifted);
    ck_assert_mem_eq(one, again, 6);
    ck_assert_mem_ne(one, other, 6);
    ck_assert_mem_ne(one, shifted, 6);
    ck_assert_uint_eq(one[0] & 3, 2); /* locally administered, unicast */
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("alias");
    tcase_add_test(c, an_alias_is_read_as_it_was_made);
    tcase_add_loop_test(c, what_reads_otherwise_is_nobodys_mark, 0,
                        sizeof foreign / sizeof *foreign);
    tcase_add_test(c, what_would_not_fit_is_not_made);
    tcase_add_test(c, a_bridge_has_an_address_that_follows_from_its_owner);
    return run_case("alias", c);
}
