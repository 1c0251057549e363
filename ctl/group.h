/*
 * The keys of a failover group in harmony_failover: `primary_heartbeat` for the default group,
 * `<group>.primary_heartbeat` for another. Pure; any thread.
 */
#ifndef HM_CTL_GROUP_H
#define HM_CTL_GROUP_H

#define KEY_LEASE    "primary_heartbeat"
#define KEY_REPLICA  "replica_heartbeat." /* + site */
#define KEY_CONFIG   "cluster_config"
#define KEY_STATE    "cluster_state"
#define KEY_INCIDENT "incident." /* + epoch */
#define KEY_ACCOUNT  "account."  /* + epoch */
#define KEY_OPERATOR "operator"  /* what people did, and who (ctl/operator.h) */

/* The key in the bucket; the caller frees it. */
char *group_key(const char *group, const char *key);
/* What to watch to see all of the group (and, for the default group, other groups' keys too). */
char *group_filter(const char *group);
/* The key within the group (borrowed from `stored`), or NULL if it belongs to another group. */
const char *key_in_group(const char *group, const char *stored);

#endif
