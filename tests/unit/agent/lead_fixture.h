/*
 * The driver between the real core, a fake bus and a fake guardian. Included by one test program each.
 */
#include "agent/lead.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/marks.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "fake_bus.h"
#include "fake_guardian.h"

static uv_loop_t loop;
static struct lead *lead;
static struct agent_config config;
static char folder[] = "/tmp/test_lead.XXXXXX";
static struct hm_buf story;
static struct fake_guardian guardian;

static inline const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Documents that take note; a stop is answered at once, unless `hold_stop`. */
static struct {
    bool hold_stop;
    int stops, starts, resumes;
    int64_t stop_deadline_ns; /* of the last */
    const char *vms[4];       /* UUIDs */
    bool vms_unknown;
    bool may_still_start;
    int rechecks;
    int64_t clean_stop_ms;
    int64_t asked_for_ns;    /* how long the last stop asks before it kills */
    struct guard_lease held; /* by the guardian, when the start came */
    uint64_t saved_epoch;    /* what was on disk when the start came */
    workload_done stop_done;
    void *stop_arg;
    int ended; /* lead_stop() */
} fake;

static char *marks_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/failover-default.json", folder);
    return path;
}

static void fake_start(void *data, uint64_t epoch, int64_t deadline_ns, workload_done done,
                       void *arg)
{
    struct marks marks = {0};
    (void)data;
    ck_assert_int_gt(deadline_ns, hm_boottime_ns());
    ck_assert(lead_may_serve(lead));
    ck_assert_int_eq(marks_load(marks_path(), &marks, NULL), 0);
    fake.saved_epoch = marks.epoch;
    fake.held = guardian.state.lease;
    fake.starts++;
    hm_buf_printf(&story, "start(%d) ", (int)epoch);
    done(arg, NULL);
}

static void fake_resume(void *data, uint64_t epoch)
{
    (void)data;
    fake.resumes++;
    hm_buf_printf(&story, "resume(%d) ", (int)epoch);
}

static bool fake_each_vm(void *data, void (*visit)(void *arg, const char *uuid), void *arg)
{
    (void)data;
    for (const char **uuid = fake.vms; *uuid; uuid++)
        visit(arg, *uuid);
    return !fake.vms_unknown;
}

static int64_t fake_clean_stop_ms(void *data)
{
    (void)data;
    return fake.clean_stop_ms;
}

static bool fake_may_still_start(void *data)
{
    (void)data;
    return fake.may_still_start;
}

static void fake_recheck(void *data)
{
    (void)data;
    fake.rechecks++;
}

static void fake_stop(void *data, uint64_t epoch, struct stop_times times, workload_done done,
                      void *arg)
{
    (void)data;
    (void)epoch;
    ck_assert_int_gt(times.deadline_ns, hm_boottime_ns());
    ck_assert_int_le(times.kill_ns, times.deadline_ns);
    fake.asked_for_ns = times.kill_ns - hm_boottime_ns();
    fake.stop_deadline_ns = times.deadline_ns;
    fake.stops++;
    hm_buf_printf(&story, "stop ");
    fake.stop_done = done;
    fake.stop_arg = arg;
    if (!fake.hold_stop)
        done(arg, NULL);
}

static void note_role(void *data, const char *role, uint64_t epoch, const char *reason)
{
    (void)data;
    (void)reason;
    hm_buf_printf(&story, "%s(%d) ", role, (int)epoch);
}

static void make_lead(void)
{
    struct lead_options options = {
        .loop = &loop,
        .config = &config,
        .documents = {.start = fake_start,
                      .resume = fake_resume,
                      .stop = fake_stop,
                      .each_vm = fake_each_vm,
                      .clean_stop_ms = fake_clean_stop_ms,
                      .may_still_start = fake_may_still_start,
                      .recheck = fake_recheck},
        .on_role_change = note_role,
    };
    struct hm_error err;
    ck_assert_msg(lead_new(&options, &lead, &err) >= 0, "%s", err.text);
}

/* In a folder of its own: some tests take the lead's away. */
static char guardian_folder[] = "/tmp/test_guardian.XXXXXX";

static const char *socket_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/guardian.sock", guardian_folder);
    return path;
}

static void set_up(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    strcpy(guardian_folder + strlen(guardian_folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(guardian_folder));
    uv_loop_init(&loop);
    fake_bus_reset();
    memset(&fake, 0, sizeof fake);
    hm_log_setup(HM_LOG_ERROR, HM_LOG_TEXT);
    config = (struct agent_config){.site_id = (char *)"site-a", .state_dir = folder};
    config.failover.group = (char *)"default";
    config.guardian.start = GUARDIAN_START_UNIT;
    config.guardian.socket = (char *)socket_path();
    memset(&guardian, 0, sizeof guardian);
    fake_guardian_open(&guardian, &loop, socket_path());
    make_lead();
}

/* Another one, which knows nothing: as after a reboot. */
static inline void replace_guardian(void)
{
    fake_guardian_close(&guardian);
    fake_guardian_open(&guardian, &loop, socket_path());
}

static void end_lead(void)
{
    lead_free(lead);
    lead = NULL;
    fake_bus_answer();
    uv_run(&loop, UV_RUN_DEFAULT);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void tear_down(void)
{
    if (lead)
        end_lead();
    if (guardian.listener >= 0)
        fake_guardian_close(&guardian);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS); /* some tests have taken it away */
    nftw(guardian_folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    hm_buf_free(&story);
    fake_bus_reset();
}

static void tick(uv_timer_t *timer)
{
    (void)timer; /* lets uv_run() return */
}

static bool wait_for(bool (*condition)(void))
{
    int64_t give_up = hm_boottime_ns() + 10000 * HM_MS;
    uv_timer_t ticker;
    uv_timer_init(&loop, &ticker);
    uv_timer_start(&ticker, tick, 1, 1);
    while (!condition() && hm_boottime_ns() < give_up) {
        uv_run(&loop, UV_RUN_ONCE);
        fake_bus_deliver();
    }
    uv_close((uv_handle_t *)&ticker, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return condition();
}

static int64_t patience_end;

static inline bool patience_is_over(void)
{
    return hm_boottime_ns() >= patience_end;
}

/* A machine that stands still for most of a second takes no lease away. */
#define HEARTBEAT_MS     50
#define LEASE_HEARTBEATS 20
#define LEASE_MS         (LEASE_HEARTBEATS * HEARTBEAT_MS)
#define FENCE_MS         1200
#define FAILOVER_MS      4000
#define WORDS_OF(number) #number
#define WORDS(number)    WORDS_OF(number)
static const char good_config[] =
    "{\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\","
    "\"heartbeat_interval_ms\":" WORDS(HEARTBEAT_MS) ","
    "\"failure_threshold\":" WORDS(LEASE_HEARTBEATS) ","
    "\"fence_timeout_ms\":" WORDS(FENCE_MS) ","
    "\"failover_timeout_ms\":" WORDS(FAILOVER_MS) "}";

static void init_group(void)
{
    fake_bus_put_text("cluster_config", good_config);
    fake_bus_put_text("primary_heartbeat",
                      "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":0,\"next\":\"site-a\"}");
}

static bool leads(void)
{
    return !strcmp(lead_role(lead), "leader");
}

static inline bool has_written(void)
{
    return fake_bus_last("replica_heartbeat.site-a") != NULL;
}

static inline bool warns_of(const char *part)
{
    bool found = false;
    size_t i;
    json_t *text, *status = lead_status(lead);
    json_array_foreach(json_object_get(status, "warnings"), i, text) found =
        found || strstr(json_string_value(text), part);
    json_decref(status);
    return found;
}
