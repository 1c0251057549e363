#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/libvirt.h"

static const char *const good[] = {
    "qemu:///system",
    "qemu:///session",
    "qemu:///embed?root=/var/tmp/x",
    "qemu:///system?socket=/run/site/libvirt-sock",
    "qemu+unix:///system?socket=/x",
    "qemu+ssh://host/system",
    "qemu+ssh://ops@hv1.example.com:2222/system?keyfile=/k&no_verify=1",
    "qemu+tls://[fd00::1]:16514/system",
    "qemu+libssh2://user@host/system",
    "qemu://host/system",
    "test:///default",
    "xen+ssh://root@host/system",
};

START_TEST(a_good_uri_passes)
{
    struct hm_error err = {0};
    ck_assert_msg(libvirt_check_uri(good[_i], &err) == 0, "%s", err.text);
}
END_TEST

static const struct {
    const char *uri, *sentence; /* a part of it */
} bad[] = {
    {NULL, "is empty"},
    {"", "is empty"},
    {"qemu", "has no \"://\""},
    {"qemu:/system", "has no \"://\""},
    {"/system", "has no \"://\""},
    {"://system", "is not a driver's name"},
    {"9p:///x", "is not a driver's name"},
    {"qe mu:///system", "position 3"},
    {"qemu:///sys\ntem", "position 12"},
    {"qemu:///syst\xc3\xa9m", "position 13"},
    {"qemu+smtp://host/system", "unknown transport \"smtp\""},
    {"qemu+://host/system", "unknown transport \"\""},
    {"qemu+ssh:///system", "needs a host"},
    {"qemu+tls:///system", "needs a host"},
    {"qemu+ssh://@host/system", "user's name before @ is empty"},
    {"qemu+ssh://user@/system", "host after @ is empty"},
    {"qemu+ssh://-oProxyCommand=x/system", "can't begin with \"-\""},
    {"qemu+ssh://user@-oProxyCommand/system", "can't begin with \"-\""},
    {"qemu+ssh://us;er@host/system", "\";\" can't stand"},
    {"qemu+ssh://$(id)@host/system", "\"$\" can't stand"},
    {"qemu://system", "no path"},
    {"qemu:///", "no path"},
    {"qemu:///?socket=/x", "no path"},
    {"qemu+ssh://host", "no path"},
};

START_TEST(a_bad_uri_gets_a_sentence)
{
    struct hm_error err = {0};
    ck_assert_int_eq(libvirt_check_uri(bad[_i].uri, &err), -HM_E_INVALID_URI);
    ck_assert_msg(strstr(err.text, bad[_i].sentence), "%s", err.text);
}
END_TEST

START_TEST(a_uri_that_is_too_long_is_refused)
{
    char uri[2000];
    memset(uri, 'x', sizeof uri);
    memcpy(uri, "qemu:///", 8);
    uri[sizeof uri - 1] = '\0';
    ck_assert_int_eq(libvirt_check_uri(uri, NULL), -HM_E_INVALID_URI);
}
END_TEST

START_TEST(a_host_makes_it_remote)
{
    ck_assert(libvirt_uri_is_remote("qemu+ssh://user@host/system"));
    ck_assert(libvirt_uri_is_remote("qemu://host/system"));
    ck_assert(!libvirt_uri_is_remote("qemu:///system"));
    ck_assert(!libvirt_uri_is_remote("test:///default"));
}
END_TEST

START_TEST(a_parameter_is_found_by_its_whole_name)
{
    char *socket = libvirt_uri_parameter("qemu:///system?mysocket=/a&socket=/b&x", "socket");
    ck_assert_str_eq(socket, "/b");
    free(socket);
    ck_assert_ptr_null(libvirt_uri_parameter("qemu:///system", "socket"));
    ck_assert_ptr_null(libvirt_uri_parameter("qemu:///system?x=1", "socket"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uri");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, a_good_uri_passes, 0, HM_COUNT(good));
    tcase_add_loop_test(t, a_bad_uri_gets_a_sentence, 0, HM_COUNT(bad));
    tcase_add_test(t, a_uri_that_is_too_long_is_refused);
    tcase_add_test(t, a_host_makes_it_remote);
    tcase_add_test(t, a_parameter_is_found_by_its_whole_name);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
