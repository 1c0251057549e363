/*
 * Decoders of what JetStream's JSON carries as text: base64, RFC 3339 stamps, header blocks.
 *
 * Input comes from the network and may be anything. Pure. Thread: any.
 */
#ifndef HM_BUS_DECODE_H
#define HM_BUS_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Standard base64 with padding (RFC 4648, section 4). NULL when malformed; else NUL-terminated
 * bytes that the caller frees. */
char *bus_base64(const char *text, size_t *ret_len);

/* "2026-11-22T14:03:12.481123456Z" (or with an offset such as +01:00) to nanoseconds since 1970; of
 * a year from 1970 to 2199, so that the difference of two holds. */
bool bus_parse_stamp(const char *text, int64_t *ret_ns);

/* The value of `name` in a block "NATS/1.0\r\nName: value\r\n...", copied (cut) into `out`. */
bool bus_header_in_block(const char *block, const char *name, char *out, size_t out_size);

#endif
