"""The examples, applied to a real site with harmonyctl: everything that they declare is defined as they say, and what
they fetch comes by its URL, from a publisher on this machine."""

import xml.etree.ElementTree as ElementTree

import pytest
from lib import boot_sector
from lib.declared import Documents
from lib.paths import ROOT, built
from lib.processes import run
from lib.waiting import wait_until
from lib.web_server import publishing

pytestmark = pytest.mark.boots_guests

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


@pytest.fixture
def publisher(folder, site):
    """The site's agent believes it, and takes it for the publishers that the examples name."""
    with publishing(folder) as server:
        site.config["images"] = {"ca_file": str(server.ca)}
        yield server


def publish(publisher, path, content):
    """The file with a list of checksums beside it, as Ubuntu does it."""
    name = path.rpartition("/")[2]
    image = publisher.put(path, content)
    publisher.put(f"{path.removesuffix(name)}SHA256SUMS", f"{'0' * 64} *other.img\n{image.sha256} *{name}\n".encode())
    return image


def booted_from(site, vm, name):
    wait_until(lambda: boot_sector.said(name).strip() in site.console(vm), 60, f"{vm} to boot from {name}")


def test_the_cloud_server_comes_by_its_url_and_boots(nats, publisher, site, docs, folder):
    boot_sector.write_disk(folder / "cloud.raw", "cloud")
    run(["qemu-img", "convert", "-O", "qcow2", folder / "cloud.raw", folder / "cloud.img"])
    text = (ROOT / "examples/ubuntu-cloud.yaml").read_text()
    path = "/releases/24.04/release/ubuntu-24.04-server-cloudimg-amd64.img"
    assert f"https://cloud-images.ubuntu.com{path}" in text
    image = publish(publisher, path, (folder / "cloud.img").read_bytes())
    file = folder / "ubuntu-cloud.yaml"
    file.write_text(text.replace("https://cloud-images.ubuntu.com", publisher.url("")))
    apply(nats, file)
    docs.wait("vm", "ubuntu-cloud", "Running")
    booted_from(site, "ubuntu-cloud", "cloud")
    assert docs.status("image-file", "ubuntu-24-04")["details"]["sha256"] == image.sha256
    xml = definition(site, "ubuntu-cloud")
    assert xml.findtext("vcpu") == "2" and booted(xml) == ["disk"]
    assert capacity(site, xml.find("devices/disk/source").get("file")) == 20
    assert site.run("ls", "/var/lib/libvirt/images/harmony-seeds").stdout == "ubuntu-cloud.iso\n"


def test_the_installer_comes_by_its_url_as_the_page_says(nats, publisher, site, docs, folder):
    boot_sector.write_cdrom(folder / "installer.iso", "installer", folder)
    path = "/24.04.3/ubuntu-24.04.3-live-server-amd64.iso"
    image = publish(publisher, path, (folder / "installer.iso").read_bytes())
    text = (ROOT / "examples/linux-vm.yaml").read_text()
    drive = "{path: /var/lib/libvirt/images/iso/ubuntu-24.04.3-live-server-amd64.iso}"
    page = (ROOT / "docs/examples.md").read_text()
    assert drive in text
    document = page.partition("    kind: image-file\n")[2].partition("\n\n")[0]
    assert f"https://releases.ubuntu.com{path}" in document
    fetched = "kind: image-file\n" + document.replace("\n    ", "\n").removeprefix("    ")
    file = folder / "linux-vm.yaml"
    file.write_text(text.replace(drive, "{image: ubuntu-installer}") + "\n---\n" +
                    fetched.replace("https://releases.ubuntu.com", publisher.url("")))
    apply(nats, file)
    docs.wait("vm", "linux-vm", "Running")
    booted_from(site, "linux-vm", "installer")
    assert docs.status("image-file", "ubuntu-installer")["details"]["sha256"] == image.sha256
    assert docs.status("vm", "linux-vm")["details"]["display"].startswith("127.0.0.1:")
