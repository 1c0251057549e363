"""The stand-in for a host behaves like one: otherwise the tests on it prove nothing."""

import os

import pytest

from lib.nats_server import NatsCluster
from lib.waiting import GaveUp, wait_until

pytestmark = pytest.mark.boots_guests

NETWORK = """<network><name>lan</name><forward mode='nat'/><bridge name='virbr-lan'/>
<ip address='192.168.100.1' netmask='255.255.255.0'><dhcp>
<range start='192.168.100.100' end='192.168.100.200'/>
<host mac='52:54:00:00:00:12' ip='192.168.100.12'/></dhcp></ip></network>"""

GUEST = """<domain type='qemu'><name>web</name><memory unit='MiB'>128</memory>
<os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>/var/lib/libvirt/images/guest/kernel</kernel>
<initrd>/var/lib/libvirt/images/guest/initramfs</initrd>
<cmdline>console=ttyS0 quiet name=web</cmdline></os><features><acpi/></features><devices>
<interface type='network'><mac address='52:54:00:00:00:12'/><source network='lan'/>
<model type='virtio'/></interface>
<serial type='pty'><log file='/var/lib/libvirt/images/console/web.log' append='on'/></serial>
</devices></domain>"""


def start_guest(site):
    (site.images / "console").mkdir(exist_ok=True)
    for kind, xml in (("net", NETWORK), ("vm", GUEST)):
        (site.host / f"{kind}.xml").write_text(xml)
    site.virsh("net-define", site.host / "net.xml")
    site.virsh("net-start", "lan")
    site.virsh("define", site.host / "vm.xml")
    site.virsh("start", "web")
    return site.wait_boot("web")


def test_a_guest_boots_and_has_the_address_of_its_lease(make_site):
    boot = start_guest(make_site().power_on())
    assert (boot.cpus, boot.mib, boot.address) == (1, 128, "192.168.100.12")


def test_a_guest_hears_the_power_button(make_site):
    site = make_site().power_on()
    start_guest(site)
    site.virsh("shutdown", "web")
    wait_until(lambda: site.domains() == {"web": "shut off"}, 15, "the guest to power off")
    assert "harmony-guest: stopping" in site.console("web")


def test_two_sites_hold_the_same_names_side_by_side(make_site):
    for name in ("site-a", "site-b"):
        assert start_guest(make_site(name).power_on()).address == "192.168.100.12"


def test_a_guest_outlives_libvirtd(make_site):
    site = make_site().power_on()
    start_guest(site)
    pid = site.qemu_pid("web")
    site.kill_libvirtd()
    assert site.qemu_pid("web") == pid
    site.start_libvirtd()
    assert site.domains() == {"web": "running"}


def test_a_power_cut_ends_everything_and_keeps_the_disks(make_site):
    site = make_site().power_on()
    start_guest(site)
    inside = [int(p) for p in os.listdir("/proc") if p.isdigit() and is_in(p, site)]
    assert len(inside) >= 3  # init, libvirtd, QEMU
    site.power_cut()
    assert not [pid for pid in inside if os.path.exists(f"/proc/{pid}/exe")]
    site.power_on()
    assert site.domains() == {"web": "shut off"}


def is_in(pid, site):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == site.run("readlink",
                                                              "/proc/self/ns/pid").stdout.strip()
    except OSError:
        return False


def test_a_cluster_agrees_and_survives_a_node(folder):
    with NatsCluster(folder) as cluster:
        cluster.servers[0].kill()
        cluster.servers[1].wait_healthy()
        cluster.servers[0].start()


def test_waiting_says_what_it_saw():
    with pytest.raises(GaveUp, match=r"waited 0\.0 s for a miracle; last: ZeroDivisionError"):
        wait_until(lambda: 1 / 0, 0.02, "a miracle")
