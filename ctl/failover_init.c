/* harmonyctl failover init: buckets, cluster_config, the first record. Nothing that is there is
 * changed. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/config_change.h"
#include "ctl/group.h"
#include "ctl/group_config.h"
#include "ctl/open.h"
#include "ctl/run.h"
#include "proto/cluster_config.h"
#include "proto/doc.h"
#include "proto/heartbeat.h"

enum { HISTORY_DOCUMENTS = 16, HISTORY_RECORDER = 64, REPLICAS_MAX = 5 };

/* -- Buckets ------------------------------------------------------------------------------- */

static enum ctl_exit make_bucket(struct invocation *in, struct session *s,
                                 const struct bus_bucket_config *config)
{
    struct bus_bucket info;
    struct hm_error err;
    int result = session_bucket(s, config->bucket, &info, &err);
    bool is_there = result >= 0 && info.exists;
    if (result < 0 && result != -HM_E_NOT_FOUND)
        return report_error(in, &err);
    if (session_bucket_create(s, config, &err) >= 0) {
        fprintf(in->out, "bucket %s %s\n", config->bucket, is_there ? "unchanged" : "created");
        return CTL_OK;
    }
    if (err.code != HM_E_CONFLICT || config->recorder)
        return report_error(in, &err);
    fprintf(in->err, "warning: ");
    report_error(in, &err);
    return CTL_OK;
}

static enum ctl_exit make_buckets(struct invocation *in, struct session *s, int replicas)
{
    const struct bus_bucket_config wanted[] = {
        {.bucket = BUCKET_DESIRED, .history = HISTORY_DOCUMENTS, .max_value = -1},
        {.bucket = BUCKET_STATUS, .history = HISTORY_DOCUMENTS, .max_value = -1},
        {.bucket = BUCKET_FAILOVER, .history = HISTORY_RECORDER, .recorder = true, .max_value = -1},
    };
    for (size_t i = 0; i < HM_COUNT(wanted); i++) {
        struct bus_bucket_config config = wanted[i];
        config.replicas = replicas;
        enum ctl_exit code = make_bucket(in, s, &config);
        if (code != CTL_OK)
            return code;
    }
    return CTL_OK;
}

/* -- Records ------------------------------------------------------------------------------- */

static enum ctl_exit put_new(struct invocation *in, struct session *s, const char *key,
                             const char *value, const struct entry *marker)
{
    struct hm_error err;
    uint64_t revision;
    if (session_put(s, BUCKET_FAILOVER, key, value, marker ? (int64_t)marker->revision : 0,
                    &revision, &err) < 0)
        return report_error(in, &err);
    fprintf(in->out, "%s created (rev %llu): %s\n", key, (unsigned long long)revision, value);
    return CTL_OK;
}

/* What is there must mean the same, field by field with the defaults filled in. */
static enum ctl_exit compare_config(struct invocation *in, const struct entry *there,
                                    const char *wanted)
{
    struct cluster_config config;
    struct hm_error err;
    char text[CLUSTER_CONFIG_TEXT_MAX];
    if (cluster_config_parse(there->value, there->len, &config, &err) < 0) {
        hm_wrap(&err, "%s rev %llu is there and not valid", there->key,
                (unsigned long long)there->revision);
        report_error(in, &err);
        return CTL_REFUSED;
    }
    cluster_config_render(&config, text);
    if (strcmp(text, wanted) == 0) {
        fprintf(in->out, "%s unchanged (rev %llu)\n", there->key,
                (unsigned long long)there->revision);
        return CTL_OK;
    }
    json_t *before = json_loads(text, 0, NULL), *after = json_loads(wanted, 0, NULL);
    HM_AUTOFREE char *change = config_change_text(before, after);
    json_decref(before);
    json_decref(after);
    hm_fail(
        &err, HM_E_CONFLICT,
        "%s is there (rev %llu) and differs: %s; init does not change it, nats kv put %s %s does",
        there->key, (unsigned long long)there->revision, change, BUCKET_FAILOVER, there->key);
    return report_error(in, &err);
}

static enum ctl_exit make_config(struct invocation *in, struct session *s,
                                 const struct entries *there, const struct cluster_config *config)
{
    char wanted[CLUSTER_CONFIG_TEXT_MAX];
    HM_AUTOFREE char *key = group_key(group_name(in), KEY_CONFIG);
    const struct entry *e = entries_find(there, key);
    cluster_config_render(config, wanted);
    if (!e || e->deleted)
        return put_new(in, s, key, wanted, e);
    return compare_config(in, e, wanted);
}

static enum ctl_exit refuse_deleted_lease(struct invocation *in, const struct entry *e)
{
    struct hm_error err;
    hm_fail(
        &err, HM_E_REFUSED,
        "%s was deleted in revision %llu: that is an outage of the store, and starting again from "
        "epoch 0 could let two sites lead",
        e->key, (unsigned long long)e->revision);
    return report_error(in, &err);
}

/* The first record ever is a release: docs/failover section 3. */
static enum ctl_exit make_first_record(struct invocation *in, struct session *s,
                                       const struct entries *there, const struct hb_site *next)
{
    char text[HB_TEXT_MAX];
    HM_AUTOFREE char *key = group_key(group_name(in), KEY_LEASE);
    const struct entry *e = entries_find(there, key);
    if (e && e->deleted)
        return refuse_deleted_lease(in, e);
    if (e) {
        fprintf(in->out, "%s unchanged (rev %llu)\n", key, (unsigned long long)e->revision);
        return CTL_OK;
    }
    struct heartbeat first = {
        .next = *next,
        .status = HB_RELEASED,
        .reason = HB_REASON_INIT,
        .role = HB_ROLE_REPLICA,
        .timestamp_ms = hm_wall_ns() / HM_MS,
        .rtt_us = -1,
        .probe_latency_us = -1,
        .lag = -1,
    };
    heartbeat_render(&first, true, text);
    return put_new(in, s, key, text, NULL);
}

static enum ctl_exit init_group(struct invocation *in, struct session *s,
                                const struct cluster_config *config, int replicas)
{
    struct entries there = {0};
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    enum ctl_exit code = make_buckets(in, s, replicas);
    if (code == CTL_OK)
        code = list_or_report(in, s, BUCKET_FAILOVER, filter, &there);
    if (code == CTL_OK)
        code = make_config(in, s, &there, config);
    if (code == CTL_OK)
        code = make_first_record(in, s, &there, &config->sites[0]);
    entries_clear(&there);
    return code;
}

static int check_line(struct invocation *in, struct cluster_config *ret_config,
                      int64_t *ret_replicas, struct hm_error *err)
{
    int result = group_config_of_flags(in, ret_config, err);
    if (result >= 0)
        result = flag_number(in, "bucket-replicas", 1, ret_replicas, err);
    if (result >= 0 && (*ret_replicas < 1 || *ret_replicas > REPLICAS_MAX))
        result = hm_fail(err, HM_E_INVALID, "--bucket-replicas: 1 to %d", REPLICAS_MAX);
    return result;
}

enum ctl_exit run_failover_init(struct invocation *in)
{
    struct cluster_config config;
    struct session *s = NULL;
    struct hm_error err;
    int64_t replicas;
    if (check_line(in, &config, &replicas, &err) < 0)
        return report_error(in, &err);
    enum ctl_exit code = open_or_report(in, &s);
    if (code == CTL_OK)
        code = init_group(in, s, &config, (int)replicas);
    session_close(s);
    return code;
}
