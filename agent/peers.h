/*
 * The direct links between the agents of a failover group (docs/failover/failsafe.md): whom to ask for consent
 * when NATS is away, and who asks here.
 *
 * Made only if the agent's configuration has failover.peer. Connections are opened to every other site that
 * cluster_config gives an address, whether failsafe is on or not, so that it can be seen before it is needed.
 * Messages are sent at once or not at all. Nothing here blocks after peers_new(), and nothing is believed that
 * the other side did not prove by its certificate. Thread: the loop's.
 */
#ifndef HM_AGENT_PEERS_H
#define HM_AGENT_PEERS_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"
#include "proto/cluster_config.h"
#include "proto/peer_message.h"

struct peers;

struct peers_options {
    uv_loop_t *loop;
    struct hb_site site, group;                       /* of this agent */
    const char *listen, *tls_ca, *tls_cert, *tls_key; /* borrowed; of failover.peer */
    void (*asked)(void *data, const struct hb_site *from, const struct peer_message *ask);
    void (*answered)(void *data, const struct hb_site *from, const struct peer_message *answer);
    void (*changed)(void *data); /* what peers_status() shows */
    void *data;
};

/* Blocks on the disk. Fails when the certificates can't be used; a port that can't be had is tried again. */
int peers_new(const struct peers_options *options, struct peers **ret, struct hm_error *err);
void peers_free(struct peers *peers); /* the loop must run once more; NULL: nothing */

/* cluster_config in force: the addresses, who is of the group, and T. */
void peers_set_group(struct peers *peers, const struct cluster_config *config);

/* The kind and the group are filled in here. */
void peers_ask(struct peers *peers, const struct hb_site *to, struct peer_message ask);
void peers_answer(struct peers *peers, const struct hb_site *to, struct peer_message answer);

/* [{"site", "address", "connected", "answered_ms_ago", "why"}]; a new reference. */
json_t *peers_status(const struct peers *peers);
/* Why nobody can ask here; "" if they can. Borrowed. */
const char *peers_why_not(const struct peers *peers);
int peers_port(const struct peers *peers); /* for tests */

#endif
