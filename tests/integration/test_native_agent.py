"""The agent with native networks, a real libvirt and real guests: addresses that last, and are reached."""

import sys

import pytest

from lib import guest
from lib.declared import Documents, vm
from lib.nats_server import NatsServer
from lib.netns import FETCH
from lib.network import Network, privately
from lib.processes import first_child
from lib.sites import Site
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

HUB, SITE = "10.77.0.11", "10.77.0.21"
LAN = {"backend": "native"}


class OwnNetworkSite(Site):
    """A site whose agent is in the site's own network, as on a host; a cable leads to NATS."""

    def __init__(self, network, folder, **options):
        super().__init__("site-a", folder, **options)
        self.network = network

    def enter(self, *argv, net=True):
        return super().enter(*argv, net=True)

    def power_on(self):
        super().power_on()
        self.network.plug(first_child(self._init.pid), SITE)
        for path in (self.directory.parent, self.runtime):
            path.chmod(0o711)  # dnsmasq gives up root
        return self

    def links(self):
        return [line.split()[0] for line in self.run("ip", "-br", "link").stdout.splitlines()]

    def fetch(self, url):
        return self.run(sys.executable, "-c", FETCH, url, 5, check=False).stdout


@pytest.fixture
def with_agent(folder):
    """with_agent(check): check(site, docs) in a network of its own, with an agent that runs."""
    def run(check):
        def inside():
            network = Network(HUB)
            with NatsServer(folder, address=HUB) as nats, \
                    OwnNetworkSite(network, folder, nats_url=nats.url) as site:
                site.start_agent()
                docs = Documents(nats.url)
                try:
                    check(site, docs)
                except BaseException:
                    print(site.agent_log.read_text()[-6000:])
                    raise

        privately(inside)

    return run


def on_lan(name, ip=None, **fields):
    card = {"network": "lan", **({"ip": ip} if ip else {})}
    return vm(name, **{"cmdline": guest.CMDLINE.format(name=name) + " web", **fields}, networks=[card])


def addresses(docs):
    return docs.status("network", "lan")["details"]["addresses"]


def shown(status):
    return [card.get("address") for card in status["details"]["networks"]]


def test_a_guest_keeps_its_address_and_is_reached_whatever_happens(with_agent):
    def check(site, docs):
        docs.put("network", "lan", {**LAN, "forwards": [{"port": 8080, "to": "10.100.0.2", "to_port": 80}]})
        docs.put("vm", "one", on_lan("one", health={"http": {}, "interval": "1s", "timeout": "1s"}))
        assert site.wait_boot("one", timeout=60).address == "10.100.0.2"
        page = wait_until(lambda: site.fetch("http://10.100.0.2/"), 20, "the guest's page")
        assert site.fetch(f"http://{SITE}:8080/") == page  # the forwarded port, from the host itself
        docs.wait("network", "lan", "Running")
        docs.wait("vm", "one", "Running", where=lambda status: status.get("health") == "healthy")
        assert addresses(docs) == {"site-a.vm.one#0": "10.100.0.2"}
        docs.wait("vm", "one", "Running", where=lambda status: shown(status) == ["10.100.0.2"])
        pid = site.qemu_pid("one")

        site.kill_agent()
        site.start_agent()
        docs.put("vm", "two", on_lan("two", "10.100.0.50"))
        assert site.wait_boot("two", timeout=60).address == "10.100.0.50"
        docs.wait("vm", "two", "Running", where=lambda status: shown(status) == ["10.100.0.50"])
        assert site.qemu_pid("one") == pid and site.fetch("http://10.100.0.2/") == page

        docs.put("vm", "one", on_lan("one", power="off"))
        docs.wait("vm", "one", "Stopped")
        docs.put("vm", "one", on_lan("one"))
        assert site.wait_boot("one", 2, timeout=60).address == "10.100.0.2"

        site.power_cut()
        site.power_on().start_agent()
        assert site.wait_boot("one", 3, timeout=90).address == "10.100.0.2"

        for kind, name in (("vm", "one"), ("vm", "two"), ("network", "lan")):
            docs.delete(kind, name)
        docs.wait("network", "lan", "Deleted")
        assert "br-lan" not in site.links()
        assert "harmony_" not in site.run("nft", "list", "tables").stdout
        assert site.pids("dnsmasq") == []

    with_agent(check)


def test_a_network_moves_between_backends_and_a_foreign_bridge_is_a_conflict(with_agent):
    def check(site, docs):
        site.run("ip", "link", "add", "br-lan", "type", "bridge")
        docs.put("network", "lan", LAN)
        docs.wait_error("network", "lan", "br-lan exists on this host that harmony did not make")
        site.run("ip", "link", "delete", "br-lan")
        docs.wait("network", "lan", "Running", timeout=30)
        docs.put("network", "lan", {"subnet": "192.168.88.1/24"})
        docs.wait("network", "lan", "Running", where=lambda status: "lan" in site.virsh("net-list", "--name"))
        assert "br-lan" not in site.links()
        docs.put("network", "lan", LAN)
        docs.wait("network", "lan", "Running", where=lambda status: "addresses" in status.get("details", {}))
        assert site.virsh("net-list", "--all", "--name") == ""

    with_agent(check)
