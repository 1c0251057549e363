/*
 * A growable byte string with an upper bound.
 *
 * Zero-initialised is empty and valid. `data` is NUL-terminated once anything was added (NULL before).
 * Adding beyond `limit` (0: none) adds nothing, sets `overflowed`, and is safe to go on from.
 * hm_buf_free() leaves it empty and reusable. Thread: one at a time.
 */
#ifndef HM_BASE_BUF_H
#define HM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct hm_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t limit;
    bool overflowed;
};

void hm_buf_add(struct hm_buf *b, const void *data, size_t len);
void hm_buf_puts(struct hm_buf *b, const char *s);
void hm_buf_printf(struct hm_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hand over the text (never NULL; the caller frees it) and leave the buffer empty. */
char *hm_buf_steal(struct hm_buf *b);
void hm_buf_free(struct hm_buf *b);

#endif
