#include "ctl/operator.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/open.h"

enum { HOST_MAX = 255 };

/* Behind sudo stands a person. */
static const char *user(void)
{
    const char *before_sudo = getenv("SUDO_USER");
    const struct passwd *entry = getpwuid(getuid());
    if (before_sudo && *before_sudo)
        return before_sudo;
    return entry ? entry->pw_name : "?";
}

char *operator_name(const struct invocation *in)
{
    char host[HOST_MAX + 1] = "?";
    const char *given = flag_value(in, "by");
    if (given)
        return hm_strdup(given);
    gethostname(host, HOST_MAX);
    return hm_printf("%s@%s", user(), host);
}

char *operator_record(const struct invocation *in, const char *action)
{
    char at[HM_TIME_TEXT_MAX];
    HM_AUTOFREE char *by = operator_name(in);
    const char *reason = flag_value(in, "reason");
    hm_time_text(hm_wall_ns(), at);
    json_t *record = json_object();
    json_object_set_new(record, "action", json_string(action));
    json_t *name = json_string(by), *why = reason ? json_string(reason) : NULL;
    json_object_set_new(record, "by", name ? name : json_string("?")); /* NULL: not UTF-8 */
    if (why)
        json_object_set_new(record, "reason", why);
    json_object_set_new(record, "host_time", json_string(at));
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    return text;
}

void operator_note(struct invocation *in, struct session *s, const char *action)
{
    struct hm_error err;
    uint64_t revision;
    HM_AUTOFREE char *key = group_key(group_name(in), KEY_OPERATOR);
    HM_AUTOFREE char *text = operator_record(in, action);
    if (session_put(s, BUCKET_FAILOVER, key, text, BUS_ANY_REVISION, &revision, &err) < 0) {
        hm_wrap(&err, "it is done, but the history does not say by whom");
        report_error(in, &err);
    }
}
