/*
 * IPv4 and MAC addresses, hosts and ports as texts, read strictly (no leading zeros, no shortened forms).
 *
 * Addresses are numbers in host byte order. No socket header: this is arithmetic. Pure. Thread:
 * any.
 */
#ifndef HM_PROTO_ADDRESS_H
#define HM_PROTO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IPV4_TEXT_MAX = 15,
    CIDR_TEXT_MAX = 18,
    MAC_TEXT_MAX = 17,
    HOST_TEXT_MAX = 100,
    DNS_NAME_MAX = 253
};

bool ipv4_parse(const char *text, uint32_t *ret);
void ipv4_text(uint32_t address, char out[IPV4_TEXT_MAX + 1]);

/* "192.168.100.1/24"; the host part is kept. */
bool cidr_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix);
void cidr_text(uint32_t address, unsigned prefix, char out[CIDR_TEXT_MAX + 1]);
uint32_t cidr_mask(unsigned prefix);

/* "db1.example.net:7422", "10.0.0.1:7422" or "[fd00::1]:7422": the host without its brackets, and a port
 * of 1 to 65535. False: neither, or longer than HOST_TEXT_MAX; nothing is looked up. */
bool host_port_parse(const char *text, char out_host[HOST_TEXT_MAX + 1], uint16_t *ret_port);

/* Six pairs of hex digits with colons; written back in lower case. */
bool mac_parse(const char *text, uint8_t ret[6]);
void mac_text(const uint8_t mac[6], char out[MAC_TEXT_MAX + 1]);

/* Labels of 1 to 63 letters, digits and - (not at an end of one), with dots between them. */
bool dns_name_is_valid(const char *name);

#endif
