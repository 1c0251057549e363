#include "certificates.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static FILE *file(const char *folder, const char *name, const char *ending, const char *mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *f = fopen(path, mode);
    ck_assert_ptr_nonnull(f);
    return f;
}

static void save(const char *folder, const char *name, X509 *cert, EVP_PKEY *key)
{
    FILE *f = file(folder, name, "pem", "w");
    PEM_write_X509(f, cert);
    fclose(f);
    f = file(folder, name, "key", "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static X509 *blank(const char *common_name, EVP_PKEY *key, int days)
{
    static long serial;
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -10L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)common_name, -1, -1, 0);
    return cert;
}

static void extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

void certificate_make_authority(const char *folder, const char *authority)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = blank(authority, key, 30);
    extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
    save(folder, authority, cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void dns_names(const char *sites, char out[400])
{
    out[0] = '\0';
    char copy[300], *rest = copy, *site;
    snprintf(copy, sizeof copy, "%s", sites);
    while ((site = strsep(&rest, ",")) != NULL)
        snprintf(out + strlen(out), 400 - strlen(out), "%sDNS:%s", *out ? "," : "", site);
}

void certificate_make(const char *folder, const char *authority, const char *name, const char *site,
                      int days)
{
    char names[400];
    FILE *f = file(folder, authority, "pem", "r");
    X509 *issuer = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    f = file(folder, authority, "key", "r");
    EVP_PKEY *signer = PEM_read_PrivateKey(f, NULL, NULL, NULL), *key = EVP_EC_gen("P-256");
    fclose(f);
    X509 *cert = blank(name, key, days);
    dns_names(site, names);
    extend(cert, NID_subject_alt_name, names);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    ck_assert_int_gt(X509_sign(cert, signer, EVP_sha256()), 0);
    save(folder, name, cert, key);
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(signer);
}
