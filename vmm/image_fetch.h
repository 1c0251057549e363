/*
 * One transfer by HTTP, on the calling thread (libcurl): into memory, or into a file that is resumed.
 *
 * Who calls says when to give up (`stop`), and is told how far it is. Thread: any; blocks.
 * Source: curl_easy_setopt(3), RFC 9110 (Range, If-Range, Content-Range).
 */
#ifndef HM_VMM_IMAGE_FETCH_H
#define HM_VMM_IMAGE_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct image_fetch {
    const char *url;
    bool https_only;     /* also where it is redirected to */
    const char *ca_file; /* NULL: the system's */
    int64_t stall_ms;
    const atomic_bool *stop; /* set: end with HM_E_CANCELLED */
    void (*on_progress)(void *data, int64_t bytes,
                        int64_t total); /* may be NULL; total 0: unknown */
    void *data;
};

/* The whole answer; HM_E_TOO_LARGE beyond into->limit. */
int image_fetch_text(const struct image_fetch *f, struct hm_buf *into, struct hm_error *err);

/*
 * Into the file `path`, which may hold the beginning already; `path`.json remembers of what. On success
 * it is complete, as far as the server says, and on the disk. On failure what came is kept for the next
 * time, if it can be told that it belongs to the same file; after HM_E_NO_SPACE it is removed.
 */
int image_fetch_file(const struct image_fetch *f, const char *path, struct hm_error *err);

#endif
