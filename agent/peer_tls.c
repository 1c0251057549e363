#include "agent/peer_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { CERTIFICATES_MAX_BYTES = 16 * 1024 }; /* a whole chain: who is not known yet costs no more */

/* The first of the queue is the cause; what follows it is where it was noticed. */
static const char *reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text ? text : "no reason given";
}

int peer_tls_fail(struct hm_error *err, const char *what)
{
    return hm_fail(err, HM_E_CONNECTION, "%s: %s", what, reason());
}

static int fail_file(struct hm_error *err, const char *field, const char *path)
{
    return hm_fail(err, HM_E_INVALID, "failover.peer.tls.%s: %s can't be used: %s", field, path,
                   reason());
}

static int load(SSL_CTX *ctx, const char *ca, const char *cert, const char *key,
                struct hm_error *err)
{
    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        return fail_file(err, "ca", ca);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail_file(err, "cert", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return fail_file(err, "key", key);
    return 0;
}

int peer_tls_new(const char *ca, const char *cert, const char *key, SSL_CTX **ret,
                 struct hm_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (!ctx)
        return peer_tls_fail(err, "TLS between the agents can't be set up");
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_MAX_BYTES);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    int rc = load(ctx, ca, cert, key, err);
    if (rc < 0)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    return rc;
}

bool peer_tls_names(const SSL *tls, const char *site)
{
    X509 *cert = SSL_get0_peer_certificate(tls);
    return cert && X509_check_host(cert, site, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}
