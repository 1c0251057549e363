#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/libvirt.h"

enum { URI_MAX = 1024 };

static const char *const transports[] = {"unix",   "ssh",     "tls", "tcp",
                                         "libssh", "libssh2", "ext", NULL};

#define HINT "use for example qemu:///system, qemu+ssh://user@host/system or test:///default"

static bool is_word(const char *s, size_t len)
{
    if (len == 0 || !isalpha((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-')
            return false;
    return true;
}

static bool is_transport(const char *s, size_t len)
{
    for (const char *const *t = transports; *t; t++)
        if (strlen(*t) == len && !strncmp(*t, s, len))
            return true;
    return false;
}

/* "qemu" or "qemu+ssh"; *ret_transport is NULL without one. */
static int check_scheme(const char *uri, size_t len, const char **ret_transport, size_t *ret_len,
                        struct hm_error *err)
{
    const char *plus = memchr(uri, '+', len);
    size_t driver_len = plus ? (size_t)(plus - uri) : len;
    if (!is_word(uri, driver_len))
        return hm_fail(err, HM_E_INVALID_URI,
                       "libvirt URI \"%s\": \"%.*s\" is not a driver's name; " HINT, uri,
                       (int)driver_len, uri);
    *ret_transport = plus ? plus + 1 : NULL;
    *ret_len = plus ? len - driver_len - 1 : 0;
    if (plus && !is_transport(*ret_transport, *ret_len))
        return hm_fail(
            err, HM_E_INVALID_URI,
            "libvirt URI \"%s\": unknown transport \"%.*s\" (known: unix, ssh, tls, tcp, "
            "libssh, libssh2, ext)",
            uri, (int)*ret_len, *ret_transport);
    return 0;
}

/* user@host:port, [::1]:port; a shell or ssh option must not hide in it. */
static int check_authority(const char *uri, const char *authority, size_t len, struct hm_error *err)
{
    const char *at = memchr(authority, '@', len);
    const char *host = at ? at + 1 : authority;
    size_t host_len = len - (size_t)(host - authority);
    if (at == authority)
        return hm_fail(err, HM_E_INVALID_URI,
                       "libvirt URI \"%s\": the user's name before @ is empty", uri);
    if (at && host_len == 0)
        return hm_fail(err, HM_E_INVALID_URI, "libvirt URI \"%s\": the host after @ is empty", uri);
    if (authority[0] == '-' || host[0] == '-')
        return hm_fail(err, HM_E_INVALID_URI,
                       "libvirt URI \"%s\": a user or host can't begin with \"-\"", uri);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)authority[i]) && !strchr("@.-_:[]%", authority[i]))
            return hm_fail(err, HM_E_INVALID_URI,
                           "libvirt URI \"%s\": \"%c\" can't stand in a user or host", uri,
                           authority[i]);
    return 0;
}

static int check_characters(const char *uri, struct hm_error *err)
{
    if (strlen(uri) > URI_MAX)
        return hm_fail(err, HM_E_INVALID_URI, "libvirt URI is longer than %d characters", URI_MAX);
    for (const char *c = uri; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return hm_fail(err, HM_E_INVALID_URI,
                           "libvirt URI has a space or a character outside ASCII at position %d",
                           (int)(c - uri) + 1);
    return 0;
}

static bool needs_host(const char *transport, size_t len)
{
    return transport && strncmp(transport, "unix", len) != 0 && strncmp(transport, "ext", len) != 0;
}

int libvirt_check_uri(const char *uri, struct hm_error *err)
{
    if (!uri || !*uri)
        return hm_fail(err, HM_E_INVALID_URI, "libvirt URI is empty; " HINT);
    int r = check_characters(uri, err);
    if (r < 0)
        return r;
    const char *sep = strstr(uri, "://");
    if (!sep)
        return hm_fail(err, HM_E_INVALID_URI, "libvirt URI \"%s\" has no \"://\"; " HINT, uri);
    const char *transport = NULL;
    size_t transport_len = 0;
    r = check_scheme(uri, (size_t)(sep - uri), &transport, &transport_len, err);
    if (r < 0)
        return r;
    const char *authority = sep + 3, *path = authority + strcspn(authority, "/?");
    size_t authority_len = (size_t)(path - authority);
    r = check_authority(uri, authority, authority_len, err);
    if (r < 0)
        return r;
    if (needs_host(transport, transport_len) && authority_len == 0)
        return hm_fail(
            err, HM_E_INVALID_URI,
            "libvirt URI \"%s\": transport %.*s needs a host, as in qemu+ssh://user@host/system",
            uri, (int)transport_len, transport);
    if (path[0] != '/' || path[1] == '\0' || path[1] == '?')
        return hm_fail(
            err, HM_E_INVALID_URI,
            "libvirt URI \"%s\" has no path after the host (three slashes without a host: "
            "qemu:///system)",
            uri);
    return 0;
}

bool libvirt_uri_is_remote(const char *uri)
{
    const char *sep = strstr(uri, "://");
    return sep && sep[3] != '/' && sep[3] != '\0';
}

char *libvirt_uri_parameter(const char *uri, const char *name)
{
    const char *p = strchr(uri, '?');
    size_t name_len = strlen(name);
    while (p && *p) {
        p++;
        size_t len = strcspn(p, "&");
        if (len > name_len && !strncmp(p, name, name_len) && p[name_len] == '=')
            return hm_strndup(p + name_len + 1, len - name_len - 1);
        p += len;
    }
    return NULL;
}
