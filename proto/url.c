#include "proto/url.h"

#include <stdio.h>
#include <string.h>

#define HTTP  "http://"
#define HTTPS "https://"

static const char *after_scheme(const char *url, bool https_only)
{
    if (!strncmp(url, HTTPS, strlen(HTTPS)))
        return url + strlen(HTTPS);
    return !https_only && !strncmp(url, HTTP, strlen(HTTP)) ? url + strlen(HTTP) : NULL;
}

static bool has_only_printable(const char *url)
{
    for (; *url; url++)
        if (*url <= ' ' || *url >= 0x7f || strchr("\"<>\\^`{|}", *url))
            return false;
    return true;
}

static bool is_host(const char *text, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    return len > 0 && strspn(text, allowed) >= len && text[0] != ':' && text[0] != '.';
}

const char *url_fault(const char *url, bool https_only)
{
    const char *host = after_scheme(url, https_only);
    if (strlen(url) > URL_MAX || !has_only_printable(url))
        return "is too long, or holds a character that must be written as %XX";
    if (!host)
        return https_only ? "must begin with https://" : "must begin with http:// or https://";
    size_t len = strcspn(host, "/?#");
    if (memchr(host, '@', len))
        return "holds a user or a password; documents are read by many, so that is refused";
    if (!is_host(host, len))
        return "has no host";
    return strchr(url, '#') ? "has a part after #, which no server sees; leave it away" : NULL;
}

void url_shown(const char *url, char out[URL_SHOWN_MAX])
{
    size_t len = strcspn(url, "?#");
    bool whole = len < URL_SHOWN_MAX - 4;
    snprintf(out, URL_SHOWN_MAX, "%.*s%s", whole ? (int)len : URL_SHOWN_MAX - 4, url,
             whole ? "" : "...");
}

bool url_file(const char *url, char out[URL_FILE_MAX + 1])
{
    const char *host = after_scheme(url, false), *slash = NULL;
    size_t len = host ? strcspn(host, "?#") : 0;
    for (size_t i = 0; i < len; i++)
        if (host[i] == '/')
            slash = host + i;
    size_t name = slash ? (size_t)(host + len - slash - 1) : 0;
    if (name == 0 || name > URL_FILE_MAX)
        return false;
    memcpy(out, slash + 1, name);
    out[name] = '\0';
    return true;
}

bool sha256_is_valid(const char *text)
{
    return strlen(text) == SHA256_TEXT && strspn(text, "0123456789abcdefABCDEF") == SHA256_TEXT;
}
