#include "agent/lead_check.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

int lead_check_server(const int version[3], struct hm_error *err)
{
    if (version[0] > LEAD_SERVER_MAJOR ||
        (version[0] == LEAD_SERVER_MAJOR && version[1] >= LEAD_SERVER_MINOR))
        return 0;
    if (!version[0])
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "nats-server's version can't be told (its greeting on a second connection is "
            "not heard): this site will not lead until it is; is there a limit of "
            "connections?");
    return hm_fail(
        err, HM_E_UNSUPPORTED,
        "nats-server %d.%d.%d is too old to carry a lease (before 2.9.21 two sites could "
        "both win it): this site will not lead; upgrade the server to %d.%d or later",
        version[0], version[1], version[2], LEAD_SERVER_MAJOR, LEAD_SERVER_MINOR);
}

bool lead_leaves_server(int64_t *since, bool is_answered, int64_t now_ns)
{
    if (is_answered) {
        *since = 0;
    } else if (!*since) {
        *since = now_ns;
    } else if (now_ns - *since > LEAD_ELECTION_MAX_NS) {
        *since = 0;
        return true;
    }
    return false;
}

static void warn(json_t *warnings, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void warn(json_t *warnings, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    json_array_append_new(warnings, json_string(text));
    free(text);
}

static void check_recorder(const struct bus_bucket *b, json_t *warnings)
{
    if (b->history < 64)
        warn(warnings,
             "harmony_failover keeps %d entries of a key, not 64: the flight recorder is short",
             b->history);
    if (b->max_age_ns > 0)
        warn(warnings,
             "harmony_failover forgets entries after %lld s: data must only become stale, never "
             "disappear; remove the bucket's TTL",
             (long long)(b->max_age_ns / (1000 * HM_MS)));
    if (!b->deny_purge || b->allow_rollup)
        warn(warnings,
             "harmony_failover can be purged: a writer can erase the flight recorder; make "
             "it with harmonyctl failover init");
    if (b->allow_direct)
        warn(warnings, "harmony_failover allows direct reads: these may come from a server that is "
                       "behind");
}

static void check_strength(const struct bus_bucket *b, json_t *warnings)
{
    if (!b->file_storage)
        warn(warnings,
             "harmony_failover is in memory: a restart of the server loses the lease; use "
             "file storage");
    if (b->is_mirror)
        warn(warnings, "harmony_failover is a mirror: a lease can't be written to it");
    if (b->replicas > 1 && b->replicas % 2 == 0)
        warn(warnings,
             "harmony_failover has %d replicas: it needs as many servers alive as with %d, and has "
             "one more to lose; use 3",
             b->replicas, b->replicas + 1);
    if (b->replicas == 1)
        warn(warnings,
             "harmony_failover has 1 replica: an acknowledged write can be lost with its server");
}

void lead_check_bucket(const struct bus_bucket *b, json_t *warnings)
{
    if (!b->exists) {
        warn(warnings,
             "there is no bucket harmony_failover: make it with harmonyctl failover init; "
             "nobody leads without it");
        return;
    }
    check_strength(b, warnings);
    check_recorder(b, warnings);
}
