/*
 * The version of a NATS server, read from the greeting that it sends to whoever connects (INFO,
 * before TLS and authentication). libnats 3.4.1 keeps it to itself, and servers before 2.10 answer
 * no request that tells it. Blocks for at most a second: not for the loop. Thread: any.
 */
#ifndef HM_BUS_SERVER_VERSION_H
#define HM_BUS_SERVER_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* `url` as libnats gives it ("nats://user:pass@host:4222"). False, and zeros, when it can't be told. */
bool bus_fetch_server_version(const char *url, int ret_version[3]);

/* From the greeting's bytes: "INFO {...,\"version\":\"2.10.3\",...}". */
bool bus_parse_server_version(const char *greeting, size_t len, int ret_version[3]);

#endif
