#include "bus/wire_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    WRITE_DEADLINE_MS = 2000,
    PINGS_OUT = 2,
    SERVERS_MAX = 64,
    CREDENTIALS_MAX = 64 * 1024,
};

static const char *after_scheme(const char *url)
{
    const char *mark = strstr(url, "://");
    return mark ? mark + 3 : url;
}

static const char *after_userinfo(const char *url)
{
    const char *host = after_scheme(url), *at = strrchr(host, '@');
    return at ? at + 1 : host;
}

static bool is_scheme_known(const char *url)
{
    return !strstr(url, "://") || !strncmp(url, "nats://", 7) || !strncmp(url, "tls://", 6);
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && port >= 1 && port <= 65535;
}

static bool is_address(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end || end == host || strpbrk(host, " /?#\t\r\n"))
        return false;
    end += *end == ']';
    return !*end || (*end == ':' && is_port(end + 1));
}

static int check_server(const char *url, struct hm_error *err)
{
    if (!is_scheme_known(url) || !is_address(after_userinfo(url)))
        return hm_fail(err, HM_E_INVALID_URI,
                       "nats.servers: \"%s\" is not an address like nats://host:4222",
                       after_userinfo(url));
    return 0;
}

char *wire_servers_text(const char *servers)
{
    struct hm_buf out = {0};
    HM_AUTOFREE char *copy = hm_strdup(servers);
    char *rest = copy;
    for (char *url; (url = strsep(&rest, ", ")) != NULL;)
        if (*url)
            hm_buf_printf(&out, "%s%s", out.len ? ", " : "", after_userinfo(url));
    return hm_buf_steal(&out);
}

/* libnats reports a failure per thread, with a text that can hold an address but no secret. */
static int from_nats(natsStatus status, const char *what, struct hm_error *err)
{
    if (status == NATS_OK)
        return 0;
    return hm_fail(err, HM_E_INVALID, "%s: %s", what, natsStatus_GetText(status));
}

/* Do both name the same host and port? libnats adds the port to a URL that has none. */
static bool is_same_server(const char *url, const char *connected)
{
    const char *host = after_userinfo(url), *other = after_userinfo(connected);
    size_t len = strlen(host);
    return !strncmp(host, other, len) && (!other[len] || !strcmp(other + len, ":4222"));
}

int wire_options_servers(natsOptions *nats, const char *servers, const char *without,
                         struct hm_error *err)
{
    HM_AUTOFREE char *copy = hm_strdup(servers);
    const char *urls[SERVERS_MAX];
    int count = 0;
    char *rest = copy;
    for (char *url; (url = strsep(&rest, ", ")) != NULL;) {
        if (!*url)
            continue;
        if (count == SERVERS_MAX)
            return hm_fail(err, HM_E_TOO_LARGE, "nats.servers: more than %d addresses",
                           SERVERS_MAX);
        if (check_server(url, err) < 0)
            return -(int)HM_E_INVALID_URI;
        if (*without && is_same_server(url, without))
            continue;
        urls[count++] = url;
    }
    if (!count && *without)
        return wire_options_servers(nats, servers, "", err);
    if (!count)
        return hm_fail(err, HM_E_INVALID_URI, "nats.servers: no address given");
    return from_nats(natsOptions_SetServers(nats, urls, count), "nats.servers", err);
}

static int check_readable(const char *what, const char *path, struct hm_error *err)
{
    if (path && access(path, R_OK) < 0)
        return hm_fail(err, HM_E_INVALID, "%s: can't read %s: %m", what, path);
    return 0;
}

/* libnats takes any file, and logs in without an identity if there is none in it. */
static int check_credentials(const char *path, struct hm_error *err)
{
    char *text;
    size_t len;
    int failed = check_readable("nats.credentials", path, err);
    if (failed)
        return failed;
    if (hm_file_read(path, CREDENTIALS_MAX, &text, &len, err) < 0)
        return hm_wrap(err, "nats.credentials");
    bool good = strstr(text, "BEGIN NATS USER JWT") && strstr(text, "USER NKEY SEED");
    explicit_bzero(text, len);
    free(text);
    return good ? 0
                : hm_fail(err, HM_E_INVALID,
                          "nats.credentials: %s holds no user JWT with its seed; expected a .creds "
                          "file, as nsc generate creds writes it",
                          path);
}

static int set_identity(natsOptions *nats, const struct bus_options *o, struct hm_error *err)
{
    int failed = o->credentials ? check_credentials(o->credentials, err) : 0;
    if (!failed && o->credentials)
        failed = from_nats(natsOptions_SetUserCredentialsFromFiles(nats, o->credentials, NULL),
                           "nats.credentials", err);
    if (!failed && o->user)
        failed = from_nats(natsOptions_SetUserInfo(nats, o->user, o->password ? o->password : ""),
                           "nats user", err);
    if (!failed && o->token)
        failed = from_nats(natsOptions_SetToken(nats, o->token), "nats token", err);
    return failed;
}

static int check_tls(const struct bus_options *o, struct hm_error *err)
{
    if (!o->tls_cert != !o->tls_key)
        return hm_fail(err, HM_E_INVALID, "nats.tls: cert and key belong together");
    int failed = check_readable("nats.tls.ca", o->tls_ca, err);
    if (!failed)
        failed = check_readable("nats.tls.cert", o->tls_cert, err);
    return failed ? failed : check_readable("nats.tls.key", o->tls_key, err);
}

bool wire_uses_tls(const struct bus_options *o)
{
    return o->tls_ca || o->tls_cert || strstr(o->servers, "tls://");
}

static int set_tls(natsOptions *nats, const struct bus_options *o, struct hm_error *err)
{
    int failed = check_tls(o, err);
    if (failed || !wire_uses_tls(o))
        return failed;
    failed = from_nats(natsOptions_SetSecure(nats, true), "nats.tls", err);
    if (!failed && o->tls_ca)
        failed =
            from_nats(natsOptions_LoadCATrustedCertificates(nats, o->tls_ca), "nats.tls.ca", err);
    if (!failed && o->tls_cert)
        failed = from_nats(natsOptions_LoadCertificatesChain(nats, o->tls_cert, o->tls_key),
                           "nats.tls.cert", err);
    return failed;
}

static int set_behaviour(natsOptions *nats, const char *name, struct hm_error *err)
{
    natsStatus s = natsOptions_SetAllowReconnect(nats, false);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(nats, CONNECT_TIMEOUT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(nats, WRITE_DEADLINE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(nats, WIRE_PING_MAX_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(nats, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(nats, true);
    if (s == NATS_OK) /* one thread for all subscriptions, in place of one for each */
        s = natsOptions_UseGlobalMessageDelivery(nats, true);
    if (s == NATS_OK && name)
        s = natsOptions_SetName(nats, name);
    return from_nats(s, "nats", err);
}

int wire_options(const struct bus_options *options, natsOptions **ret, struct hm_error *err)
{
    natsOptions *nats = NULL;
    int failed = from_nats(natsOptions_Create(&nats), "nats", err);
    if (!failed)
        failed = wire_options_servers(nats, options->servers ? options->servers : "", "", err);
    if (!failed)
        failed = set_identity(nats, options, err);
    if (!failed)
        failed = set_tls(nats, options, err);
    if (!failed)
        failed = set_behaviour(nats, options->name, err);
    if (failed) {
        natsOptions_Destroy(nats);
        return failed;
    }
    *ret = nats;
    return 0;
}
