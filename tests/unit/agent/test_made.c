#include "agent/made.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

static char folder[] = "/tmp/made.XXXXXX";
static char *path;
static struct made m;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path = hm_printf("%s/primary-made", folder);
}

static void tear_down(void)
{
    unlink(path);
    free(path);
    rmdir(folder);
}

START_TEST(note_outlives_the_agent)
{
    made_open(&m, folder);
    ck_assert(!made_any(&m));
    ck_assert_int_eq(made_note(&m, NULL), 0);
    ck_assert(made_any(&m));
    made_close(&m);
    made_open(&m, folder);
    ck_assert(made_any(&m));
    made_close(&m);
}
END_TEST

START_TEST(note_that_cannot_be_kept_forbids)
{
    struct hm_error err;
    made_open(&m, folder);
    ck_assert_int_eq(rmdir(folder), 0);
    ck_assert_int_lt(made_note(&m, &err), 0);
    ck_assert(made_any(&m)); /* all the same: better one too many */
    made_close(&m);
}
END_TEST

START_TEST(what_cannot_be_looked_for_counts)
{
    HM_AUTOFREE char *below_a_file = hm_printf("%s/x", path);
    made_open(&m, folder);
    ck_assert_int_eq(made_note(&m, NULL), 0);
    made_close(&m);
    made_open(&m, below_a_file); /* ENOTDIR */
    ck_assert(made_any(&m));
    made_close(&m);
}
END_TEST

static bool is_noted(const char *kind, const char *key, bool marked)
{
    struct thing t = {.kind = (char *)kind, .mark_key = (char *)key, .marked = marked};
    struct things seen = {&t, 1};
    made_open(&m, NULL);
    made_note_seen(&m, &seen);
    bool any = made_any(&m);
    made_close(&m);
    return any;
}

START_TEST(only_primary_vms_are_noted)
{
    ck_assert(is_noted("vm", "primary.vm.db", true));
    ck_assert(!is_noted("vm", "site-a.vm.db", true));
    ck_assert(!is_noted("vm", "primaryx.vm.db", true));
    ck_assert(!is_noted("network", "primary.network.lan", true));
    ck_assert(!is_noted("vm", NULL, false));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("made");
    TCase *c = tcase_create("made");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, note_outlives_the_agent);
    tcase_add_test(c, note_that_cannot_be_kept_forbids);
    tcase_add_test(c, what_cannot_be_looked_for_counts);
    tcase_add_test(c, only_primary_vms_are_noted);
    suite_add_tcase(suite, c);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
