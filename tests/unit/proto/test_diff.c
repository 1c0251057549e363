#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/doc.h"
#include "proto/render.h"

#define EIGHT(c) c c c c c c c c
#define SHA(c)   EIGHT(c) EIGHT(c) EIGHT(c) EIGHT(c) EIGHT(c) EIGHT(c) EIGHT(c) EIGHT(c)
#define IMAGE(host, c)                                                                             \
    "{\"url\":\"http://" host "/a\",\"format\":\"iso\",\"sha256\":\"" SHA(c) "\"}"

static json_t *spec_of(const char *kind, const char *text)
{
    json_t *given = json_loads(text, 0, NULL), *spec = NULL;
    struct hm_error err = {0};
    ck_assert_msg(given != NULL, "the test's own JSON is wrong: %s", text);
    int rc = kind_verify(kind_find(kind), given, &spec, NULL, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    json_decref(given);
    return spec;
}

/* All changes as one text: "memory 128MiB -> 512MiB restart; ..." */
static char *diff_text(const struct spec_diff *d)
{
    struct hm_buf out = {0};
    for (size_t i = 0; i < d->count; i++) {
        const struct spec_change *c = &d->changes[i];
        hm_buf_printf(&out, "%s%s %s -> %s %s", i ? "; " : "", c->path, c->before ? c->before : "-",
                      c->after ? c->after : "-", field_cost_name(c->cost));
        if (c->why)
            hm_buf_printf(&out, " (%s)", c->why);
    }
    return hm_buf_steal(&out);
}

#define VM(rest)           "{\"kernel\":\"/k\"" rest "}"
#define DISK(device, rest) "{\"device\":\"" device "\"" rest "}"

static const struct {
    const char *kind, *before, *after, *changes;
    enum field_cost cost;
} diffs[] = {
    {"vm", VM(""), VM(""), "", COST_NONE},
    {"vm", VM(""), VM(",\"vcpus\":2,\"memory\":4294967296"), "", COST_NONE},
    {"vm", VM(",\"memory\":\"128MiB\""), VM(",\"memory\":\"512MiB\",\"vcpus\":1"),
     "vcpus 2 -> 1 restart (only more is live); memory 128MiB -> 512MiB restart (max_memory is not "
     "set)",
     COST_RESTART},
    {"vm", VM(""), VM(",\"protect\":true,\"stop_grace\":\"1500ms\""),
     "stop_grace 30s -> 1500ms none; protect false -> true none", COST_NONE},
    {"vm", VM(",\"labels\":{\"a\":\"1\",\"b\":\"2\"}"), VM(",\"labels\":{\"b\":\"3\",\"c\":\"4\"}"),
     "labels.a 1 -> - none; labels.b 2 -> 3 none; labels.c - -> 4 none", COST_NONE},
    {"vm", VM(""), VM(",\"labels\":{\"a\":\"1\"}"), "labels.a - -> 1 none", COST_NONE},
    {"vm", VM(""), VM(",\"initramfs\":\"/i\""), "initramfs - -> /i restart", COST_RESTART},
    {"vm", VM(""), VM(",\"boot_order\":[\"disk\"]"),
     "boot_order [disk, cdrom, network] -> [disk] restart", COST_RESTART},
    {"vm", VM(",\"cdroms\":[{\"path\":\"/a\"},{}]"), VM(",\"cdroms\":[{},{\"path\":\"/b\"}]"),
     "cdroms[0].path /a -> - live; cdroms[1].path - -> /b live", COST_LIVE},
    {"vm", VM(",\"cdroms\":[{\"path\":\"/a\"}]"), VM(""),
     "cdroms[0] {path: /a} -> - restart (a drive goes with a restart; what is in it changes live)",
     COST_RESTART},
    /* elements are matched by name, wherever they stand */
    {"vm", VM(",\"disks\":[" DISK("a", ",\"disk\":\"x\"") "," DISK("b", ",\"disk\":\"y\"") "]"),
     VM(",\"disks\":[" DISK("b", ",\"disk\":\"y\"") "," DISK("a", ",\"disk\":\"x\"") "]"), "",
     COST_NONE},
    {"vm", VM(",\"disks\":[" DISK("root", ",\"size\":\"1GiB\"") "]"),
     VM(",\"disks\":[" DISK("data", ",\"disk\":\"x\"") "," DISK("root", ",\"size\":\"2GiB\"") "]"),
     "disks[root].size 1GiB -> 2GiB live (it grows); disks[data] - -> {device: data, disk: x} live",
     COST_LIVE},
    {"vm", VM(",\"disks\":[" DISK("root", ",\"size\":\"2GiB\"") "]"),
     VM(",\"disks\":[" DISK("root", ",\"size\":\"1GiB\"") "]"),
     "disks[root].size 2GiB -> 1GiB never (a disk never shrinks)", COST_NEVER},
    {"vm", VM(",\"disks\":[" DISK("root", ",\"size\":\"2GiB\"") "]"),
     VM(",\"disks\":[" DISK("root", ",\"disk\":\"x\"") "]"),
     "disks[root].size 2GiB -> - never; disks[root].disk - -> x replace", COST_NEVER},
    {"image-file", IMAGE("h", "a"), IMAGE("other", "a"),
     "url http://h/a -> http://other/a none (the same contents)", COST_NONE},
    {"image-file", IMAGE("h", "a"), IMAGE("other", "b"),
     "url http://h/a -> http://other/a replace; sha256 " SHA("a") " -> " SHA("b") " replace",
     COST_REPLACE},
    {"disk", "{\"size\":\"1GiB\"}", "{\"size\":\"2GiB\"}", "size 1GiB -> 2GiB live (it grows)",
     COST_LIVE},
    {"vm", VM(",\"disks\":[" DISK("a", ",\"image\":\"/a\"") "]"),
     VM(",\"disks\":[" DISK("a", ",\"image\":\"/b\"") "]"), "disks[a].image /a -> /b replace",
     COST_REPLACE},
    {"vm", VM(",\"disks\":[" DISK("a", ",\"image\":\"/a\",\"bus\":\"sata\"") "]"), VM(""),
     "disks[a] {device: a, image: /a, bus: sata} -> - restart (bus sata takes none while it runs)",
     COST_RESTART},
    /* cards without a MAC are matched by their place */
    {"vm", VM(",\"networks\":[{\"network\":\"a\"},{\"network\":\"b\"}]"),
     VM(",\"networks\":[{\"network\":\"a\"},{\"network\":\"c\"}]"),
     "networks[1].network b -> c restart", COST_RESTART},
    {"vm", VM(",\"networks\":[{\"network\":\"a\",\"mac\":\"52:54:00:00:00:01\"}]"),
     VM(",\"networks\":[{\"network\":\"a\"}]"),
     "networks[52:54:00:00:00:01] {network: a, mac: 52:54:00:00:00:01} -> - live; networks[0] - -> "
     "{network: a} live",
     COST_LIVE},
    /* more is live within the maximum that it runs with */
    {"vm", VM(",\"vcpus\":1,\"max_vcpus\":4,\"memory\":\"1GiB\",\"max_memory\":\"2GiB\""),
     VM(",\"vcpus\":4,\"max_vcpus\":4,\"memory\":\"2GiB\",\"max_memory\":\"2GiB\""),
     "vcpus 1 -> 4 live; memory 1GiB -> 2GiB live", COST_LIVE},
    {"vm", VM(",\"vcpus\":1,\"max_vcpus\":2"), VM(",\"vcpus\":3,\"max_vcpus\":4"),
     "vcpus 1 -> 3 restart (above max_vcpus 2); max_vcpus 2 -> 4 restart", COST_RESTART},
    {"vm", VM(",\"vcpus\":1,\"max_vcpus\":2"), VM(",\"vcpus\":2,\"max_vcpus\":4"),
     "vcpus 1 -> 2 live; max_vcpus 2 -> 4 restart", COST_RESTART},
    {"vm", VM(",\"memory\":\"2GiB\",\"max_memory\":\"2GiB\""),
     VM(",\"memory\":\"1GiB\",\"max_memory\":\"2GiB\""),
     "memory 2GiB -> 1GiB restart (only more is live)", COST_RESTART},
    {"network", "{}", "{\"dhcp\":{\"enabled\":false},\"autostart\":false}",
     "dhcp.enabled true -> false live; autostart true -> false live", COST_LIVE},
    {"network", "{}", "{\"autostart\":false}", "autostart true -> false live", COST_LIVE},
    {"disk", "{\"size\":\"1GiB\"}", "{\"size\":\"1GB\"}",
     "size 1GiB -> 1GB never (a disk never shrinks)", COST_NEVER},
};

START_TEST(differences_are_found_with_their_cost)
{
    json_t *before = spec_of(diffs[_i].kind, diffs[_i].before);
    json_t *after = spec_of(diffs[_i].kind, diffs[_i].after);
    struct spec_diff d;
    spec_diff(kind_find(diffs[_i].kind), before, after, &d);
    HM_AUTOFREE char *text = diff_text(&d);
    ck_assert_str_eq(text, diffs[_i].changes);
    ck_assert_int_eq(d.cost, diffs[_i].cost);
    spec_diff_clear(&d);
    ck_assert_uint_eq(d.count, 0);
    json_decref(before);
    json_decref(after);
}
END_TEST

START_TEST(a_field_that_is_younger_than_what_was_applied_changes_nothing)
{
    json_t *before = spec_of("network", "{}"), *after = spec_of("network", "{}");
    struct spec_diff d;
    json_object_del(before, "dns");
    json_object_del(json_object_get(before, "dhcp"), "enabled");
    spec_diff(kind_find("network"), before, after, &d);
    ck_assert_uint_eq(d.count, 0);
    spec_diff_clear(&d);
    json_decref(before);
    json_decref(after);
}
END_TEST

START_TEST(what_was_applied_and_is_no_longer_valid_is_still_compared)
{
    json_t *before = spec_of("network", "{}"), *after = spec_of("network", "{}");
    struct spec_diff d;
    json_object_set_new(before, "of_old", json_true());
    json_object_set_new(before, "mode", json_string("magic"));
    spec_diff(kind_find("network"), before, after, &d);
    ck_assert_uint_eq(d.count, 1);
    ck_assert_str_eq(d.changes[0].path, "mode");
    spec_diff_clear(&d);
    json_decref(before);
    json_decref(after);
}
END_TEST

/* Grows while it runs, shrinks with a restart. */
static enum field_cost weigh_growth(const json_t *before, const json_t *after, char **ret_why)
{
    if (!before || !after)
        return COST_REPLACE;
    if (spec_int(after, "n", 0) > spec_int(before, "n", 0))
        return COST_LIVE;
    *ret_why = hm_strdup("it shrinks");
    return COST_RESTART;
}

static const struct field weighed_element[] = {
    {.name = "id", .type = FIELD_STRING},
    {.name = "n", .type = FIELD_INT, .weigh = weigh_growth},
    {.name = NULL}};
static const struct field weighed[] = {{.name = "n", .type = FIELD_INT, .weigh = weigh_growth},
                                       {.name = "list",
                                        .type = FIELD_LIST,
                                        .element = FIELD_OBJECT,
                                        .fields = weighed_element,
                                        .unique_by = "id",
                                        .weigh = weigh_growth},
                                       {.name = NULL}};

START_TEST(where_there_was_nothing_all_is_new)
{
    struct spec_diff d;
    json_t *after = spec_of("network", "{}");
    spec_diff(kind_find("network"), NULL, after, &d);
    ck_assert_uint_gt(d.count, 3);
    for (size_t i = 0; i < d.count; i++)
        ck_assert_ptr_null(d.changes[i].before);
    spec_diff_clear(&d);
    json_decref(after);
}
END_TEST

START_TEST(values_may_decide_what_a_change_costs)
{
    const struct kind kind = {.name = "k", .fields = weighed};
    json_t *before =
        json_loads("{\"n\":1,\"list\":[{\"id\":\"a\",\"n\":2},{\"id\":\"b\",\"n\":2}]}", 0, NULL);
    json_t *after =
        json_loads("{\"n\":2,\"list\":[{\"id\":\"a\",\"n\":1},{\"id\":\"c\",\"n\":2}]}", 0, NULL);
    struct spec_diff d;
    spec_diff(&kind, before, after, &d);
    HM_AUTOFREE char *text = diff_text(&d);
    ck_assert_str_eq(
        text, "n 1 -> 2 live; list[a].n 2 -> 1 restart (it shrinks); list[b] {id: b, n: 2} -> - "
              "replace; list[c] - -> {id: c, n: 2} replace");
    ck_assert_int_eq(d.cost, COST_REPLACE);
    spec_diff_clear(&d);
    json_decref(before);
    json_decref(after);
}
END_TEST

START_TEST(secrets_are_not_shown)
{
    static const struct field table[] = {{.name = "token", .type = FIELD_STRING, .secret = true},
                                         {.name = NULL}};
    static const struct kind kind = {.name = "test", .fields = table};
    json_t *before = json_pack("{s:s}", "token", "old"),
           *after = json_pack("{s:s}", "token", "new");
    struct spec_diff d;
    spec_diff(&kind, before, after, &d);
    HM_AUTOFREE char *text = diff_text(&d);
    ck_assert_str_eq(text, "token (secret) -> (secret) none");
    spec_diff_clear(&d);
    json_decref(before);
    json_decref(after);
}
END_TEST

START_TEST(hashes_tell_specs_apart)
{
    json_t *a = spec_of("disk", "{\"size\":\"1GiB\",\"format\":\"raw\"}");
    json_t *b = spec_of("disk", "{\"format\":\"raw\",\"size\":1073741824}");
    json_t *c = spec_of("disk", "{\"format\":\"raw\",\"size\":1073741825}");
    char of_a[DOC_HASH_TEXT], of_b[DOC_HASH_TEXT], of_c[DOC_HASH_TEXT];
    spec_hash(a, of_a);
    spec_hash(b, of_b);
    spec_hash(c, of_c);
    ck_assert_str_eq(of_a, of_b);
    ck_assert_str_ne(of_a, of_c);
    ck_assert_uint_eq(strlen(of_a), DOC_HASH_TEXT - 1);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}
END_TEST

/* The hash is kept in marks of running things: another text for the same spec is another version. */
START_TEST(the_hash_is_stable)
{
    json_t *spec = json_pack("{s:i, s:s}", "b", 1, "a", "x");
    char hash[DOC_HASH_TEXT];
    spec_hash(spec, hash);
    ck_assert_str_eq(hash, "1fc46df94e7ae50d");
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("diff");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, differences_are_found_with_their_cost, 0, HM_COUNT(diffs));
    tcase_add_test(t, a_field_that_is_younger_than_what_was_applied_changes_nothing);
    tcase_add_test(t, what_was_applied_and_is_no_longer_valid_is_still_compared);
    tcase_add_test(t, where_there_was_nothing_all_is_new);
    tcase_add_test(t, values_may_decide_what_a_change_costs);
    tcase_add_test(t, secrets_are_not_shown);
    tcase_add_test(t, hashes_tell_specs_apart);
    tcase_add_test(t, the_hash_is_stable);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
