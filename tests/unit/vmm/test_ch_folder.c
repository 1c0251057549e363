/* A folder goes with all that is in it, and nothing that is elsewhere. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/ch_folder.h"

static char dir[64];
static struct hm_error err;

static void set_up(void)
{
    strcpy(dir, "/tmp/harmony-folder-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    ck_assert_int_eq(ch_folder_drop(dir, &err), 0);
}

static void write_below(const char *folder, const char *name)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, name);
    ck_assert_int_eq(hm_mkdirs(folder, 0700, &err), 0);
    ck_assert_int_eq(hm_file_write_atomic(path, "x", 1, 0600, &err), 0);
}

START_TEST(all_that_is_in_it_goes)
{
    HM_AUTOFREE char *top = hm_printf("%s/top", dir);
    HM_AUTOFREE char *below = hm_printf("%s/a/b/c", top);
    write_below(below, "file");
    write_below(top, ".hidden");
    ck_assert_int_eq(ch_folder_drop(top, &err), 0);
    ck_assert_int_lt(access(top, F_OK), 0);
    ck_assert_int_eq(ch_folder_drop(top, &err), 0);
}
END_TEST

START_TEST(what_a_link_points_to_stays)
{
    HM_AUTOFREE char *top = hm_printf("%s/top", dir), *other = hm_printf("%s/other", dir);
    HM_AUTOFREE char *in = hm_printf("%s/link", top), *kept = hm_printf("%s/file", other);
    write_below(other, "file");
    ck_assert_int_eq(mkdir(top, 0700), 0);
    ck_assert_int_eq(symlink(other, in), 0);
    ck_assert_int_eq(ch_folder_drop(top, &err), 0);
    ck_assert_int_eq(access(kept, F_OK), 0);
    ck_assert_int_eq(symlink(other, top), 0); /* and if it is one itself */
    ck_assert_int_eq(ch_folder_drop(top, &err), 0);
    ck_assert_int_eq(access(kept, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_folder");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, all_that_is_in_it_goes);
    tcase_add_test(t, what_a_link_points_to_stays);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
