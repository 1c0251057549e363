"""IPv6 on native networks (subnet6), in network namespaces: addresses, traffic, and what becomes of the host."""

import json

import pytest

from lib.netns import Machine, NativeHost
from lib.waiting import wait_until
from test_native_network import connect_outside, guest_on, mac, machines, vm  # noqa: F401: a fixture

LAN = {"backend": "native", "subnet6": "fd00:100::1/64"}


@pytest.fixture
def host(machines):  # noqa: F811
    return machines(NativeHost, "host")


def made_of(number, prefix="fd00:100:"):
    """What a guest makes of the prefix and its MAC address."""
    return f"{prefix}:5054:ff:fe00:{number:x}"


def addresses(machine, device="eth0"):
    """Those of IPv6 that it may use by now, without link-local ones."""
    shown = json.loads(machine.run("ip", "-json", "-6", "address", "show", "dev", device).stdout)
    return [a["local"] for link in shown for a in link.get("addr_info", [])
            if a.get("scope") == "global" and not a.get("tentative")]


def wait_address(machine, address):
    wait_until(lambda: address in addresses(machine), 20, f"{machine.name} to have {address}", 0.05)


def sysctl(machine, name):
    return machine.run("sysctl", "-n", name).stdout.strip()


def connect_outside6(host, machines):  # noqa: F811
    outside = connect_outside(host, machines)
    outside.run("ip", "address", "add", "2001:db8::1/64", "dev", "eth0", "nodad")
    host.run("ip", "address", "add", "2001:db8::2/64", "dev", "uplink", "nodad")
    host.run("ip", "route", "add", "default", "via", "2001:db8::1")
    outside.serve(81, "::")
    return outside


def test_guests_reach_each_other_the_host_and_outside_by_nat(host, machines):  # noqa: F811
    outside = connect_outside6(host, machines)
    host.up("lan", **LAN)
    web, db = guest_on(host, machines, "web", 1), guest_on(host, machines, "db", 2)
    wait_address(web, made_of(1))
    wait_address(db, made_of(2))
    web.serve(80, "::")
    assert db.fetch(f"http://[{made_of(1)}]") == made_of(2)
    assert host.fetch(f"http://[{made_of(1)}]") == "fd00:100::1"
    assert db.fetch("http://[2001:db8::1]:81") == "2001:db8::2"  # under the host's address
    outside.run("ip", "route", "add", "fd00:100::/64", "via", "2001:db8::2")
    assert outside.is_cut_off(f"http://[{made_of(1)}]")  # and no way in
    details = host.networks()["lan"]["details"]
    assert details["address6"] == "fd00:100::1"
    assert details["addresses6"] == {"site-a.vm.web#0": "fd00:100::a64:2", "site-a.vm.db#0": "fd00:100::a64:3"}


def test_who_asks_is_given_an_address_that_stays(host, machines):  # noqa: F811
    host.up("lan", **LAN)
    web = guest_on(host, machines, "web", 1)
    stranger = machines(Machine, "stranger")
    stranger.plug_into(host, "br-lan", mac(9))
    db = guest_on(host, machines, "db", 2)
    assert web.ask_for_address6("web") == "fd00:100::a64:2"
    assert db.ask_for_address6("db") == "fd00:100::a64:3"
    assert stranger.ask_for_address6("stranger") is None  # that no document names
    assert web.ask_for_address() == "10.100.0.2/16"
    wait_until(lambda: sorted(web.resolve("web", "10.100.0.1")) == ["10.100.0.2", "fd00:100::a64:2"], 5, "its names")

    host.run("ip", "link", "delete", "br-lan")  # a reboot, as far as the network knows
    host.run("pkill", "-x", "dnsmasq")
    host.do("boot", "web", vm({"network": "lan", "mac": mac(1)}))
    host.do("start", "lan", LAN)
    again = machines(Machine, "again")
    again.plug_into(host, "br-lan", mac(1))
    assert again.ask_for_address6("web") == "fd00:100::a64:2"


def test_isolated_guests_reach_each_other_and_the_host_alone(host, machines):  # noqa: F811
    connect_outside6(host, machines)
    host.up("lan", **LAN)
    host.up("iso", mode="isolated", subnet="10.200.0.1/24", subnet6="fd00:200::1/64")
    one, two = (guest_on(host, machines, name, n, "iso") for n, name in enumerate(("one", "two"), 1))
    third = guest_on(host, machines, "third", 3)
    for number, guest, prefix in ((1, one, "fd00:200:"), (2, two, "fd00:200:"), (3, third, "fd00:100:")):
        wait_address(guest, made_of(number, prefix))
        guest.serve(80, "::")
    assert one.run("ip", "-6", "route", "show", "default").stdout == ""
    one.run("ip", "route", "add", "default", "via", "fd00:200::1")
    assert one.fetch(f"http://[{made_of(2, 'fd00:200:')}]") == made_of(1, "fd00:200:")
    assert host.fetch(f"http://[{made_of(1, 'fd00:200:')}]") == "fd00:200::1"
    assert third.fetch("http://[2001:db8::1]:81") == "2001:db8::2"
    assert one.is_cut_off("http://[2001:db8::1]:81")
    assert one.is_cut_off(f"http://[{made_of(3)}]")
    assert third.is_cut_off(f"http://[{made_of(1, 'fd00:200:')}]")


def test_a_routed_network_is_reached_under_its_own_addresses(host, machines):  # noqa: F811
    outside = connect_outside6(host, machines)
    host.up("lan", mode="route", **LAN)
    guest = guest_on(host, machines, "web", 1)
    wait_address(guest, made_of(1))
    outside.run("ip", "route", "add", "fd00:100::/64", "via", "2001:db8::2")
    guest.serve(80, "::")
    assert outside.fetch(f"http://[{made_of(1)}]") == "2001:db8::1"
    assert guest.fetch("http://[2001:db8::1]:81") == made_of(1)


def test_a_guest_of_a_network_without_subnet6_does_not_get_out_by_it(host, machines):  # noqa: F811
    outside = connect_outside6(host, machines)
    host.up("lan", **LAN)
    host.up("old", subnet="10.201.0.1/24")
    guest = guest_on(host, machines, "old", 1, "old")
    guest.run("ip", "address", "add", "fd00:9::2/64", "dev", "eth0", "nodad")
    host.run("ip", "address", "add", "fd00:9::1/64", "dev", "br-old", "nodad")
    guest.run("ip", "route", "add", "default", "via", "fd00:9::1")
    outside.run("ip", "route", "add", "fd00:9::/64", "via", "2001:db8::2")
    assert guest.fetch("http://[fd00:100::1]", timeout=1) is None
    assert guest.is_cut_off("http://[2001:db8::1]:81")


def test_the_host_keeps_the_routes_that_routers_tell_it_and_takes_none_from_guests(host, machines):  # noqa: F811
    connect_outside(host, machines)
    assert sysctl(host, "net.ipv6.conf.all.forwarding") == "0" and sysctl(host, "net.ipv6.conf.uplink.accept_ra") == "1"
    host.up("iso", mode="isolated", **LAN)
    assert sysctl(host, "net.ipv6.conf.all.forwarding") == "0"  # nothing is forwarded
    host.do("stop", "iso")
    host.do("remove", "iso", LAN)
    host.up("lan", **LAN)
    assert sysctl(host, "net.ipv6.conf.all.forwarding") == "1" and sysctl(host, "net.ipv6.conf.uplink.accept_ra") == "2"
    assert sysctl(host, "net.ipv6.conf.default.accept_ra") == "2"
    assert sysctl(host, "net.ipv6.conf.br-lan.accept_ra") == "0"
    host.run("sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=0")
    wait_until(lambda: "does not forward IPv6" in host.networks()["lan"].get("drift", ""), 5, "it to be seen")
    host.do("update", "lan", LAN)
    assert "drift" not in host.networks()["lan"] and sysctl(host, "net.ipv6.conf.all.forwarding") == "1"
    host.run("ip", "-6", "address", "flush", "dev", "br-lan", "scope", "global")
    wait_until(lambda: "the bridge br-lan" in host.networks()["lan"].get("drift", ""), 5, "it to be seen")
    host.do("update", "lan", LAN)
    assert addresses(host, "br-lan") == ["fd00:100::1"] and "drift" not in host.networks()["lan"]


def test_a_host_that_would_lose_its_routes_is_not_told_to_forward(host, machines, folder):  # noqa: F811
    connect_outside(host, machines)
    file = folder / "accept_ra"
    file.write_text("1\n")
    place = "/proc/sys/net/ipv6/conf/uplink/accept_ra"
    host.run("mount", "--bind", file, place)
    host.run("mount", "-o", "remount,bind,ro", place)
    host.do("create", "lan", LAN)
    code, said = host.refuse("start", "lan", LAN)
    assert code == "unsupported" and "would lose the IPv6 routes that routers told it on uplink" in said
    assert sysctl(host, "net.ipv6.conf.all.forwarding") == "0"
    host.run("umount", place)
    host.do("start", "lan", LAN)
    assert sysctl(host, "net.ipv6.conf.all.forwarding") == "1" and sysctl(host, "net.ipv6.conf.uplink.accept_ra") == "2"


def test_two_networks_of_one_host_do_not_share_a_prefix(host, machines):  # noqa: F811
    host.up("lan", **LAN)
    other = machines(NativeHost, "other", site="site-b")
    other.pid = host.pid  # another agent on the same host
    spec = {**LAN, "bridge": "br-b", "subnet": "10.101.0.1/16"}
    code, said = other.refuse("create", "lan", spec)
    assert code == "conflict" and "br-lan of this host has an address in its subnet6" in said
    other.do("create", "lan", {**spec, "subnet6": "fd00:101::1/64"})
