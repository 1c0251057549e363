#include "agent/fence_plan.h"

#include <check.h>
#include <string.h>

#include "base/buf.h"

static struct fence_plan plan;
static struct hm_buf text; /* what the plan says, one entry a line */

static char *const none[] = {NULL};
static const struct guardian_config plain = {
    .fence = {.cgroups = (char **)none, .links = (char **)none}};

static void tear_down(void)
{
    fence_plan_clear(&plan);
    hm_buf_free(&text);
}

/* As the guardian reads it: every entry at a multiple of 8, and nothing behind the last. */
static const char *read_plan(void)
{
    const struct guard_plan *p = fence_plan_message(&plan);
    size_t at = sizeof *p;
    hm_buf_free(&text);
    for (uint32_t i = 0; i < p->entries; i++) {
        ck_assert_uint_eq(at % 8, 0);
        const struct guard_entry *e = (const struct guard_entry *)(plan.text.data + at);
        const char *word = (const char *)(e + 1);
        hm_buf_printf(&text, "%d", e->type);
        for (unsigned w = 0; w < e->words; w++, word += strlen(word) + 1)
            hm_buf_printf(&text, " %s", word);
        ck_assert_int_eq(word - (const char *)(e + 1), e->bytes);
        hm_buf_puts(&text, "\n");
        at += (sizeof *e + e->bytes + 7) / 8 * 8;
    }
    ck_assert_uint_eq(at, plan.text.len);
    return text.data ? text.data : "";
}

START_TEST(says_what_the_operator_wants_and_which_vms_there_may_be)
{
    char *cgroups[] = {(char *)"/sys/fs/cgroup/db.service", NULL},
         *links[] = {(char *)"eth1", NULL};
    char *command[] = {(char *)"/sbin/power", (char *)"off", NULL};
    struct guardian_address address = {(char *)"eth0", (char *)"192.0.2.1/24"};
    struct guardian_config c = {.fence = {.cgroups = cgroups,
                                          .links = links,
                                          .addresses = &address,
                                          .address_count = 1,
                                          .command = command,
                                          .watchdog = (char *)"/dev/watchdog0",
                                          .limit_ms = {0, 2000, 0, 30000, 0}}};
    fence_plan_begin(&plan, &c);
    fence_plan_add_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be");
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    ck_assert_str_eq(read_plan(), "3 /sys/fs/cgroup/db.service\n"
                                  "4 eth1\n"
                                  "5 eth0 192.0.2.1/24\n"
                                  "6 /sbin/power off\n"
                                  "7 /dev/watchdog0\n"
                                  "1 -uuid 1a3df4bc-3462-4334-9eb3-ade1334263be\n");
    ck_assert_uint_eq(fence_plan_message(&plan)->limit_ms[GUARD_RUNG_KILL], 2000);
    ck_assert_uint_eq(fence_plan_message(&plan)->limit_ms[GUARD_RUNG_COMMAND], 30000);
}
END_TEST

START_TEST(names_the_virtual_ips)
{
    struct vip_address a;
    vip_address_parse("192.0.2.10/24", &a, NULL);
    fence_plan_begin(&plan, &plain);
    fence_plan_add_vip(&plan, &a);
    vip_address_parse("2001:DB8::10/64", &a, NULL);
    fence_plan_add_vip(&plan, &a);
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    ck_assert_str_eq(read_plan(), "8 192.0.2.10/24\n8 2001:db8::10/64\n");
}
END_TEST

START_TEST(knows_which_vms_it_has)
{
    fence_plan_begin(&plan, &plain);
    fence_plan_add_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be");
    fence_plan_add_vm(&plan, "2a3df4bc-3462-4334-9eb3-ade1334263be");
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    ck_assert(fence_plan_has_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be"));
    ck_assert(fence_plan_has_vm(&plan, "2a3df4bc-3462-4334-9eb3-ade1334263be"));
    ck_assert(!fence_plan_has_vm(&plan, "3a3df4bc-3462-4334-9eb3-ade1334263be"));
    ck_assert(!fence_plan_has_vm(&plan, "1a3df4bc"));
}
END_TEST

START_TEST(a_vmm_is_named_by_its_socket)
{
    fence_plan_begin(&plan, &plain);
    fence_plan_add_vm(&plan, "path=/run/harmony/vmm/1a3df4bc.sock");
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    ck_assert(fence_plan_has_vm(&plan, "path=/run/harmony/vmm/1a3df4bc.sock"));
    ck_assert(!fence_plan_has_vm(&plan, "path=/run/harmony/vmm/2a3df4bc.sock"));
    ck_assert(!fence_plan_has_vm(&plan, "1a3df4bc"));
    const struct guard_entry *e =
        (const struct guard_entry *)(plan.text.data + sizeof(struct guard_plan));
    ck_assert_int_eq(e->type, GUARD_PROCESS);
    ck_assert_str_eq((const char *)(e + 1), "--api-socket");
}
END_TEST

START_TEST(a_tap_is_a_link_of_the_cut)
{
    fence_plan_begin(&plan, &plain);
    fence_plan_add_vm(&plan, "path=/run/harmony/vmm/1a3df4bc.sock");
    fence_plan_add_link(&plan, "hm0123456789ab");
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    ck_assert_str_eq(read_plan(), "1 --api-socket path=/run/harmony/vmm/1a3df4bc.sock\n"
                                  "4 hm0123456789ab\n");
}
END_TEST

static uint64_t number_with(const char *uuid)
{
    fence_plan_begin(&plan, &plain);
    fence_plan_add_vm(&plan, uuid);
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    return fence_plan_number(&plan);
}

START_TEST(equal_plans_have_equal_numbers)
{
    ck_assert_uint_eq(fence_plan_number(&plan), 0);
    uint64_t one = number_with("1a3df4bc-3462-4334-9eb3-ade1334263be");
    fence_plan_message(&plan)->header.seq = 7; /* of the message, not of the plan */
    ck_assert_uint_eq(one, number_with("1a3df4bc-3462-4334-9eb3-ade1334263be"));
    ck_assert_uint_ne(one, number_with("2a3df4bc-3462-4334-9eb3-ade1334263be"));
    ck_assert_uint_ne(one, 0);
}
END_TEST

START_TEST(too_large_a_plan_is_refused_in_words)
{
    struct hm_error err;
    fence_plan_begin(&plan, &plain);
    for (int i = 0; i < 1100; i++)
        fence_plan_add_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be");
    ck_assert_int_eq(fence_plan_end(&plan, NULL), 0);
    fence_plan_begin(&plan, &plain);
    for (int i = 0; i < 1200; i++)
        fence_plan_add_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be");
    ck_assert_int_eq(fence_plan_end(&plan, &err), -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "1100 VMs"));
    ck_assert(!fence_plan_has_vm(&plan, "1a3df4bc-3462-4334-9eb3-ade1334263be"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fence_plan");
    TCase *t = tcase_create("fence_plan");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, says_what_the_operator_wants_and_which_vms_there_may_be);
    tcase_add_test(t, names_the_virtual_ips);
    tcase_add_test(t, knows_which_vms_it_has);
    tcase_add_test(t, a_vmm_is_named_by_its_socket);
    tcase_add_test(t, a_tap_is_a_link_of_the_cut);
    tcase_add_test(t, equal_plans_have_equal_numbers);
    tcase_add_test(t, too_large_a_plan_is_refused_in_words);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
