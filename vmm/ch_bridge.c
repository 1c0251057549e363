/*
 * Cards on bridges that harmony does not manage: the VMM makes their TAPs, and takes them along when it ends. They leave
 * their bridge when somebody makes that anew, and are in none yet if the agent died right after the boot.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_bridge.h>
#include <linux/sockios.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch.h"

enum { PORTS_MAX = 1024 }; /* the kernel's */

/* Asked of the bridge, and not of /sys, which may be that of another network namespace. */
static bool is_in(int s, const char *tap, const char *bridge)
{
    int ports[PORTS_MAX] = {0}, wanted = (int)if_nametoindex(tap);
    unsigned long list[4] = {BRCTL_GET_PORT_LIST, (uintptr_t)ports, PORTS_MAX, 0};
    struct ifreq request = {.ifr_data = (char *)list};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", bridge);
    if (!wanted || ioctl(s, SIOCDEVPRIVATE, &request) < 0)
        return false;
    for (size_t i = 0; i < PORTS_MAX; i++)
        if (ports[i] == wanted)
            return true;
    return false;
}

static int fail(const char *what, const char *tap, const char *bridge, struct hm_error *err)
{
    return hm_fail(err, HM_E_IO, "its card %s: %s %s: %s", tap, what, bridge, strerror(errno));
}

static int join(int s, const char *tap, const char *bridge, struct hm_error *err)
{
    struct ifreq in_bridge = {.ifr_ifindex = (int)if_nametoindex(tap)}, up = {.ifr_flags = 0};
    if (is_in(s, tap, bridge))
        return 0;
    snprintf(in_bridge.ifr_name, sizeof in_bridge.ifr_name, "%s", bridge);
    snprintf(up.ifr_name, sizeof up.ifr_name, "%s", tap);
    if (if_nametoindex(bridge) == 0)
        return hm_fail(err, HM_E_NETWORK_NOT_FOUND, "the bridge %s does not exist on this host",
                       bridge);
    if (ioctl(s, SIOCBRADDIF, &in_bridge) < 0 && !is_in(s, tap, bridge))
        return fail("put it into the bridge", tap, bridge, err);
    if (ioctl(s, SIOCGIFFLAGS, &up) < 0)
        return fail("look at it, on the bridge", tap, bridge, err);
    up.ifr_flags |= IFF_UP;
    return ioctl(s, SIOCSIFFLAGS, &up) < 0 ? fail("set it up, on the bridge", tap, bridge, err) : 0;
}

int ch_bridges_join(const char *key, const json_t *placed, struct hm_error *err)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
    if (s < 0)
        return hm_fail(err, HM_E_IO, "a socket for its bridges: %s", strerror(errno));
    for (size_t i = 0; i < json_array_size(placed) && r >= 0; i++) {
        const json_t *nic = json_array_get(placed, i);
        char tap[CH_TAP_TEXT];
        ch_tap_name(key, nic, i, tap);
        if (spec_str(nic, "bridge"))
            r = join(s, tap, spec_str(nic, "bridge"), err);
    }
    close(s);
    return r;
}

int ch_tap_check(const char *vm, const json_t *card, struct hm_error *err)
{
    const char *tap = spec_str(card, "tap");
    if (!tap || if_nametoindex(tap) != 0)
        return 0;
    return hm_fail(err, HM_E_NETWORK_NOT_FOUND,
                   "vm %s: the TAP %s of its card is not there: is its network up?", vm, tap);
}

char *ch_bridges_left(const char *key, const json_t *placed)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char *left = NULL;
    for (size_t i = 0; s >= 0 && i < json_array_size(placed) && !left; i++) {
        const json_t *nic = json_array_get(placed, i);
        const char *bridge = spec_str(nic, "bridge");
        char tap[CH_TAP_TEXT];
        ch_tap_name(key, nic, i, tap);
        if (bridge && if_nametoindex(tap) != 0 && !is_in(s, tap, bridge))
            left = hm_printf("card %s is not in its bridge %s", tap, bridge);
    }
    if (s >= 0)
        close(s);
    return left;
}
