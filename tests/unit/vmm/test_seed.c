#include "vmm/seed.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static char folder[] = "/tmp/seed.XXXXXX";

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void)
{
    HM_AUTOFREE char *seeds = hm_printf("%s/harmony-seeds", folder);
    ck_assert_int_eq(rmdir(seeds), 0); /* nothing else was left in it */
    ck_assert_int_eq(rmdir(folder), 0);
}

/* The whole image; its volume label is in the 17th sector (ECMA-119, 8.4.7). */
static char *read_image(const char *path, size_t *len)
{
    char *image = NULL;
    ck_assert_int_eq(hm_file_read(path, 4 << 20, &image, len, NULL), 0);
    ck_assert_uint_gt(*len, 17 * 2048);
    return image;
}

START_TEST(a_seed_is_an_iso_with_a_label)
{
    json_t *c = json_pack("{s:s, s:s}", "user_data", "#cloud-config\n", "network_config", "net\n");
    HM_AUTOFREE char *path = NULL;
    struct hm_error err;
    size_t len;
    struct stat st;
    int r = seed_make(folder, "web", "site-a.vm.web", c, &path, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    HM_AUTOFREE char *image = read_image(path, &len);
    ck_assert_int_eq(strncmp(image + 16 * 2048 + 40, "cidata ", 7), 0);
    ck_assert_ptr_nonnull(memmem(image, len, "#cloud-config\n", 14));
    ck_assert_ptr_nonnull(
        memmem(image, len, "instance-id: site-a.vm.web\nlocal-hostname: web\n", 47));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(seed_remove(folder, "web", NULL), 0);
    ck_assert_int_eq(seed_remove(folder, "web", NULL), 0);
    json_decref(c);
}
END_TEST

START_TEST(without_the_tool_the_old_one_stays)
{
    json_t *c = json_pack("{s:s}", "user_data", "one\n"),
           *d = json_pack("{s:s}", "user_data", "two\n");
    HM_AUTOFREE char *path = NULL, *other = NULL, *before = hm_strdup(getenv("PATH"));
    struct hm_error err;
    size_t len;
    ck_assert_int_eq(seed_make(folder, "web", "k", c, &path, NULL), 0);
    setenv("PATH", "/nowhere", 1);
    ck_assert_int_lt(seed_make(folder, "web", "k", d, &other, &err), 0);
    setenv("PATH", before, 1);
    ck_assert_ptr_nonnull(strstr(err.text, "make the seed of cloud-init"));
    ck_assert_ptr_null(strstr(err.text, "two"));
    HM_AUTOFREE char *image = read_image(path, &len);
    ck_assert_ptr_nonnull(memmem(image, len, "one\n", 4));
    ck_assert_int_eq(seed_remove(folder, "web", NULL), 0);
    json_decref(c);
    json_decref(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("seed");
    TCase *c = tcase_create("seed");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_seed_is_an_iso_with_a_label);
    tcase_add_test(c, without_the_tool_the_old_one_stays);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
