/*
 * From bus options to libnats's: addresses, credentials, TLS, and the timing of the connection.
 *
 * Fails for what can never work: a malformed address, a file that can't be read or holds no
 * credentials, half a key pair.
 * Sentences name files and addresses without the user and password that an address may hold.
 * Thread: any.
 */
#ifndef HM_BUS_WIRE_OPTIONS_H
#define HM_BUS_WIRE_OPTIONS_H

#include <nats/nats.h>

#include "base/error.h"
#include "bus/bus.h"

/* On success *ret is the caller's to natsOptions_Destroy(). */
int wire_options(const struct bus_options *options, natsOptions **ret, struct hm_error *err);

enum { WIRE_PING_MIN_MS = 250, WIRE_PING_MAX_MS = 2000 };

/* Set the servers to those of `servers` but the one at the URL `without`; all of them if that is "" or
 * the only one. */
int wire_options_servers(natsOptions *nats, const char *servers, const char *without,
                         struct hm_error *err);

/* Is the connection encrypted, as far as we ask for it? */
bool wire_uses_tls(const struct bus_options *options);

/* The addresses without secrets, for sentences. The caller frees it. */
char *wire_servers_text(const char *servers);

#endif
