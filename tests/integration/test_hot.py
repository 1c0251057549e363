"""What happens to a running guest without a stop, as the guest sees it."""

import fcntl
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from lib import guest
from lib.driven import Host, run_guest, vm
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests


@pytest.fixture
def host(make_site):
    return Host(make_site().power_on())


def has(host, name="web"):
    return guest.hardware(host.site.console(name))


def wait_has(host, condition, what):
    """Until the guest tells of hardware that is as wanted."""
    def look():
        told = has(host)
        if not told or not condition(told):
            raise ValueError(str(told))
        return told
    return wait_until(look, 60, what, 0.1)


def watching(**fields):
    return vm(words=" watch", **fields)


LAN = {"subnet": "192.168.100.1/24"}
CARD = {"network": "lan", "mac": "52:54:00:00:00:12"}
ROOT, DATA = ({"device": name, "size": size} for name, size in (("root", "16MiB"), ("data", "24MiB")))


# -- size ----------------------------------------------------------------------------------------


def test_processors_and_memory_grow_while_it_runs(host):
    small = watching(max_vcpus=3, max_memory="256MiB")
    run_guest(host, small)
    before = wait_has(host, lambda h: h.mib < 100, "the balloon")
    assert before.cpus == 1
    pid = host.site.qemu_pid("web")
    big = watching(vcpus=2, max_vcpus=3, memory="224MiB", max_memory="256MiB")
    host.do("update", "vm", "web", big)
    cpus = 2 if guest.takes_processors(host.site.console("web")) else 1
    wait_has(host, lambda h: h.cpus == cpus and h.mib > 160, "more of both")
    seen = host.thing("vm", "web")
    assert (seen["details"]["vcpus"], seen["details"]["memory"]) == (2, 224 << 20)
    assert seen.get("drift") is None and seen["spec"]["vcpus"] == 2
    assert host.site.qemu_pid("web") == pid and len(host.site.boots("web")) == 1
    for words in ("", "--inactive"):
        xml = ElementTree.fromstring(host.site.virsh("dumpxml", *words.split(), "web"))
        assert (xml.find("vcpu").get("current"), xml.findtext("currentMemory")) == ("2", str(224 << 10))


# -- devices -------------------------------------------------------------------------------------


def test_disks_and_cards_come_and_go_while_it_runs(host):
    host.do("create", "network", "lan", LAN)
    host.do("start", "network", "lan", LAN)
    bare = watching(disks=[ROOT])
    run_guest(host, bare)
    pid = host.site.qemu_pid("web")
    host.do("update", "vm", "web", watching(disks=[ROOT, DATA], networks=[CARD]))
    wait_has(host, lambda h: h.disks == {"vda": 16, "vdb": 24} and h.cards == [CARD["mac"]], "disk and card")
    assert host.thing("vm", "web").get("drift") is None
    scratch = {"device": "scratch", "size": "32MiB"}
    host.do("update", "vm", "web", watching(disks=[scratch, ROOT], networks=[CARD]))
    wait_has(host, lambda h: sorted(h.disks.values()) == [16, 32], "another disk")
    host.do("update", "vm", "web", bare)
    wait_has(host, lambda h: h.disks == {"vda": 16} and h.cards == [], "both to be gone")
    assert host.volumes() == ["web-data.qcow2", "web-root.qcow2", "web-scratch.qcow2"]
    assert host.site.qemu_pid("web") == pid
    live, defined = (disks_of(host, *words) for words in ((), ("--inactive",)))
    assert live == defined == {"ua-harmony-disk-root": "vda"}


def test_a_guest_that_does_not_let_go_is_an_error_and_the_device_stays(host):
    run_guest(host, watching(disks=[ROOT, DATA]))
    host.do("pause", "vm", "web")  # it can't hear the request
    code, sentence = host.refuse("update", "vm", "web", watching(disks=[ROOT]))
    assert code == "timeout" and "has not let go of the disk data within 20 s" in sentence
    seen = host.thing("vm", "web")
    assert len(seen["spec"]["disks"]) == 2 and len(disks_of(host)) == 2, "it is not done, and not called done"
    host.do("resume", "vm", "web")
    host.do("update", "vm", "web", watching(disks=[ROOT]))
    wait_has(host, lambda h: h.disks == {"vda": 16}, "the disk to be gone")
    assert len(host.thing("vm", "web")["spec"]["disks"]) == len(disks_of(host)) == 1


def test_killed_anywhere_in_a_change_it_goes_on_and_nothing_is_plugged_in_twice(host):
    host.do("create", "network", "lan", LAN)
    host.do("start", "network", "lan", LAN)
    before = watching(max_vcpus=4, disks=[ROOT, DATA])
    after = watching(vcpus=2, max_vcpus=4, disks=[ROOT, {"device": "logs", "size": "32MiB"}], networks=[CARD])
    run_guest(host, before)
    pid = host.site.qemu_pid("web")

    def prepare():
        host.do("update", "vm", "web", {**before, "vcpus": host.thing("vm", "web")["details"]["vcpus"]})

    at, killed = 0, True
    while killed:  # the number of steps depends on how often the guest has to be asked
        prepare()
        at += 1
        killed = host.killed(at, "update", "vm", "web", json.dumps(after))
        host.do("update", "vm", "web", after)
        assert disks_of(host) == disks_of(host, "--inactive") == {
            "ua-harmony-disk-root": "vda", "ua-harmony-disk-logs": "vdb"}
        seen = host.thing("vm", "web")
        assert len(seen["details"]["networks"]) == 1 and seen["details"]["vcpus"] == 2
        assert seen["spec"]["disks"][1]["device"] == "logs" and seen.get("drift") is None
    assert host.site.qemu_pid("web") == pid and at > 10


def disks_of(host, *words):
    xml = ElementTree.fromstring(host.site.virsh("dumpxml", *words, "web"))
    return {d.find("alias").get("name"): d.find("target").get("dev") for d in xml.findall("devices/disk")}


# -- other hardware ------------------------------------------------------------------------------


def test_firmware_tpm_watchdog_and_random_numbers_are_there(host):
    spec = watching(memory="256MiB", firmware="uefi", tpm=True, watchdog="poweroff", cpu_pinning=["0"], disks=[ROOT])
    host.do("create", "vm", "web", spec)
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", timeout=90)
    wait_has(host, lambda h: set(h.devices) == {"efi", "tpm", "rng"}, "all of it")
    assert host.thing("vm", "web").get("drift") is None
    command = host.site.run("cat", f"/proc/{host.site.qemu_pid('web')}/cmdline").stdout
    assert "i6300esb" in command and "OVMF" in command
    assert host.site.virsh("vcpupin", "web", "--live").split()[-1] == "0"
    kept = {"nvram": "var/lib/libvirt/qemu/nvram/web_VARS.fd",
            "tpm": f"var/lib/libvirt/swtpm/{host.site.virsh('domuuid', 'web')}"}
    host.do("update", "vm", "web", {**spec, "labels": {"tier": "front"}})
    host.do("remove", "vm", "web")
    assert all((host.site.host / path).exists() for path in kept.values()), "the disk is there without them"
    gone = watching(memory="256MiB", firmware="uefi", tpm=True, disks=[{**ROOT, "ephemeral": True}])
    host.do("create", "vm", "web", gone)
    assert host.site.virsh("domuuid", "web") in kept["tpm"]
    host.do("remove", "vm", "web")
    assert not any((host.site.host / path).exists() for path in kept.values())


FED = 30  # every half second: for longer than the 12 s after which it fires


def test_a_watchdog_that_is_not_fed_does_what_the_document_says(host):
    actions = {"reset": "again", "poweroff": "gone", "pause": "still"}
    pids = {}
    for action, name in actions.items():
        run_guest(host, vm(name, words=f" pets={FED} beat=1000", watchdog=action), name)
        pids[action] = host.site.qemu_pid(name)
    for name in actions.values():
        wait_until(lambda: f"watchdog was fed {FED} times" in host.site.console(name), 60, f"{name} to have been fed", 0.1)
        assert len(host.site.boots(name)) == 1, "it fired while it was fed"

    host.site.wait_boot("again", 2)
    assert host.site.qemu_pid("again") == pids["reset"]
    gone = wait_until(lambda: (t := host.thing("vm", "gone"))["state"] != "running" and t, 30, "gone to be off", 0.1)
    assert (gone["state"], gone["reason"]) == ("crashed", "crashed") and host.site.qemu_pid("gone") is None
    still = wait_until(lambda: (t := host.thing("vm", "still"))["state"] == "paused" and t, 30, "still to be paused", 0.1)
    assert "watchdog" in still["reason"] and host.site.qemu_pid("still") == pids["pause"]
    told = host.site.console("still")
    host.do("resume", "vm", "still")
    wait_until(lambda: host.site.console("still") != told, 10, "it to go on")


PLENTY = "1000"  # of 2 MiB; a PostgreSQL beside that starts meanwhile takes 72


@pytest.fixture
def huge_pages():
    """So many for whoever asks meanwhile; nothing is set aside, so nothing is left behind but a limit. It is this
    machine's: one test at a time."""
    limit = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages")
    with open(limit) as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        before = limit.read_text()
        limit.write_text(PLENTY)
        yield limit
        limit.write_text(before)


def test_the_memory_of_a_guest_is_huge_pages_or_it_does_not_start(host, huge_pages):
    spec = vm(hugepages="2MiB")
    host.do("create", "vm", "web", spec)
    host.site.run("mkdir", "-p", "/dev/hugepages")
    host.site.run("mount", "-t", "hugetlbfs", "hugetlbfs", "/dev/hugepages")  # in the site's own view
    host.site.kill_libvirtd()
    host.site.start_libvirtd()  # it looks for it once
    huge_pages.write_text("8")
    sentence = host.refuse("start", "vm", "web", spec)[1]
    assert "64 pages of 2048 KiB" in sentence and "vm.nr_hugepages" in sentence and "Cannot allocate memory" in sentence
    huge_pages.write_text(PLENTY)
    host.do("start", "vm", "web", spec)
    assert host.site.wait_boot("web").mib == 128
    maps = host.site.run("cat", f"/proc/{host.site.qemu_pid('web')}/smaps").stdout
    assert "Private_Hugetlb:  131072 kB" in maps.partition("/dev/hugepages/libvirt/qemu/")[2].partition("VmFlags")[0]
    assert host.thing("vm", "web").get("drift") is None


# -- paused, rebooted ----------------------------------------------------------------------------


def test_a_paused_guest_says_nothing_until_it_is_resumed(host):
    spec = vm(words=" beat=50")
    run_guest(host, spec)
    wait_until(lambda: "web beat" in host.site.console("web"), 10, "the guest's first beat")
    host.do("pause", "vm", "web")
    host.do("pause", "vm", "web")
    assert host.thing("vm", "web")["state"] == "paused"
    assert host.refuse("reboot", "vm", "web", spec)[0] == "refused"
    told = host.site.console("web")
    assert host.refuse("verify_stopped", "vm", "web")[0] == "refused"
    assert host.site.console("web") == told
    host.do("resume", "vm", "web")
    host.do("resume", "vm", "web")
    wait_until(lambda: host.site.console("web") != told, 10, "the guest to go on")
    host.do("pause", "vm", "web")
    host.do("stop", "vm", "web", spec)
    assert guest.STOPPING in host.site.console("web")
    for verb in ("pause", "resume", "reboot"):
        assert host.refuse(verb, "vm", "web", spec)[0] == "refused"


def test_what_is_started_paused_has_not_begun_to_boot(host):
    spec = vm(power="paused")
    host.do("create", "vm", "web", spec)
    host.do("start", "vm", "web", spec)
    host.do("start", "vm", "web", spec)
    assert host.thing("vm", "web")["state"] == "paused" and host.site.console("web") == ""
    host.do("resume", "vm", "web", vm())
    host.site.wait_boot("web")


def test_a_reboot_keeps_the_process_and_is_done_when_the_guest_boots_again(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    host.do("reboot", "vm", "web", vm())
    assert guest.STOPPING in host.site.console("web")
    host.site.wait_boot("web", 2)
    assert host.site.qemu_pid("web") == pid


def test_a_guest_that_does_not_hear_is_reset_after_its_grace(host):
    spec = vm(words=" deaf", stop_grace="1s")
    run_guest(host, spec)
    host.do("reboot", "vm", "web", spec)
    host.site.wait_boot("web", 2)
    assert guest.STOPPING not in host.site.console("web")
