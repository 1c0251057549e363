/*
 * A libuv loop with a thread of its own, for what the cloud-hypervisor driver waits for: answers of VMMs,
 * and their deaths.
 *
 * The driver's verbs block on workers (vmm/driver.h); what many of them wait for at once is waited for
 * here, once. ch_loop_do() may be called by any thread, and runs functions in the order in which they came.
 */
#ifndef HM_VMM_CH_LOOP_H
#define HM_VMM_CH_LOOP_H

#include <uv.h>

#include "base/error.h"

struct ch_loop;

int ch_loop_new(struct ch_loop **ret, struct hm_error *err);
/* Whoever has handles on the loop has closed them, or asked for it by ch_loop_do(): it ends with the last
 * one. Not from the loop's own thread. NULL is allowed. */
void ch_loop_free(struct ch_loop *l);

void ch_loop_do(struct ch_loop *l, void (*run)(void *data), void *data);
uv_loop_t *ch_loop_uv(struct ch_loop *l); /* for functions that run on it */

#endif
