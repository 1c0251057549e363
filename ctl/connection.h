/*
 * Where NATS is and who we are there: found as the nats CLI finds it
 * (docs/reference/harmonyctl.md).
 */
#ifndef HM_CTL_CONNECTION_H
#define HM_CTL_CONNECTION_H

#include "base/error.h"
#include "ctl/command.h"

/* All strings belong to it; NULL: not given. */
struct connection {
    char *servers; /* never NULL once found */
    char *creds, *user, *password, *token;
    char *tls_ca, *tls_cert, *tls_key;
};

/* From flags, environment and the nats CLI's contexts. Blocks on small files. On failure *ret is
 * empty. */
int connection_find(const struct invocation *in, struct connection *ret, struct hm_error *err);
void connection_clear(struct connection *c);

#endif
