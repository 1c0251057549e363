/*
 * Downloads into the image store: each content once, for as many as ask for it.
 *
 * A download has a thread of its own, so it holds up no worker and no deadline of a verb: who wants a
 * file asks again and again (image_download()), and is told when anything has changed. It goes on after
 * whoever asked first has left, is given up when nobody needs it any more (image_download_abort()), and
 * is resumed where it broke off, also by the next process: what is there of HASH.part is kept as long
 * as the server proves that it still has the same file (ETag or Last-Modified with If-Range, RFC 9110).
 * What is complete gets its name only after its SHA-256 was found right and it lies on the disk. At
 * most four go on at once, the others wait.
 *
 * http and https alone, also after redirects; certificates are always checked. A server that sends
 * nothing for `stall_ms` has failed; there is no limit for the whole. The last 5 % of the disk (at most
 * 1 GiB) are left to what else is on it. Thread: any but the loop's.
 */
#ifndef HM_VMM_IMAGE_DOWNLOAD_H
#define HM_VMM_IMAGE_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/url.h"

/* Where from, and to which store. Everything is borrowed for the call. */
struct image_source {
    const char *store; /* folder; it exists */
    const char *url;
    const char *sha256;     /* NULL: by sha256_url */
    const char *sha256_url; /* asked only without sha256; https */
    const char *name;       /* image-file whose mark learns the checksum; NULL: none */
    const char *ca_file;    /* authorities instead of the system's; NULL: the system's */
    int64_t stall_ms;
};

/*
 * 0: it is in the store, and its checksum is in `ret_sha256`. HM_E_IN_PROGRESS: not yet; the sentence says
 * how far it is. HM_E_DOWNLOAD, HM_E_NO_SPACE, HM_E_IO: it failed, and this is told once: the next call begins anew.
 */
int image_download(const struct image_source *source, char ret_sha256[SHA256_TEXT + 1],
                   struct hm_error *err);

struct image_progress {
    const char *doing; /* "downloading", "checking", ...; constant */
    int64_t bytes;     /* done of it */
    int64_t total;     /* 0: not known */
};
/* False: no download of it is under way. */
bool image_download_progress(const struct image_source *source, struct image_progress *ret);

/* Nobody needs it any more: waits until it has ended (at most 5 s). What there is of it stays until it is
 * collected. */
void image_download_abort(const struct image_source *source);
bool image_download_is_busy(void *unused, const char *sha256); /* for image_store_collect() */

/* `on_change` is called from any thread when a download goes on or has ended; not after
 * image_download_unlisten() has returned, which ends all downloads once nobody listens any more. */
void image_download_listen(void (*on_change)(void *data), void *data);
void image_download_unlisten(void (*on_change)(void *data), void *data);

#endif
