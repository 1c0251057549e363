"""What can't be seen is left alone: libvirtd killed, hung, or wrong about what runs. And what happens to the
agent happens to no guest: killed, upgraded, without NATS."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from lib.declared import Documents, vm
from lib.paths import built, system
from lib.processes import run
from lib.waiting import wait_until
from test_driver_libvirt import Host, run_guest

pytestmark = pytest.mark.boots_guests

LAN = {"subnet": "192.168.77.1/24", "bridge": "br-lan"}


@pytest.fixture
def docs(nats, site):
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def start_guests(site, docs, *names):
    """Name -> process of each."""
    for name in names:
        docs.put("vm", name, vm(name))
    for name in names:
        site.wait_boot(name)
        docs.wait("vm", name, "Running")
    return {name: site.qemu_pid(name) for name in names}


def lives(site, pid):
    return site.run("kill", "-0", pid, check=False).returncode == 0


def wait_unseen(docs, *names):
    for name in names:
        docs.wait("vm", name, "Waiting", where=lambda s: "libvirt" in s["reason"] or "observe" in s["reason"])


# -- unknown is not dead, and not absent -----------------------------------------------------------


def test_while_libvirtd_is_away_nothing_is_done_and_afterwards_what_was_asked(site, docs):
    pids = start_guests(site, docs, "kept", "deleted", "changed")
    docs.put("network", "lan", LAN)
    docs.wait("network", "lan", "Running")
    site.kill_libvirtd()
    wait_unseen(docs, "kept", "deleted", "changed")
    docs.delete("vm", "deleted")
    docs.put("vm", "changed", vm("changed", power="off"))
    docs.put("vm", "new", vm("new", power="off"))
    for name in ("deleted", "changed", "new"):
        docs.wait("vm", name, "Waiting")
    assert all(lives(site, pid) for pid in pids.values()), "a guest ended that nobody could see"
    site.start_libvirtd()
    docs.wait("vm", "deleted", "Deleted")
    docs.wait("vm", "changed", "Stopped")
    docs.wait("vm", "new", "Stopped")
    docs.wait("vm", "kept", "Running")
    assert site.qemu_pid("kept") == pids["kept"] and len(site.boots("kept")) == 1
    assert site.virsh("net-list", "--name") == "lan"


def test_a_guest_that_died_while_nobody_looked_is_started_once(site, docs):
    """A new libvirtd lists it as running first, and corrects that without an event."""
    pids = start_guests(site, docs, "died", "kept")
    site.kill_libvirtd()
    wait_unseen(docs, "died", "kept")
    site.run("kill", "-9", pids["died"])
    site.start_libvirtd()
    wait_until(lambda: site.qemu_pid("died") not in (None, pids["died"]), 12,
               "the second look, long before the next resync in 30 s")
    site.wait_boot("died", 2)
    assert site.qemu_pid("kept") == pids["kept"]
    assert (len(site.boots("died")), len(site.boots("kept"))) == (2, 1)


def libvirt_major():
    return int(run([system("virsh"), "--version"]).stdout.split(".")[0])


def test_a_stale_running_is_corrected_though_no_event_tells(make_site):
    """libvirtd comes back while QEMU hangs, so it lists it as running; then QEMU dies, of which it tells nobody."""
    host = Host(make_site().power_on())
    run_guest(host)
    pid = host.site.qemu_pid("web")
    with host.session() as session:
        assert session.ask("observe")["result"] == 0
        host.site.kill_libvirtd()
        assert session.ask("wait")["result"] == 0
        host.site.run("kill", "-STOP", pid)
        starting = threading.Thread(target=host.site.start_libvirtd)
        starting.start()
        wait_until(lambda: session.ask("reopen")["result"] == 0, 20, "libvirtd to be reached", 0.001)
        seen = session.ask("observe")
        if seen["result"] < 0:  # libvirt 11 waits for QEMU, and gives up after 30 s: unknown, and no list without it
            assert libvirt_major() >= 11 and seen["things"] == [] and seen["error"]
        else:
            assert [t["state"] for t in seen["things"] if t["name"] == "web"] == ["running"]
        host.site.run("kill", "-9", pid)
        assert session.ask("wait")["result"] == 0, "the second look of a new connection"
        session.wait_until("vm", "web", lambda t: t["state"] in ("off", "crashed"))
        starting.join()


def test_while_libvirtd_hangs_nothing_is_done_and_a_guest_that_died_then_is_started_once(site, docs):
    pids = start_guests(site, docs, "died", "kept")
    site.freeze_libvirtd()
    site.run("kill", "-9", pids["died"])
    docs.put("vm", "kept", vm("kept", labels={"a": "change"}))
    wait_until(lambda: docs.status("vm", "kept")["phase"] in ("Waiting", "Pending", "Failed"), 60,
               "the agent to say that it can't see")
    assert lives(site, pids["kept"]) and site.qemu_pid("died") is None
    site.thaw_libvirtd()
    site.wait_boot("died", 2, timeout=60)
    docs.wait("vm", "kept", "Running")
    assert site.qemu_pid("kept") == pids["kept"] and len(site.boots("died")) == 2


# -- what happens to the agent -----------------------------------------------------------------------


def copy_of_the_agent(site, version):
    """A program of its own; a build's helpers lie beside it. Replaced as a package manager does it."""
    folder = site.directory / "sbin"
    folder.mkdir(exist_ok=True)
    for name in ("harmonyd", "harmony-guardian"):
        shutil.copy(built(name), folder / f"{name}.new")
        with open(folder / f"{name}.new", "ab") as program:
            program.write(f"version {version}".encode())
        os.replace(folder / f"{name}.new", folder / name)
    return folder / "harmonyd"


def version_running(site):
    return Path(f"/proc/{site.agent.inner_pid()}/exe").read_bytes()[-len("version N"):].decode()


def applies(docs, step):
    """The agent works: a change of a label goes through."""
    docs.wait_applied("vm", "web", docs.put("vm", "web", vm("web", labels={"step": step})))


def test_a_guest_survives_whatever_happens_to_its_agent(nats, site):
    docs = Documents(nats.url)
    site.start_agent(program=copy_of_the_agent(site, 1))
    pid = start_guests(site, docs, "web")["web"]
    docs.put("network", "lan", LAN)
    docs.wait("network", "lan", "Running")
    agent = site.agent.inner_pid()

    copy_of_the_agent(site, 2)
    site.agent.signal(signal.SIGHUP)
    wait_until(lambda: version_running(site) == "version 2", 20, "the agent to execute its new program")
    applies(docs, "reloaded")
    assert site.agent.inner_pid() == agent and site.qemu_pid("web") == pid

    assert site.stop_agent() == 0
    site.start_agent(program=copy_of_the_agent(site, 3))
    applies(docs, "stopped and started")
    assert version_running(site) == "version 3" and site.qemu_pid("web") == pid

    site.kill_agent()
    assert site.qemu_pid("web") == pid
    site.start_agent(program=copy_of_the_agent(site, 4))
    applies(docs, "killed")
    assert site.qemu_pid("web") == pid

    cache = site.directory / "state/desired.json"  # written some time after the documents came
    wait_until(lambda: "network.lan" in cache.read_text(), 20, "the documents to be on the disk")
    nats.kill()
    wait_until(lambda: "disconnected" in site.agent_log.read_text(), 20, "the agent to notice")
    site.kill_agent()  # and one that starts meanwhile knows its documents from the disk
    site.start_agent(program=site.directory / "sbin/harmonyd")
    site.virsh("net-destroy", "lan")
    wait_until(lambda: site.virsh("net-list", "--name") == "lan", 20, "the agent to act without NATS")
    assert site.qemu_pid("web") == pid
    nats.start()
    applies(docs, "nats is back")
    assert site.qemu_pid("web") == pid and len(site.boots("web")) == 1
    docs.close()


# -- adoption ------------------------------------------------------------------------------------------


def define(site, what, xml):
    file = site.directory / "by-hand.xml"
    file.write_text(xml)
    site.virsh(what, file)


def make_by_hand(site):
    """A running guest on a running network with a disk, all of virsh's."""
    images = "/var/lib/libvirt/images"
    define(site, "pool-define", f"<pool type='dir'><name>default</name><target><path>{images}</path></target></pool>")
    site.virsh("pool-start", "default")
    site.virsh("vol-create-as", "default", "data.qcow2", "32M", "--format", "qcow2")
    define(site, "net-define", "<network><name>lan</name><bridge name='br-lan'/>"
                               "<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp>"
                               "<range start='192.168.77.2' end='192.168.77.254'/></dhcp></ip></network>")
    site.virsh("net-start", "lan")
    site.run("mkdir", "-p", f"{images}/console")
    define(site, "define", f"""<domain type='qemu'><name>web</name><memory unit='MiB'>96</memory><vcpu>1</vcpu>
        <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{images}/guest/kernel</kernel>
        <initrd>{images}/guest/initramfs</initrd><cmdline>console=ttyS0 quiet name=web</cmdline></os>
        <features><acpi/></features><devices>
        <disk type='file'><driver name='qemu' type='qcow2'/><source file='{images}/data.qcow2'/>
        <target dev='vda' bus='virtio'/></disk>
        <interface type='network'><mac address='52:54:00:00:00:07'/><source network='lan'/><model type='virtio'/></interface>
        <serial type='pty'><log file='{images}/console/web.log' append='on'/></serial></devices></domain>""")
    site.virsh("start", "web")


def test_what_virsh_made_is_taken_over_while_it_runs(site, docs):
    make_by_hand(site)
    first = site.wait_boot("web")
    pid, uuid, net = site.qemu_pid("web"), site.virsh("domuuid", "web"), site.virsh("net-uuid", "lan")
    disk = {"size": "32MiB"}
    web = dict(network="lan", mac="52:54:00:00:00:07", disks=[{"device": "vda", "disk": "data"}])
    docs.put("network", "lan", LAN)
    docs.put("disk", "data", disk)
    docs.put("vm", "web", vm("web", **web))
    for kind, name in (("network", "lan"), ("disk", "data")):
        wait_until(lambda: "adopt: true" in str(docs.status(kind, name)), 30, f"a word on {kind} {name}")
    assert site.qemu_pid("web") == pid

    docs.put("network", "lan", {**LAN, "adopt": True})
    docs.put("disk", "data", {**disk, "adopt": True})
    docs.put("vm", "web", vm("web", adopt=True, **web))
    docs.wait("network", "lan", "Running")
    docs.wait("disk", "data", "Running")
    docs.wait("vm", "web", "Running")
    assert (site.qemu_pid("web"), site.virsh("domuuid", "web"), site.virsh("net-uuid", "lan")) == (pid, uuid, net)
    assert len(site.boots("web")) == 1

    docs.put("vm", "web", vm("web", adopt=True, memory="128MiB", **web))
    second = site.wait_boot("web", 2)
    assert second.mib > first.mib and second.address == first.address
    wait_until(lambda: "disk vda 32 MiB, boot 2" in site.console("web"), 10, "the disk with what was on it")
