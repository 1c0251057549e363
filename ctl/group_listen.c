#include "ctl/group_listen.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/open.h"

enum { LISTEN_MS = 2000 };

/*
 * Stamps are of the server's clock, which need not be ours. A heartbeat that arrives while we
 * listen was stamped just now, so it tells how far the clocks are apart.
 */
struct listening {
    struct entries last;
    bool all_stored_seen;
    int64_t behind_ns; /* server's clock minus ours */
};

static bool on_entry(void *data, const struct entry *entry)
{
    struct listening *l = data;
    entries_add(&l->last, entry);
    if (!l->all_stored_seen)
        return false;
    l->behind_ns = entry->stamp_ns - hm_wall_ns();
    return true;
}

static bool on_all_given(void *data)
{
    struct listening *l = data;
    l->all_stored_seen = true;
    return false;
}

static int listen_and_look(const struct invocation *in, struct session *s, struct listening *l,
                           struct group_now *ret, struct hm_error *err)
{
    struct bus_bucket bucket = {0};
    HM_AUTOFREE char *filter = group_filter(group_name(in));
    int r = session_watch(s, BUCKET_FAILOVER, filter, LISTEN_MS, on_entry, on_all_given, l, err);
    if (r < 0 && (err->code != HM_E_TIMEOUT || !l->all_stored_seen))
        return r;
    r = session_bucket(s, BUCKET_FAILOVER, &bucket, err);
    if (r < 0)
        return r;
    entries_keep_last(&l->last);
    group_look(&l->last, group_name(in), hm_wall_ns() + l->behind_ns, bucket.replicas, ret);
    return 0;
}

int group_listen(const struct invocation *in, struct session *s, struct group_now *ret,
                 struct entries *ret_last, struct hm_error *err)
{
    struct listening l = {0};
    int r = listen_and_look(in, s, &l, ret, err);
    if (r < 0)
        entries_clear(&l.last);
    else
        *ret_last = l.last;
    return r;
}

void group_hear_statuses(struct session *s, struct group_now *g)
{
    struct entries status = {0};
    struct hm_error err;
    if (session_list(s, BUCKET_STATUS, "*.agent", false, &status, &err) >= 0) {
        entries_keep_last(&status);
        group_hear_agents(&status, g);
    }
    entries_clear(&status);
}
