#include "agent/vips.h"

#include "base/alloc.h"

#if HM_WITH_NETALLOC
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_metrics.h"
#include "agent/prometheus.h"
#include "base/clock.h"
#include "base/log.h"
#include "guardian/protocol.h"
#include "netalloc/vip_keeper.h"
#include "netalloc/vip_link.h"
#include "proto/address.h"

_Static_assert(VIP_MARK == GUARD_VIP_MARK, "the guardian finds them by their mark");

/* An order that somebody waits for. */
struct waiting {
    uint64_t order; /* 0: none */
    int64_t deadline_ns;
    workload_done done;
    void *arg;
};

struct vips {
    struct vips_options options;
    struct vip_keeper *keeper;
    uv_async_t news;
    uv_timer_t timer;
    struct waiting up, down;
    struct vip_now *logged; /* as it was when we last spoke of it */
    unsigned handles;
};

/* -- What is waited for ---------------------------------------------------------------- */

static void end(struct waiting *w, const struct hm_error *err)
{
    struct waiting ended = *w;
    *w = (struct waiting){0};
    ended.done(ended.arg, err);
}

static void cancel(struct waiting *w)
{
    struct hm_error cancelled;
    if (!w->order)
        return;
    hm_fail(&cancelled, HM_E_CANCELLED, "the virtual IPs were ordered otherwise");
    end(w, &cancelled);
}

static void look_at(struct vips *v, struct waiting *w, const char *what)
{
    struct hm_error failed;
    if (!w->order)
        return;
    if (vip_keeper_answered(v->keeper, w->order, &failed)) {
        end(w, failed.code ? &failed : NULL);
    } else if (hm_boottime_ns() >= w->deadline_ns) {
        hm_fail(&failed, HM_E_TIMEOUT, "the virtual IPs were not %s in time; it goes on", what);
        end(w, &failed);
    }
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct vips *v)
{
    int64_t due = INT64_MAX, left;
    if (v->up.order)
        due = v->up.deadline_ns;
    if (v->down.order && v->down.deadline_ns < due)
        due = v->down.deadline_ns;
    if (due == INT64_MAX) {
        uv_timer_stop(&v->timer);
        return;
    }
    left = due - hm_boottime_ns();
    uv_update_time(v->options.loop);
    uv_timer_start(&v->timer, on_timer, left > 0 ? (uint64_t)(left / HM_MS + 1) : 0, 0);
}

static void look_at_both(struct vips *v)
{
    look_at(v, &v->down, "taken away");
    look_at(v, &v->up, "put up");
    set_timer(v);
}

static void on_timer(uv_timer_t *timer)
{
    look_at_both(timer->data);
}

static void order(struct vips *v, bool hold, struct waiting *w, int64_t deadline_ns,
                  workload_done done, void *arg)
{
    cancel(&v->up);
    cancel(&v->down);
    *w = (struct waiting){vip_keeper_tell(v->keeper, hold), deadline_ns, done, arg};
    set_timer(v);
}

/* -- As a part of the workload ----------------------------------------------------------- */

static void put_up(void *data, int64_t deadline_ns, workload_done done, void *arg)
{
    struct vips *v = data;
    order(v, true, &v->up, deadline_ns, done, arg);
}

static void take_away(void *data, int64_t deadline_ns, workload_done done, void *arg)
{
    struct vips *v = data;
    order(v, false, &v->down, deadline_ns, done, arg);
}

static void resume(void *data)
{
    struct vips *v = data;
    vip_keeper_tell(v->keeper, true);
}

struct workload_vips vips_workload(struct vips *v)
{
    return v ? (struct workload_vips){put_up, resume, take_away, v} : (struct workload_vips){0};
}

/* -- What is said of them ------------------------------------------------------------------ */

static size_t count_of(const struct vips *v)
{
    return v->options.config->count;
}

static const struct vip_want *want_of(const struct vips *v, size_t i)
{
    return &v->options.config->wants[i];
}

static void contested_text(const struct vips *v, size_t i, const struct vip_now *now,
                           struct hm_error *ret)
{
    char address[VIP_TEXT_MAX + 1], mac[MAC_TEXT_MAX + 1];
    vip_address_text(&want_of(v, i)->address, address);
    mac_text(now->last.mac, mac);
    hm_fail(
        ret, HM_E_CONFLICT,
        "another host, %s on %s, %s the virtual IP %s, %" PRIu64
        " times by now: find it and take the address from it; this site leads, and announces it "
        "again",
        mac, want_of(v, i)->link, now->last.kind == VIP_PROBE ? "asks for" : "claims", address,
        now->claims);
}

static void log_change(struct vips *v, size_t i, const struct vip_now *was,
                       const struct vip_now *now)
{
    const char *link = want_of(v, i)->link;
    char address[VIP_TEXT_MAX + 1];
    struct hm_error why;
    vip_address_text(&want_of(v, i)->address, address);
    if (now->state == VIP_IS_UP && was->state != VIP_IS_UP)
        hm_log(HM_LOG_INFO, "vip", "%s is up on %s", address, link);
    else if (now->state == VIP_IS_DOWN && was->state == VIP_IS_UP)
        hm_log(HM_LOG_INFO, "vip", "%s is taken from %s", address, link);
    else if (now->why.code && strcmp(now->why.text, was->why.text) != 0)
        hm_log(HM_LOG_WARN, "vip", "%s: %s", address, now->why.text);
    if (now->is_silent && !was->is_silent)
        hm_log(HM_LOG_WARN, "vip", "%s is up, but nobody can reach it: %s has no carrier", address,
               link);
    if (now->defended != was->defended) {
        contested_text(v, i, now, &why);
        hm_log(HM_LOG_WARN, "vip", "%s", why.text);
    }
}

static void on_news(uv_async_t *news)
{
    struct vips *v = news->data;
    for (size_t i = 0; i < count_of(v); i++) {
        struct vip_now now = vip_keeper_now(v->keeper, i);
        log_change(v, i, &v->logged[i], &now);
        v->logged[i] = now;
    }
    if (v->options.on_change)
        v->options.on_change(v->options.data);
    look_at_both(v);
}

static json_t *one_json(const struct vips *v, size_t i, const struct vip_now *now)
{
    char address[VIP_TEXT_MAX + 1];
    vip_address_text(&want_of(v, i)->address, address);
    json_t *object = json_pack("{s:s, s:s, s:s, s:b, s:I}", "address", address, "link",
                               want_of(v, i)->link, "state", vip_state_name(now->state),
                               "contested", now->is_contested, "claims", (json_int_t)now->claims);
    if (now->why.code)
        json_object_set_new(object, "why", json_string(now->why.text));
    return object;
}

json_t *vips_json(struct vips *v)
{
    json_t *list = json_array();
    for (size_t i = 0; v && i < count_of(v); i++) {
        struct vip_now now = vip_keeper_now(v->keeper, i);
        json_array_append_new(list, one_json(v, i, &now));
    }
    return list;
}

void vips_warnings(struct vips *v, json_t *list)
{
    char address[VIP_TEXT_MAX + 1];
    struct hm_error why;
    for (size_t i = 0; v && i < count_of(v); i++) {
        struct vip_now now = vip_keeper_now(v->keeper, i);
        vip_address_text(&want_of(v, i)->address, address);
        if (now.why.code)
            json_array_append_new(list, json_sprintf("virtual IP %s: %s", address, now.why.text));
        if (now.is_silent)
            json_array_append_new(list, json_sprintf("virtual IP %s: %s has no carrier, nobody can "
                                                     "reach it",
                                                     address, want_of(v, i)->link));
        if (now.is_contested) {
            contested_text(v, i, &now, &why);
            json_array_append_new(list, json_string(why.text));
        }
    }
}

int vips_check(struct vips *v, struct hm_error *err)
{
    for (size_t i = 0; v && i < count_of(v); i++) {
        struct vip_now now = vip_keeper_now(v->keeper, i);
        if (now.state == VIP_IS_FAILED)
            return hm_fail(err, now.why.code, "its virtual IP can't be put up: %s", now.why.text);
    }
    return 0;
}

/* -- Metrics ----------------------------------------------------------------------------- */

static double is_up(const struct vip_now *now)
{
    return now->state == VIP_IS_UP;
}

static double announced(const struct vip_now *now)
{
    return (double)now->announced;
}

static double claims(const struct vip_now *now)
{
    return (double)now->claims;
}

void vips_metrics(struct vips *v, struct hm_buf *out)
{
    static const struct {
        enum agent_metric metric;
        double (*value)(const struct vip_now *now);
    } families[] = {
        {METRIC_VIP_UP, is_up}, {METRIC_VIP_ANNOUNCEMENTS, announced}, {METRIC_VIP_CLAIMS, claims}};
    for (size_t f = 0; v && f < HM_COUNT(families); f++) {
        const struct metric_row *row = &agent_metrics[families[f].metric];
        prometheus_family(out, row->name, row->counts, row->help);
        for (size_t i = 0; i < count_of(v); i++) {
            struct vip_now now = vip_keeper_now(v->keeper, i);
            char address[VIP_TEXT_MAX + 1];
            vip_address_text(&want_of(v, i)->address, address);
            struct prometheus_label labels[PROMETHEUS_LABELS] = {{"address", address},
                                                                 {"link", want_of(v, i)->link}};
            prometheus_sample(out, row->name, labels, families[f].value(&now));
        }
    }
}

/* -- Life -------------------------------------------------------------------------------- */

static bool may(void *data)
{
    return lease_holds(data);
}

static void wake(void *data) /* the keeper's thread, while its owner is there */
{
    uv_async_send(data);
}

int vips_new(const struct vips_options *o, struct vips **ret, struct hm_error *err)
{
    struct vips *v = hm_alloc(sizeof *v);
    HM_AUTOFREE char *record = hm_printf("%s/vip-%s", o->runtime_dir, o->group);
    struct vip_keeper_options keeper = {.set = {.wants = o->config->wants,
                                                .count = o->config->count,
                                                .record = record,
                                                .may = may,
                                                .data = o->lease},
                                        .on_news = wake,
                                        .data = &v->news};
    v->options = *o;
    v->logged = hm_alloc((o->config->count + 1) * sizeof *v->logged);
    uv_async_init(o->loop, &v->news, on_news);
    uv_timer_init(o->loop, &v->timer);
    v->news.data = v->timer.data = v;
    v->handles = 2;
    int r = vip_keeper_new(&keeper, &v->keeper, err);
    if (r < 0 || !v->keeper) {
        vips_free(v);
        v = NULL;
    }
    if (r >= 0)
        *ret = v;
    return r;
}

static bool never(void *data)
{
    (void)data;
    return false;
}

int vips_try(const struct vip_config *config,
             void (*say)(const char *address, const char *link, const struct vip_now *now),
             struct hm_error *err)
{
    struct vip_set_options options = {
        .wants = config->wants, .count = config->count, .record = "/dev/null", .may = never};
    struct vip_set *set;
    int failed = 0, r = vip_set_new(&options, &set, err);
    if (r < 0)
        return r;
    vip_set_look(set);
    for (size_t i = 0; i < config->count; i++) {
        struct vip_now now = vip_set_now(set, i);
        char address[VIP_TEXT_MAX + 1];
        vip_address_text(&config->wants[i].address, address);
        say(address, config->wants[i].link, &now);
        failed += now.why.code != HM_OK;
    }
    vip_set_free(set);
    return failed;
}

static void closed(uv_handle_t *handle)
{
    struct vips *v = handle->data;
    if (--v->handles > 0)
        return;
    free(v->logged);
    free(v);
}

void vips_free(struct vips *v)
{
    if (!v)
        return;
    vip_keeper_free(v->keeper);
    uv_close((uv_handle_t *)&v->news, closed);
    uv_close((uv_handle_t *)&v->timer, closed);
}
#else
int vips_new(const struct vips_options *options, struct vips **ret, struct hm_error *err)
{
    (void)options;
    (void)err;
    *ret = NULL; /* config_vip.c refuses any */
    return 0;
}

void vips_free(struct vips *v)
{
    (void)v;
}

struct workload_vips vips_workload(struct vips *v)
{
    (void)v;
    return (struct workload_vips){0};
}

int vips_try(const struct vip_config *config,
             void (*say)(const char *address, const char *link, const struct vip_now *now),
             struct hm_error *err)
{
    (void)config;
    (void)say;
    (void)err;
    return 0;
}

int vips_check(struct vips *v, struct hm_error *err)
{
    (void)v;
    (void)err;
    return 0;
}

json_t *vips_json(struct vips *v)
{
    (void)v;
    return json_array();
}

void vips_warnings(struct vips *v, json_t *list)
{
    (void)v;
    (void)list;
}

void vips_metrics(struct vips *v, struct hm_buf *out)
{
    (void)v;
    (void)out;
}
#endif
