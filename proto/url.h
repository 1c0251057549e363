/*
 * Web addresses of downloads, by their form: http(s)://HOST[:PORT]/PATH[?QUERY]. Pure. Thread: any.
 *
 * A user or password in it is refused: documents are read by many. A query may hold a token all the
 * same, so it is never shown. Source: RFC 3986.
 */
#ifndef HM_PROTO_URL_H
#define HM_PROTO_URL_H

#include <stdbool.h>

enum { URL_MAX = 2048, URL_FILE_MAX = 255 };

/* NULL: it is one, else what is wrong with it, as the end of a sentence that begins with its place. */
const char *url_fault(const char *url, bool https_only);

/* Without query and fragment, cut when longer than the buffer. */
enum { URL_SHOWN_MAX = 200 };
void url_shown(const char *url, char out[URL_SHOWN_MAX]);

/* The last part of its path ("ubuntu.img"); false: it has none, or a longer one than URL_FILE_MAX. */
bool url_file(const char *url, char out[URL_FILE_MAX + 1]);

/* 64 hexadecimal digits, in either case. */
enum { SHA256_TEXT = 64 };
bool sha256_is_valid(const char *text);

#endif
