/*
 * Mutual TLS between the agents of a group: both sides show a certificate of the same authority, and it names
 * their site (DNS name or common name; no wildcards). From TLS 1.3 on, without resumption: each connection is
 * proven anew. Thread: the loop's.
 */
#ifndef HM_AGENT_PEER_TLS_H
#define HM_AGENT_PEER_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/error.h"

/* Paths of PEM files. Blocks on the disk. *ret is freed with SSL_CTX_free(). */
int peer_tls_new(const char *ca, const char *cert, const char *key, SSL_CTX **ret,
                 struct hm_error *err);

/* After the handshake: does the other side's certificate name this site? */
bool peer_tls_names(const SSL *tls, const char *site);

/* The last failure of OpenSSL, in words, after `what`. Returns -HM_E_CONNECTION. */
int peer_tls_fail(struct hm_error *err, const char *what);

#endif
