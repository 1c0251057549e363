#include "ctl/group.h"

#include "suite.h"

static void assert_key(const char *group, const char *key, const char *expected)
{
    char *stored = group_key(group, key);
    ck_assert_str_eq(stored, expected);
    free(stored);
}

START_TEST(prefixes_keys_of_other_groups)
{
    assert_key("default", KEY_LEASE, "primary_heartbeat");
    assert_key("blue", KEY_LEASE, "blue.primary_heartbeat");
}
END_TEST

START_TEST(tells_groups_apart)
{
    ck_assert_str_eq(key_in_group("default", "primary_heartbeat"), "primary_heartbeat");
    ck_assert_str_eq(key_in_group("default", "replica_heartbeat.site-a"),
                     "replica_heartbeat.site-a");
    ck_assert_ptr_null(key_in_group("default", "blue.primary_heartbeat"));
    ck_assert_ptr_null(key_in_group("blue", "primary_heartbeat"));
    ck_assert_ptr_null(key_in_group("blue", "blueish.primary_heartbeat"));
    ck_assert_str_eq(key_in_group("blue", "blue.incident.7"), "incident.7");
    ck_assert_ptr_null(key_in_group("default", "something"));
}
END_TEST

RUN_SUITE("group", prefixes_keys_of_other_groups, tells_groups_apart)
