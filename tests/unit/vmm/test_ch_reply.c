/* What VMMs answer: the bodies are those that v53.0 and v50.1 were seen to give. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/ch_reply.h"

static struct hm_error err;

static int check(long status, const char *text)
{
    return ch_reply_check("vm web: boot it", status, text, text ? strlen(text) : 0, &err);
}

START_TEST(an_error_is_told_by_its_text)
{
    static const struct {
        long status;
        const char *text;
        enum hm_code code;
    } cases[] = {
        {404, "[\"Error from API\",\"The VM info is not available\",\"VM is not created\"]",
         HM_E_VM_NOT_FOUND},
        {500, "[\"Error from API\",\"The VM info is not available\",\"VM is not created\"]",
         HM_E_VM_NOT_FOUND},
        {500, "[\"Error from API\",\"The VM could not boot\",\"VM config is missing\"]",
         HM_E_VM_NOT_FOUND},
        {500, "[\"Error from API\",\"The VM could not be created\",\"VM is already created\"]",
         HM_E_VM_EXISTS},
        {500, "[\"Error from API\",\"The VM could not be paused\",\"VM is not running\"]",
         HM_E_REFUSED},
        {500,
         "[\"Error from API\",\"The VM could not be paused\",\"Cannot pause VM\",\"Failed to pause "
         "migratable component\",\"Invalid transition: InvalidStateTransition(Paused, Paused)\"]",
         HM_E_REFUSED},
        {500,
         "[\"Error from API\",\"The VM could not boot\",\"Open tap device failed\",\"Unable to "
         "configure tap interface\",\"Device or resource busy (os error 16)\"]",
         HM_E_BUSY},
        {500,
         "[\"Error from API\",\"Failed to get Write lock for disk image: /a\",\"The file is "
         "already "
         "locked\"]",
         HM_E_BUSY},
        {400,
         "[\"Failed to deserialize JSON\",\"invalid type: string \\\"one\\\", expected u32 at line "
         "1 "
         "column 71\"]",
         HM_E_INVALID},
        {400, "{\"error\": \"too\nlarge\"}", HM_E_INVALID},
        {404, "[\"Not Found\"]", HM_E_UNSUPPORTED},
        {500,
         "[\"Error from API\",\"The VM could not boot\",\"Cannot open kernel file\",\"No such file "
         "or directory (os error 2)\"]",
         HM_E_VMM},
        {500, "", HM_E_VMM},
        {500, NULL, HM_E_VMM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(check(cases[i].status, cases[i].text), -(int)cases[i].code);
}
END_TEST

START_TEST(the_sentence_has_its_words_without_what_says_nothing)
{
    check(500,
          "[\"Error from API\",\"The VM could not boot\",\"Cannot open kernel file\",\"No such "
          "file or directory (os error 2)\"]");
    ck_assert_str_eq(err.text,
                     "vm web: boot it: cloud-hypervisor says: The VM could not boot: Cannot "
                     "open kernel file: No such file or directory (os error 2) (500)");
}
END_TEST

START_TEST(what_it_says_is_one_clean_line_of_bounded_length)
{
    char *text = malloc(20000);
    memset(text, 'x', 20000);
    text[19999] = '\0';
    memcpy(text, "a\nb\033[2J", 7);
    check(500, text);
    ck_assert_uint_lt(strlen(err.text), 600);
    for (const char *c = err.text; *c; c++)
        ck_assert((unsigned char)*c >= 0x20);
    free(text);
}
END_TEST

START_TEST(success_is_any_2xx)
{
    ck_assert_int_eq(check(204, NULL), 0);
    ck_assert_int_eq(check(200, "{\"id\":\"d\",\"bdf\":\"0000:00:05.0\"}"), 0);
}
END_TEST

static struct ch_info info_of(long status, const char *text)
{
    struct ch_info info = {0};
    ck_assert_int_eq(ch_info_parse("vm web", status, text, strlen(text), &info, &err), 0);
    return info;
}

START_TEST(no_vm_is_a_state_in_both_versions)
{
    static const char none[] =
        "[\"Error from API\",\"The VM info is not available\",\"VM is not created\"]";
    err = (struct hm_error){0};
    ck_assert_int_eq(info_of(404, none).state, CH_STATE_NONE);
    ck_assert_int_eq(info_of(500, none).state, CH_STATE_NONE);
    ck_assert_int_eq(err.code, 0); /* who looks at it alone would take the VM for unknown */
}
END_TEST

START_TEST(a_field_that_is_null_is_as_one_that_is_missing)
{
    struct ch_info v50 =
        info_of(200, "{\"config\":{\"net\":null,\"disks\":null},\"state\":\"Paused\","
                     "\"memory_actual_size\":268435456,\"device_tree\":null}");
    struct ch_info v53 = info_of(200, "{\"config\":{},\"state\":\"Created\"}");
    ck_assert_int_eq(v50.state, CH_STATE_PAUSED);
    ck_assert_uint_eq(v50.memory_bytes, 268435456);
    ck_assert_int_eq(v53.state, CH_STATE_CREATED);
    ck_assert_uint_eq(json_array_size(json_object_get(v50.config, "net")), 0);
    ch_info_clear(&v50);
    ch_info_clear(&v53);
}
END_TEST

START_TEST(a_state_that_is_not_known_is_unknown)
{
    struct ch_info info = info_of(200, "{\"state\":\"Dreaming\"}");
    ck_assert_int_eq(info.state, CH_STATE_UNKNOWN);
    ck_assert_ptr_null(info.config);
}
END_TEST

START_TEST(garbage_is_an_error)
{
    static const char *const garbage[] = {"",       "[]",         "null", "{\"state\":1}",
                                          "<html>", "{\"state\":"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct ch_info info = {.memory_bytes = 7};
        ck_assert_int_eq(ch_info_parse("vm web", 200, garbage[i], strlen(garbage[i]), &info, &err),
                         -HM_E_VMM);
        ck_assert_uint_eq(info.memory_bytes, 7);
    }
}
END_TEST

START_TEST(a_version_is_read_with_and_without_its_v)
{
    static const char v53[] =
        "{\"build_version\":\"v53.0\",\"version\":\"53.0\",\"pid\":12,\"features\":[\"kvm\"]}";
    struct ch_version version = {0};
    ck_assert_int_eq(ch_ping_parse(v53, strlen(v53), &version, &err), 0);
    ck_assert_str_eq(version.text, "53.0");
    ck_assert_int_eq(ch_ping_parse("{\"version\":\"v50.12.3\"}", 22, &version, &err), 0);
    ck_assert_int_eq(version.major, 50);
    ck_assert_int_eq(version.minor, 12);
    ck_assert_int_eq(ch_ping_parse("{\"version\":\"; rm\"}", 18, &version, &err), -HM_E_VMM);
    ck_assert_int_eq(ch_ping_parse("{\"version\":\"5300\"}", 18, &version, &err), -HM_E_VMM);
    ck_assert_int_eq(ch_ping_parse("{}", 2, &version, &err), -HM_E_VMM);
    ck_assert_str_eq(version.text, "50.12.3");
}
END_TEST

START_TEST(the_line_of_version_is_read)
{
    struct ch_version version = {0};
    ck_assert(ch_version_parse("cloud-hypervisor v53.0\n", &version));
    ck_assert_str_eq(version.text, "53.0");
    ck_assert(ch_version_parse("cloud-hypervisor v48.0-3-gabc; more", &version));
    ck_assert_str_eq(version.text, "48.0-3-gabc");
    ck_assert(!ch_version_parse("qemu 7.2", &version));
    ck_assert(!ch_version_parse("cloud-hypervisor v", &version));
}
END_TEST

static struct ch_version of(const char *text)
{
    struct ch_version version = {0};
    HM_AUTOFREE char *line = hm_printf("cloud-hypervisor v%s", text);
    ck_assert(ch_version_parse(line, &version));
    return version;
}

START_TEST(one_that_guesses_formats_is_too_old)
{
    static const char *const old[] = {"48.0", "49.0", "50.0", "50"};
    static const char *const new[] = {"50.1", "50.2.0", "51.0", "53.0.0", "100.0"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        struct ch_version version = of(old[i]);
        ck_assert_int_eq(ch_version_check(&version, &err), -HM_E_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.text, old[i]));
    }
    for (size_t i = 0; i < sizeof new / sizeof *new; i++) {
        struct ch_version version = of(new[i]);
        ck_assert_int_eq(ch_version_check(&version, &err), 0);
    }
}
END_TEST

START_TEST(qcow2_disks_are_let_go_of_since_v53)
{
    struct ch_version v52 = of("52.9"), v53 = of("53.0");
    ck_assert(!ch_version_can_unplug_qcow2(&v52));
    ck_assert(ch_version_can_unplug_qcow2(&v53));
}
END_TEST

static char seen[256];

static void note(void *data, const char *device, const char *name, uint64_t value)
{
    size_t len = strlen(seen);
    (void)data;
    snprintf(seen + len, sizeof seen - len, "%s.%s=%" PRIu64 " ", device, name, value);
}

static int count(const char *text)
{
    seen[0] = '\0';
    return ch_counters_parse(text, strlen(text), note, NULL, &err);
}

START_TEST(counters_are_of_64_bits_without_a_sign)
{
    ck_assert_int_eq(
        count("{\"_net1\": {\"rx_bytes\":7,\"tx_bytes\":0},\n \"d\":{\"read_latency_min\":"
              "18446744073709551615}, \"e\":{}}"),
        0);
    ck_assert_str_eq(seen,
                     "_net1.rx_bytes=7 _net1.tx_bytes=0 d.read_latency_min=18446744073709551615 ");
    ck_assert_int_eq(count("{}"), 0);
}
END_TEST

START_TEST(what_are_no_counters_is_refused)
{
    static const char *const garbage[] = {"",
                                          "{",
                                          "[]",
                                          "{\"a\":1}",
                                          "{\"a\":{\"b\":-1}}",
                                          "{\"a\":{\"b\":18446744073709551616}}",
                                          "{\"a\":{\"b\":1}} x",
                                          "{\"a\":{\"b\":1.5}}",
                                          "{\"a\\n\":{}}",
                                          "{\"a\":{\"b\":1,}}"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        ck_assert_int_eq(count(garbage[i]), -HM_E_INVALID);
    ck_assert_int_eq(ch_counters_parse("{}\0{}", 5, note, NULL, &err), -HM_E_INVALID);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_reply");
    TCase *t = tcase_create("all");
    tcase_add_test(t, an_error_is_told_by_its_text);
    tcase_add_test(t, the_sentence_has_its_words_without_what_says_nothing);
    tcase_add_test(t, what_it_says_is_one_clean_line_of_bounded_length);
    tcase_add_test(t, success_is_any_2xx);
    tcase_add_test(t, no_vm_is_a_state_in_both_versions);
    tcase_add_test(t, a_field_that_is_null_is_as_one_that_is_missing);
    tcase_add_test(t, a_state_that_is_not_known_is_unknown);
    tcase_add_test(t, garbage_is_an_error);
    tcase_add_test(t, a_version_is_read_with_and_without_its_v);
    tcase_add_test(t, the_line_of_version_is_read);
    tcase_add_test(t, one_that_guesses_formats_is_too_old);
    tcase_add_test(t, qcow2_disks_are_let_go_of_since_v53);
    tcase_add_test(t, counters_are_of_64_bits_without_a_sign);
    tcase_add_test(t, what_are_no_counters_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
