#include "ctl/incident.h"

#include "ctl/incident_html.h"
#include "ctl/incident_view.h"
#include "suite.h"

/* 2026-11-22T14:03:20Z */
#define TAKEN_NS (1795356200LL * 1000000000LL)
#define MS       1000000LL

static const char record[] =
    "{'epoch':7,'from_epoch':6,'from':'site-a','to':'site-b','reason':'STALE','ended':'NONE',"
    "'interval_ms':1000,'silence_ms':8000,'needed_ms':8000,'own_gap':null,'serving_ms':%s,"
    "'heartbeats':["
    "{'site_id':'site-a','epoch':6,'counter':10451,'stamp':'2026-11-22T14:03:11.400Z',"
    "'before_ms':9100,'gap_ms':null,'rtt_us':30000,'failures':0},"
    "{'site_id':'site-a','epoch':6,'counter':10452,'stamp':'2026-11-22T14:03:12.400Z',"
    "'before_ms':8100,'gap_ms':1000,'rtt_us':34000,'failures':0}]}";

static void put_incident(struct entries *list, const char *serving, uint64_t revision, int64_t at)
{
    char text[1024];
    snprintf(text, sizeof text, record, serving);
    put_entry(list, "incident.7", text, revision, at);
}

static struct incident read_one(const struct entries *list)
{
    struct incident i;
    struct hm_error err;
    ck_assert_msg(incident_read(list, "default", 7, &i, &err) >= 0, "%s", err.text);
    return i;
}

START_TEST(last_revision_says_the_most_and_the_first_says_when)
{
    struct entries list = {0};
    put_incident(&list, "null", 1, TAKEN_NS + 501 * MS);
    put_incident(&list, "400", 2, TAKEN_NS + 900 * MS);
    struct incident i = read_one(&list);
    ck_assert_str_eq(i.from.text, "site-a");
    ck_assert_str_eq(i.to.text, "site-b");
    ck_assert_int_eq(i.serving_ms, 400);
    ck_assert_int_eq(i.last_ms, 8100);
    ck_assert_int_eq(i.taken_ns, TAKEN_NS + 500 * MS); /* by the stamp of the last beat */
    ck_assert_uint_eq(i.beat_count, 2);
    ck_assert(!i.has_account);
    entries_clear(&list);
}
END_TEST

START_TEST(account_of_the_leader_before_belongs_to_it)
{
    struct entries list = {0};
    put_incident(&list, "400", 1, TAKEN_NS);
    put_entry(&list, "account.6",
              "{'site_id':'site-a','epoch':6,'run':'same','boot':'same','guardian_fired':"
              "{'late_ms':2},'reason':'DEADLINE','acked_ms':3900,'attempts':3,'late_ms':5}",
              2, TAKEN_NS);
    struct incident i = read_one(&list);
    ck_assert(i.has_account && i.account.same_run && i.account.fired);
    ck_assert_int_eq(i.account.reason, HB_REASON_DEADLINE);
    ck_assert_int_eq(i.account.fired_late_ms, 2);
    ck_assert_int_eq(i.account.rtt_us, -1);
    put_entry(&list, "account.6", "{'site_id':'site-c','epoch':6}", 3, TAKEN_NS);
    i = read_one(&list);
    ck_assert(!i.has_account); /* another site's word about it is no evidence */
    entries_clear(&list);
}
END_TEST

static void heartbeat_of_b(struct entries *list, uint64_t revision, int64_t at)
{
    put_entry(list, "replica_heartbeat.site-b",
              "{'site_id':'site-b','status':'HEALTHY','role':'replica','epoch':6,'counter':1}",
              revision, at);
}

START_TEST(others_are_counted_while_they_are_kept)
{
    struct entries list = {0};
    put_incident(&list, "400", 1, TAKEN_NS);
    heartbeat_of_b(&list, 2, TAKEN_NS - 2000 * MS);
    ck_assert_int_eq(read_one(&list).others_heard, -1); /* older ones may have been pushed out */
    heartbeat_of_b(&list, 3, TAKEN_NS - 9000 * MS);
    ck_assert_int_eq(read_one(&list).others_heard, 1);
    entries_clear(&list);
}
END_TEST

static void finds_no(const struct entries *list, uint64_t epoch, int code, const char *part)
{
    struct incident i;
    struct hm_error err;
    ck_assert_int_eq(incident_read(list, "default", epoch, &i, &err), -code);
    ck_assert_msg(strstr(err.text, part), "%s", err.text);
}

START_TEST(what_is_not_there_is_told_with_what_is)
{
    struct entries list = {0};
    finds_no(&list, 3, HM_E_NOT_FOUND, "no incidents");
    put_incident(&list, "400", 1, TAKEN_NS);
    finds_no(&list, 3, HM_E_NOT_FOUND, "there are 1, from 7 to 7");
    put_entry(&list, "incident.3", "{'epoch':3}", 2, TAKEN_NS);
    finds_no(&list, 3, HM_E_INVALID, "incident.3 rev 2 is not the record of an incident");
    put_entry(&list, "incident.3", "no JSON", 2, TAKEN_NS);
    finds_no(&list, 3, HM_E_INVALID, "not the record");
    entries_clear(&list);
}
END_TEST

static char *shown(const struct entries *list, bool html)
{
    struct hm_buf out = {0};
    struct cause cause;
    struct incident i = read_one(list);
    cause_infer(&i, &cause);
    if (html)
        incident_html(&i, &cause, list, "<b>&", &out);
    else
        incident_render(&i, &cause, false, &out);
    cause_clear(&cause);
    return hm_buf_steal(&out);
}

START_TEST(told_as_people_read_it)
{
    struct entries list = {0};
    put_incident(&list, "400", 1, TAKEN_NS);
    HM_AUTOFREE char *text = shown(&list, false);
    ck_assert_str_eq(
        text,
        "epoch 6 -> 7   site-a -> site-b   2026-11-22 14:03:20.5 UTC   cause: power cut (likely)\n"
        "  14:03:11.4 - 14:03:12.4  site-a: 2 heartbeats every 1.00 s, rtt 30-34 ms, no failures\n"
        "  14:03:12.4               last heartbeat of site-a (counter 10452)\n"
        "  14:03:12.4 - 14:03:20.5  site-a silent for 8.10 s; site-b heard its own heartbeats all "
        "the time\n"
        "  14:03:20.5               site-b takes the lease, epoch 7 (the leader was silent), and "
        "starts its workload\n"
        "  14:03:20.9               site-b serves\n"
        "  because site-a has not been heard since its heartbeat 10452\n"
        "          its heartbeats were regular and its round trips had not grown until then\n"
        "  note    a sudden isolation looks the same until site-a is heard again and tells\n"
        "  outage 8.50 s from the last heartbeat: 8.10 s until site-b had the lease, 400 ms until "
        "its workload served\n");
    entries_clear(&list);
}
END_TEST

START_TEST(page_escapes_and_fetches_nothing)
{
    struct entries list = {0};
    put_incident(&list, "400", 1, TAKEN_NS);
    heartbeat_of_b(&list, 2, TAKEN_NS - 2000 * MS);
    HM_AUTOFREE char *text = shown(&list, true);
    ck_assert_ptr_nonnull(strstr(text, "group &lt;b&gt;&amp;, "));
    ck_assert_ptr_null(strstr(text, "<b>"));
    ck_assert_ptr_null(strstr(text, "<script"));
    ck_assert_ptr_null(strstr(text, "http:"));
    ck_assert_ptr_null(strstr(text, "https:"));
    ck_assert_ptr_nonnull(strstr(text, "<svg"));
    ck_assert_ptr_nonnull(strstr(text, "cause: power cut (likely)"));
    entries_clear(&list);
}
END_TEST

START_TEST(epochs_are_listed_once_and_in_order)
{
    struct entries list = {0};
    uint64_t *epochs;
    put_entry(&list, "incident.10", "{}", 1, 0);
    put_entry(&list, "incident.9", "{}", 2, 0);
    put_entry(&list, "incident.10", "{}", 3, 0);
    put_entry(&list, "incident.x", "{}", 4, 0);
    ck_assert_uint_eq(incident_epochs(&list, "default", &epochs), 2);
    ck_assert_uint_eq(epochs[0], 9);
    ck_assert_uint_eq(epochs[1], 10);
    free(epochs);
    entries_clear(&list);
}
END_TEST

START_TEST(who_asked_for_it_is_named)
{
    struct entries list = {0};
    char text[1024];
    snprintf(text, sizeof text, record, "400");
    char *reason = strstr(text, "'STALE'");
    memcpy(reason, "'FORCED", 7);
    memmove(reason + 8, reason + 7, strlen(reason + 7) + 1);
    reason[7] = '\'';
    int64_t stored = TAKEN_NS + 520 * MS; /* decided 20 ms before, by the beats */
    put_entry(&list, "incident.7", text, 3, stored);
    put_entry(&list, "request", "{'action':'promote','site':'site-a','state':'asked','by':'eve'}",
              1, TAKEN_NS - 3000 * MS);
    put_entry(&list, "request", "{'action':'promote','site':'site-b','state':'asked','by':'ann'}",
              2, stored - 15 * MS);
    put_entry(&list, "request", "{'action':'promote','site':'site-b','state':'asked','by':'bob'}",
              4, TAKEN_NS + 2000 * MS);
    struct incident i = read_one(&list);
    ck_assert_int_eq(i.reason, HB_REASON_FORCED);
    ck_assert_str_eq(i.asked, "forced promotion of site-b, by ann");
    entries_clear(&list);
}
END_TEST

RUN_SUITE("incident", who_asked_for_it_is_named,
          last_revision_says_the_most_and_the_first_says_when,
          account_of_the_leader_before_belongs_to_it, others_are_counted_while_they_are_kept,
          what_is_not_there_is_told_with_what_is, told_as_people_read_it,
          page_escapes_and_fetches_nothing, epochs_are_listed_once_and_in_order)
