#include "ctl/plan_view.h"

#include "suite.h"

static void assert_rendered(const char *plans_text, const char *expected)
{
    json_t *plans = json_of(plans_text);
    struct hm_buf out = {0};
    plan_render(plans, false, &out);
    ck_assert_str_eq(out.data, expected);
    hm_buf_free(&out);
    json_decref(plans);
}

START_TEST(renders_a_plan_as_people_read_it)
{
    assert_rendered(
        "[{'site':'site-a','unchanged':41,'orphans':[{'kind':'vm','name':'old','key':'site-a.vm."
        "old'}],"
        "'steps':["
        "{'op':'restart','kind':'vm','name':'web','why':'above max_memory 256MiB','changes':["
        "{'path':'vcpus','before':'1','after':'2','cost':'live'},"
        "{'path':'memory','before':'128MiB','after':'512MiB','cost':'restart'}]},"
        "{'op':'create','kind':'disk','name':'scratch','why':'20GiB qcow2, pool "
        "default','changes':[]},"
        "{'op':'blocked','kind':'vm','name':'db',"
        "'why':'replace needed: protect: true\\ntake protect off in a revision of its own',"
        "'changes':[{'path':'firmware','before':'bios','after':'uefi','cost':'replace'}]}]}]",
        "site-a  2 changes, 1 blocked                                  "
        "nothing is changed by this command\n"
        "  ~ vm web        restart    memory 128MiB -> 512MiB (above max_memory 256MiB)\n"
        "                             vcpus 1 -> 2 comes with it (alone: live)\n"
        "  + disk scratch  create     20GiB qcow2, pool default\n"
        "  ! vm db         blocked    replace needed: protect: true\n"
        "                             take protect off in a revision of its own\n"
        "                             firmware bios -> uefi\n"
        "  = 41 unchanged, 1 orphan, left as it is: vm old\n");
}
END_TEST

START_TEST(tells_no_change_twice)
{
    assert_rendered(
        "[{'site':'a','steps':[{'op':'restart','kind':'vm','name':'web',"
        "'why':'memory 128MiB -> 192MiB needs a restart; disks are kept','changes':["
        "{'path':'memory','before':'128MiB','after':'192MiB','cost':'restart'},"
        "{'path':'vcpus','before':'1','after':'2','cost':'live'}]}]}]",
        "a  1 change                                                   "
        "nothing is changed by this command\n"
        "  ~ vm web  restart    memory 128MiB -> 192MiB needs a restart; disks are kept\n"
        "                       vcpus 1 -> 2 comes with it (alone: live)\n");
}
END_TEST

START_TEST(tells_why_a_change_costs_what_it_does)
{
    assert_rendered("[{'site':'a','steps':[{'op':'restart','kind':'vm','name':'web',"
                    "'why':'cpu a -> b needs a restart; disks are kept','changes':["
                    "{'path':'cpu','before':'a','after':'b','cost':'restart'},"
                    "{'path':'memory','before':'128MiB','after':'512MiB','cost':'restart',"
                    "'why':'above max_memory 256MiB'}]}]}]",
                    "a  1 change                                                   "
                    "nothing is changed by this command\n"
                    "  ~ vm web  restart    cpu a -> b needs a restart; disks are kept\n"
                    "                       memory 128MiB -> 512MiB (above max_memory 256MiB)\n");
}
END_TEST

START_TEST(breaks_long_reasons)
{
    assert_rendered(
        "[{'site':'a','steps':[{'op':'blocked','kind':'vm','name':'db','changes':["
        "{'path':'firmware','before':'bios','after':'uefi','cost':'replace'}],'why':"
        "'replace needed: firmware bios -> uefi; protect: true; take protect off in a "
        "revision of its own, or set change: replace'}]}]",
        "a  1 blocked                                                  "
        "nothing is changed by this command\n"
        "  ! vm db  blocked    replace needed: firmware bios -> uefi; protect: true\n"
        "                      take protect off in a revision of its own, or set change: "
        "replace\n");
}
END_TEST

START_TEST(says_how_long_it_takes)
{
    assert_rendered("[{'site':'a','steps':[{'op':'restart','kind':'vm','name':'web',"
                    "'seconds_estimate':3,'changes':[{'path':'memory','before':'128MiB',"
                    "'after':'192MiB','cost':'restart'}]}]}]",
                    "a  1 change                                                   "
                    "nothing is changed by this command\n"
                    "  ~ vm web  restart    memory 128MiB -> 192MiB; about 3 s\n");
}
END_TEST

START_TEST(shows_absent_values)
{
    assert_rendered("[{'site':'a','steps':[{'op':'update','kind':'vm','name':'web','changes':["
                    "{'path':'labels.tier','before':null,'after':'gold','cost':'none'},"
                    "{'path':'labels.team','before':'red','after':null,'cost':'none'}]}]}]",
                    "a  1 change                                                   "
                    "nothing is changed by this command\n"
                    "  ~ vm web  update     labels.tier (none) -> gold\n"
                    "                       labels.team red -> (none)\n");
}
END_TEST

START_TEST(tells_sites_that_gave_no_plan)
{
    assert_rendered("[{'site':'site-a','steps':[],'unchanged':3,'orphans':[]},"
                    "{'site':'site-b','error':{'code':'not-found','text':'no agent'}}]",
                    "site-a  no changes                                            "
                    "nothing is changed by this command\n"
                    "  = 3 unchanged\n"
                    "site-b  no plan: no agent\n");
}
END_TEST

START_TEST(survives_hostile_plans)
{
    json_t *plans =
        json_of("[5,{'site':'a\\u001b[2J','steps':['x',5,{},{'op':'re\\u0007move','kind':'vm',"
                "'name':'w\\nb','why':7,'changes':[3,{'path':9}]}],'unchanged':'many',"
                "'orphans':[1],'error':'none'}]");
    struct hm_buf out = {0};
    plan_render(plans, false, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "a?[2J  4 changes"));
    ck_assert_ptr_nonnull(strstr(out.data, "? vm w?b  re?move"));
    for (size_t i = 0; i < out.len; i++)
        ck_assert(out.data[i] == '\n' || (unsigned char)out.data[i] >= 0x20);
    hm_buf_free(&out);
    json_decref(plans);
}
END_TEST

START_TEST(knows_whether_there_are_changes)
{
    static const struct {
        const char *plan;
        bool has;
    } cases[] = {
        {"{'steps':[]}", false},
        {"{'steps':[{'op':'none'}]}", false},
        {"{'steps':[{'op':'update'}]}", true},
        {"{'steps':[{'op':'blocked'}]}", true},
        {"{'steps':[{'op':'wait'}]}", true},
        {"{}", false},
    };
    for (size_t i = 0; i < HM_COUNT(cases); i++) {
        json_t *plan = json_of(cases[i].plan);
        ck_assert_msg(plan_has_changes(plan) == cases[i].has, "%s", cases[i].plan);
        json_decref(plan);
    }
}
END_TEST

RUN_SUITE("plan_view", tells_no_change_twice, tells_why_a_change_costs_what_it_does,
          breaks_long_reasons, renders_a_plan_as_people_read_it, says_how_long_it_takes,
          shows_absent_values, tells_sites_that_gave_no_plan, survives_hostile_plans,
          knows_whether_there_are_changes)
