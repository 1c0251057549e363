/*
 * Writing to a descriptor that may be slow (a pager, a stopped terminal) beside the loop: a thread of
 * uv's writes what was taken, one piece at a time, and `written` tells when it is out.
 *
 * What is added is kept until it is out: who adds it bounds it (by the credit of its stream). Thread: the
 * loop's.
 */
#ifndef HM_CTL_WRITER_H
#define HM_CTL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/buf.h"

struct writer {
    uv_loop_t *loop;
    uv_work_t work;
    int fd;
    struct hm_buf waiting, out; /* `out` is the thread's while `busy` */
    bool busy, failed;          /* failed: the other end is gone, or the disk is full */
    void (*written)(void *data, size_t len);
    void *data;
};

void writer_init(struct writer *w, uv_loop_t *loop, int fd, void (*written)(void *data, size_t len),
                 void *data);
void writer_add(struct writer *w, const void *bytes, size_t len);
bool writer_is_idle(const struct writer *w); /* all is out, or will never be */
/* Only when idle, or when the process is ending. */
void writer_clear(struct writer *w);

#endif
