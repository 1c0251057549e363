/*
 * The serial console of a running VM as a socket: what libvirt's stream gives is there to be read, what
 * is written goes to the guest.
 *
 * The bridge between the two lives on libvirt's event thread, and ends when the socket is closed, the VM
 * stops, or the connection is lost. It holds a bounded part of each direction: what the guest writes
 * faster than the socket is read is not kept (a line says how much), since nobody may hold a guest up;
 * what is written faster than the guest reads has to wait. Thread: any worker.
 */
#ifndef HM_VMM_LV_CONSOLE_H
#define HM_VMM_LV_CONSOLE_H

#include "vmm/lv.h"

/* *ret_fd: a nonblocking socket, the caller's. HM_E_BUSY: somebody has it open, and not `force`. */
int lv_console_open(struct lv *lv, const char *vm, virDomainPtr dom, bool force, int *ret_fd,
                    struct hm_error *err);

#endif
