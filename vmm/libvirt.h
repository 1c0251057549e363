/*
 * The libvirt driver: VMs, networks and volumes over one virConnect.
 *
 * libvirt's default event implementation is registered once per process, before the first open, and
 * runs in a thread of its own (docs/adr/0011-libvirt-events.md). Its callbacks only note what
 * changed and call options.on_change. libvirt's own error printing is off: errors come back typed.
 */
#ifndef HM_VMM_LIBVIRT_H
#define HM_VMM_LIBVIRT_H

#include "vmm/driver.h"

extern const struct driver libvirt_driver;

/*
 * The form of a connection URI, without connecting: scheme (qemu, test, ...) with an optional
 * transport (+ssh, +tls, +tcp, +unix, +libssh, +libssh2), authority where the transport needs one,
 * a path. Source: https://libvirt.org/uri.html. HM_E_INVALID_URI says what is missing.
 */
int libvirt_check_uri(const char *uri, struct hm_error *err);

/* The URI's host is another machine (its files and processes can't be seen from here). */
bool libvirt_uri_is_remote(const char *uri);

/* The value of a parameter after `?` ("socket"), or NULL; the caller frees it. */
char *libvirt_uri_parameter(const char *uri, const char *name);

#endif
