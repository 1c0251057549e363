/*
 * Who is told when a VMM ends: a pidfd for each, on the loop of ch_loop.h.
 *
 * Thread: any but the loop's; `on_end` comes from the loop's, once for each process, and not after
 * ch_watch_free() has returned and the loop has ended.
 */
#ifndef HM_VMM_CH_WATCH_H
#define HM_VMM_CH_WATCH_H

#include "vmm/ch_loop.h"
#include "vmm/ch_process.h"

struct ch_watch;

struct ch_watch *ch_watch_new(struct ch_loop *loop, void (*on_end)(void *data), void *data);
void ch_watch_add(struct ch_watch *w,
                  const struct ch_pid *pid); /* watched already: fine; ended: told at once;
                                            * no descriptor left: not watched until it is added again */
void ch_watch_free(struct ch_watch *w);      /* NULL is allowed */

#endif
