#include "agent/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/allow.h"
#include "agent/drivers.h"
#include "agent/feed.h"
#include "agent/http_feed.h"
#include "agent/lead.h"
#include "agent/lock.h"
#include "agent/metrics.h"
#include "agent/ops.h"
#include "agent/plan_service.h"
#include "agent/reconcile.h"
#include "agent/restart.h"
#include "agent/trial.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { STATUS_DELAY_MS = 100, END_LIMIT_MS = 3000, CONFIG_LIMIT_MS = 10000 };

struct daemon {
    const struct agent_config *config;
    const char *config_path;
    uv_loop_t loop;
    struct bus *bus;
    struct desired *desired;
    struct feed *feed;
    struct status *status;
    struct reconciler *reconciler;
    struct lead *lead;
    struct plan_service *plans;
    struct ops *ops;
    struct trial *trial;
    struct metrics *metrics;
    uint64_t connections; /* to NATS, since it began */
    struct http_feed *http;
    struct lease_limit lease; /* written by the lead, read by those who start */
    uv_signal_t term, interrupt, hangup;
    struct restart_check *check; /* a restart was asked for, and is not decided */
    uv_timer_t say;              /* gathers changes of the agent's own status */
    char *cache_path;
    char *connection_name;
    json_t *backends;       /* name -> what it is and can do */
    json_t *backend_errors; /* name -> why it can't be asked */
    char started[HM_TIME_TEXT_MAX];
    int lock; /* on state_dir, until the very end; -1: not taken */
    bool stopping, anew;
    bool
        hung_up; /* a restart was asked for: it waits for operations, is checked, or waits for its lease */
};

/* -- The agent's own status -----------------------------------------------------------------------
 */

static json_t *warnings_of(const struct daemon *d, json_t *failover)
{
    json_t *list = json_array();
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(failover, "warnings"), i, warning)
        json_array_append(list, warning);
    if (*feed_trouble(d->feed))
        json_array_append_new(list, json_string(feed_trouble(d->feed)));
    const char *name;
    json_object_foreach(d->backend_errors, name, warning) json_array_append(list, warning);
    if (d->http && *http_feed_trouble(d->http))
        json_array_append_new(list, json_string(http_feed_trouble(d->http)));
    return list;
}

static json_t *make_status(const struct daemon *d)
{
    size_t documents;
    desired_docs(d->desired, &documents);
    json_t *failover = lead_status(d->lead);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "site", d->config->site_id, "version", HM_VERSION,
        "since", d->started, "role", lead_role(d->lead), "epoch", (json_int_t)lead_epoch(d->lead),
        "documents", (json_int_t)documents, "watch_remakes", (json_int_t)feed_remakes(d->feed));
    json_object_set_new(o, "warnings", warnings_of(d, failover));
    json_object_set_new(o, "failover", failover);
    json_object_set(o, "backends", d->backends);
    return o;
}

static json_t *status_for_http(void *data)
{
    return make_status(data);
}

static struct http_text metrics_for_http(void *data)
{
    const struct daemon *d = data;
    return metrics_news(d->metrics);
}

static struct metrics_facts facts_for_metrics(void *data)
{
    const struct daemon *d = data;
    struct metrics_facts facts = {.site = d->config->site_id,
                                  .lead = d->lead,
                                  .is_connected = bus_is_connected(d->bus),
                                  .reconnects = d->connections ? d->connections - 1 : 0};
    desired_docs(d->desired, &facts.documents);
    return facts;
}

/* For /ready: what keeps it from doing its work; a warning alone does not. */
static char *not_ready(void *data)
{
    const struct daemon *d = data;
    struct hm_buf why = {0};
    const char *name;
    json_t *text;
    if (!bus_is_connected(d->bus))
        hm_buf_printf(&why, "not connected to NATS: %s\n", bus_last_error(d->bus));
    json_object_foreach(d->backend_errors, name, text)
        hm_buf_printf(&why, "%s\n", json_string_value(text));
    return hm_buf_steal(&why);
}

static void on_say(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    status_set(d->status, "agent", make_status(d));
}

static void say_soon(void *data)
{
    struct daemon *d = data;
    if (!d->stopping && !uv_is_active((uv_handle_t *)&d->say))
        uv_timer_start(&d->say, on_say, STATUS_DELAY_MS, 0);
}

/* -- What the parts tell
 * --------------------------------------------------------------------------- */

static void on_connected(void *data)
{
    struct daemon *d = data;
    hm_log(HM_LOG_INFO, "bus", "connected");
    d->connections++;
    status_connected(d->status);
    lead_bus_connected(d->lead);
    say_soon(d);
}

static void on_disconnected(void *data)
{
    struct daemon *d = data;
    hm_log(HM_LOG_WARN, "bus", "disconnected: %s", bus_last_error(d->bus));
    lead_bus_disconnected(d->lead);
    if (d->ops)
        ops_disconnected(d->ops);
}

static void on_refused(void *data)
{
    struct daemon *d = data;
    hm_log(HM_LOG_WARN, "bus", "%s; trying on", bus_last_error(d->bus));
}

static void on_documents(void *data)
{
    struct daemon *d = data;
    reconciler_kick(d->reconciler);
    say_soon(d);
}

static void on_backend(void *data, const struct driver *driver, const json_t *facts,
                       const struct hm_error *err)
{
    struct daemon *d = data;
    if (err)
        json_object_set_new(d->backend_errors, driver->name, json_string(err->text));
    else
        json_object_del(d->backend_errors, driver->name);
    if (facts)
        json_object_set(d->backends, driver->name, (json_t *)facts);
    say_soon(d);
}

static void on_trial(void *data)
{
    struct daemon *d = data;
    reconciler_kick(d->reconciler);
}

static int allows(void *data, const char *kind, const json_t *spec, struct hm_error *err)
{
    const struct daemon *d = data;
    return allow_paths(d->config, kind_find(kind), spec, err);
}

static void on_pass(void *data)
{
    struct daemon *d = data;
    if (d->lead)
        lead_documents_changed(d->lead);
}

static bool guards(void *data, const char *word)
{
    const struct daemon *d = data;
    return d->lead && lead_guards(d->lead, word);
}

static void on_role_change(void *data, const char *role, uint64_t epoch, const char *reason)
{
    struct daemon *d = data;
    http_feed_role_changed(d->http);
    sd_notifyf(0, "STATUS=%s, epoch %llu: %s", role, (unsigned long long)epoch, reason);
    say_soon(d);
}

/* -- The end
 * ------------------------------------------------------------------------------------------ */

static void on_lead_stopped(void *data)
{
    struct daemon *d = data;
    uv_stop(&d->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (d->anew) {
        restart_pass_on(number);
        return;
    }
    if (d->stopping) {
        hm_log(HM_LOG_WARN, "agent", "second signal: ending at once");
        uv_stop(&d->loop);
        return;
    }
    d->stopping = true;
    hm_log(HM_LOG_INFO, "agent", "signal %d: ending; what is pinned to this site runs on", number);
    sd_notify(0, "STOPPING=1");
    lead_stop(d->lead, on_lead_stopped, d);
}

/* -- A restart in place
 * ----------------------------------------------------------------------------------------- */

static void restart_is_decided(struct daemon *d)
{
    restart_check_free(d->check);
    d->check = NULL;
    sd_notify(0, "READY=1");
}

static void restart_is_off(struct daemon *d)
{
    restart_is_decided(d);
    d->hung_up = false;
    ops_let_in(d->ops);
}

static void on_may_leave(void *data, bool may)
{
    struct daemon *d = data;
    if (!may)
        hm_log(HM_LOG_ERROR, "agent",
               "not restarted: the lease that this site holds could not be made to last that long");
    if (!may || d->stopping) {
        restart_is_off(d);
        return;
    }
    restart_is_decided(d);
    d->stopping = d->anew = true;
    hm_log(HM_LOG_INFO, "agent", "restarting; the guardian holds what this site leads");
    uv_stop(&d->loop);
}

static void on_checked(void *data, const struct hm_error *err)
{
    struct daemon *d = data;
    if (err)
        hm_log(HM_LOG_ERROR, "agent", "not restarted: %s", err->text);
    if (err || d->stopping)
        restart_is_off(d);
    else
        lead_leave(d->lead, on_may_leave, d);
}

/* No operation that changes something is cut off by it. */
static void on_idle(void *data)
{
    struct daemon *d = data;
    if (d->stopping)
        return;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
    int64_t deadline_ns = hm_boottime_ns() + CONFIG_LIMIT_MS * HM_MS;
    d->check = restart_check_begin(&d->loop, d->config_path, d->config, deadline_ns, on_checked, d);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    (void)number;
    if (d->stopping || d->hung_up)
        return;
    d->hung_up = true;
    ops_drain(d->ops, on_idle, d);
}

/* -- Start
 * ---------------------------------------------------------------------------------------------- */

static int open_bus(struct daemon *d, struct hm_error *err)
{
    const struct agent_config *c = d->config;
    d->connection_name = hm_printf("harmonyd %s", c->site_id);
    struct bus_options options = {
        .servers = c->nats.servers,
        .name = d->connection_name,
        .credentials = c->nats.credentials,
        .tls_ca = c->nats.tls_ca,
        .tls_cert = c->nats.tls_cert,
        .tls_key = c->nats.tls_key,
        .on_connected = on_connected,
        .on_disconnected = on_disconnected,
        .on_refused = on_refused,
        .data = d,
    };
    return bus_open(&d->loop, &options, &d->bus, err);
}

static void start_reconciler(struct daemon *d)
{
    d->desired = desired_new(d->config->site_id);
    d->status = status_new(&d->loop, d->bus, d->config->site_id);
    struct reconciler_options options = {
        .loop = &d->loop,
        .site = d->config->site_id,
        .desired = d->desired,
        .status = d->status,
        .drivers = drivers_of(d->config),
        .driver_options = driver_options_of(d->config),
        .lease = &d->lease,
        .allows = allows,
        .quota = &d->config->quota,
        .on_backend = on_backend,
        .on_pass = on_pass,
        .guards = guards,
        .data = d,
    };
    d->reconciler = reconciler_new(&options);
}

static void start_feed(struct daemon *d)
{
    d->cache_path = hm_printf("%s/desired.json", d->config->state_dir);
    struct feed_options options = {
        .loop = &d->loop,
        .bus = d->bus,
        .desired = d->desired,
        .cache_path = d->cache_path,
        .on_change = on_documents,
        .data = d,
    };
    d->feed = feed_new(&options);
    d->plans = plan_service_new(d->bus, d->config->site_id, d->reconciler);
}

static void start_metrics(struct daemon *d)
{
    struct metrics_options options = {
        .loop = &d->loop, .reconciler = d->reconciler, .facts = facts_for_metrics, .data = d};
    d->metrics = metrics_new(&options);
}

static void start_operations(struct daemon *d)
{
    struct ops_options options = {
        .loop = &d->loop,
        .bus = d->bus,
        .site = d->config->site_id,
        .reconciler = d->reconciler,
        .metrics = d->metrics,
        .image_dir = d->config->libvirt.image_dir,
        .state_dir = d->config->state_dir,
        .refused = d->config->refused_operations,
    };
    d->ops = ops_new(&options);
}

static int make_lead(struct daemon *d, struct hm_error *err)
{
    struct lead_options options = {
        .loop = &d->loop,
        .bus = d->bus,
        .config = d->config,
        .documents = reconciler_workload(d->reconciler),
        .lease = &d->lease,
        .on_role_change = on_role_change,
        .on_status = say_soon,
        .data = d,
    };
    return lead_new(&options, &d->lead, err);
}

static int check_drivers(const struct agent_config *c, struct hm_error *err)
{
    struct driver_options options = driver_options_of(c);
    int r = 0;
    for (const struct driver *const *d = drivers_of(c); *d && r >= 0; d++)
        r = (*d)->check_options(&options, err);
    return r;
}

static int prepare_folders(const struct agent_config *c, struct hm_error *err)
{
    int r = hm_mkdirs(c->state_dir, 0700, err);
    return r < 0 ? r : hm_mkdirs(c->runtime_dir, 0755, err);
}

static void start_http(struct daemon *d)
{
    struct http_feed_options options = {
        .loop = &d->loop,
        .listen = d->config->http.listen,
        .site = d->config->site_id,
        .lease = &d->lease,
        .lead = d->lead,
        .statuses = d->status,
        .agent_status = status_for_http,
        .metrics = metrics_for_http,
        .not_ready = not_ready,
        .data = d,
    };
    d->http = http_feed_new(&options);
}

static int start(struct daemon *d, struct hm_error *err)
{
    int r = prepare_folders(d->config, err);
    if (r >= 0)
        r = d->lock = agent_lock(d->config->state_dir, err);
    if (r >= 0)
        r = check_drivers(d->config, err);
    if (r >= 0)
        r = open_bus(d, err);
    if (r < 0)
        return r;
    start_reconciler(d);
    r = make_lead(d, err);
    if (r < 0)
        return r;
    start_feed(d);
    start_metrics(d);
    start_operations(d);
    lead_start(d->lead);
    reconciler_kick(d->reconciler);
    start_http(d);
    d->trial = trial_begin(&d->loop, d->config, on_trial, d);
    say_soon(d);
    return 0;
}

static void begin(struct daemon *d)
{
    hm_time_text(hm_wall_ns(), d->started);
    uv_loop_init(&d->loop);
    uv_timer_init(&d->loop, &d->say);
    uv_signal_init(&d->loop, &d->term);
    uv_signal_init(&d->loop, &d->interrupt);
    uv_signal_init(&d->loop, &d->hangup);
    d->say.data = d->term.data = d->interrupt.data = d->hangup.data = d;
    uv_signal_start(&d->term, on_signal, SIGTERM);
    uv_signal_start(&d->interrupt, on_signal, SIGINT);
    uv_signal_start(&d->hangup, on_hangup, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    restart_signals_wanted();
}

static void on_end_limit(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Who is to be executed anew hears signals until then: SIGTERM would end what the next agent is to hand
 * over, or be lost. */
static void stop_hearing(const struct daemon *d, uv_signal_t *handle)
{
    if (d->anew)
        uv_unref((uv_handle_t *)handle);
    else
        uv_close((uv_handle_t *)handle, NULL);
}

/* Everybody closes what is theirs: the bus's thread still posts to the loop until it has ended. What
 * can't end (a hook that can't be killed) is left behind after a while. */
static void run_to_the_end(struct daemon *d)
{
    stop_hearing(d, &d->term);
    stop_hearing(d, &d->interrupt);
    stop_hearing(d, &d->hangup);
    uv_timer_start(&d->say, on_end_limit, END_LIMIT_MS, 0);
    uv_unref((uv_handle_t *)&d->say);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&d->say, NULL);
    uv_run(&d->loop, UV_RUN_NOWAIT);
    if (!d->anew)
        uv_loop_close(&d->loop);
}

static void end(struct daemon *d)
{
    http_feed_free(d->http);
    trial_free(d->trial);
    restart_check_free(d->check);
    ops_free(d->ops);
    metrics_free(d->metrics);
    plan_service_free(d->plans);
    feed_free(d->feed);
    lead_free(d->lead);
    d->lead = NULL;
    reconciler_free(d->reconciler);
    status_free(d->status);
    if (d->bus) /* its pending requests end now; those who asked are freed by the loop, below */
        bus_close(d->bus);
    run_to_the_end(d);
    desired_free(d->desired);
    json_decref(d->backends);
    json_decref(d->backend_errors);
    free(d->cache_path);
    free(d->connection_name);
}

/* The loop outlives daemon_run() if a thread that could not end still wakes it, and hears signals for the
 * next agent. */
static struct daemon d;

void daemon_pass_signals_on(void)
{
    uv_ref((uv_handle_t *)&d.term); /* a loop without any does not look */
    uv_run(&d.loop, UV_RUN_NOWAIT);
}

int daemon_run(const struct agent_config *config, const char *config_path, bool *ret_anew,
               struct hm_error *err)
{
    d = (struct daemon){.config = config,
                        .config_path = config_path,
                        .backends = json_object(),
                        .backend_errors = json_object(),
                        .lock = -1};
    begin(&d);
    int r = start(&d, err);
    if (r >= 0) {
        hm_log(HM_LOG_INFO, "agent", "harmonyd %s, site %s", HM_VERSION, config->site_id);
        sd_notify(0, "READY=1");
        uv_run(&d.loop, UV_RUN_DEFAULT);
    }
    *ret_anew = d.anew;
    end(&d);
    if (d.lock >= 0)
        close(d.lock);
    return r;
}
