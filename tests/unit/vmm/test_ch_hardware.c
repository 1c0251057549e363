/* What a VMM that runs holds, against what it was told; and whether saved memory fits. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/ch.h"

static struct hm_error err;
static json_t *config;

static json_t *json(const char *text)
{
    json_t *parsed = json_loads(text, 0, NULL);
    ck_assert_msg(parsed != NULL, "%s", text);
    return parsed;
}

/* Of a guest that was given 256 MiB of up to 384, two disks and a card. */
static void set_up(void)
{
    config = json(
        "{\"payload\":{\"kernel\":\"/k\"},\"cpus\":{\"boot_vcpus\":2,\"max_vcpus\":3},"
        "\"memory\":{\"size\":268435456,\"hotplug_size\":134217728},"
        "\"disks\":[{\"id\":\"disk-root\",\"path\":\"/a\"},{\"id\":\"disk-data\",\"path\":\"/b\"}],"
        "\"net\":[{\"id\":\"net-1\",\"tap\":\"hm1\",\"mac\":\"m\"}],"
        "\"landlock_enable\":true,\"landlock_rules\":[{\"path\":\"/a\"}]}");
}

static void tear_down(void)
{
    json_decref(config);
}

/* A VMM says much more; what its disks and cards are beyond their ids is not taken from it. */
#define HELD_BUT(cpus, memory, disks, net)                                                         \
    "{\"cpus\":" cpus ",\"memory\":" memory ",\"disks\":" disks ",\"net\":" net "}"
#define CPUS   "{\"boot_vcpus\":2,\"max_vcpus\":8}"
#define MEMORY "{\"size\":268435456,\"hotplug_size\":268435456,\"shared\":false}"
#define DISKS  "[{\"id\":\"disk-data\",\"path\":\"/etc/shadow\"},{\"id\":\"disk-root\"}]"
#define NET    "[{\"id\":\"net-1\"}]"

START_TEST(memory_that_came_while_it_ran_is_taken_from_its_vmm_and_nothing_else)
{
    json_t *held = json(HELD_BUT(CPUS, MEMORY, DISKS, NET)), *whole = NULL;
    ck_assert_msg(ch_config_held("web", config, held, &whole, &err) == 0, "%s", err.text);
    const json_t *memory = json_object_get(whole, "memory");
    ck_assert_int_eq(json_integer_value(json_object_get(memory, "hotplug_size")), 268435456);
    ck_assert_uint_eq(json_object_size(memory), 2);
    json_object_set(whole, "memory", json_object_get(config, "memory"));
    ck_assert(json_equal(whole, config));
    json_decref(held);
    json_decref(whole);
}
END_TEST

static const char *const others[] = {
    HELD_BUT("{\"boot_vcpus\":1}", MEMORY, DISKS, NET),
    HELD_BUT(CPUS, "{\"size\":134217728}", DISKS, NET),
    HELD_BUT(CPUS, "{\"size\":268435456,\"hotplug_size\":1073741824}", DISKS, NET),
    HELD_BUT(CPUS, "{\"size\":-1,\"hotplugged_size\":268435457}", DISKS, NET),
    HELD_BUT(CPUS, "{\"size\":536870912,\"hotplugged_size\":-268435456}", DISKS, NET),
    HELD_BUT(CPUS, "{\"size\":9223372036854775807,\"hotplugged_size\":9223372036854775807}", DISKS,
             NET),
    HELD_BUT(CPUS, "{\"size\":268435456,\"hotplug_size\":9223372036854775807}", DISKS, NET),
    HELD_BUT(CPUS, MEMORY, "[{\"id\":\"disk-root\"}]", NET),
    HELD_BUT(CPUS, MEMORY, "[{\"id\":\"disk-root\"},{\"id\":\"other\"}]", NET),
    HELD_BUT(CPUS, MEMORY, DISKS, "[{\"id\":\"net-1\"},{\"id\":\"net-2\"}]"),
    HELD_BUT(CPUS, MEMORY, DISKS, "null"),
    "{}",
    "[]",
};

START_TEST(other_hardware_is_refused)
{
    json_t *held = json(others[_i]), *whole = NULL;
    ck_assert_int_eq(ch_config_held("web", config, held, &whole, &err), -(int)HM_E_REFUSED);
    ck_assert_ptr_null(whole);
    json_decref(held);
}
END_TEST

static const struct {
    const char *path, *value;
    bool is_same;
} changes[] = {
    {"disks.0.path", "\"/elsewhere\"", true},
    {"net.0.tap", "\"hm2\"", true},
    {"landlock_rules", "[]", true},
    {"landlock_enable", "false", true},
    {"memory", "{\"size\":268435456,\"hotplug_size\":268435456}", true},
    {"memory", "{\"size\":134217728,\"hotplugged_size\":134217728}", true},
    {"memory", "{\"size\":134217728}", false},
    {"memory", "{\"size\":9223372036854775807,\"hotplugged_size\":1}", false},
    {"memory", "{\"size\":268435456,\"hugepages\":true}", false},
    {"cpus", "{\"boot_vcpus\":3,\"max_vcpus\":3}", false},
    {"payload", "{\"kernel\":\"/other\"}", false},
    {"disks.1.id", "\"disk-logs\"", false},
    {"disks.1.readonly", "true", false},
    {"net.0.mac", "\"n\"", false},
    {"net", "[]", false},
};

static void set(json_t *in, const char *path, json_t *value)
{
    const char *dot = strchr(path, '.');
    if (!dot) {
        ck_assert_int_eq(json_object_set_new(in, path, value), 0);
        return;
    }
    char list[16] = {0};
    memcpy(list, path, (size_t)(dot - path));
    json_t *item = json_array_get(json_object_get(in, list), (size_t)(dot[1] - '0'));
    ck_assert_int_eq(json_object_set_new(item, dot + 3, value), 0);
}

START_TEST(what_a_guest_sees_is_its_hardware)
{
    json_t *other = json_deep_copy(config);
    set(other, changes[_i].path, json_loads(changes[_i].value, JSON_DECODE_ANY, NULL));
    ck_assert_msg(ch_config_is_same_hardware(config, other) == changes[_i].is_same, "%s = %s",
                  changes[_i].path, changes[_i].value);
    ck_assert(ch_config_is_same_hardware(other, other));
    json_decref(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_hardware");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, memory_that_came_while_it_ran_is_taken_from_its_vmm_and_nothing_else);
    tcase_add_loop_test(t, other_hardware_is_refused, 0, sizeof others / sizeof *others);
    tcase_add_loop_test(t, what_a_guest_sees_is_its_hardware, 0, sizeof changes / sizeof *changes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
