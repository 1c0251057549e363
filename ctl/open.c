#include "ctl/open.h"

#include <stdlib.h>

#include "proto/doc.h"

enum { ANSWER_MS = 5000 };

static int check_group(const char *name, struct hm_error *err)
{
    if (name_is_valid(name))
        return 0;
    return hm_fail(err, HM_E_INVALID,
                   "group \"%.63s\": is not a name ([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)", name);
}

enum ctl_exit open_or_report(struct invocation *in, struct session **ret)
{
    struct connection connection;
    struct hm_error err;
    int64_t timeout_ms;
    if (flag_duration(in, "timeout", ANSWER_MS, &timeout_ms, &err) < 0 ||
        check_group(group_name(in), &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    int result = connection_find(in, &connection, &err);
    if (result >= 0)
        result = session_open(&connection, timeout_ms, ret, &err);
    connection_clear(&connection);
    return result < 0 ? report_error(in, &err) : CTL_OK;
}

enum ctl_exit list_or_report(struct invocation *in, struct session *s, const char *bucket,
                             const char *filter, struct entries *ret)
{
    struct hm_error err;
    int result = session_list(s, bucket, filter, false, ret, &err);
    return result < 0 ? report_error(in, &err) : CTL_OK;
}

const char *group_name(const struct invocation *in)
{
    const char *name = flag_value(in, "group");
    if (!name)
        name = getenv("HARMONY_GROUP");
    return name && *name ? name : "default";
}
