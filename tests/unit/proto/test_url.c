#include "proto/url.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
    "http://127.0.0.1:8080/a.img",
    "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img",
    "https://[fd00::1]:8443/a?token=x",
    "http://host",
};

START_TEST(addresses_of_downloads)
{
    ck_assert_ptr_null(url_fault(good[_i], false));
}
END_TEST

static const struct {
    const char *url, *fault;
} bad[] = {
    {"ftp://host/a", "begin with http"},
    {"file:///etc/passwd", "begin with http"},
    {"HTTP://host/a", "begin with http"},
    {"http://user:word@host/a", "a user or a password"},
    {"http://user@host/a", "a user or a password"},
    {"http:///a", "no host"},
    {"http://:80/a", "no host"},
    {"http://ho$t/a", "no host"},
    {"http://host/a b", "%XX"},
    {"http://host/\xc3\xa4", "%XX"},
    {"http://host/a\r\nX: y", "%XX"},
    {"http://host/a#part", "after #"},
};

START_TEST(what_is_none)
{
    const char *fault = url_fault(bad[_i].url, false);
    ck_assert_msg(fault && strstr(fault, bad[_i].fault), "%s: %s", bad[_i].url, fault);
}
END_TEST

START_TEST(checksums_come_over_https_alone)
{
    ck_assert_ptr_null(url_fault("https://host/SHA256SUMS", true));
    ck_assert_ptr_nonnull(url_fault("http://host/SHA256SUMS", true));
}
END_TEST

START_TEST(a_query_is_never_shown)
{
    char shown[URL_SHOWN_MAX], long_url[400] = "http://host/";
    url_shown("https://host/a.img?token=secret", shown);
    ck_assert_str_eq(shown, "https://host/a.img");
    memset(long_url + 12, 'x', sizeof long_url - 13);
    url_shown(long_url, shown);
    ck_assert_uint_eq(strlen(shown), URL_SHOWN_MAX - 1);
    ck_assert_str_eq(shown + URL_SHOWN_MAX - 5, "x...");
}
END_TEST

START_TEST(the_file_is_the_last_part_of_the_path)
{
    char file[URL_FILE_MAX + 1];
    ck_assert(url_file("https://host/noble/a.img?x=/b", file));
    ck_assert_str_eq(file, "a.img");
    ck_assert(!url_file("https://host/", file));
    ck_assert(!url_file("https://host", file));
    ck_assert(!url_file("https://host/noble/?a", file));
}
END_TEST

START_TEST(checksums)
{
    char text[80];
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    ck_assert(sha256_is_valid(text));
    text[10] = 'F';
    ck_assert(sha256_is_valid(text));
    text[10] = 'g';
    ck_assert(!sha256_is_valid(text));
    ck_assert(!sha256_is_valid("aa"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("url");
    TCase *c = tcase_create("url");
    tcase_add_loop_test(c, addresses_of_downloads, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(c, what_is_none, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, checksums_come_over_https_alone);
    tcase_add_test(c, a_query_is_never_shown);
    tcase_add_test(c, the_file_is_the_last_part_of_the_path);
    tcase_add_test(c, checksums);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
