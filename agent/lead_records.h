/*
 * Texts of the failover driver: keys, message ids, and the two records written after the fact.
 *
 * Pure. Thread: any.
 */
#ifndef HM_AGENT_LEAD_RECORDS_H
#define HM_AGENT_LEAD_RECORDS_H

#include <stdint.h>

#include "failover/failover.h"

#define LEAD_BUCKET        "harmony_failover"
#define LEAD_GROUP_DEFAULT "default"

enum { LEAD_KEY_MAX = 255, LEAD_MESSAGE_ID_MAX = 160 };

/* The key of `name` in a group: other groups than the default one put "<group>." before it. */
void lead_key(const char *group, const char *name, char out[LEAD_KEY_MAX + 1]);
/* What the watch of a group asks for: all keys that lead_key() can give. */
void lead_key_filter(const char *group, char out[LEAD_KEY_MAX + 1]);
/* The name within the group, or NULL when the key belongs to another group. Points into `key`. */
const char *lead_key_name(const char *group, const char *key);

/* Nats-Msg-Id of an attempt: the same for all its sends, never used again by anybody. */
void lead_message_id(const struct heartbeat *record, const struct hb_site *writer,
                     char out[LEAD_MESSAGE_ID_MAX]);

/*
 * `incident.<epoch>`: why this site took over, and the old leader's last heartbeats as seen here.
 * `now_ns` and `wall_ns` are the same instant on BOOTTIME and on the wall clock, so that people get
 * times of day. JSON, the caller's to free().
 */
char *lead_incident_text(const struct fo_incident *incident, int64_t now_ns, int64_t wall_ns);

/* `cluster_state`: who leads, since when, why. JSON, the caller's to free(). */
char *lead_cluster_state_text(const struct hb_site *site, uint64_t epoch, enum hb_reason reason,
                              int64_t wall_ns);

#endif
