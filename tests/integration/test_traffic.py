"""What guests on libvirt's networks reach, with real packets: each other, the host, and a machine outside that
knows no way back to them. One site for all."""

import sys

import pytest
from lib.paths import system
from lib.processes import EnteredProcess, TemporaryFolder, run
from lib.sites import Site
from lib.waiting import wait_until
from test_driver_libvirt import Host, vm

pytestmark = pytest.mark.boots_guests

OUTSIDE, UPLINK = "203.0.113.1", "203.0.113.2"
OUTSIDE6, UPLINK6 = "2001:db8::1", "2001:db8::2"


class Outside:
    """A machine on the other side of the host's uplink, with a page. It has no route to the guests."""

    def __init__(self, site):
        self.page = site.directory / "www"
        self.page.mkdir()
        (self.page / "index.html").write_text("outside\n")
        self.httpd = EnteredProcess("outside", site.enter(
            system("unshare"), "--net", system("busybox"), "httpd", "-f", "-p", "80", "-h", self.page),
            site.logs / "outside.log").start()
        pid = wait_until(lambda: site.pids("busybox"), 5, "the machine outside")[0]
        site.run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", pid)
        site.run("ip", "address", "add", f"{UPLINK}/24", "dev", "uplink")
        site.run("ip", "address", "add", f"{UPLINK6}/64", "dev", "uplink", "nodad")
        site.run("ip", "link", "set", "uplink", "up")
        self.ip("address", "add", f"{OUTSIDE}/24", "dev", "eth0")
        self.ip("address", "add", f"{OUTSIDE6}/64", "dev", "eth0", "nodad")
        self.ip("link", "set", "eth0", "up")

    def ip(self, *words):
        run([system("nsenter"), "--target", self.httpd.inner_pid(), "--net", system("ip"), *words])


@pytest.fixture(scope="module")
def host():
    with TemporaryFolder() as folder, Site("site-a", folder) as site:
        host = Host(site)
        host.outside = Outside(site)
        for number, mode in enumerate(("nat", "route", "isolated"), 1):
            spec = network(number, mode)
            host.do("create", "network", mode, spec)
            host.do("start", "network", mode, spec)
        yield host


@pytest.fixture(autouse=True)
def cleared(host):
    """Guests are emulated: none is left to run beside the next test's."""
    yield
    for kind, name in host.things():
        if kind == "vm":
            host.do("remove", kind, name)


def network(number, mode):
    hosts = [{"mac": mac(number, last), "ip": f"10.50.{number}.{last}"} for last in (10, 11)]
    return {"mode": mode, "bridge": f"br-{mode}", "subnet": f"10.50.{number}.1/24", "dhcp": {"hosts": hosts},
            "subnet6": f"fd00:50:{number}::1/64"}


def mac(number, last):
    return f"52:54:00:50:{number:02x}:{last:02x}"


def address6(number, last):
    """What a guest makes of the network's prefix and its MAC address."""
    return f"fd00:50:{number}:0:5054:ff:fe50:{number:x}{last:02x}"


def start(host, name, mode, number, last, *asks):
    spec = vm(name, f" web ask={','.join(asks)}", disks=[],
              networks=[{"network": mode, "mac": mac(number, last)}])
    host.do("create", "vm", name, spec)
    host.do("start", "vm", name, spec)
    return spec


def heard(host, name, address, what):
    """Waits until the guest says so."""
    line = f"harmony-guest: {name} asked {address}: {what}"
    def has_heard():
        console = host.site.console(name)
        assert line in console, console[-1000:]
        return True

    wait_until(has_heard, 150, f"{name} to hear {what} from {address}")


def host_hears(host, address):
    """The host itself gets the guest's page."""
    name = f"[{address}]" if ":" in address else address
    get = f"import urllib.request as u; print(u.urlopen('http://{name}/', timeout=5).read().decode(), end='')"
    wait_until(lambda: host.site.run(sys.executable, "-c", get).stdout == "well\n", 150, f"a page from {address}")


def test_who_reaches_whom(host):
    start(host, "one", "nat", 1, 10, "10.50.1.11", OUTSIDE)
    start(host, "two", "nat", 1, 11, "10.50.1.10", "10.50.3.10")
    start(host, "routed", "route", 2, 10, OUTSIDE, "10.50.2.1")
    start(host, "alone", "isolated", 3, 10, OUTSIDE, "10.50.1.10", "10.50.3.11")
    start(host, "with", "isolated", 3, 11, "10.50.3.10")

    heard(host, "one", "10.50.1.11", "well")  # through the bridge, both ways
    heard(host, "two", "10.50.1.10", "well")
    heard(host, "one", OUTSIDE, "outside")  # which can answer the host alone: NAT
    host_hears(host, "10.50.1.10")
    host_hears(host, "10.50.2.10")

    heard(host, "routed", OUTSIDE, "no answer")  # no route back
    host.outside.ip("route", "add", "10.50.2.0/24", "via", UPLINK)
    heard(host, "routed", OUTSIDE, "outside")

    heard(host, "alone", "10.50.3.11", "well")  # each other, and the host
    host_hears(host, "10.50.3.10")
    heard(host, "alone", OUTSIDE, "no answer")
    heard(host, "alone", "10.50.1.10", "no answer")
    heard(host, "two", "10.50.3.10", "no answer")
    host.outside.ip("route", "add", "10.50.0.0/16", "via", UPLINK)  # a way back does not help it
    assert f"alone asked {OUTSIDE}: outside" not in host.site.console("alone")


def test_an_address_without_a_lease_of_its_own_survives_restarts(host):
    spec = vm("roams", disks=[], networks=[{"network": "nat"}])
    host.do("create", "vm", "roams", spec)
    host.do("start", "vm", "roams", spec)
    first = host.site.wait_boot("roams").address
    assert first.startswith("10.50.1.")
    host.do("stop", "vm", "roams", spec)
    host.do("start", "vm", "roams", spec)
    assert host.site.wait_boot("roams", 2).address == first
    host.site.virsh("reset", "roams")
    assert host.site.wait_boot("roams", 3).address == first
    host.do("kill", "vm", "roams", spec)


def test_who_reaches_whom_by_ipv6(host):
    start(host, "six", "nat", 1, 22, address6(1, 23), OUTSIDE6)
    start(host, "seven", "nat", 1, 23, address6(1, 22))
    start(host, "alone6", "isolated", 3, 22, OUTSIDE6, address6(1, 22), address6(3, 23))
    start(host, "with6", "isolated", 3, 23, address6(3, 22))
    heard(host, "six", address6(1, 23), "well")
    heard(host, "seven", address6(1, 22), "well")
    heard(host, "six", OUTSIDE6, "outside")  # which has no way back: the host's own address was seen
    host_hears(host, address6(1, 22))
    heard(host, "alone6", address6(3, 23), "well")
    host_hears(host, address6(3, 22))
    heard(host, "alone6", OUTSIDE6, "no answer")
    heard(host, "alone6", address6(1, 22), "no answer")
    for mode in ("nat", "isolated"):
        thing = host.thing("network", mode)
        assert thing.get("drift") is None and thing["details"]["address6"].endswith("::1")
