"""The libvirt driver on a real libvirtd and QEMU: lives, marks, and kill -9 at every libvirt call."""

import json
import time
import xml.etree.ElementTree as ElementTree

import pytest

from lib.driven import Host, run_guest, vm
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

MARK = "{urn:harmony:mark:1}mark"
LAN = {"subnet": "192.168.100.1/24",
       "dhcp": {"hosts": [{"mac": "52:54:00:00:00:12", "ip": "192.168.100.12"}]}}
DATA = {"size": "32MiB"}


@pytest.fixture
def host(make_site):
    return Host(make_site().power_on())


# -- lives ---------------------------------------------------------------------------------------


def test_a_guest_boots_from_its_document_and_hears_a_graceful_stop(host):
    host.do("create", "network", "lan", LAN)
    host.do("start", "network", "lan", LAN)
    spec = vm(networks=[{"network": "lan", "mac": "52:54:00:00:00:12"}])
    boot = run_guest(host, spec)
    assert (boot.cpus, boot.mib, boot.address) == (1, 128, "192.168.100.12")
    seen = host.thing("vm", "web")
    assert (seen["state"], seen["key"]) == ("running", "site-a.vm.web")
    assert seen["details"]["pid"] == host.site.qemu_pid("web")
    host.do("stop", "vm", "web", spec)
    assert "harmony-guest: stopping" in host.site.console("web")
    host.do("verify_stopped", "vm", "web", spec)
    assert host.thing("vm", "web")["reason"] == "shut down"


def test_a_guest_that_does_not_hear_is_stopped_hard_after_its_grace(host):
    spec = vm(words=" deaf", stop_grace="1s")
    run_guest(host, spec)
    host.do("stop", "vm", "web", spec)
    assert host.thing("vm", "web")["reason"] == "destroyed"
    assert "harmony-guest: stopping" not in host.site.console("web")


def test_kill_is_proved_by_the_process(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    assert host.refuse("verify_stopped", "vm", "web", vm())[0] == "refused"
    host.do("kill", "vm", "web", vm())
    host.do("verify_stopped", "vm", "web", vm())
    assert host.site.run("kill", "-0", pid, check=False).returncode != 0


def lives(host, pid):
    return host.site.run("kill", "-0", pid, check=False).returncode == 0


def test_kill_does_not_wait_for_a_frozen_process(host):
    run_guest(host)
    with host.session() as session:
        host.site.run("kill", "-STOP", host.site.qemu_pid("web"))
        began = time.monotonic()
        assert session.ask("kill", "vm", "web")["result"] == 0
        assert session.ask("verify_stopped", "vm", "web")["result"] == 0
        took = time.monotonic() - began
    print(f"a frozen guest was verified stopped after {took * 1000:.0f} ms")
    assert took < 2  # libvirt's own hard stop takes 10 s


def test_while_libvirtd_hangs_only_what_was_seen_to_be_ours_is_killed(host):
    run_guest(host)
    pid, uuid = host.site.qemu_pid("web"), host.site.virsh("domuuid", "web")
    other = "6d1c1b0a-3c9f-4f4e-9a36-5f0d2a9b7c11"
    with host.session("--seen", other) as stranger, host.session("--seen", uuid) as session:
        assert session.ask("probe")["result"] == stranger.ask("probe")["result"] == 0
        host.site.freeze_libvirtd()
        began = time.monotonic()
        assert stranger.ask("kill", "vm", "web")["code"] == "timeout"
        assert lives(host, pid)
        said = session.ask("kill", "vm", "web")
        assert said["code"] == "timeout" and "its process was killed" in said["error"]
        wait_until(lambda: not lives(host, pid), 2, "the process to be reaped")
        assert time.monotonic() - began < 2
        host.site.thaw_libvirtd()
        wait_until(lambda: session.ask("kill", "vm", "web")["result"] >= 0, 10, "libvirtd's answer")
        assert session.ask("verify_stopped", "vm", "web")["result"] == 0


def test_a_foreign_guest_is_not_killed_whatever_was_seen_before(host):
    foreign_domain(host)
    host.site.virsh("start", "web")
    pid, uuid = host.site.qemu_pid("web"), host.site.virsh("domuuid", "web")
    with host.session("--seen", uuid) as session:
        assert session.ask("kill", "vm", "web")["code"] == "conflict"
    assert lives(host, pid)


def test_a_guest_whose_process_died_has_crashed(host):
    run_guest(host)
    host.site.run("kill", "-9", host.site.qemu_pid("web"))
    wait_until(lambda: host.thing("vm", "web")["state"] == "crashed", 10, "the crash to be seen")
    host.do("start", "vm", "web", vm())
    host.site.wait_boot("web", 2)


def test_disks_outlive_their_vm_unless_ephemeral(host):
    host.do("create", "disk", "data", DATA)
    spec = vm(disks=[{"device": "root", "size": "16MiB"}, {"device": "data", "disk": "data"},
                     {"device": "scratch", "size": "16MiB", "ephemeral": True}])
    run_guest(host, spec)
    assert host.volumes() == ["data.qcow2", "web-root.qcow2", "web-scratch.qcow2"]
    assert host.refuse("remove", "disk", "data")[0] == "refused"
    host.do("remove", "vm", "web", spec)
    assert host.volumes() == ["data.qcow2", "web-root.qcow2"]
    host.do("remove", "disk", "data")
    assert host.volumes() == ["web-root.qcow2"]
    run_guest(host, boot=2)
    assert "disk vda 16 MiB, boot 2" in host.site.console("web")


def test_a_cdrom_and_a_raw_disk_are_seen_by_libvirt(host):
    iso = "/var/lib/libvirt/images/guest/initramfs"
    spec = vm(disks=[{"device": "vda", "size": "16MiB", "format": "raw", "label": "root01"}],
              cdroms=[{"path": iso}])
    run_guest(host, spec)
    disks = ElementTree.fromstring(host.site.virsh("dumpxml", "web")).findall("devices/disk")
    assert [(d.get("device"), d.find("driver").get("type"), d.find("target").get("bus"),
             d.findtext("serial")) for d in disks] == [
        ("disk", "raw", "virtio", "root01"), ("cdrom", "raw", "sata", None)]


def test_a_vm_that_was_defined_for_kvm_starts_where_there_is_only_emulation(host):
    host.do("create", "vm", "web", vm(), "--accel", "kvm")
    assert host.thing("vm", "web")["details"]["type"] == "kvm"
    host.do("start", "vm", "web", vm(), "--accel", "tcg")
    host.site.wait_boot("web")
    assert host.thing("vm", "web")["details"]["type"] == "qemu"


def test_a_kept_disk_grows_and_does_not_shrink(host):
    host.do("create", "vm", "web", vm())
    host.do("remove", "vm", "web")
    run_guest(host, vm(disks=[{"device": "root", "size": "32MiB"}]))
    assert "disk vda 32 MiB, boot 1" in host.site.console("web")
    host.do("remove", "vm", "web")
    assert host.refuse("create", "vm", "web", vm())[0] == "refused"


def test_hostile_text_stays_text(host):
    words = " x=\"'<&>]]>\" ${y} \\n"
    run_guest(host, vm(words=words))
    root = ElementTree.fromstring(host.site.virsh("dumpxml", "web"))
    assert root.findtext("os/cmdline") == vm(words=words)["cmdline"]
    assert host.thing("vm", "web").get("drift") is None


# -- marks ---------------------------------------------------------------------------------------


def foreign_domain(host):
    xml = host.site.directory / "foreign.xml"
    xml.write_text("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>"
                   "<os><type arch='x86_64'>hvm</type></os></domain>")
    host.site.virsh("define", xml)


def test_a_foreign_domain_is_a_conflict_and_adopted_only_when_asked(host):
    foreign_domain(host)
    uuid = host.site.virsh("domuuid", "web")
    code, sentence = host.refuse("create", "vm", "web", vm())
    assert code == "vm-exists" and "adopt: true" in sentence
    for verb in ("start", "stop", "kill", "remove"):
        assert host.refuse(verb, "vm", "web", vm())[0] == "conflict"
    assert host.refuse("remove", "vm", "web", vm(adopt=True))[0] == "conflict"
    host.do("create", "vm", "web", vm(adopt=True))
    assert host.site.virsh("domuuid", "web") == uuid
    assert host.thing("vm", "web")["key"] == "site-a.vm.web"


def test_a_foreign_volume_is_never_overwritten(host):
    store = host.site.host / "var/lib/libvirt/images"
    precious = store / "web-root.qcow2"
    host.do("create", "disk", "data", DATA)  # the pool is there, and libvirt's list of it
    precious.write_bytes(b"precious" * 4096)
    assert host.refuse("create", "vm", "web", vm())[0] == "disk-exists"
    assert precious.read_bytes() == b"precious" * 4096
    assert "web" not in host.site.domains()


def test_a_volume_that_vanished_is_not_replaced_by_an_empty_one(host):
    host.do("create", "disk", "data", DATA)
    (host.site.host / "var/lib/libvirt/images/data.qcow2").unlink()
    assert host.thing("disk", "data") is None
    code, sentence = host.refuse("create", "disk", "data", DATA)
    assert code == "refused" and "vanished" in sentence


def edit(host, name, old, new):
    xml = host.site.directory / "edited.xml"
    text = host.site.virsh("dumpxml", "--inactive", name)
    assert old in text
    xml.write_text(text.replace(old, new))
    host.site.virsh("define", xml)


def test_an_edit_behind_our_back_is_drift_and_repaired(host):
    host.do("create", "vm", "web", vm())
    edit(host, "web", "<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>3</vcpu>")
    assert host.thing("vm", "web")["drift"] == "vcpus is 3, was made as 1"
    host.do("update", "vm", "web", vm())
    assert host.thing("vm", "web").get("drift") is None


def test_a_change_that_needs_no_restart_reaches_the_running_guest(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    host.do("update", "vm", "web", vm(labels={"tier": "front"}))
    assert host.thing("vm", "web")["spec"]["labels"] == {"tier": "front"}
    assert host.site.qemu_pid("web") == pid


def test_a_change_that_needs_a_restart_shows_when_the_guest_restarts(host):
    run_guest(host)
    more = vm(memory="192MiB")
    host.do("update", "vm", "web", more)
    assert host.thing("vm", "web")["spec"]["memory"] == 128 << 20
    host.do("stop", "vm", "web", more)
    assert host.thing("vm", "web")["spec"]["memory"] == 192 << 20
    host.do("start", "vm", "web", more)
    assert host.site.wait_boot("web", 2).mib == 192


def test_a_primary_vm_never_starts_by_itself(host):
    host.do("create", "vm", "db", vm("db"), "--primary")
    host.site.virsh("autostart", "db")
    assert host.thing("vm", "db")["drift"] == "autostart is on"
    host.do("update", "vm", "db", vm("db"), "--primary")
    assert host.thing("vm", "db")["autostart"] is False


# -- events --------------------------------------------------------------------------------------


def test_whatever_another_hand_does_is_told_without_asking(host):
    host.do("create", "network", "lan", LAN)
    host.do("start", "network", "lan", LAN)
    host.do("create", "vm", "web", vm(networks=[{"network": "lan"}]))
    with host.session() as session:
        assert session.thing("vm", "web")["state"] == "off"
        host.site.virsh("start", "web")
        session.wait_until("vm", "web", lambda t: t["state"] == "running")
        host.site.wait_boot("web")
        seen = session.wait_until("vm", "web", lambda t: "address" in t["details"]["networks"][0])
        assert seen["details"]["networks"][0]["address"] == host.site.boots("web")[0].address
        edit(host, "web", "<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>3</vcpu>")
        session.wait_until("vm", "web", lambda t: t.get("drift"))
        host.site.run("kill", "-9", host.site.qemu_pid("web"))
        session.wait_until("vm", "web", lambda t: t["state"] == "crashed")
        host.site.virsh("undefine", "web")
        session.wait_until("vm", "web", lambda t: t is None)
        host.site.virsh("net-destroy", "lan")
        session.wait_until("network", "lan", lambda t: t["state"] == "off")


def test_after_libvirtd_is_back_everything_is_read_anew(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    with host.session() as session:
        assert session.thing("vm", "web")["state"] == "running"
        host.site.kill_libvirtd()
        assert session.ask("wait")["result"] == 0
        assert session.ask("observe")["code"] == "connection-failed"
        assert session.ask("kill", "vm", "web")["code"] == "connection-failed"
        host.site.run("kill", "-9", pid)
        host.site.start_libvirtd()
        assert session.ask("reopen")["result"] == 0
        session.wait_until("vm", "web", lambda t: t["state"] in ("crashed", "off"))


# -- libvirtd goes away --------------------------------------------------------------------------


def test_without_libvirtd_the_answer_is_an_error_and_never_an_empty_list(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    host.site.kill_libvirtd()
    code, said = host.drive("observe")
    assert (code, said["code"]) == (1, "connection-failed")
    assert host.refuse("verify_stopped", "vm", "web")[0] == "connection-failed"
    host.site.start_libvirtd()
    wait_until(lambda: host.thing("vm", "web")["state"] == "running", 10, "the guest to be found")
    assert host.site.qemu_pid("web") == pid


# -- kill -9 at every call -----------------------------------------------------------------------


def each_step(host, prepare, *argv):
    """Yields after drive was killed at step 1, 2, ... of `argv`, each on freshly prepared things."""
    prepare()
    count = host.steps(*argv)
    assert count > 0
    for at in range(1, count + 1):
        prepare()
        assert host.killed(at, *argv), f"step {at} of {count} was not reached"
        yield at


def clear(host, *kinds_and_names):
    for kind, name in kinds_and_names:
        host.do("remove", kind, name)
    store = host.site.host / "var/lib/libvirt/images"
    for file in store.glob("*.qcow2*"):
        file.unlink()
    if host.site.virsh("pool-list", "--all", "--name"):
        host.site.virsh("pool-destroy", "default", check=False)
        host.site.virsh("pool-undefine", "default")


def test_create_of_a_vm_killed_anywhere_converges(host):
    argv = ("create", "vm", "web", json.dumps(vm()))
    for _ in each_step(host, lambda: clear(host, ("vm", "web")), *argv):
        host.do("create", "vm", "web", vm())
        host.do("start", "vm", "web", vm())
        assert host.site.domains() == {"web": "running"}
        assert host.volumes() == ["web-root.qcow2"]
        assert host.thing("vm", "web").get("drift") is None


def test_create_and_start_of_a_network_killed_anywhere_converge(host):
    for verb in ("create", "start"):
        def prepare():
            clear(host, ("network", "lan"))
            if verb == "start":
                host.do("create", "network", "lan", LAN)
        for _ in each_step(host, prepare, verb, "network", "lan", json.dumps(LAN)):
            host.do("create", "network", "lan", LAN)
            host.do("start", "network", "lan", LAN)
            assert host.site.virsh("net-list", "--all", "--name").split() == ["lan"]
            seen = host.thing("network", "lan")
            assert (seen["state"], seen["autostart"]) == ("running", True)


def test_update_of_a_running_vm_killed_anywhere_converges_and_the_guest_runs_on(host):
    changed = vm(labels={"tier": "front"})
    pids = set()

    def prepare():
        if "web" not in host.site.domains():
            run_guest(host)
        host.do("update", "vm", "web", vm())
        pids.add(host.site.qemu_pid("web"))

    for _ in each_step(host, prepare, "update", "vm", "web", json.dumps(changed)):
        host.do("update", "vm", "web", changed)
        assert host.thing("vm", "web")["spec"]["labels"] == {"tier": "front"}
    assert len(pids) == 1


def test_remove_of_a_running_vm_killed_anywhere_converges(host):
    spec = vm(disks=[{"device": "root", "size": "16MiB"},
                     {"device": "scratch", "size": "16MiB", "ephemeral": True}])

    def prepare():
        host.do("create", "vm", "web", spec)
        host.do("start", "vm", "web", spec)

    for _ in each_step(host, prepare, "remove", "vm", "web", json.dumps(spec)):
        host.do("remove", "vm", "web")
        assert host.site.domains() == {}
        assert host.volumes() == ["web-root.qcow2"]


def test_a_disk_killed_anywhere_in_its_life_converges(host):
    for _ in each_step(host, lambda: clear(host), "create", "disk", "data", json.dumps(DATA)):
        host.do("create", "disk", "data", DATA)
        assert host.volumes() == ["data.qcow2"]
        assert host.thing("disk", "data")["state"] == "running"
    for _ in each_step(host, lambda: host.do("create", "disk", "data", DATA), "remove", "disk",
                       "data"):
        host.do("remove", "disk", "data")
        assert host.volumes() == []
        assert not list((host.site.host / "var/lib/libvirt/images").glob("data*"))
