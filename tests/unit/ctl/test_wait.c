#include "ctl/wait.h"

#include "suite.h"

static const struct wait_target *look(struct wait *w, const char *key, const char *status)
{
    struct entries one = {0};
    put_entry(&one, key, status, 1, 0);
    const struct wait_target *changed = wait_look(w, &one.items[0]);
    entries_clear(&one);
    return changed;
}

START_TEST(waits_for_the_revision_itself)
{
    struct wait w = {0};
    wait_add(&w, "site-a.vm.web", 12, false);
    ck_assert_ptr_null(look(&w, "site-a.vm.web",
                            "{'phase':'Running','desired_revision':11,'applied_revision':11}"));
    ck_assert_ptr_null(look(&w, "site-b.vm.web",
                            "{'phase':'Running','desired_revision':12,'applied_revision':12}"));
    ck_assert_ptr_null(look(&w, "site-a.vm.web",
                            "{'phase':'Pending','desired_revision':12,"
                            "'applied_revision':12,'reason':'starts'}"));
    ck_assert(!wait_is_over(&w));
    ck_assert_str_eq(w.targets[0].reason, "starts");
    const struct wait_target *t = look(
        &w, "site-a.vm.web", "{'phase':'Running','desired_revision':12,'applied_revision':12}");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->verdict, WAIT_DONE);
    ck_assert(wait_is_over(&w));
    wait_clear(&w);
}
END_TEST

START_TEST(a_standby_does_not_count_for_primary)
{
    struct wait w = {0};
    wait_add(&w, "primary.vm.db", 5, false);
    ck_assert_ptr_null(
        look(&w, "site-b.vm.db", "{'phase':'Standby','desired_revision':5,'applied_revision':5}"));
    ck_assert_ptr_nonnull(
        look(&w, "site-a.vm.db", "{'phase':'Running','desired_revision':5,'applied_revision':5}"));
    ck_assert_str_eq(w.targets[0].site, "site-a");
    wait_clear(&w);
}
END_TEST

START_TEST(a_failure_is_tried_again_and_a_block_is_not)
{
    struct wait w = {0};
    wait_add(&w, "site-a.vm.web", 3, false);
    wait_add(&w, "site-a.vm.db", 4, false);
    ck_assert_ptr_null(
        look(&w, "site-a.vm.web",
             "{'phase':'Failed','desired_revision':3,'error':{'text':'disk full'}}"));
    ck_assert_str_eq(w.targets[0].reason, "disk full");
    const struct wait_target *t = look(
        &w, "site-a.vm.db", "{'phase':'Blocked','desired_revision':4,'reason':'protect: true'}");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->verdict, WAIT_BLOCKED);
    ck_assert(!wait_is_over(&w));
    wait_clear(&w);
}
END_TEST

START_TEST(a_refused_revision_ends_the_wait)
{
    struct wait w = {0};
    wait_add(&w, "site-a.vm.web", 3, false);
    ck_assert_ptr_nonnull(look(&w, "site-a.vm.web",
                               "{'phase':'Running','desired_revision':3,'applied_revision':2,"
                               "'error':{'code':'invalid','text':'rev 3: unknown field'}}"));
    ck_assert_int_eq(w.targets[0].verdict, WAIT_BLOCKED);
    wait_clear(&w);
}
END_TEST

START_TEST(a_deletion_ends_with_the_thing)
{
    struct wait w = {0};
    wait_add(&w, "site-a.vm.web", 8, true);
    ck_assert_ptr_null(look(&w, "site-a.vm.web", "{'phase':'Pending','desired_revision':8}"));
    ck_assert_ptr_nonnull(
        look(&w, "site-a.vm.web", "{'phase':'Deleted','desired_revision':8,'applied_revision':8}"));
    wait_clear(&w);
}
END_TEST

START_TEST(is_not_led_astray_by_others)
{
    struct wait w = {0};
    wait_add(&w, "site-a.vm.web", 8, false);
    ck_assert_ptr_null(look(&w, "site-a.agent", "{'phase':'Running'}"));
    ck_assert_ptr_null(look(&w, "site-a.vm.web", "nonsense"));
    ck_assert_ptr_null(look(&w, "site-a.vm.web", NULL));
    ck_assert_ptr_null(look(&w, "site-a.network.web",
                            "{'phase':'Running','desired_revision':9,'applied_revision':9}"));
    ck_assert(!wait_is_over(&w));
    wait_clear(&w);
}
END_TEST

RUN_SUITE("wait", waits_for_the_revision_itself, a_standby_does_not_count_for_primary,
          a_failure_is_tried_again_and_a_block_is_not, a_refused_revision_ends_the_wait,
          a_deletion_ends_with_the_thing, is_not_led_astray_by_others)
