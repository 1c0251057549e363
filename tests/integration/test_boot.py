"""What a BIOS boots from, as the disks themselves say: boot_order, `boot` of single devices, and CDs that change."""

import json

import pytest
from lib import boot_sector
from lib.driven import Host
from lib.sites import IMAGES
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

MAC = "52:54:00:00:00:12"


@pytest.fixture
def host(make_site):
    host = Host(make_site().power_on())
    for name in ("a", "b"):
        boot_sector.write_disk(host.site.images / f"{name}.raw", name)
        boot_sector.write_cdrom(host.site.images / f"{name}.iso", f"cdrom-{name}", host.site.directory)
    host.do("create", "network", "lan", {"subnet": "192.168.100.1/24"})
    host.do("start", "network", "lan", {"subnet": "192.168.100.1/24"})
    return host


def machine(places=None, **fields):
    """Two disks, two CD-ROMs and a card, that all boot but the card; `places`: {device: its boot}."""
    def placed(name, device):
        return {**device, **({"boot": places[name]} if places and name in places else {})}
    return {"vcpus": 1, "memory": "64MiB", "stop_grace": "0s",
            "disks": [placed(n, {"device": n, "image": f"{IMAGES}/{n}.raw", "format": "raw"}) for n in ("a", "b")],
            "cdroms": [placed(f"cdrom-{n}", {"path": f"{IMAGES}/{n}.iso"}) for n in ("a", "b")],
            "networks": [placed("card", {"network": "lan", "mac": MAC})], **fields}


def leases(host):
    """Who asked for an address: a disk of ours never does, so it was the firmware."""
    return [line.split()[2] for line in host.site.virsh("net-dhcp-leases", "lan").splitlines()]


ORDERS = [  # (document, what boots, whether the network was asked before)
    (machine(), "a", False),
    (machine(boot_order=["cdrom", "disk"]), "cdrom-a", False),
    (machine({"b": 1}), "b", False),
    (machine({"cdrom-b": 3, "b": 7}, boot_order=["network"]), "cdrom-b", False),
    (machine({"card": 1, "b": 2}), "b", True),
    (machine(boot_order=["network", "cdrom"]), "cdrom-a", True),
]


def test_each_order_is_tried_as_it_is_said(host):
    console = ""
    for spec, winner, asked in ORDERS:
        host.do("create", "vm", "web", spec)
        assert host.thing("vm", "web").get("drift") is None
        host.do("start", "vm", "web", spec)
        wait_until(lambda: "booted from" in host.site.console("web")[len(console):], 60, f"{winner} to boot")
        told = host.site.console("web")[len(console):]
        assert boot_sector.said(winner).strip() in told and told.count("booted from") == 1, spec
        assert leases(host) == ([MAC] if asked else []), spec
        host.do("kill", "vm", "web", spec)
        console = host.site.console("web")
        if asked:  # so that the next one is seen
            host.do("kill", "network", "lan")
            host.site.run("find", "/var/lib/libvirt/dnsmasq", "-name", "*.status", "-delete")
            host.do("start", "network", "lan", {"subnet": "192.168.100.1/24"})


def in_drives(host):
    """Target -> file, as QEMU itself has it now."""
    blocks = json.loads(host.site.virsh("qemu-monitor-command", "web", '{"execute": "query-block"}'))["return"]
    targets = dict(line.split()[:2] for line in host.site.virsh("domblklist", "web").splitlines() if "sd" in line)
    files = [b["inserted"]["file"] if "inserted" in b else None for b in blocks if "sata" in b.get("qdev", "")]
    assert len(files) == len(targets)
    return dict(zip(sorted(targets), files))


def reset(host):
    """What the BIOS boots after a reset of the same QEMU."""
    before = host.site.console("web")
    host.site.virsh("reset", "web")
    wait_until(lambda: "booted from" in host.site.console("web")[len(before):], 60, "the machine to boot again")
    return host.site.console("web")[len(before):]


def test_a_cd_changes_while_it_runs_and_is_what_is_booted_next(host):
    def drives(*cdroms):
        return machine(cdroms=list(cdroms), boot_order=["cdrom", "disk"])
    a, b = ({"path": f"{IMAGES}/{n}.iso"} for n in ("a", "b"))
    host.do("create", "vm", "web", drives(a))
    host.do("start", "vm", "web", drives(a))
    wait_until(lambda: "booted from cdrom-a" in host.site.console("web"), 60, "the first CD to boot")
    pid = host.site.qemu_pid("web")
    host.do("update", "vm", "web", drives(b))
    assert in_drives(host) == {"sda": f"{IMAGES}/b.iso"}
    assert "booted from cdrom-b" in reset(host)
    host.do("update", "vm", "web", drives({}))
    assert in_drives(host) == {"sda": None}
    assert "booted from a" in reset(host), "the drive is empty: the first disk"
    host.do("update", "vm", "web", drives(a))
    assert "booted from cdrom-a" in reset(host)
    seen = host.thing("vm", "web")
    assert seen.get("drift") is None and seen["spec"]["cdroms"] == [a] and host.site.qemu_pid("web") == pid
