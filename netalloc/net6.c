#include "netalloc/net6.h"

#include <arpa/inet.h>
#include <string.h>

void net6_text(const uint8_t address[16], char out[NET6_TEXT_MAX + 1])
{
    inet_ntop(AF_INET6, address, out, NET6_TEXT_MAX + 1);
}

void net6_subnet_text(const struct net *net, char out[NET6_TEXT_MAX + 1])
{
    uint8_t subnet[16] = {0};
    memcpy(subnet, net->gateway6, NET6_PREFIX / 8);
    net6_text(subnet, out);
}

bool net6_beside(const struct net *net, uint32_t address, uint8_t out[16])
{
    uint8_t made[16] = {0};
    memcpy(made, net->gateway6, NET6_PREFIX / 8);
    for (size_t i = 0; i < 4; i++)
        made[15 - i] = (uint8_t)(address >> (8 * i));
    if (!net->has6 || !memcmp(made, net->gateway6, sizeof made))
        return false;
    memcpy(out, made, sizeof made);
    return true;
}
