#include "agent/peers.h"

#include <stdlib.h>
#include <string.h>

#include "agent/peer_client.h"
#include "agent/peer_server.h"
#include "agent/peer_tls.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    TICK_SHORTEST_MS = 50,
    TICK_LONGEST_MS = 500,
    PING_SHORTEST_MS = 250,
    PING_LONGEST_MS = 2000
};

struct peers {
    struct peers_options options;
    SSL_CTX *tls;
    struct peer_server *server;
    struct peer_client *clients[CLUSTER_SITES_MAX];
    struct hb_site sites[CLUSTER_SITES_MAX]; /* as `clients` */
    char addresses[CLUSTER_SITES_MAX][CLUSTER_ADDRESS_MAX + 1];
    unsigned count;
    uv_timer_t *timer;
    int64_t ping_ns;
};

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static void on_tick(uv_timer_t *timer)
{
    struct peers *p = timer->data;
    int64_t now = hm_boottime_ns();
    peer_server_tick(p->server, now);
    for (unsigned i = 0; i < p->count; i++)
        peer_client_tick(p->clients[i], now, p->ping_ns);
}

static void set_pace(struct peers *p, int64_t period_ms)
{
    uint64_t tick = (uint64_t)within(period_ms / 4, TICK_SHORTEST_MS, TICK_LONGEST_MS);
    p->ping_ns = within(period_ms, PING_SHORTEST_MS, PING_LONGEST_MS) * HM_MS;
    uv_timer_start(p->timer, on_tick, tick, tick);
}

/* -- The group -------------------------------------------------------------------------------------- */

static struct peer_client *make(struct peers *p, const struct hb_site *site, const char *address)
{
    struct peer_client_options options = {.loop = p->options.loop,
                                          .tls = p->tls,
                                          .site = *site,
                                          .group = p->options.group,
                                          .answered = p->options.answered,
                                          .changed = p->options.changed,
                                          .data = p->options.data};
    memcpy(options.address, address, sizeof options.address);
    return peer_client_new(&options);
}

/* The one that is there already, which stays as it is; else a new one. */
static struct peer_client *keep_or_make(struct peers *p, const struct hb_site *site,
                                        const char *address)
{
    for (unsigned i = 0; i < CLUSTER_SITES_MAX; i++) {
        struct peer_client *old = p->clients[i];
        if (old && peer_client_is_for(old, site, address)) {
            p->clients[i] = NULL;
            return old;
        }
    }
    return make(p, site, address);
}

void peers_set_group(struct peers *p, const struct cluster_config *config)
{
    struct peer_client *clients[CLUSTER_SITES_MAX] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < config->site_count; i++) {
        const struct hb_site *site = &config->sites[i];
        if (hb_site_equal(site, &p->options.site) || config->addresses[i][0] == '\0')
            continue;
        clients[count] = keep_or_make(p, site, config->addresses[i]);
        p->sites[count] = *site;
        memcpy(p->addresses[count], config->addresses[i], sizeof p->addresses[count]);
        count++;
    }
    for (unsigned i = 0; i < CLUSTER_SITES_MAX; i++)
        peer_client_free(p->clients[i]);
    memcpy(p->clients, clients, sizeof clients);
    p->count = count;
    peer_server_set_group(p->server, config);
    set_pace(p, config->heartbeat_interval_ms);
}

void peers_ask(struct peers *p, const struct hb_site *to, struct peer_message ask)
{
    ask.kind = PEER_ASK;
    ask.group = p->options.group;
    for (unsigned i = 0; i < p->count; i++)
        if (hb_site_equal(&p->sites[i], to))
            peer_client_ask(p->clients[i], &ask);
}

void peers_answer(struct peers *p, const struct hb_site *to, struct peer_message answer)
{
    answer.kind = PEER_ANSWER;
    answer.group = p->options.group;
    peer_server_answer(p->server, to, &answer);
}

/* -- Status ----------------------------------------------------------------------------------------- */

json_t *peers_status(const struct peers *p)
{
    json_t *list = json_array();
    int64_t now = hm_boottime_ns();
    for (unsigned i = 0; i < p->count; i++) {
        struct peer_client_status s = peer_client_status(p->clients[i]);
        json_t *age = s.heard_ns ? json_integer((now - s.heard_ns) / HM_MS) : json_null();
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o, s:s}", "site", p->sites[i].text,
                                              "address", p->addresses[i], "connected", s.connected,
                                              "answered_ms_ago", age, "why", s.why));
    }
    return list;
}

const char *peers_why_not(const struct peers *p)
{
    return peer_server_why_not(p->server);
}

int peers_port(const struct peers *p)
{
    return peer_server_port(p->server);
}

/* -- Life ------------------------------------------------------------------------------------------- */

static void start_server(struct peers *p)
{
    struct peer_server_options options = {.loop = p->options.loop,
                                          .tls = p->tls,
                                          .listen = p->options.listen,
                                          .site = p->options.site,
                                          .group = p->options.group,
                                          .asked = p->options.asked,
                                          .data = p->options.data};
    p->server = peer_server_new(&options);
}

int peers_new(const struct peers_options *options, struct peers **ret, struct hm_error *err)
{
    struct peers *p = hm_alloc(sizeof *p);
    p->options = *options;
    int rc = peer_tls_new(options->tls_ca, options->tls_cert, options->tls_key, &p->tls, err);
    if (rc < 0) {
        free(p);
        return rc;
    }
    start_server(p);
    p->timer = hm_alloc(sizeof *p->timer);
    uv_timer_init(options->loop, p->timer);
    p->timer->data = p;
    set_pace(p, PING_LONGEST_MS);
    *ret = p;
    return 0;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    uv_close((uv_handle_t *)p->timer, free_handle);
    for (unsigned i = 0; i < p->count; i++)
        peer_client_free(p->clients[i]);
    peer_server_free(p->server);
    SSL_CTX_free(p->tls); /* connections that are closing hold their own share */
    free(p);
}
