#include "ctl/group_view.h"

#include "suite.h"

#define NOW_NS (1795356192LL * 1000000000LL)
#define MS     1000000LL

#define CONFIG                                                                                     \
    "{'primary_site_id':'site-a','replica_site_ids':['site-b','site-c'],'failover_timeout_ms':"    \
    "8000,"                                                                                        \
    "'heartbeat_interval_ms':1000,'failure_threshold':3,'fence_timeout_ms':2000}"

static void fill(struct entries *last)
{
    put_entry(last, "cluster_config", CONFIG, 9, NOW_NS - 3600000 * MS);
    put_entry(
        last, "primary_heartbeat",
        "{'site_id':'site-a','status':'HEALTHY','role':'leader','epoch':7,'counter':41022,"
        "'expires_in_ms':6254,'interval_ms':1000,'rtt_us':31000,'successes':41022,'probe':'ok',"
        "'probe_latency_us':4000,'reason':'OPERATOR','timestamp':1}",
        50000, NOW_NS - 400 * MS);
    put_entry(last, "cluster_state", "{'current_primary':'site-a','epoch':7}", 40,
              NOW_NS - (3 * 24 + 4) * 3600000LL * MS);
    put_entry(
        last, "replica_heartbeat.site-b",
        "{'site_id':'site-b','status':'HEALTHY','role':'replica','epoch':7,'counter':1207,"
        "'interval_ms':1000,'rtt_us':88000,'successes':1207,'lag':0,'fit':true,'timestamp':1}",
        49999, NOW_NS - 200 * MS);
    put_entry(last, "replica_heartbeat.site-c",
              "{'site_id':'site-c','status':'HEALTHY','role':'replica','epoch':7,'counter':12,"
              "'interval_ms':1000,'rtt_us':1000,'fit':true,'timestamp':1}",
              3000, NOW_NS - 47000 * MS);
}

static char *shown(struct entries *last, int replicas)
{
    struct group_now g;
    struct hm_buf out = {0};
    entries_keep_last(last);
    group_look(last, "default", NOW_NS, replicas, &g);
    group_render(&g, false, &out);
    group_clear(&g);
    return hm_buf_steal(&out);
}

/* Its heartbeat says that it is not fit, its agent's status why. Another group's status says nothing here. */
START_TEST(says_why_a_site_is_not_fit)
{
    struct entries last = {0}, status = {0};
    struct group_now g;
    struct hm_buf out = {0};
    fill(&last);
    put_entry(&last, "replica_heartbeat.site-b",
              "{'site_id':'site-b','status':'HEALTHY','role':'replica','epoch':7,'counter':1208,"
              "'interval_ms':1000,'rtt_us':88000,'fit':false,'timestamp':1}",
              50001, NOW_NS - 100 * MS);
    put_entry(&status, "site-b.agent",
              "{'failover':{'group':'default','unfit':'no guardian at /run/x'}}", 5, NOW_NS);
    put_entry(&status, "site-c.agent", "{'failover':{'group':'other','unfit':'ill'}}", 6, NOW_NS);
    entries_keep_last(&last);
    entries_keep_last(&status);
    group_look(&last, "default", NOW_NS, 3, &g);
    group_hear_agents(&status, &g);
    group_render(&g, false, &out);
    char *text = hm_buf_steal(&out);
    ck_assert_ptr_nonnull(strstr(text, "no   not fit: no guardian at /run/x\n"));
    ck_assert_ptr_null(strstr(text, "ill"));
    json_t *json = group_json(&g);
    json_t *b = json_array_get(json_object_get(json, "sites"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(b, "unfit")), "no guardian at /run/x");
    json_decref(json);
    free(text);
    group_clear(&g);
    entries_clear(&last);
    entries_clear(&status);
}
END_TEST

/* What the agents say of the virtual IPs: `a` and `b` are the lists of site-a, which leads, and site-b. */
static char *with_vips(const char *a, const char *b, int64_t now_ns)
{
    struct entries last = {0}, status = {0};
    struct group_now g;
    struct hm_buf out = {0};
    fill(&last);
    HM_AUTOFREE char *of_a = hm_printf("{'failover':{'group':'default','vip':%s}}", a);
    HM_AUTOFREE char *of_b = hm_printf("{'failover':{'group':'default','vip':%s}}", b);
    put_entry(&status, "site-a.agent", of_a, 5, NOW_NS);
    put_entry(&status, "site-b.agent", of_b, 6, NOW_NS);
    entries_keep_last(&last);
    entries_keep_last(&status);
    group_look(&last, "default", now_ns, 3, &g);
    group_hear_agents(&status, &g);
    group_render(&g, false, &out);
    json_t *json = group_json(&g);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "vip")), g.vip_count);
    json_decref(json);
    group_clear(&g);
    entries_clear(&last);
    entries_clear(&status);
    return hm_buf_steal(&out);
}

#define VIP(address, state) "{'address':'" address "','state':'" state "'}"

START_TEST(says_where_the_virtual_ips_are)
{
    char *text =
        with_vips("[" VIP("192.0.2.10/24", "up") "," VIP("2001:db8::1/64", "failed") "]",
                  "[" VIP("192.0.2.10/24", "down") "," VIP("2001:db8::1/64", "down") "]", NOW_NS);
    ck_assert_ptr_nonnull(strstr(text, "virtual IP       192.0.2.10/24 at site-a\n"
                                       "                 2001:db8::1/64 nowhere\n"));
    ck_assert_ptr_null(strstr(text, "failover.vip"));
    free(text);
}
END_TEST

START_TEST(warns_of_virtual_ips_that_are_not_as_they_should)
{
    char *text = with_vips("[" VIP("192.0.2.10/24", "up") "]", "[]", NOW_NS);
    ck_assert_ptr_nonnull(strstr(text, "192.0.2.10/24 is not in failover.vip of site-b: no host"));
    free(text);
    text =
        with_vips("[" VIP("192.0.2.10/24", "up") "]", "[" VIP("192.0.2.10/24", "up") "]", NOW_NS);
    ck_assert_ptr_nonnull(strstr(text, "192.0.2.10/24 is at site-a and site-b: one of"));
    free(text);
    text = with_vips("[{'address':'192.0.2.10/24','state':'up','contested':true}]",
                     "[" VIP("192.0.2.10/24", "down") "]", NOW_NS);
    ck_assert_ptr_nonnull(strstr(text, "another host claims 192.0.2.10/24, site-a has heard it"));
    free(text);
}
END_TEST

/* What a site said last before it fell silent is not so any more, for all that is known. */
START_TEST(silent_sites_have_no_virtual_ips)
{
    char *text = with_vips("[" VIP("192.0.2.10/24", "up") "]", "[" VIP("192.0.2.10/24", "down") "]",
                           NOW_NS + 60000 * MS);
    ck_assert_ptr_nonnull(strstr(text, "192.0.2.10/24 nowhere\n"));
    free(text);
}
END_TEST

START_TEST(what_is_no_address_is_not_shown)
{
    char *text =
        with_vips("[{'address':'\\u001b[2J','state':'up'}, 7, {'state':'up'}]", "{}", NOW_NS);
    ck_assert_ptr_null(strstr(text, "virtual IP"));
    free(text);
}
END_TEST

START_TEST(shows_who_leads_and_who_would_follow)
{
    struct entries last = {0};
    fill(&last);
    char *text = shown(&last, 3);
    ck_assert_ptr_nonnull(
        strstr(text, "group default    leader site-a since 3 d 4 h (epoch 7, operator)\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "config           T 1.00 s, 3 failures, failover_timeout 8.00 s "));
    ck_assert_ptr_nonnull(strstr(text, "\nsite-a  leader   0.4 s  31 ms  0/41022  ok 4.0 ms  -    "
                                       "yes  healthy, promises 6.2 s\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nsite-b  replica  0.2 s  88 ms  0/1207   -          0 B  "
                                       "yes  would lead after 10 s of silence\n"));
    ck_assert_ptr_nonnull(strstr(
        text,
        "\nsite-c  replica  47 s   -      -        -          -    no   silent: not counted\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\nif site-a died now: site-b would lead in about 10 s and lose nothing\n"));
    free(text);
    entries_clear(&last);
}
END_TEST

START_TEST(names_what_is_missing)
{
    struct entries last = {0};
    char *text = shown(&last, 1);
    ck_assert_ptr_nonnull(strstr(text, "leader not known"));
    ck_assert_ptr_nonnull(strstr(text, "there is no cluster_config"));
    ck_assert_ptr_nonnull(strstr(text, "there is no primary_heartbeat"));
    free(text);
}
END_TEST

START_TEST(with_failsafe_only_voters_take_over)
{
    struct entries last = {0};
    fill(&last);
    put_entry(&last, "primary_heartbeat",
              "{'site_id':'site-a','status':'HEALTHY','role':'leader','epoch':7,'counter':41023,"
              "'expires_in_ms':6254,'interval_ms':1000,'failsafe':true,'voters':['site-c']}",
              50001, NOW_NS - 60000 * MS);
    char *text = shown(&last, 3);
    ck_assert_ptr_nonnull(strstr(text, "(epoch 7), failsafe\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "silent: goes on if its voters consent, else one takes over"));
    ck_assert_ptr_nonnull(strstr(text, "no voter: leads only after a release"));
    ck_assert_ptr_nonnull(strstr(text, "if site-a died now: nobody could take over\n"));
    free(text);
    entries_clear(&last);
}
END_TEST

START_TEST(warns_of_a_single_copy)
{
    struct entries last = {0};
    fill(&last);
    char *one = shown(&last, 1), *three = shown(&last, 3);
    ck_assert_ptr_nonnull(strstr(one, "warnings         the bucket has 1 replica"));
    ck_assert_ptr_null(strstr(three, "the bucket has 1 replica"));
    free(one);
    free(three);
    entries_clear(&last);
}
END_TEST

START_TEST(says_when_nobody_could_take_over)
{
    struct entries last = {0};
    fill(&last);
    put_entry(&last, "replica_heartbeat.site-b", NULL, 99999, NOW_NS);
    char *text = shown(&last, 3);
    ck_assert_ptr_nonnull(strstr(text, "site-b  -        -"));
    ck_assert_ptr_nonnull(strstr(text, "never heard"));
    ck_assert_ptr_nonnull(strstr(text, "if site-a died now: nobody could take over\n"));
    free(text);
    entries_clear(&last);
}
END_TEST

START_TEST(a_released_lease_has_no_leader)
{
    struct entries last = {0};
    struct group_now g;
    put_entry(&last, "cluster_config", CONFIG, 1, NOW_NS);
    put_entry(&last, "primary_heartbeat",
              "{'site_id':null,'status':'RELEASED','epoch':0,'next':'site-a'}", 2, NOW_NS);
    entries_keep_last(&last);
    group_look(&last, "default", NOW_NS, 3, &g);
    ck_assert(!hb_site_is_set(&g.lease.site));
    ck_assert_ptr_null(group_successor(&g));
    json_t *json = group_json(&g);
    json_t *said = json_object_get(json, "lease");
    ck_assert(json_is_null(json_object_get(said, "leader")));
    ck_assert_str_eq(json_string_value(json_object_get(said, "next")), "site-a");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "sites")), 3);
    json_decref(json);
    group_clear(&g);
    entries_clear(&last);
}
END_TEST

START_TEST(the_second_replica_waits_longer)
{
    struct entries last = {0};
    struct group_now g;
    fill(&last);
    entries_keep_last(&last);
    group_look(&last, "default", NOW_NS, 3, &g);
    ck_assert_int_eq(g.sites[1].silence_needed_ms, 8000 + 4 + 1 + 2000);
    ck_assert_int_eq(g.sites[2].silence_needed_ms, 8000 + 4 + 1 + 4000);
    group_clear(&g);
    entries_clear(&last);
}
END_TEST

START_TEST(refuses_a_configuration_with_the_sum_shown)
{
    struct entries last = {0};
    put_entry(&last, "cluster_config",
              "{'primary_site_id':'site-a','replica_site_id':'site-b','failover_timeout_ms':3000,"
              "'heartbeat_interval_ms':1000}",
              9, NOW_NS);
    char *text = shown(&last, 3);
    ck_assert_ptr_nonnull(strstr(text, "cluster_config rev 9 refused: failover_timeout_ms 3000"));
    free(text);
    entries_clear(&last);
}
END_TEST

START_TEST(shows_what_an_operator_wants)
{
    struct entries last = {0};
    fill(&last);
    put_entry(&last, "cluster_config",
              "{'primary_site_id':'site-a','replica_site_ids':['site-b','site-c'],"
              "'failover_timeout_ms':8000,'heartbeat_interval_ms':1000,'failure_threshold':3,"
              "'fence_timeout_ms':2000,'sites':[{'site':'site-b','nofailover':true},"
              "{'site':'site-c','priority':7}]}",
              10, NOW_NS);
    put_entry(&last, "replica_heartbeat.site-c",
              "{'site_id':'site-c','status':'HEALTHY','role':'replica','epoch':7,'counter':12,"
              "'interval_ms':1000,'rtt_us':1000,'fit':true,'timestamp':1}",
              3001, NOW_NS - 100 * MS);
    put_entry(&last, "request",
              "{'action':'switchover','site':'site-c','state':'asked','by':'ann',"
              "'at':'2026-11-30T01:30:00.000Z'}",
              11, NOW_NS);
    char *text = shown(&last, 3);
    ck_assert_ptr_nonnull(
        strstr(text, "switchover to site-c, planned for 2026-11-30T01:30:00.000Z, by ann (asked)"));
    ck_assert_ptr_nonnull(strstr(text, "nofailover: leads only by force"));
    ck_assert_ptr_nonnull(strstr(text, ", priority 7\n"));
    ck_assert_ptr_nonnull(strstr(text, "if site-a died now: site-c would lead"));
    free(text);
    entries_clear(&last);
}
END_TEST

static void check_refuses(const struct entries *last, const char *site, int code, const char *text)
{
    struct group_now g;
    struct hb_site who;
    struct hm_error err;
    ck_assert(hb_site_from(site, &who));
    group_look(last, "default", NOW_NS, 3, &g);
    ck_assert_int_eq(group_check_site(&g, &who, &err), code);
    if (code < 0)
        ck_assert_str_eq(err.text, text);
    group_clear(&g);
}

START_TEST(says_why_a_site_is_none_of_the_group)
{
    struct entries last = {0}, none = {0};
    fill(&last);
    entries_keep_last(&last);
    check_refuses(&last, "site-b", 0, NULL);
    check_refuses(&last, "site-z", -HM_E_NOT_FOUND,
                  "site-z is no site of group default (cluster_config)");
    check_refuses(&none, "site-b", -HM_E_INVALID,
                  "group default has no valid cluster_config: there is no cluster_config "
                  "(harmonyctl failover init makes it)");
    entries_clear(&last);
}
END_TEST

RUN_SUITE("group_view", says_why_a_site_is_none_of_the_group, shows_what_an_operator_wants,
          says_why_a_site_is_not_fit, says_where_the_virtual_ips_are,
          warns_of_virtual_ips_that_are_not_as_they_should, silent_sites_have_no_virtual_ips,
          what_is_no_address_is_not_shown, shows_who_leads_and_who_would_follow,
          names_what_is_missing, with_failsafe_only_voters_take_over, warns_of_a_single_copy,
          says_when_nobody_could_take_over, a_released_lease_has_no_leader,
          the_second_replica_waits_longer, refuses_a_configuration_with_the_sum_shown)
