/* The other sites of the group, as heard by their replica heartbeats. */
#include "failover/core.h"

static struct fo_peer *find(struct fo_state *s, const struct hb_site *site)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (hb_site_equal(&s->peers[i].site, site))
            return &s->peers[i];
    return NULL;
}

const struct fo_peer *fo_peer_find(const struct fo_state *s, const struct hb_site *site)
{
    return find((struct fo_state *)s, site);
}

/* One peer for each other site of the group, in order of rank; what was heard stays. */
void fo_peers_take_config(struct fo_state *s)
{
    struct fo_peer peers[CLUSTER_SITES_MAX] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < s->config.site_count; i++) {
        const struct hb_site *site = &s->config.sites[i];
        if (hb_site_equal(site, &s->site))
            continue;
        const struct fo_peer *old = find(s, site);
        if (old)
            peers[count] = *old;
        peers[count].barred = s->config.nofailover[i];
        peers[count++].site = *site;
    }
    memcpy(s->peers, peers, sizeof(peers));
    s->peer_count = count;
}

static int64_t heard_window(const struct fo_state *s, const struct fo_peer *peer)
{
    return 2 * fo_max(s->terms.period, peer->interval);
}

bool fo_peer_is_heard(const struct fo_state *s, const struct fo_peer *peer, int64_t now)
{
    return peer->in_a_row > 0 && now - peer->heard <= heard_window(s, peer);
}

bool fo_peer_is_ready(const struct fo_state *s, const struct fo_peer *peer, int64_t now)
{
    return peer->ready_since != 0 && !peer->barred && fo_peer_is_heard(s, peer, now);
}

const struct fo_peer *fo_peer_first_ready(const struct fo_state *s, int64_t now)
{
    for (unsigned i = 0; i < s->peer_count; i++)
        if (fo_peer_is_ready(s, &s->peers[i], now))
            return &s->peers[i];
    return NULL;
}

/* "ready when it is fit and has been heard success_threshold times in a row" (1) */
static void count_beat(struct fo_run *r, struct fo_peer *peer)
{
    const struct fo_state *s = r->s;
    if (!fo_peer_is_heard(s, peer, r->now)) {
        peer->in_a_row = 0;
        peer->ready_since = 0;
    }
    peer->in_a_row++;
    peer->heard = r->now;
    if (!peer->fit || peer->in_a_row < s->config.success_threshold)
        peer->ready_since = 0;
    else if (peer->ready_since == 0)
        peer->ready_since = r->now;
}

/* The last value that a new watch gives may be ancient: the first one only says where to count
 * from. */
static bool is_new_beat(const struct fo_peer *peer, const struct heartbeat *record)
{
    return peer->nonce != 0 && (record->nonce != peer->nonce || record->counter > peer->counter);
}

/* Not even a site that remembers nothing takes such an epoch from a peer: the lease key tells it.
 */
static bool is_made_up(const struct fo_run *r, uint64_t epoch, uint64_t generation)
{
    return epoch > r->s->seen_epoch + FO_EPOCH_JUMP_MAX ||
           generation > r->s->history.seen.generation + FO_EPOCH_JUMP_MAX;
}

/* Who is not of the group has no say, not in the epochs either. */
void fo_peer_heard(struct fo_run *r, const struct heartbeat *record)
{
    struct fo_peer *peer = find(r->s, &record->site);
    if (!peer)
        return;
    uint64_t epoch = record->epoch > record->seen_epoch ? record->epoch : record->seen_epoch;
    if (is_made_up(r, epoch, record->generation)) {
        fo_emit_note(r, FO_NOTE_ALARM_EPOCH, (int64_t)epoch);
        return;
    }
    fo_history_seen(r, hb_era_of(record));
    fo_epoch_seen(r, epoch);
    bool same_run = peer->nonce == record->nonce;
    if (same_run && record->counter <= peer->counter)
        return;
    bool is_new = is_new_beat(peer, record);
    peer->nonce = record->nonce;
    peer->counter = record->counter;
    peer->seen_epoch = record->seen_epoch;
    peer->interval = record->interval_ms * FO_MS;
    peer->lag = record->lag;
    peer->fit = record->fit;
    if (!same_run)
        peer->in_a_row = 0;
    if (is_new)
        count_beat(r, peer);
}
