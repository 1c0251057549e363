#include "agent/depends.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "world.h"

static bool note(void *data, const char *kind, const char *name)
{
    hm_buf_printf(data, "%s/%s ", kind, name);
    return true;
}

static bool stop_at_once(void *data, const char *kind, const char *name)
{
    note(data, kind, name);
    return false;
}

static void expect(const char *kind, const json_t *spec, const char *expected)
{
    struct hm_buf seen = {0};
    ck_assert(depends_each(kind, spec, note, &seen));
    ck_assert_str_eq(seen.data ? seen.data : "", expected);
    hm_buf_free(&seen);
}

#define GUEST                                                                                      \
    "{\"disks\":[{\"device\":\"vda\",\"disk\":\"data\"},{\"device\":\"vdb\",\"image\":\"/i/x\"},"  \
    "{\"device\":\"vdc\",\"disk\":\"log\"}],"                                                      \
    "\"networks\":[{\"network\":\"lan\"},{\"bridge\":\"br0\"}],"                                   \
    "\"depends_on\":[\"vm/db\",\"network/wan\"]}"

START_TEST(names_in_a_guest_and_what_it_says_itself)
{
    json_t *spec = world_spec("vm", GUEST);
    expect("vm", spec, "network/lan disk/data disk/log vm/db network/wan ");
    json_decref(spec);
}
END_TEST

START_TEST(what_a_disk_is_made_on_top_of)
{
    json_t *spec = world_spec("disk", "{\"size\":\"1GiB\",\"backing_image\":\"debian\"}");
    expect("disk", spec, "image-file/debian ");
    json_decref(spec);
    spec = world_spec("vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"backing_image\":"
                            "\"debian\"},{\"device\":\"vdb\",\"disk\":\"data\"}]}");
    expect("vm", spec, "disk/data image-file/debian ");
    json_decref(spec);
}
END_TEST

START_TEST(images_that_a_guest_names)
{
    json_t *spec =
        world_spec("vm", "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\",\"base\":\"cloud\"}],"
                         "\"cdroms\":[{\"path\":\"/i/x\"},{\"image\":\"setup\"}]}");
    expect("vm", spec, "image-file/cloud image-file/setup ");
    json_decref(spec);
}
END_TEST

START_TEST(other_kinds_have_only_what_they_say)
{
    json_t *spec = world_spec("network", "{\"depends_on\":[\"disk/data\"]}");
    expect("network", spec, "disk/data ");
    json_decref(spec);
    expect("vm", NULL, "");
}
END_TEST

START_TEST(ends_when_a_visit_says_so)
{
    struct hm_buf seen = {0};
    json_t *spec = world_spec("vm", GUEST);
    ck_assert(!depends_each("vm", spec, stop_at_once, &seen));
    ck_assert_str_eq(seen.data, "network/lan ");
    hm_buf_free(&seen);
    json_decref(spec);
}
END_TEST

START_TEST(depends_on_exactly_that)
{
    json_t *spec = world_spec("vm", GUEST);
    ck_assert(depends_on_thing("vm", spec, "network", "lan"));
    ck_assert(depends_on_thing("vm", spec, "disk", "log"));
    ck_assert(depends_on_thing("vm", spec, "vm", "db"));
    ck_assert(!depends_on_thing("vm", spec, "disk", "lan"));
    ck_assert(!depends_on_thing("vm", spec, "network", "la"));
    ck_assert(!depends_on_thing("vm", NULL, "network", "lan"));
    json_decref(spec);
}
END_TEST

/* Marks come from outside: a spec that no verifier has seen must do no harm. */
static const char *const unverified[] = {
    "{\"disks\":7,\"networks\":\"x\",\"depends_on\":{}}",
    "{\"disks\":[7,null,{\"disk\":7}],\"networks\":[[]],\"depends_on\":[7,\"\",\"noslash\",null]}",
    "{\"depends_on\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"
    "x\"]}",
    "[1,2]",
};

START_TEST(unverified_spec_does_no_harm)
{
    json_t *spec = json_loads(unverified[_i], 0, NULL);
    ck_assert_ptr_nonnull(spec);
    expect("vm", spec, "");
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("depends");
    TCase *c = tcase_create("depends");
    tcase_add_test(c, names_in_a_guest_and_what_it_says_itself);
    tcase_add_test(c, what_a_disk_is_made_on_top_of);
    tcase_add_test(c, images_that_a_guest_names);
    tcase_add_test(c, other_kinds_have_only_what_they_say);
    tcase_add_test(c, ends_when_a_visit_says_so);
    tcase_add_test(c, depends_on_exactly_that);
    tcase_add_loop_test(c, unverified_spec_does_no_harm, 0, 4);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
