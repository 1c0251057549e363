/*
 * One conversation with NATS, call by call: the bus (asynchronous, on a loop) as harmonyctl needs
 * it.
 *
 * Each call runs the loop until its answer or the deadline is there. Errors say what was tried.
 * Thread: the one that opened it.
 */
#ifndef HM_CTL_SESSION_H
#define HM_CTL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bus/bus.h"
#include "ctl/connection.h"
#include "ctl/entry.h"

struct session;

/* `timeout_ms` holds for connecting and for each later call. HM_E_CONNECTION: not connected, and
 * why. */
int session_open(const struct connection *c, int64_t timeout_ms, struct session **ret,
                 struct hm_error *err);
void session_close(struct session *s); /* NULL is allowed */
const char *
session_servers(const struct session *s); /* for sentences; credentials in it are hidden */

/* The last entry of every key that matches, deleted ones too; with `history` all that are stored,
 * oldest first. A missing bucket is HM_E_NOT_FOUND. The caller clears *ret. */
int session_list(struct session *s, const char *bucket, const char *filter, bool history,
                 struct entries *ret, struct hm_error *err);

/* Write under compare-and-swap (`expect` 0: the key must not be there). HM_E_CONFLICT: it changed
 * meanwhile. value NULL: a delete marker. */
int session_put(struct session *s, const char *bucket, const char *key, const char *value,
                int64_t expect, uint64_t *ret_revision, struct hm_error *err);

int session_bucket(struct session *s, const char *bucket, struct bus_bucket *ret,
                   struct hm_error *err);
int session_bucket_create(struct session *s, const struct bus_bucket_config *config,
                          struct hm_error *err);

/* Ask and wait for the answer, which the caller frees. HM_E_NOT_FOUND: nobody listens there. */
int session_request(struct session *s, const char *subject, const char *payload, char **ret_reply,
                    struct hm_error *err);

/* Called with every entry; true: seen enough. */
typedef bool (*session_enough)(void *data, const struct entry *entry);
/* Called once everything that was stored has been given; true: seen enough. May be NULL. */
typedef bool (*session_all_given)(void *data);
/* Watch until enough was seen (0), or for at most `limit_ms` (HM_E_TIMEOUT). */
int session_watch(struct session *s, const char *bucket, const char *filter, int64_t limit_ms,
                  session_enough enough, session_all_given all_given, void *data,
                  struct hm_error *err);

/* For what goes on for longer than one answer (op_talk.h): its loop, its bus, and how long one answer
 * may take. session_run() runs the loop until session_stop() was called. */
uv_loop_t *session_loop(struct session *s);
struct bus *session_bus(struct session *s);
int64_t session_timeout_ms(const struct session *s);
void session_run(struct session *s);
void session_stop(struct session *s);

#endif
