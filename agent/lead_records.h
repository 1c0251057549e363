/*
 * Texts of the failover driver: keys, message ids, and the records written after the fact.
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

/* What an incident says beside what the core keeps of the old leader. BOOTTIME, 0: none (yet). */
struct lead_takeover {
    int64_t interval_ns; /* T */
    /* The last time that this site itself did not hear the store: that silence proves nothing. */
    int64_t gap_ended_ns, gap_ms;
    uint64_t epoch;     /* that was taken over, and */
    int64_t serving_ns; /* when its workload was up */
};

/*
 * `incident.<epoch>`: why this site took over, and the old leader's last heartbeats as seen here.
 * `now_ns` and `wall_ns` are the same instant on BOOTTIME and on the wall clock, so that people get
 * times of day. JSON, the caller's to free().
 */
char *lead_incident_text(const struct fo_incident *incident, const struct lead_takeover *takeover,
                         int64_t now_ns, int64_t wall_ns);

/* How an epoch ended, as its own leader saw it: what nobody else can know. */
struct lead_account {
    struct hb_site site;
    uint64_t epoch;
    bool same_run;  /* false: another agent led it; of what follows only the next two count */
    bool same_boot; /* of the host */
    bool fired;     /* the guardian ended it, */
    int64_t fired_late_ns; /* so long after the deadline; -1: not known */
    enum hb_reason reason; /* why the role was left */
    int64_t left_ns;       /* BOOTTIME */
    int64_t acked_ns;      /* likewise: the last heartbeat that was acknowledged; 0: none was */
    int64_t rtt_us;        /* of that one; -1: not known */
    /* From then until the role was left: */
    unsigned attempts;     /* heartbeats sent, */
    unsigned heard_back;   /* of which so many came back through the watch, */
    int64_t heard_back_ns; /* the slowest after so long; */
    int64_t late_ns;       /* and how late the loop was, at most */
    bool connected;        /* to a NATS server, when it was left */
};

/* `account.<epoch>`. Times as in lead_incident_text(). JSON, the caller's to free(). */
char *lead_account_text(const struct lead_account *account, int64_t now_ns, int64_t wall_ns);

/* `cluster_state`: who leads, since when, why. JSON, the caller's to free(). */
char *lead_cluster_state_text(const struct hb_site *site, uint64_t epoch, enum hb_reason reason,
                              int64_t wall_ns);

#endif
