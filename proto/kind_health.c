/* The field `health`, of all kinds that run. */
#include <string.h>

#include "proto/kind.h"

static const struct field tcp_fields[] = {
    {.name = "port",
     .type = FIELD_INT,
     .required = true,
     .min = 1,
     .max = 65535,
     .help = "It is well if it takes a connection there."},
    {.name = NULL},
};

static const struct field http_fields[] = {
    {.name = "port",
     .type = FIELD_INT,
     .default_value = "80",
     .min = 1,
     .max = 65535,
     .help = "Port of the server, which speaks HTTP without TLS."},
    {.name = "path",
     .type = FIELD_STRING,
     .default_value = "\"/\"",
     .min = 1,
     .max = 1024,
     .help = "What is asked for (GET), from the first slash on. A redirect is an answer, and not "
             "followed."},
    {.name = "status",
     .type = FIELD_INT,
     .min = 100,
     .max = 599,
     .help = "The only status that means well; absent: 200 to 399."},
    {.name = NULL},
};

const struct field health_fields[] = {
    {.name = "tcp", .type = FIELD_OBJECT, .fields = tcp_fields, .help = "Ask by connecting."},
    {.name = "http", .type = FIELD_OBJECT, .fields = http_fields, .help = "Ask a web server."},
    {.name = "guest_agent",
     .type = FIELD_BOOL,
     .help = "Ask the QEMU guest agent in the guest, which must run there."},
    {.name = "address",
     .type = FIELD_IP,
     .help =
         "Where tcp and http ask; absent: the first known address of the VM. While none is known, "
         "nothing is."},
    {.name = "interval",
     .type = FIELD_DURATION,
     .default_value = "\"10s\"",
     .min = 1000,
     .max = 3600000,
     .help = "From one question to the next."},
    {.name = "timeout",
     .type = FIELD_DURATION,
     .default_value = "\"3s\"",
     .min = 100,
     .max = 60000,
     .help = "No answer within this is a bad one; at most the interval."},
    {.name = "retries",
     .type = FIELD_INT,
     .default_value = "3",
     .min = 1,
     .max = 100,
     .help = "So many bad answers in a row make it unhealthy; one good answer makes it well."},
    {.name = "start_period",
     .type = FIELD_DURATION,
     .default_value = "\"60s\"",
     .max = 3600000,
     .help = "So long after its start bad answers do not count, until the first good one."},
    {.name = NULL},
};

static int check_path(const json_t *http, struct field_place *at, struct hm_error *err)
{
    const char *path = spec_str(http, "path");
    field_place_set(at, "health.http.path");
    if (path && *path != '/')
        return field_fail(at, err, "must begin with /");
    for (const char *c = path; c && *c; c++)
        if (*c <= ' ' || *c > '~')
            return field_fail(at, err, "must be plain ASCII without spaces; write others as %%XX");
    return 0;
}

int kind_check_health(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *health = json_object_get(spec, "health");
    if (!health)
        return 0;
    const json_t *http = json_object_get(health, "http");
    int ways = (json_object_get(health, "tcp") != NULL) + (http != NULL) +
               spec_bool(health, "guest_agent");
    field_place_set(at, "health");
    if (ways != 1)
        return field_fail(at, err, "%s of tcp, http and guest_agent: true must be given",
                          ways ? "only one" : "one");
    if (spec_int(health, "timeout", 0) > spec_int(health, "interval", 0))
        return field_fail(at, err, "timeout is longer than interval");
    if (spec_bool(health, "guest_agent") && json_object_get(health, "address"))
        return field_fail(at, err, "address goes with tcp and http; the guest agent needs none");
    return http ? check_path(http, at, err) : 0;
}
