"""Networks on a real libvirtd: every mode, what changes while they run, drift, adoption. One site for
all; each test has networks of its own name, bridge and subnet."""

import itertools
import json
import re

import pytest
from lib.processes import TemporaryFolder
from lib.sites import Site
from lib.waiting import wait_until
from test_driver_libvirt import Host, vm

pytestmark = pytest.mark.boots_guests

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def host():
    with TemporaryFolder() as folder, Site("site-a", folder) as site:
        yield Host(site)


class Net:
    """A network document's life on the host."""

    def __init__(self, host, spec=None, up=True):
        self.host, n = host, next(numbers)
        self.name, self.bridge = f"net{n}", f"br{n}"
        self.at = f"10.77.{n}."
        self.spec = {"bridge": self.bridge, "subnet": self.at + "1/24", **(spec or {})}
        host.do("create", "network", self.name, self.spec)
        if up:
            host.do("start", "network", self.name, self.spec)

    def update(self, **changes):
        self.spec = {**self.spec, **changes}
        self.host.do("update", "network", self.name, self.spec)

    @property
    def thing(self):
        return self.host.thing("network", self.name)

    def xml(self, *options):
        return self.host.site.virsh("net-dumpxml", self.name, *options)

    def lease(self, number, name=None):
        return {"mac": f"52:54:00:00:01:{number:02x}", "ip": f"{self.at}{number}",
                **({"name": name} if name else {})}

    def edit(self, old, new):
        file = self.host.site.directory / "edited.xml"
        text = self.xml("--inactive")
        assert old in text
        file.write_text(text.replace(old, new))
        self.host.site.virsh("net-define", file)


def in_host(host, *argv):
    return host.site.run(*argv).stdout


def dnsmasq_of(host, net):
    """Process number of the network's dnsmasq, or None."""
    found = in_host(host, "sh", "-c", f"cat /run/libvirt/network/{net.name}.pid || true").strip()
    return int(found) if found else None


def interface_index(host, net):
    return in_host(host, "ip", "-o", "link", "show", net.bridge).split(":")[0]


# -- modes ---------------------------------------------------------------------------------------


def test_each_mode_is_what_it_says(host):
    for mode, forwards in {"nat": "mode='nat'", "route": "mode='route'", "isolated": None}.items():
        net = Net(host, {"mode": mode})
        assert net.thing["state"] == "running" and net.thing["autostart"]
        assert net.thing["details"]["mode"] == mode and net.thing.get("drift") is None
        assert (f"<forward {forwards}" in net.xml()) if forwards else ("<forward" not in net.xml())
        assert f"inet {net.at}1/24" in in_host(host, "ip", "addr", "show", net.bridge)


def test_a_bridge_without_address_has_none_and_serves_nobody(host):
    net = Net(host, {"mode": "isolated", "subnet": "none"})
    assert net.thing["state"] == "running" and net.thing.get("drift") is None
    assert "inet " not in in_host(host, "ip", "-4", "addr", "show", net.bridge)
    assert dnsmasq_of(host, net) is None


def test_domain_forwarders_and_mtu_reach_dnsmasq_and_the_bridge(host):
    net = Net(host, {"mtu": 1400, "dns": {"domain": "okd.example", "forwarders": ["192.0.2.53"],
                                          "hosts": [{"ip": "10.0.0.9", "names": ["api", "api.okd.example"]}]}})
    assert net.thing.get("drift") is None
    assert "mtu 1400" in in_host(host, "ip", "link", "show", net.bridge)
    conf = in_host(host, "cat", f"/var/lib/libvirt/dnsmasq/{net.name}.conf")
    assert "domain=okd.example" in conf and "server=192.0.2.53" in conf
    assert resolve(host, net, "api.okd.example") == "10.0.0.9"


def test_dns_can_be_off(host):
    net = Net(host, {"dns": {"enabled": False}})
    assert net.thing.get("drift") is None
    assert "port=0" in in_host(host, "cat", f"/var/lib/libvirt/dnsmasq/{net.name}.conf")


def resolve(host, net, name):
    """What the network's DNS says, or None; asked by busybox, which the test guest needs anyway."""
    done = host.site.run("busybox", "nslookup", "-type=a", name, f"{net.at}1", check=False)
    found = re.findall(r"^Address(?: 1)?: ([0-9.]+)$", done.stdout, re.M)
    return found[-1] if found else None


# -- changes while it runs -----------------------------------------------------------------------


def test_leases_range_and_names_change_while_it_runs(host):
    net = Net(host, {"dhcp": {"hosts": []}})
    before = interface_index(host, net)
    net.update(dhcp={"start": net.at + "100", "end": net.at + "120",
                     "hosts": [net.lease(10, "web"), net.lease(11)]},
               dns={"hosts": [{"ip": net.at + "7", "names": ["seven"]}]})
    for options in ((), ("--inactive",)):
        xml = net.xml(*options)
        assert f"ip='{net.at}10'" in xml and f"ip='{net.at}11'" in xml
        assert f"start='{net.at}100'" in xml and f"start='{net.at}2'" not in xml
    thing = net.thing
    assert thing.get("drift") is None and len(thing["spec"]["dhcp"]["hosts"]) == 2
    wait_until(lambda: resolve(host, net, "seven") == f"{net.at}7", 10, "the name to be known")

    net.update(dhcp={"start": net.at + "100", "end": net.at + "120", "hosts": [net.lease(12, "web")]}, dns={})
    assert f"ip='{net.at}10'" not in net.xml() and f"ip='{net.at}12'" in net.xml()
    wait_until(lambda: resolve(host, net, "seven") is None, 10, "the name to be forgotten")
    assert interface_index(host, net) == before, "the bridge was made anew"


def test_dhcp_goes_off_and_on_while_it_runs(host):
    net = Net(host, {"dhcp": {"hosts": []}})
    net.update(dhcp={"enabled": False})
    assert "<dhcp>" not in net.xml() and net.thing.get("drift") is None
    net.update(dhcp={"enabled": True})
    assert f"start='{net.at}2'" in net.xml() and net.thing.get("drift") is None


def test_an_update_that_was_cut_off_before_it_reached_the_live_network_goes_on(host):
    net = Net(host, {"dhcp": {"hosts": []}})
    after = {**net.spec, "dhcp": {"hosts": [net.lease(10)]}}
    steps = host.steps("update", "network", net.name, json.dumps(after))
    net.update(dhcp={"hosts": []})
    for at in range(1, steps + 1):
        host.killed(at, "update", "network", net.name, json.dumps(after))
        net.update(dhcp={"hosts": [net.lease(10)]})
        assert f"ip='{net.at}10'" in net.xml() and net.thing.get("drift") is None
        net.update(dhcp={"hosts": []})
        assert f"ip='{net.at}10'" not in net.xml()
    assert steps >= 4, "the definition, and the live network"


# -- what others do ------------------------------------------------------------------------------


def test_edits_by_hand_are_told_and_repaired(host):
    net = Net(host)
    host.site.virsh("net-autostart", net.name, "--disable")
    assert net.thing["drift"] == "autostart is off"
    net.update()
    assert net.thing.get("drift") is None and net.thing["autostart"]

    lease = f"<host mac='52:54:00:00:09:09' ip='{net.at}9'/>"
    host.site.virsh("net-update", net.name, "add", "ip-dhcp-host", lease, "--live")
    assert net.thing["drift"] == f"as it runs, dhcp.hosts[52:54:00:00:09:09] ({net.at}9) was added"
    net.update()
    assert net.thing.get("drift") is None and "09:09" not in net.xml()

    net.edit(f"address='{net.at}1'", f"address='{net.at}3'")
    assert net.thing["drift"] == f"address is {net.at}3, was made as {net.at}1"
    net.update()
    assert net.thing.get("drift") is None


def test_what_was_edited_and_restarted_by_hand_goes_down_to_come_up_right(host):
    net = Net(host)
    net.edit(f"address='{net.at}1'", f"address='{net.at}3'")
    host.site.virsh("net-destroy", net.name)
    host.site.virsh("net-start", net.name)
    net.update()
    assert net.thing["state"] == "off"
    host.do("start", "network", net.name, net.spec)
    assert f"inet {net.at}1/24" in in_host(host, "ip", "addr", "show", net.bridge)
    assert net.thing.get("drift") is None


def test_no_guest_loses_its_cable_also_not_one_of_others(host):
    net = Net(host)
    spec = vm("foreign", networks=[{"network": net.name}])
    host.do("create", "vm", "foreign", spec)
    host.do("start", "vm", "foreign", spec)
    for verb in ("stop", "remove"):
        code, sentence = host.refuse(verb, "network", net.name)
        assert code == "refused" and "1 card is of running guests" in sentence
    host.do("kill", "vm", "foreign", spec)
    host.do("remove", "vm", "foreign", spec)
    host.do("remove", "network", net.name)
    assert net.thing is None


def test_a_network_of_virsh_is_a_conflict_and_adopted_only_when_asked(host):
    net = Net(host, up=False)
    host.do("remove", "network", net.name)
    file = host.site.directory / "foreign.xml"
    file.write_text(f"<network><name>{net.name}</name><bridge name='{net.bridge}'/>"
                    f"<ip address='{net.at}5' netmask='255.255.255.0'/></network>")
    host.site.virsh("net-define", file)
    host.site.virsh("net-start", net.name)
    uuid = host.site.virsh("net-uuid", net.name)
    assert host.refuse("create", "network", net.name, net.spec)[0] == "network-exists"
    for verb in ("start", "stop", "remove"):
        assert host.refuse(verb, "network", net.name, net.spec)[0] == "conflict"
    net.update(adopt=True)
    thing = net.thing
    assert host.site.virsh("net-uuid", net.name) == uuid
    assert thing["state"] == "running" and thing["reason"].startswith("as it was before it was adopted")
    assert thing["details"]["address"] == net.at + "5" and thing.get("drift") is None
    host.do("stop", "network", net.name, net.spec)
    host.do("start", "network", net.name, net.spec)
    assert net.thing["details"]["address"] == net.at + "1" and "reason" not in net.thing
