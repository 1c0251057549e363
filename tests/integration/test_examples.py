"""The examples, applied to a real site with harmonyctl: everything that they declare is defined as they say."""

import xml.etree.ElementTree as ElementTree

import pytest
from lib.declared import Documents
from lib.paths import ROOT, built
from lib.processes import run

GIB = 1 << 30


@pytest.fixture
def docs(nats, site):
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def apply(nats, file):
    run([built("harmonyctl"), "-s", nats.url, "apply", "-f", file])


def definition(site, name):
    return ElementTree.fromstring(site.virsh("dumpxml", "--inactive", name))


def told(site, name):
    """(vcpus, memory in GiB, disks as [(target, GiB)], what is booted, networks or bridges)"""
    xml = definition(site, name)
    memory = xml.find("memory")
    assert memory.get("unit") == "KiB"
    disks = [(d.find("target").get("dev"), capacity(site, d.find("source").get("file")))
             for d in xml.findall("devices/disk[@device='disk']")]
    cards = [next(iter(c.find("source").attrib.values())) for c in xml.findall("devices/interface")]
    return int(xml.findtext("vcpu")), int(memory.text) * 1024 / GIB, disks, booted(xml), cards


def booted(xml):
    """What is booted, first to last, in our words: of the whole VM, or device by device."""
    words = {"hd": "disk", "interface": "network"}
    kinds = [boot.get("dev") for boot in xml.findall("os/boot")] or [
        device.get("device", device.tag) for device in sorted(
            (d for d in xml.findall("devices/*") if d.find("boot") is not None),
            key=lambda d: int(d.find("boot").get("order")))]
    return list(dict.fromkeys(words.get(kind, kind) for kind in kinds))


def capacity(site, path):
    rows = dict(r.split(":", 1) for r in site.virsh("vol-info", "--bytes", path).splitlines())
    assert int(rows["Allocation"].split()[0]) < 1 << 20, f"{path} is not sparse"
    return int(rows["Capacity"].split()[0]) / GIB


def test_the_linux_vm_is_defined_and_has_its_network(nats, site, docs, folder):
    text = (ROOT / "examples/linux-vm.yaml").read_text()
    file = folder / "linux-vm.yaml"  # not started: the installer is not on this machine
    file.write_text(text.replace("name: linux-vm\n", "name: linux-vm\npower: off\n"))
    apply(nats, file)
    docs.wait("vm", "linux-vm", "Stopped")
    assert told(site, "linux-vm") == (2, 4, [("vda", 20)], ["cdrom", "disk"], ["linuxvm-net"])
    source = definition(site, "linux-vm").find("devices/disk[@device='cdrom']/source")
    assert source.get("file").endswith("/ubuntu-24.04.3-live-server-amd64.iso")
    assert definition(site, "linux-vm").find("devices/graphics").get("listen") == "127.0.0.1"
    docs.wait("network", "linuxvm-net", "Running")
    net = ElementTree.fromstring(site.virsh("net-dumpxml", "linuxvm-net"))
    assert net.find("bridge").get("name") == "virbr101" and net.find("forward").get("mode") == "nat"
    assert net.find("ip").attrib == {"address": "192.168.101.1", "netmask": "255.255.255.0"}
    assert net.find("ip/dhcp/host").get("ip") == "192.168.101.10"


def test_the_okd_cluster_is_defined_and_off(nats, site, docs):
    apply(nats, ROOT / "examples/okd.yaml")
    docs.wait("network", "harmonylan", "Running")
    net = ElementTree.fromstring(site.virsh("net-dumpxml", "harmonylan"))
    assert net.find("bridge").get("name") == "virbr100" and net.find("ip") is None and net.find("forward") is None

    docs.wait("vm", "opnsense-harmony", "Stopped")
    assert told(site, "opnsense-harmony") == (2, 4, [("vda", 20)], ["cdrom", "disk"], ["harmonylan", "br0"])
    for i in range(3):
        docs.wait("vm", f"cp{i}-harmony", "Stopped")
        docs.wait("vm", f"worker{i}-harmony", "Stopped")
        assert told(site, f"cp{i}-harmony") == (4, 16, [("vda", 120)], ["network", "disk"], ["harmonylan"])
        assert told(site, f"worker{i}-harmony") == (
            8, 32, [("vda", 120), ("vdb", 200)], ["network", "disk"], ["harmonylan"])
        for name, last in ((f"cp{i}", 10 + i), (f"worker{i}", 20 + i)):
            mac = definition(site, f"{name}-harmony").find("devices/interface/mac").get("address")
            assert int(mac.split(":")[-1], 16) == last
    assert set(site.domains().values()) == {"shut off"} and len(site.domains()) == 7
