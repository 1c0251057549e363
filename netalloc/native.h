/*
 * The driver of native networks: bridges, addresses, firewall and DHCP without libvirt.
 *
 * A network is defined by a file with its mark (store.h) and is up when its bridge carries our alias, is
 * up and has its address, the site's firewall table is as it was set, and its dnsmasq runs; what is
 * missing of that is drift. It lies in the agent's network namespace. It needs CAP_NET_ADMIN, and asks
 * nobody for it before a network is declared. One instance is any number of threads': each verb takes the
 * store's lock.
 */
#ifndef HM_NETALLOC_NATIVE_H
#define HM_NETALLOC_NATIVE_H

#include "vmm/driver.h"

extern const struct driver native_driver;

#endif
