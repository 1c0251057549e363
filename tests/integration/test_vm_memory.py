"""Snapshots of VMs with their memory: on the fake of cloud-hypervisor, and on the real one where it is."""

import pytest

from lib.sites import IMAGES
from lib.vm_fixture import vm_host
from lib.vm_memory import ROOT, lines, notes, put_up, save, saved, say, snapshot, switch_off
from lib.vmm_process import ask

DATA = {"device": "data", "size": "24MiB"}


@pytest.fixture(scope="module", params=["fake", "real"])
def host(request):
    with vm_host(request, request.param, "vm-memory") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.remove_all()


# -- with its memory, and back ---------------------------------------------------------------------


def test_a_guest_goes_on_after_its_snapshot_as_if_nothing_had_been(host):
    before = put_up(host, "goes")
    say(host, "goes", "one", "two")
    save(host, "goes", "kept")
    host.wait("goes", "Running")
    assert host.pid("goes") not in (None, before.pid), "it is in a new process"
    assert lines(host, "goes") == 3, "it has forgotten what it heard"
    assert not host.backend.ups(host.site, "goes"), "it was booted"
    assert notes(host, "goes") == {"kept": ["with memory"]}
    assert host.wait("goes", "Running").get("restarts", 0) == 0


def test_a_start_after_an_apply_goes_on_from_there_once(host):
    put_up(host, "back")
    say(host, "back", "one", "two")
    save(host, "back", "kept")
    say(host, "back", "three", "four", "five")
    switch_off(host, "back")
    code, said = snapshot(host, "apply", "vm", "back", "kept")
    assert code == 0 and "and its next start goes on from there" in said, said
    host.put("back", disks=[ROOT])
    host.wait("back", "Running")
    assert lines(host, "back") == 3
    assert not host.backend.ups(host.site, "back"), "it was booted"
    switch_off(host, "back")
    host.put("back", disks=[ROOT])
    host.wait_up("back")
    assert lines(host, "back") == 1, "a second start went on from the same memory"


def test_the_disks_alone_boot_the_guest(host):
    put_up(host, "disks")
    say(host, "disks", "one")
    save(host, "disks", "kept")
    switch_off(host, "disks")
    code, said = snapshot(host, "apply", "vm", "disks", "kept", "--disk-only")
    assert code == 0 and "next start" not in said, said
    host.put("disks", disks=[ROOT])
    host.wait_up("disks")
    assert lines(host, "disks") == 1


def test_memory_and_processors_that_came_while_it_ran_are_there_again(host):
    size = {"max_vcpus": 3, "max_memory": "384MiB"}
    put_up(host, "grown", **size)
    size |= {"vcpus": 2, "memory": "256MiB"}
    host.docs.wait_applied("vm", "grown", host.put("grown", disks=[ROOT, DATA], **size))
    save(host, "grown", "kept")
    assert host.has_open("grown", "grown-root.qcow2") and host.has_open("grown", "grown-data.qcow2")
    status = host.wait("grown", "Running", where=lambda status: status["details"]["memory"] == 256 << 20)
    assert status["details"]["vcpus"] == 2
    assert lines(host, "grown") == 1 and not host.backend.ups(host.site, "grown")


def test_its_card_is_in_its_bridge_again(host):
    host.docs.put("network", "lan", {"backend": "native"})
    host.docs.wait("network", "lan", "Running")
    put_up(host, "wired", networks=[{"network": "lan"}])
    before = host.taps()
    save(host, "wired", "kept")
    host.wait("wired", "Running")
    assert host.taps() == before and list(before.values()) == ["br-lan"]


def test_a_deleted_snapshot_leaves_no_memory_and_neither_does_a_deleted_vm(host):
    put_up(host, "gone")
    save(host, "gone", "first")
    save(host, "gone", "second")
    assert saved(host, "gone") == ["first", "second"]
    switch_off(host, "gone")
    assert snapshot(host, "delete", "vm", "gone", "first", "--yes")[0] == 0
    assert saved(host, "gone") == ["second"] and notes(host, "gone") == {"second": ["with memory"]}
    host.remove("gone")
    assert saved(host, "gone") == []


# -- what is refused -------------------------------------------------------------------------------


def test_what_is_off_holds_no_memory(host):
    switch_off(host, "cold")
    code, said = snapshot(host, "create", "vm", "cold", "kept", "--memory")
    assert code != 0 and "is off, so it holds nothing in memory" in said


def test_disks_of_what_runs_are_kept_with_its_memory_alone(host):
    put_up(host, "runs")
    code, said = snapshot(host, "create", "vm", "runs", "kept")
    assert code != 0 and "or give --memory" in said, said


def test_memory_of_other_hardware_is_refused_before_anything_happens(host):
    put_up(host, "other")
    save(host, "other", "kept")
    switch_off(host, "other", vcpus=2)
    code, said = snapshot(host, "apply", "vm", "other", "kept")
    assert code != 0 and "with other hardware than it has now" in said and "--disk-only" in said, said
    assert list(notes(host, "other")) == ["kept"], "its disks were touched"


def test_a_pause_by_hand_is_not_overruled(host):
    put_up(host, "by-hand")
    [socket] = [socket for pid, socket in host.backend.vmms(host.site).items() if pid == host.pid("by-hand")]
    assert ask(socket, "vm.pause", method="PUT").status == 204
    code, said = snapshot(host, "create", "vm", "by-hand", "kept", "--memory")
    assert code != 0 and "was paused by hand" in said, said
    assert '"state":"Paused"' in ask(socket, "vm.info").text.replace(" ", "")


def test_memory_does_not_meet_another_file_under_a_disks_name(host):
    def put(*disks, **fields):
        return host.put("swapped", disks=list(disks), **fields)
    put(ROOT, DATA)
    host.wait_up("swapped")
    host.wait("swapped", "Running")
    save(host, "swapped", "kept")
    host.wait("swapped", "Stopped", revision=put(ROOT, DATA, power="off"))
    assert snapshot(host, "apply", "vm", "swapped", "kept")[0] == 0
    host.site.run("qemu-img", "create", "-f", "qcow2", f"{IMAGES}/foreign.qcow2", "24M")
    host.wait("swapped", "Stopped", revision=put(ROOT, power="off"))
    put(ROOT, {"device": "data", "image": f"{IMAGES}/foreign.qcow2", "format": "qcow2"})
    host.wait_up("swapped")
    assert lines(host, "swapped") == 1, "it went on from memory over a disk that it does not know"


def test_memory_does_not_meet_disks_that_were_written_to_since(host):
    put_up(host, "written")
    save(host, "written", "kept")
    switch_off(host, "written")
    assert snapshot(host, "apply", "vm", "written", "kept")[0] == 0
    host.site.run("qemu-io", "-f", "qcow2", "-c", "write 0 512", f"{IMAGES}/written-root.qcow2")
    host.put("written", disks=[ROOT])
    host.wait_up("written")
    assert lines(host, "written") == 1
    assert "written-root.qcow2 was written to since; its next start boots it" in host.site.agent_log.read_text()
