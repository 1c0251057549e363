#include "base/clock.h"
#include "ctl/diagnosis.h"
#include "ctl/open.h"
#include "tests/unit/ctl/suite.h"

#include <string.h>

/* The first finding of that level whose text has these words; NULL: none. */
static const struct finding *found(const struct diagnosis *d, enum finding_level level,
                                   const char *words)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].level == level && strstr(d->items[i].text, words))
            return &d->items[i];
    return NULL;
}

static const struct bus_bucket good = {
    .exists = true, .file_storage = true, .deny_purge = true, .history = 64, .replicas = 3};

START_TEST(good_buckets_are_well)
{
    struct diagnosis d = {0};
    diagnose_bucket(&d, BUCKET_FAILOVER, &good);
    diagnose_bucket(&d, BUCKET_DESIRED, &good);
    ck_assert_uint_eq(d.count, 2);
    ck_assert_uint_eq(diagnosis_count(&d, FINDING_OK), 2);
    diagnosis_clear(&d);
}
END_TEST

START_TEST(each_wrong_setting_is_found)
{
    struct diagnosis d = {0};
    struct bus_bucket one = good;
    one.replicas = 1;
    one.history = 1;
    one.file_storage = false;
    one.max_age_ns = 60 * 1000000000LL;
    one.deny_purge = false;
    diagnose_bucket(&d, BUCKET_FAILOVER, &one);
    diagnose_bucket(&d, BUCKET_STATUS, &(struct bus_bucket){0});
    const struct finding *replicas = found(&d, FINDING_WARNING, "has 1 replica");
    ck_assert_ptr_nonnull(replicas);
    ck_assert_ptr_nonnull(
        strstr(replicas->advice, "nats stream edit KV_harmony_failover --replicas 3"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "keeps 1 revisions of a key, not 64"));
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "kept in memory"));
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "older than 60 s"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "may be purged"));
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "is not there"));
    diagnosis_clear(&d);
}
END_TEST

START_TEST(old_and_unknown_servers)
{
    struct diagnosis d = {0};
    diagnose_server(&d, (int[3]){2, 9, 10}, "nats://a");
    diagnose_server(&d, (int[3]){0, 0, 0}, "nats://b");
    diagnose_server(&d, (int[3]){2, 10, 0}, "nats://c");
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "nats-server 2.9.10"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "nats://b"));
    ck_assert_ptr_nonnull(found(&d, FINDING_OK, "nats-server 2.10.0"));
    diagnosis_clear(&d);
}
END_TEST

START_TEST(agents_and_places)
{
    struct diagnosis d = {0};
    struct entries desired = {0}, status = {0};
    json_t *sites = json_array();
    put_entry(&desired, "site-a.vm.web", "{}", 1, 0);
    put_entry(&desired, "site-q.vm.web", "{}", 2, 0);
    put_entry(&desired, "site-q.vm.db", "{}", 3, 0);
    put_entry(&desired, "primary.vm.db", "{}", 4, 0);
    put_entry(&desired, "site-r.vm.db", NULL, 5, 0);
    put_entry(&desired, "rubbish", "{}", 6, 0);
    put_entry(&status, "site-a.agent",
              "{'warnings': ['ab\\u001bc'], 'backends': {'libvirt': {'accel': 'qemu', "
              "'accel_reason': 'no kvm'}},"
              " 'failover': {'guardian': {'up': false}}}",
              1, 0);
    put_entry(&status, "site-a.vm.web", "{}", 2, 0);
    diagnose_statuses(&d, &desired, &status, sites);
    ck_assert_uint_eq(json_array_size(sites), 1);
    ck_assert_str_eq(found(&d, FINDING_PROBLEM, "no agent of it has ever")->subject, "site-q");
    ck_assert_uint_eq(diagnosis_count(&d, FINDING_PROBLEM), 2); /* and the guardian; site-q once */
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "its guardian is not up"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "ab?c"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "no kvm"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "the key rubbish"));
    json_decref(sites);
    entries_clear(&desired);
    entries_clear(&status);
    diagnosis_clear(&d);
}
END_TEST

START_TEST(room_and_clock)
{
    struct diagnosis d = {0};
    json_t *answer =
        json_of("{'version': '0.0.0', 'time_ms': 105000, 'disks': ["
                "{'what': 'images', 'path': '/i', 'free': 1000000, 'size': 100000000000},"
                "{'what': 'state', 'path': '/s', 'free': 5000000000, 'size': 900000000000},"
                "{'what': 'more', 'path': '/m', 'error': 'no such file'}]}");
    diagnose_check(&d, "site-a", answer, 100000 * HM_MS, 100010 * HM_MS);
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "4.9 s ahead of ours"));
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "/i (images) is full"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "/s (state): 4.7 GiB free"));
    ck_assert_ptr_nonnull(found(&d, FINDING_PROBLEM, "no such file"));
    ck_assert_ptr_nonnull(found(&d, FINDING_WARNING, "version 0.0.0"));
    json_decref(answer);
    diagnosis_clear(&d);
}
END_TEST

START_TEST(a_clock_that_is_none_is_not_told)
{
    struct diagnosis d = {0};
    json_t *answer = json_of("{'time_ms': -9223372036854775807}");
    diagnose_check(&d, "site-a", answer, 100000 * HM_MS, 100010 * HM_MS);
    ck_assert_ptr_null(found(&d, FINDING_WARNING, "clock"));
    json_decref(answer);
    diagnosis_clear(&d);
}
END_TEST

RUN_SUITE("diagnosis", good_buckets_are_well, each_wrong_setting_is_found, old_and_unknown_servers,
          agents_and_places, room_and_clock, a_clock_that_is_none_is_not_told)
