#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"

/* A table with every type, so that these tests do not change with the kinds. */
static const char *const words[] = {"nat", "isolated", "routed", NULL};

static const struct field inner_fields[] = {
    {.name = "device", .type = FIELD_NAME, .required = true, .help = "names it"},
    {.name = "size", .type = FIELD_SIZE, .min = 1 << 20, .max = 1LL << 40, .help = "h"},
    {.name = "bus", .type = FIELD_STRING, .default_value = "\"virtio\"", .help = "h"},
    {.name = NULL},
};
static const struct field deep_fields[] = {
    {.name = "start", .type = FIELD_IP, .help = "h"},
    {.name = "on", .type = FIELD_BOOL, .default_value = "true", .help = "h"},
    {.name = NULL},
};
static const struct field table[] = {
    {.name = "count", .type = FIELD_INT, .min = 1, .max = 8, .default_value = "2", .help = "h"},
    {.name = "offset", .type = FIELD_INT, .min = -5, .max = 5, .help = "h"},
    {.name = "memory", .type = FIELD_SIZE, .min = 8 << 20, .max = 1LL << 40, .help = "h"},
    {.name = "grace", .type = FIELD_DURATION, .max = 60000, .help = "h"},
    {.name = "flag", .type = FIELD_BOOL, .help = "h"},
    {.name = "text", .type = FIELD_STRING, .min = 2, .max = 8, .help = "h"},
    {.name = "secret", .type = FIELD_INT, .secret = true, .help = "h"},
    {.name = "name", .type = FIELD_NAME, .help = "h"},
    {.name = "mode", .type = FIELD_ENUM, .words = words, .default_value = "\"nat\"", .help = "h"},
    {.name = "path", .type = FIELD_PATH, .help = "h"},
    {.name = "subnet", .type = FIELD_CIDR, .help = "h"},
    {.name = "ip", .type = FIELD_IP, .help = "h"},
    {.name = "mac", .type = FIELD_MAC, .help = "h"},
    {.name = "argv", .type = FIELD_LIST, .element = FIELD_STRING, .min = 1, .max = 3, .help = "h"},
    {.name = "modes", .type = FIELD_LIST, .element = FIELD_ENUM, .words = words, .help = "h"},
    {.name = "disks",
     .type = FIELD_LIST,
     .element = FIELD_OBJECT,
     .fields = inner_fields,
     .unique_by = "device",
     .help = "h"},
    {.name = "dhcp",
     .type = FIELD_OBJECT,
     .default_value = "{}",
     .fields = deep_fields,
     .help = "h"},
    {.name = "extra", .type = FIELD_OBJECT, .fields = deep_fields, .help = "h"},
    {.name = "labels", .type = FIELD_MAP, .help = "h"},
    {.name = NULL},
};

static json_t *from_text(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(value != NULL, "the test's own JSON is wrong: %s", text);
    return value;
}

/* -- what is accepted, and its normal form -------------------------------------------------------- */

#define ALWAYS "\"mode\":\"nat\",\"dhcp\":{\"on\":true}"

static const struct {
    const char *given, *normal;
} accepted[] = {
    {"{}", "{\"count\":2," ALWAYS "}"},
    /* the table's order, whatever the writer's */
    {"{\"dhcp\":{},\"mode\":\"routed\",\"count\":8}",
     "{\"count\":8,\"mode\":\"routed\",\"dhcp\":{\"on\":true}}"},
    {"{\"offset\":-5}", "{\"count\":2,\"offset\":-5," ALWAYS "}"},
    {"{\"memory\":\"512MiB\"}", "{\"count\":2,\"memory\":536870912," ALWAYS "}"},
    {"{\"memory\":\"20GB\"}", "{\"count\":2,\"memory\":20000000000," ALWAYS "}"},
    {"{\"memory\":8388608}", "{\"count\":2,\"memory\":8388608," ALWAYS "}"},
    {"{\"grace\":\"1m\"}", "{\"count\":2,\"grace\":60000," ALWAYS "}"},
    {"{\"grace\":0}", "{\"count\":2,\"grace\":0," ALWAYS "}"},
    {"{\"flag\":false}", "{\"count\":2,\"flag\":false," ALWAYS "}"},
    {"{\"text\":\"\\u00e4\\u00e4\\u00e4\\u00e4\"}",
     "{\"count\":2,\"text\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"," ALWAYS "}"},
    {"{\"path\":\"/a/b..c/.d\"}",
     "{\"count\":2,\"mode\":\"nat\",\"path\":\"/a/b..c/.d\",\"dhcp\":{\"on\":true}}"},
    {"{\"mac\":\"52:54:00:AB:cd:0f\"}",
     "{\"count\":2,\"mode\":\"nat\",\"mac\":\"52:54:00:ab:cd:0f\",\"dhcp\":{\"on\":true}}"},
    {"{\"argv\":[\"a\",\"a\"]}",
     "{\"count\":2,\"mode\":\"nat\",\"argv\":[\"a\",\"a\"],\"dhcp\":{\"on\":true}}"},
    {"{\"disks\":[{\"size\":\"1GiB\",\"device\":\"vda\"}]}",
     "{\"count\":2,\"mode\":\"nat\",\"disks\":[{\"device\":\"vda\",\"size\":1073741824,\"bus\":"
     "\"virtio\"}],"
     "\"dhcp\":{\"on\":true}}"},
    {"{\"labels\":{\"a/b.c\":\"\"}}",
     "{\"count\":2,\"mode\":\"nat\",\"dhcp\":{\"on\":true},\"labels\":{\"a/b.c\":\"\"}}"},
    {"{\"extra\":{\"start\":\"10.0.0.1\"}}", "{\"count\":2,\"mode\":\"nat\",\"dhcp\":{\"on\":true},"
                                             "\"extra\":{\"start\":\"10.0.0.1\",\"on\":true}}"},
};

START_TEST(a_spec_gets_its_normal_form)
{
    json_t *given = from_text(accepted[_i].given), *normal = NULL, *again = NULL;
    struct hm_error err = {0};
    ck_assert_msg(fields_verify(table, given, &normal, &err) >= 0, "%s", err.text);
    HM_AUTOFREE char *text = json_dumps(normal, JSON_COMPACT);
    ck_assert_str_eq(text, accepted[_i].normal);
    ck_assert_int_eq(fields_verify(table, normal, &again, &err), 0);
    ck_assert(json_equal(normal, again));
    json_decref(given);
    json_decref(normal);
    json_decref(again);
}
END_TEST

/* -- what is refused: where, what, what was expected ---------------------------------------------- */

static const struct {
    const char *given, *sentence, *place;
} refused[] = {
    {"[]", "a list is not an object", ""},
    {"{\"memmory\":1}", "unknown field \"memmory\" (did you mean \"memory\"?)", "memmory"},
    {"{\"xyzzyx\":1}", "unknown field \"xyzzyx\"", "xyzzyx"},
    {"{\"\":1}", "unknown field \"\"", ""},
    {"{\"a\\nb\\u001b[2J\":1}", "unknown field \"a\\nb\\u001b[2J\"", NULL},
    {"{\"disks\":[{\"device\":\"a\"},{\"device\":\"b\",\"sze\":1}]}",
     "disks[1]: unknown field \"sze\" (did you mean \"size\"?)", "disks[1].sze"},
    {"{\"disks\":[{}]}", "disks[0].device: is required: names it", "disks[0].device"},
    {"{\"count\":null}", "count: has no value (leave the field out instead)", "count"},
    {"{\"count\":0}", "count: 0 is below 1, the least allowed", "count"},
    {"{\"count\":9}", "count: 9 is above 8, the most allowed", "count"},
    {"{\"count\":-9223372036854775808}",
     "count: -9223372036854775808 is below 1, the least allowed", "count"},
    {"{\"count\":\"3\"}", "count: \"3\" is not a whole number (write it without quotes)", "count"},
    {"{\"count\":\"three\"}", "count: \"three\" is not a whole number", "count"},
    {"{\"count\":2.5}", "count: 2.5 is not a whole number", "count"},
    {"{\"count\":true}", "count: true is not a whole number", "count"},
    {"{\"count\":{}}", "count: an object is not a whole number", "count"},
    {"{\"memory\":\"20 GB\"}", "memory: \"20 GB\" is not a size (use 20GB or 20GiB)", "memory"},
    {"{\"memory\":\"20g\"}", "memory: \"20g\" is not a size (use 20GB or 20GiB)", "memory"},
    {"{\"memory\":\"lots\"}", "memory: \"lots\" is not a size (512MiB, 20GB, 20GiB)", "memory"},
    {"{\"memory\":\"-1GiB\"}", "memory: \"-1GiB\" is not a size (512MiB, 20GB, 20GiB)", "memory"},
    {"{\"memory\":\"1.5GiB\"}", "memory: \"1.5GiB\" is not a size (512MiB, 20GB, 20GiB)", "memory"},
    {"{\"memory\":\"9999999999999TiB\"}",
     "memory: \"9999999999999TiB\" is not a size (512MiB, 20GB, 20GiB)", "memory"},
    {"{\"memory\":4096}",
     "memory: 4096 is below 8MiB, the least allowed (a number alone is bytes: did you mean "
     "4096MiB?)",
     "memory"},
    {"{\"memory\":\"2TiB\"}", "memory: \"2TiB\" is above 1TiB, the most allowed", "memory"},
    {"{\"grace\":\"10 sec\"}", "grace: \"10 sec\" is not a duration (use 10s)", "grace"},
    {"{\"grace\":\"soon\"}", "grace: \"soon\" is not a duration (500ms, 10s, 2m)", "grace"},
    {"{\"grace\":\"2m\"}", "grace: \"2m\" is above 1m, the most allowed", "grace"},
    {"{\"grace\":-1}", "grace: -1 is below 0s, the least allowed", "grace"},
    {"{\"flag\":\"yes\"}", "flag: \"yes\" is not true or false", "flag"},
    {"{\"flag\":1}", "flag: 1 is not true or false", "flag"},
    {"{\"text\":5}", "text: 5 is not text (put it in quotes)", "text"},
    {"{\"text\":\"a\"}", "text: is empty or too short (at least 2 bytes)", "text"},
    {"{\"text\":\"123456789\"}", "text: is 9 bytes long; at most 8 are allowed", "text"},
    {"{\"text\":\"a\\nb\"}", "text: holds a control character (such as a newline or tab)", "text"},
    {"{\"text\":\"a\\u009bb\"}", "text: holds a control character (such as a newline or tab)",
     "text"},
    {"{\"secret\":\"hunter2\"}", "secret: the value (secret) is not a whole number", "secret"},
    {"{\"name\":\"../x\"}", "name: \"../x\" is not a name ([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)",
     "name"},
    {"{\"mode\":\"isolatd\"}",
     "mode: \"isolatd\" is not nat, isolated or routed (did you mean isolated?)", "mode"},
    {"{\"mode\":\"bridge\"}", "mode: \"bridge\" is not nat, isolated or routed", "mode"},
    {"{\"mode\":[]}", "mode: a list is not one of a few words", "mode"},
    {"{\"path\":\"a\"}", "path: \"a\" is not an absolute path without . or .. parts", "path"},
    {"{\"path\":\"/a/../b\"}", "path: \"/a/../b\" is not an absolute path without . or .. parts",
     "path"},
    {"{\"path\":\"/a/..\"}", "path: \"/a/..\" is not an absolute path without . or .. parts",
     "path"},
    {"{\"path\":\"/a//b\"}", "path: \"/a//b\" is not an absolute path without . or .. parts",
     "path"},
    {"{\"path\":\"\"}", "path: \"\" is not an absolute path without . or .. parts", "path"},
    {"{\"subnet\":\"192.168.1.1\"}",
     "subnet: \"192.168.1.1\" is not an address and prefix (192.168.100.1/24)", "subnet"},
    {"{\"subnet\":\"192.168.1.1/33\"}",
     "subnet: \"192.168.1.1/33\" is not an address and prefix (192.168.100.1/24)", "subnet"},
    {"{\"ip\":\"192.168.1.256\"}", "ip: \"192.168.1.256\" is not an address (192.168.100.12)",
     "ip"},
    {"{\"ip\":\"010.0.0.1\"}", "ip: \"010.0.0.1\" is not an address (192.168.100.12)", "ip"},
    {"{\"mac\":\"52-54-00-12-34-56\"}",
     "mac: \"52-54-00-12-34-56\" is not a MAC address (52:54:00:12:34:56)", "mac"},
    {"{\"argv\":\"a\"}", "argv: \"a\" is not a list", "argv"},
    {"{\"argv\":[]}", "argv: has 0 elements; at least 1 are needed", "argv"},
    {"{\"argv\":[\"a\",\"b\",\"c\",\"d\"]}", "argv: has 4 elements; at most 3 are allowed", "argv"},
    {"{\"argv\":[\"a\",5]}", "argv[1]: 5 is not text (put it in quotes)", "argv[1]"},
    {"{\"modes\":[\"nat\",\"isolated\",\"nat\"]}", "modes[2]: \"nat\" is there twice (also in [0])",
     "modes[2]"},
    {"{\"disks\":{}}", "disks: an object is not a list", "disks"},
    {"{\"disks\":[5]}", "disks[0]: 5 is not an object", "disks[0]"},
    {"{\"disks\":[{\"device\":\"a\"},{\"device\":\"a\"}]}",
     "disks[1].device: \"a\" is there twice (also in [0])", "disks[1].device"},
    {"{\"disks\":[{\"device\":\"a\",\"size\":\"20 GB\"}]}",
     "disks[0].size: \"20 GB\" is not a size (use 20GB or 20GiB)", "disks[0].size"},
    {"{\"dhcp\":{\"start\":\"x\"}}", "dhcp.start: \"x\" is not an address (192.168.100.12)",
     "dhcp.start"},
    {"{\"labels\":[]}", "labels: a list is not an object of texts", "labels"},
    {"{\"labels\":{\"a\":1}}", "labels.a: 1 is not text (put it in quotes)", "labels.a"},
    {"{\"labels\":{\"\":\"x\"}}", "labels: a key has 1 to 128 bytes and no control characters",
     "labels"},
    {"{\"labels\":{\"a\\n\":\"x\"}}", "labels: a key has 1 to 128 bytes and no control characters",
     "labels"},
};

START_TEST(a_wrong_value_gets_one_sentence_and_a_place)
{
    json_t *given = from_text(refused[_i].given), *spec = NULL;
    struct field_place at = {"?"};
    struct hm_error err = {0};
    ck_assert_int_lt(fields_verify_at(table, given, &spec, &at, &err), 0);
    ck_assert_str_eq(err.text, refused[_i].sentence);
    if (refused[_i].place)
        ck_assert_str_eq(at.path, refused[_i].place);
    ck_assert_ptr_null(spec);
    json_decref(given);
}
END_TEST

START_TEST(long_values_are_cut_in_sentences)
{
    char name[400];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    json_t *given = json_pack("{s:s}", "name", name), *spec = NULL;
    struct hm_error err = {0};
    ck_assert_int_lt(fields_verify(table, given, &spec, &err), 0);
    ck_assert_uint_lt(strlen(err.text), 200);
    ck_assert_ptr_nonnull(strstr(err.text, "aaa...\" is not a name"));
    json_decref(given);
}
END_TEST

START_TEST(lists_and_maps_are_bounded)
{
    json_t *labels = json_object(), *modes = json_array(), *spec = NULL;
    struct hm_error err = {0};
    for (int i = 0; i < 257; i++) {
        HM_AUTOFREE char *key = hm_printf("k%d", i);
        json_object_set_new(labels, key, json_string("v"));
        json_array_append_new(modes, json_string("nat"));
    }
    json_t *many_labels = json_pack("{s:o}", "labels", labels);
    json_t *many_modes = json_pack("{s:o}", "modes", modes);
    ck_assert_int_eq(fields_verify(table, many_labels, &spec, &err), -HM_E_TOO_LARGE);
    ck_assert_str_eq(err.text, "labels: has 257 entries; at most 64 are allowed");
    ck_assert_int_eq(fields_verify(table, many_modes, &spec, &err), -HM_E_TOO_LARGE);
    ck_assert_str_eq(err.text, "modes: has 257 elements; at most 256 are allowed");
    json_decref(many_labels);
    json_decref(many_modes);
}
END_TEST

START_TEST(the_input_is_left_alone)
{
    json_t *given = from_text("{\"memory\":\"512MiB\",\"disks\":[{\"device\":\"a\"}]}");
    json_t *copy = json_deep_copy(given), *spec = NULL;
    ck_assert_int_eq(fields_verify(table, given, &spec, NULL), 0);
    json_object_set_new(json_array_get(json_object_get(spec, "disks"), 0), "bus", json_string("x"));
    ck_assert(json_equal(given, copy));
    json_decref(given);
    json_decref(copy);
    json_decref(spec);
}
END_TEST

START_TEST(accessors_give_fallbacks)
{
    json_t *spec = from_text("{\"n\":7,\"s\":\"x\",\"b\":true}");
    ck_assert_int_eq(spec_int(spec, "n", 1), 7);
    ck_assert_int_eq(spec_int(spec, "s", 1), 1);
    ck_assert_int_eq(spec_int(spec, "absent", -3), -3);
    ck_assert_str_eq(spec_str(spec, "s"), "x");
    ck_assert_ptr_null(spec_str(spec, "n"));
    ck_assert_ptr_null(spec_str(NULL, "n"));
    ck_assert(spec_bool(spec, "b"));
    ck_assert(!spec_bool(spec, "n"));
    ck_assert(!spec_bool(NULL, "b"));
    json_decref(spec);
}
END_TEST

/* -- What may have been a spec ------------------------------------------------------------------ */

static const struct {
    const char *spec;
    bool has_form;
} forms[] = {
    {"{}", true},
    {"{\"count\":99,\"offset\":-7,\"grace\":0,\"mode\":\"another\",\"new\":[1]}", true},
    {"{\"memory\":9007199254740992,\"grace\":3153600000000}", true},
    {"{\"memory\":9007199254740993}", false},
    {"{\"offset\":-9007199254740993}", false},
    {"{\"grace\":3153600000001}", false},
    {"{\"grace\":-1}", false},
    {"{\"count\":\"2\"}", false},
    {"{\"count\":2.0}", false},
    {"{\"flag\":1}", false},
    {"{\"text\":null}", false},
    {"{\"text\":\"a\\u001b[2J\"}", false},
    {"{\"labels\":{\"a\\n\":\"b\"}}", false},
    {"{\"ip\":7}", false},
    {"{\"argv\":[\"a\",\"b\"]}", true},
    {"{\"argv\":[\"a\",1]}", false},
    {"{\"argv\":{}}", false},
    {"{\"disks\":[{\"device\":\"vda\",\"size\":1}]}", true},
    {"{\"disks\":[{\"size\":1}]}", false},
    {"{\"disks\":[null]}", false},
    {"{\"disks\":[[]]}", false},
    {"{\"dhcp\":[]}", false},
    {"{\"dhcp\":{\"on\":\"yes\"}}", false},
    {"{\"labels\":{\"a\":\"b\"}}", true},
    {"{\"labels\":{\"a\":1}}", false},
    {"[]", false},
    {"7", false},
};

START_TEST(what_another_version_made_has_the_form_of_a_spec)
{
    json_t *spec = from_text(forms[_i].spec);
    ck_assert_msg(fields_have_form(table, spec) == forms[_i].has_form, "%s", forms[_i].spec);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fields");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, a_spec_gets_its_normal_form, 0, HM_COUNT(accepted));
    tcase_add_loop_test(t, a_wrong_value_gets_one_sentence_and_a_place, 0, HM_COUNT(refused));
    tcase_add_test(t, long_values_are_cut_in_sentences);
    tcase_add_test(t, lists_and_maps_are_bounded);
    tcase_add_test(t, the_input_is_left_alone);
    tcase_add_test(t, accessors_give_fallbacks);
    tcase_add_loop_test(t, what_another_version_made_has_the_form_of_a_spec, 0, HM_COUNT(forms));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
