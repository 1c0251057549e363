#include "ctl/group_config.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"

enum { FILE_MAX = 64 * 1024 };

/* What has no default in cluster_config gets that of ADR-017's example. */
static const struct {
    const char *flag, *field;
    bool is_duration;
    int64_t value; /* when the flag is not given; 0: cluster_config's own default */
} tuning[] = {
    {"failover-timeout", "failover_timeout_ms", true, 5000},
    {"heartbeat-interval", "heartbeat_interval_ms", true, 1000},
    {"failure-threshold", "failure_threshold", false, 0},
    {"success-threshold", "success_threshold", false, 0},
    {"fence-timeout", "fence_timeout_ms", true, 0},
    {"yield-after", "yield_after_ms", true, 0},
};

int flag_number(const struct invocation *in, const char *name, int64_t fallback, int64_t *ret,
                struct hm_error *err)
{
    const char *text = flag_value(in, name);
    char *end;
    *ret = fallback;
    if (!text)
        return 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || number < 0 || strlen(text) > 9)
        return hm_fail(err, HM_E_INVALID, "--%s %.50s: is not a whole number", name, text);
    *ret = number;
    return 0;
}

static int add_tuning(const struct invocation *in, json_t *config, struct hm_error *err)
{
    for (size_t i = 0; i < HM_COUNT(tuning); i++) {
        int64_t number = tuning[i].value;
        int result = tuning[i].is_duration ? flag_duration(in, tuning[i].flag, number, &number, err)
                                           : flag_number(in, tuning[i].flag, number, &number, err);
        if (result < 0)
            return result;
        if (number || flag_value(in, tuning[i].flag))
            json_object_set_new(config, tuning[i].field, json_integer(number));
    }
    return 0;
}

static json_t *config_of_sites(const struct invocation *in)
{
    json_t *replicas = json_array();
    const char *site;
    for (size_t i = 0; (site = flag_nth(in, "replica", i)); i++)
        json_array_append_new(replicas, json_string(site));
    return json_pack("{s:s, s:o}", "primary_site_id", flag_value(in, "primary"), "replica_site_ids",
                     replicas);
}

int group_config_of_flags(const struct invocation *in, struct cluster_config *ret,
                          struct hm_error *err)
{
    if (!flag_value(in, "primary") || !flag_value(in, "replica"))
        return hm_fail(err, HM_E_INVALID, "%s needs --primary SITE and --replica SITE",
                       in->command->name);
    json_t *config = config_of_sites(in);
    if (!config)
        return hm_fail(err, HM_E_INVALID, "--primary or --replica: is not the name of a site");
    int result = add_tuning(in, config, err);
    char *text = json_dumps(config, JSON_COMPACT);
    if (result >= 0)
        result = cluster_config_parse(text, strlen(text), ret, err);
    free(text);
    json_decref(config);
    return result;
}

int group_config_of_file(const char *path, struct cluster_config *ret, struct hm_error *err)
{
    HM_AUTOFREE char *text = NULL;
    size_t len;
    int result = hm_file_read(path, FILE_MAX, &text, &len, err);
    if (result < 0)
        return result;
    result = cluster_config_parse(text, len, ret, err);
    if (result < 0)
        hm_wrap(err, "%s", path);
    return result;
}
