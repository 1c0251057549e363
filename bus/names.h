/*
 * Names on the wire: what may stand in a bucket, a key and a subject, and what an acknowledgement
 * subject says about the message that carries it.
 *
 * Everything that ends up in a protocol line is checked here first: a space or a line break in a
 * subject would let a document write protocol of its own. Sources: NATS ADR-8 (key-value), ADR-15
 * (acknowledgement subjects, both forms). Pure. Thread: any.
 */
#ifndef HM_BUS_NAMES_H
#define HM_BUS_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { BUS_BUCKET_MAX = 128, BUS_SUBJECT_MAX = 1024 };

int bus_check_bucket(const char *bucket, struct hm_error *err);
int bus_check_key(const char *key, struct hm_error *err);
int bus_check_filter(const char *filter, struct hm_error *err); /* a key, with * and > */
int bus_check_subject(const char *subject, struct hm_error *err);
bool bus_is_header_value(const char *value); /* printable ASCII, not too long */

/* What $JS.ACK.<...> says (the reply subject of a delivered message). */
struct bus_delivery {
    uint64_t stream_seq, consumer_seq, pending;
    int64_t stamp_ns;
};
bool bus_parse_delivery(const char *reply, struct bus_delivery *ret);

#endif
