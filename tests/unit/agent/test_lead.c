/* The driver between the real core and a fake bus: who is asked what, and in which order. */
#include "lead_fixture.h"

#include <pthread.h>
#include <sys/stat.h>

#include "agent/lead_internal.h"
#include "base/workq.h"
#include "failover/core.h"

static bool was_asked_to_stop(void)
{
    return fake.stops > 0;
}

START_TEST(fences_before_it_takes_part)
{
    fake.hold_stop = true;
    init_group();
    lead_start(lead);
    ck_assert(wait_for(was_asked_to_stop));
    for (int i = 0; i < 20; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        fake_bus_deliver();
    }
    ck_assert_str_eq(story.data, "stop ");
    ck_assert_str_eq(lead_role(lead), "starting");
    fake.hold_stop = false;
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(leads));
}
END_TEST

START_TEST(starts_only_under_an_epoch_that_is_on_disk)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_int_eq(fake.starts, 1);
    ck_assert_uint_eq(fake.saved_epoch, 1);
    ck_assert_uint_eq(lead_epoch(lead), 1);
    ck_assert_str_eq(lead_leader(lead), "site-a");
}
END_TEST

static bool start_failed(void)
{
    return story.data && strstr(story.data, "promoting(1)") && strstr(story.data, "fencing");
}

static bool cannot_save(void)
{
    return !strcmp(lead_role(lead), "replica") && warns_of("not saved") && fake_bus.count > 10;
}

START_TEST(disk_that_takes_nothing_leads_nothing)
{
    init_group();
    ck_assert_int_eq(rmdir(folder), 0);
    lead_start(lead);
    ck_assert_msg(wait_for(cannot_save), "%s", story.data);
    ck_assert_ptr_null(strstr(story.data, "claiming"));
    ck_assert_int_eq(fake.starts, 0);
    ck_assert_int_eq(mkdir(folder, 0700), 0); /* it has room again */
    ck_assert(wait_for(leads));
    ck_assert(!warns_of("not saved"));
}
END_TEST

static pthread_mutex_t disk_hangs = PTHREAD_MUTEX_INITIALIZER;

static void hang(void *data)
{
    (void)data;
    pthread_mutex_lock(&disk_hangs);
    pthread_mutex_unlock(&disk_hangs);
}

static void is_over(void *data, bool timed_out)
{
    (void)data, (void)timed_out;
}

static bool is_heard_as_replica(void)
{
    return !strcmp(lead_role(lead), "replica") && fake_bus.count > 10;
}

START_TEST(disk_that_does_not_answer_leads_nothing)
{
    static const struct hm_job hung = {.work = hang, .done = is_over};
    init_group();
    pthread_mutex_lock(&disk_hangs);
    ck_assert_int_eq(hm_workq_submit(lead->memory.disk, &hung, NULL), 0);
    lead_start(lead);
    ck_assert_msg(wait_for(is_heard_as_replica), "%s", story.data);
    ck_assert_ptr_null(strstr(story.data, "claiming"));
    ck_assert_int_eq(fake.starts, 0);
    pthread_mutex_unlock(&disk_hangs);
    ck_assert(wait_for(leads));
}
END_TEST

/* Its claim is sent and not answered yet. */
static void until_it_claims(void)
{
    int64_t give_up = hm_boottime_ns() + 10000 * HM_MS;
    while (strcmp(lead_role(lead), "claiming") != 0) {
        ck_assert_int_lt(hm_boottime_ns(), give_up);
        fake_bus_deliver();
        uv_run(&loop, UV_RUN_ONCE); /* there is always the alarm of the next heartbeat */
    }
}

START_TEST(nothing_starts_when_the_epoch_cannot_be_saved)
{
    init_group();
    lead_start(lead);
    until_it_claims();
    char away[sizeof folder + 5];
    snprintf(away, sizeof away, "%s.away", folder);
    ck_assert_int_eq(rename(folder, away), 0);
    ck_assert_msg(wait_for(start_failed), "%s", story.data);
    ck_assert_int_eq(fake.starts, 0);
    ck_assert_int_eq(rename(away, folder), 0);
}
END_TEST

static bool holds(void)
{
    json_t *status = lead_status(lead);
    bool told = json_is_true(json_object_get(status, "holds"));
    json_decref(status);
    return told;
}

/* The marks of an earlier run, and a bucket that is older than they are. */
START_TEST(older_lease_than_on_the_disk_is_held)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    end_lead();
    replace_guardian();
    fake_bus_reset();
    init_group();
    make_lead();
    hm_buf_free(&story);
    lead_start(lead);
    ck_assert(wait_for(holds));
    ck_assert(warns_of("harmonyctl failover repair"));
    ck_assert_ptr_null(strstr(story.data, "claiming"));
    fake_bus_put_text("primary_heartbeat", "{\"site_id\":null,\"status\":\"RELEASED\","
                                           "\"generation\":1,\"epoch\":0}");
    ck_assert(wait_for(leads));
    ck_assert_uint_eq(lead_epoch(lead), 2);
    ck_assert_ptr_nonnull(strstr(fake_bus_last("primary_heartbeat")->value, "\"generation\":1"));
}
END_TEST

START_TEST(bucket_that_is_gone_is_held_and_said)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    struct hm_error why = {.code = HM_E_NOT_FOUND};
    fake_bus.bucket.exists = false;
    fake_bus.refuses_writes = true;
    fake_bus.watch.on_broken(fake_bus.watch.data, &why);
    ck_assert(wait_for(holds));
    ck_assert(warns_of("now it is gone"));
    ck_assert_str_eq(lead_role(lead), "replica");
}
END_TEST

START_TEST(stop_that_does_not_end_is_no_stop)
{
    fake.hold_stop = true;
    init_group();
    lead_start(lead);
    patience_end = hm_boottime_ns() + 800 * HM_MS; /* well beyond fence_timeout */
    ck_assert(wait_for(patience_is_over));
    ck_assert_str_eq(lead_role(lead), "starting");
    ck_assert_uint_eq(fake_bus_last("primary_heartbeat")->revision, 2);
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(leads));
}
END_TEST

static bool asked_again(void)
{
    return fake.stops > 2;
}

START_TEST(failed_stop_is_asked_for_again_with_time_to_act)
{
    static const struct hm_error unknown = {HM_E_LIBVIRT, "vm db: unknown"};
    fake.hold_stop = true;
    init_group();
    lead_start(lead);
    patience_end = hm_boottime_ns() + 400 * HM_MS; /* beyond fence_timeout */
    ck_assert(wait_for(patience_is_over));
    while (!asked_again()) {
        fake.stop_done(fake.stop_arg, &unknown);
        patience_end = hm_boottime_ns() + 50 * HM_MS;
        ck_assert(wait_for(patience_is_over));
    }
    ck_assert_str_eq(lead_role(lead), "starting");
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(leads));
}
END_TEST

START_TEST(old_server_gets_no_write)
{
    fake_bus.version[1] = 9;
    fake_bus.version[2] = 10;
    init_group();
    lead_start(lead);
    patience_end = hm_boottime_ns() + 300 * HM_MS;
    ck_assert(wait_for(patience_is_over));
    ck_assert(!fake_bus.watching);
    ck_assert_uint_eq(fake_bus.count, 2);
    ck_assert(warns_of("nats-server 2.9.10 is too old"));
}
END_TEST

static bool refused_ap(void)
{
    return warns_of("AP");
}

START_TEST(refused_configuration_leaves_the_last_good_one)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    fake_bus_put_text("cluster_config",
                      "{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\","
                      "\"heartbeat_interval_ms\":50,\"failover_timeout_ms\":8000,"
                      "\"consistency\":\"AP\"}");
    ck_assert(wait_for(refused_ap));
    ck_assert(warns_of("revision 1 stays"));
    ck_assert(leads());
}
END_TEST

/* In a bucket that was made anew, revision 1 can be another text. */
START_TEST(same_revision_is_not_the_same_configuration)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    static const char other[] =
        "{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\","
        "\"heartbeat_interval_ms\":50,\"failure_threshold\":3,\"fence_timeout_ms\":300,"
        "\"failover_timeout_ms\":2000}";
    struct bus_entry entry = {.bucket = "harmony_failover",
                              .key = "cluster_config",
                              .value = other,
                              .len = sizeof other - 1,
                              .revision = 1,
                              .stamp_ns = hm_wall_ns()};
    fake_bus.watch.on_entry(fake_bus.watch.data, &entry);
    json_t *status = lead_status(lead);
    json_t *in_force = json_object_get(status, "config");
    ck_assert_int_eq(json_integer_value(json_object_get(in_force, "failover_timeout_ms")), 2000);
    json_decref(status);
}
END_TEST

static bool pings_slower(void)
{
    return fake_bus.ping_ms == 50;
}

/* A server that hangs or lost its network is to be left before the second heartbeat fails. */
START_TEST(server_is_pinged_twice_in_an_interval)
{
    static const char slower[] =
        "{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\","
        "\"heartbeat_interval_ms\":100,\"failure_threshold\":3,\"fence_timeout_ms\":300,"
        "\"failover_timeout_ms\":2000}";
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_int_eq(fake_bus.ping_ms, 25);
    ck_assert_int_eq(fake_bus.given_up, 1); /* before it led: the ping is of the next connection */
    fake_bus_put_text("cluster_config", slower);
    ck_assert(wait_for(pings_slower));
    ck_assert_int_eq(fake_bus.given_up, 1); /* not while it leads */
}
END_TEST

START_TEST(last_good_configuration_is_remembered)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    end_lead();
    fake_bus_reset();
    fake_bus.connected = false;
    make_lead();
    lead_start(lead);
    json_t *status = lead_status(lead);
    json_t *in_force = json_object_get(status, "config");
    ck_assert_int_eq(json_integer_value(json_object_get(in_force, "failover_timeout_ms")),
                     FAILOVER_MS);
    ck_assert_int_eq(json_integer_value(json_object_get(in_force, "revision")), 1);
    json_decref(status);
}
END_TEST

static bool says_unfit(const char *why)
{
    json_t *status = lead_status(lead);
    const char *said = json_string_value(json_object_get(status, "unfit"));
    bool found = why ? said && strstr(said, why) : !said;
    json_decref(status);
    return found;
}

static bool fit_and_says_nothing(void)
{
    return says_unfit(NULL);
}

START_TEST(says_why_it_is_not_fit)
{
    ck_assert(says_unfit("not in cluster_config"));
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert(wait_for(fit_and_says_nothing));
}
END_TEST

static void note_end(void *data)
{
    (void)data;
    fake.ended++;
}

static bool ended(void)
{
    return fake.ended > 0;
}

static bool new_one_is_in_force(void)
{
    json_t *status = lead_status(lead);
    json_t *in_force = json_object_get(status, "config");
    bool taken = json_integer_value(json_object_get(in_force, "failover_timeout_ms")) == 3000;
    json_decref(status);
    return taken;
}

START_TEST(same_revision_of_a_new_bucket_is_another_configuration)
{
    struct marks marks = {0};
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    end_lead();
    fake_bus_reset();
    fake_bus.bucket.created_ns = 2;
    ck_assert_uint_eq(
        fake_bus_put_text("cluster_config",
                          "{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\","
                          "\"heartbeat_interval_ms\":50,\"failure_threshold\":3,"
                          "\"fence_timeout_ms\":300,\"failover_timeout_ms\":3000}"),
        1);
    make_lead();
    lead_start(lead);
    ck_assert(!new_one_is_in_force());
    ck_assert(wait_for(new_one_is_in_force));
    lead_stop(lead, note_end, NULL); /* owes the disk nothing when it has ended */
    ck_assert(wait_for(ended));
    ck_assert_int_eq(marks_load(marks_path(), &marks, NULL), 0);
    ck_assert_ptr_nonnull(strstr(marks.config, "3000"));
}
END_TEST

static bool retaken(void)
{
    return leads() && lead_epoch(lead) == 2;
}

START_TEST(lease_of_the_marks_is_retaken)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    end_lead(); /* without a word, as after a crash: of the host */
    replace_guardian();
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(retaken));
    ck_assert_ptr_nonnull(strstr(fake_bus_last("cluster_state")->value, "retook its own lease"));
}
END_TEST

START_TEST(planned_end_stops_then_releases)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    lead_stop(lead, note_end, NULL);
    ck_assert(!lead_may_serve(lead));
    ck_assert(wait_for(ended));
    ck_assert_int_eq(fake.ended, 1);
    ck_assert_ptr_nonnull(
        strstr(fake_bus_last("primary_heartbeat")->value, "\"status\":\"RELEASED\""));
    ck_assert_int_eq(fake.stops, 2); /* at start and now */
}
END_TEST

/* It first gets a promise that covers it. */
START_TEST(planned_end_leaves_the_workload_its_time)
{
    fake.clean_stop_ms = 5000;
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert_int_gt(fake.asked_for_ns, 4500 * HM_MS);
    ck_assert_ptr_nonnull(
        strstr(fake_bus_last("primary_heartbeat")->value, "\"status\":\"RELEASED\""));
}
END_TEST

START_TEST(planned_end_without_a_store_still_stops)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    fake_bus.refuses_writes = true;
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert_int_eq(fake.stops, 2);
    ck_assert_ptr_null(
        strstr(fake_bus_last("primary_heartbeat")->value, "\"status\":\"RELEASED\""));
}
END_TEST

static bool stopped_serving(void)
{
    return !lead_may_serve(lead);
}

START_TEST(leader_that_cannot_write_stops)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    fake_bus.refuses_writes = true;
    int64_t begin = hm_boottime_ns();
    ck_assert(wait_for(stopped_serving));
    ck_assert_int_le(fake.stop_deadline_ns, begin + (LEASE_MS + HEARTBEAT_MS + FENCE_MS) * HM_MS +
                                                FO_LATENESS); /* F, fence_timeout */
    ck_assert_int_eq(fake.stops, 2);
}
END_TEST

static bool incident_written(void)
{
    return fake_bus_last("incident.1") && fake_bus_last("cluster_state");
}

static bool serving_is_told(void)
{
    const struct fake_entry *e = fake_bus_last("incident.1");
    return e && strstr(e->value, "\"serving_ms\":") && !strstr(e->value, "\"serving_ms\":null");
}

START_TEST(leader_leaves_a_record)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(incident_written));
    ck_assert(wait_for(serving_is_told));
    ck_assert_ptr_nonnull(
        strstr(fake_bus_last("cluster_state")->value, "\"current_primary\":\"site-a\""));
}
END_TEST

START_TEST(heartbeats_of_strangers_are_not_counted)
{
    init_group();
    fake_bus_put_text("replica_heartbeat.site-b", "{\"site_id\":");
    fake_bus_put_text("replica_heartbeat.site-c",
                      "{\"site_id\":\"site-b\",\"status\":\"HEALTHY\",\"epoch\":0,\"counter\":1,"
                      "\"expires_in_ms\":1000,\"fit\":true}");
    lead_start(lead);
    ck_assert(wait_for(leads));
    json_t *status = lead_status(lead);
    json_t *peer = json_array_get(json_object_get(status, "peers"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(peer, "site")), "site-b");
    ck_assert(json_is_null(json_object_get(peer, "heard_ms_ago")));
    json_decref(status);
}
END_TEST

static bool is_watching(void)
{
    return fake_bus.watching;
}

START_TEST(other_groups_have_keys_of_their_own)
{
    end_lead();
    config.failover.group = (char *)"db";
    make_lead();
    fake_bus_put_text("db.cluster_config", good_config);
    fake_bus_put_text("db.primary_heartbeat",
                      "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":0,\"next\":\"site-a\"}");
    lead_start(lead);
    ck_assert(wait_for(is_watching));
    ck_assert_str_eq(fake_bus.filter, "db.>");
    patience_end = hm_boottime_ns() + 300 * HM_MS;
    ck_assert(wait_for(patience_is_over));
    ck_assert_ptr_nonnull(fake_bus_last("db.replica_heartbeat.site-a"));
    ck_assert(!has_written());
    snprintf(marks_path(), 128, "%s/failover-db.json", folder);
    unlink(marks_path());
}
END_TEST

/* -- Following another leader --------------------------------------------------------------------- */

static void touch(const char *name)
{
    ck_assert_int_eq(hm_file_write_atomic(in_folder(name), "", 0, 0600, NULL), 0);
}

static bool exists(const char *name)
{
    return access(in_folder(name), F_OK) == 0;
}

static char *hook_argv[HOOK_COUNT][4];
static char hook_script[HOOK_COUNT][256];

/* A lead whose hook notes in `<name>_ran` that it ran, and what epoch the stored record is of; and succeeds once there is a file `<name>_ok`. */
static void use_hook(enum hook hook)
{
    const char *name = hook_name(hook);
    end_lead();
    snprintf(hook_script[hook], sizeof hook_script[hook],
             "cd %s; echo $HARMONY_FROM_EPOCH >>%s_ran; test -e %s_ok", folder, name, name);
    hook_argv[hook][0] = (char *)"/bin/sh";
    hook_argv[hook][1] = (char *)"-c";
    hook_argv[hook][2] = hook_script[hook];
    config.failover.hooks[hook] = hook_argv[hook];
    make_lead();
}

static void site_b_is(const char *role, int epoch)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"site_id\":\"site-b\",\"status\":\"HEALTHY\",\"epoch\":%d,\"counter\":%u,"
             "\"expires_in_ms\":1000,\"role\":\"%s\"}",
             epoch, fake_bus.count, role);
    fake_bus_put_text("primary_heartbeat", text);
}

static void site_b_releases(int epoch)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":%d,\"next\":\"site-a\"}", epoch);
    fake_bus_put_text("primary_heartbeat", text);
}

static void wait_ms(int64_t ms)
{
    patience_end = hm_boottime_ns() + ms * HM_MS;
    ck_assert(wait_for(patience_is_over));
}

static bool is_replica(void)
{
    return !strcmp(lead_role(lead), "replica");
}

static bool follow_ran(void)
{
    return exists("follow_ran");
}

static bool resync_failed(void)
{
    return warns_of("resync hook exited with 1");
}

static bool owes_resync(void)
{
    return warns_of("before its resync hook has succeeded");
}

static bool owes_nothing(void)
{
    return !owes_resync();
}

static bool follow_failed(void)
{
    return warns_of("follow hook exited with 1");
}

static bool follow_went_well(void)
{
    return exists("follow_ok") && !follow_failed();
}

/* This site has led in epoch 1, and site-b in epoch 2. */
static void let_site_b_take_over(void)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    site_b_is("leader", 2);
    ck_assert(wait_for(is_replica));
}

START_TEST(claim_is_nobody_to_follow)
{
    use_hook(HOOK_FOLLOW);
    init_group();
    site_b_is("promoting", 1);
    lead_start(lead);
    ck_assert(wait_for(is_replica));
    wait_ms(200);
    ck_assert(!follow_ran());
    site_b_is("leader", 1);
    ck_assert(wait_for(follow_ran));
}
END_TEST

static void check_first_line(const char *name, const char *line)
{
    char *text;
    size_t len;
    ck_assert_int_eq(hm_file_read(in_folder(name), 128, &text, &len, NULL), 0);
    ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
    free(text);
}

START_TEST(follow_is_tried_until_it_succeeds)
{
    use_hook(HOOK_FOLLOW);
    init_group();
    site_b_is("leader", 3);
    lead_start(lead);
    ck_assert(wait_for(follow_failed));
    check_first_line("follow_ran", "3\n");
    touch("follow_ok");
    ck_assert(wait_for(follow_went_well));
}
END_TEST

START_TEST(site_that_owes_a_resync_does_not_lead)
{
    use_hook(HOOK_RESYNC);
    let_site_b_take_over();
    ck_assert(wait_for(resync_failed));
    ck_assert(owes_resync());
    site_b_releases(2);
    wait_ms(1500);
    ck_assert(is_replica());
    ck_assert_int_eq(fake.starts, 1);
    site_b_is("leader", 3);
    touch("resync_ok");
    ck_assert(wait_for(owes_nothing));
    site_b_releases(3);
    ck_assert(wait_for(leads));
    ck_assert_int_eq(fake.starts, 2);
}
END_TEST

START_TEST(debt_of_a_resync_survives_a_restart)
{
    use_hook(HOOK_RESYNC);
    let_site_b_take_over();
    ck_assert(wait_for(resync_failed));
    end_lead();
    site_b_releases(2);
    fake_bus.watched = 0;
    fake_bus.ready = false;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(owes_resync));
    wait_ms(1500);
    ck_assert_int_eq(fake.starts, 1);
}
END_TEST

START_TEST(site_that_was_alone_owes_nothing)
{
    use_hook(HOOK_RESYNC);
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
    fake_bus.refuses_writes = true;
    ck_assert(wait_for(stopped_serving));
    fake_bus.refuses_writes = false;
    ck_assert(wait_for(leads));
    ck_assert_int_eq(fake.starts, 2);
    ck_assert(!exists("resync_ran"));
    ck_assert(owes_nothing());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead");
    TCase *t = tcase_create("lead");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, fences_before_it_takes_part);
    tcase_add_test(t, starts_only_under_an_epoch_that_is_on_disk);
    tcase_add_test(t, disk_that_takes_nothing_leads_nothing);
    tcase_add_test(t, disk_that_does_not_answer_leads_nothing);
    tcase_add_test(t, nothing_starts_when_the_epoch_cannot_be_saved);
    tcase_add_test(t, older_lease_than_on_the_disk_is_held);
    tcase_add_test(t, bucket_that_is_gone_is_held_and_said);
    tcase_add_test(t, stop_that_does_not_end_is_no_stop);
    tcase_add_test(t, failed_stop_is_asked_for_again_with_time_to_act);
    tcase_add_test(t, old_server_gets_no_write);
    tcase_add_test(t, refused_configuration_leaves_the_last_good_one);
    tcase_add_test(t, same_revision_is_not_the_same_configuration);
    tcase_add_test(t, server_is_pinged_twice_in_an_interval);
    tcase_add_test(t, says_why_it_is_not_fit);
    tcase_add_test(t, last_good_configuration_is_remembered);
    tcase_add_test(t, same_revision_of_a_new_bucket_is_another_configuration);
    tcase_add_test(t, lease_of_the_marks_is_retaken);
    tcase_add_test(t, planned_end_stops_then_releases);
    tcase_add_test(t, planned_end_leaves_the_workload_its_time);
    tcase_add_test(t, planned_end_without_a_store_still_stops);
    tcase_add_test(t, leader_that_cannot_write_stops);
    tcase_add_test(t, leader_leaves_a_record);
    tcase_add_test(t, heartbeats_of_strangers_are_not_counted);
    tcase_add_test(t, other_groups_have_keys_of_their_own);
    tcase_add_test(t, claim_is_nobody_to_follow);
    tcase_add_test(t, follow_is_tried_until_it_succeeds);
    tcase_add_test(t, site_that_owes_a_resync_does_not_lead);
    tcase_add_test(t, debt_of_a_resync_survives_a_restart);
    tcase_add_test(t, site_that_was_alone_owes_nothing);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
