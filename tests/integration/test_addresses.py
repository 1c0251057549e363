"""Addresses that VMs ask for in their own documents, and those that DHCP gave, as the agent tells them."""

import pytest
from lib.declared import Documents, vm
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

LAN = {"subnet": "192.168.77.1/24", "bridge": "br-lan"}


@pytest.fixture
def docs(nats, site):
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def on_lan(name, ip=None, **fields):
    return vm(name, **fields, networks=[{"network": "lan", **({"ip": ip} if ip else {})}])


def bridge_index(site):
    return site.run("ip", "-o", "link", "show", "br-lan").stdout.split(":")[0]


def address(docs, name):
    return docs.status("vm", name)["details"]["networks"][0].get("address")


def leases(docs):
    return [(lease.get("name"), lease["ip"]) for lease in docs.status("network", "lan")["details"].get("leases", [])]


def test_a_vm_gets_the_address_of_its_document_whatever_happens(site, docs):
    docs.put("network", "lan", LAN)
    docs.put("vm", "one", on_lan("one", "192.168.77.40"))
    assert site.wait_boot("one").address == "192.168.77.40"
    wait_until(lambda: address(docs, "one") == "192.168.77.40", 20, "the address in the status")
    wait_until(lambda: leases(docs) == [("one", "192.168.77.40")], 20, "the lease in the network's status")
    bridge, pid = bridge_index(site), site.qemu_pid("one")

    docs.put("vm", "two", on_lan("two", "192.168.77.41"))
    assert site.wait_boot("two").address == "192.168.77.41"
    assert bridge_index(site) == bridge and site.qemu_pid("one") == pid, "the network was made anew"

    docs.put("vm", "one", on_lan("one", "192.168.77.40", power="off"))
    docs.wait("vm", "one", "Stopped")
    docs.put("vm", "one", on_lan("one", "192.168.77.40"))
    assert site.wait_boot("one", 2).address == "192.168.77.40"

    pid = site.qemu_pid("one")
    docs.wait_applied("vm", "one", docs.put("vm", "one", on_lan("one", "192.168.77.44")))
    wait_until(lambda: "ip='192.168.77.44'" in site.virsh("net-dumpxml", "lan"), 20, "the new lease")
    assert "192.168.77.40'" not in site.virsh("net-dumpxml", "lan")
    assert site.qemu_pid("one") == pid and len(site.boots("one")) == 2, "an address is no reason to restart"

    docs.put("vm", "also-two", on_lan("also-two", "192.168.77.41"))
    why = docs.wait("vm", "also-two", "Blocked")["reason"]
    assert "192.168.77.41 can't be had: on network lan it is that of vm two" in why
    assert "also-two" not in site.domains()

    docs.delete("vm", "two")
    docs.wait("vm", "two", "Deleted")
    site.wait_boot("also-two")  # dnsmasq gives it what it reserved once the lease of two has run out
    assert "name='also-two' ip='192.168.77.41'" in site.virsh("net-dumpxml", "lan")
    assert bridge_index(site) == bridge
