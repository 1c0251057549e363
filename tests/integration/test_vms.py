"""How VMs behave, whatever runs them: the same documents on libvirt, on the fake of cloud-hypervisor, and on
the real one where it is. A host for each; every test has a VM of its own name."""

import pytest

from lib.vm_fixture import vm_host
from lib.sites import IMAGES
from lib.terminal import Terminal
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

MIB = 1 << 20
ROOT, DATA = ({"device": name, "size": size} for name, size in (("root", "16MiB"), ("data", "24MiB")))


@pytest.fixture(scope="module", params=["libvirt", "fake", "real"])
def host(request):
    with vm_host(request, request.param, "vms") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    """What a test has declared is removed after it."""
    yield
    host.remove_all()


# -- the life of a VM ----------------------------------------------------------------------------


def test_a_document_becomes_a_guest_that_is_as_declared(host):
    revision = host.put("life", vcpus=2, disks=[ROOT])
    up = host.wait_up("life")
    assert (up.cpus, up.mib) == (2, 128)
    status = host.docs.wait_applied("vm", "life", revision)
    assert status["state"] == "running" and status["details"]["pid"] == up.pid
    assert (status["details"]["vcpus"], status["details"]["memory"]) == (2, 128 * MIB)


def test_power_off_is_asked_for_and_heard(host):
    host.put("off")
    up = host.wait_up("off")
    host.put("off", power="off")
    host.wait("off", "Stopped")
    host.wait_gone("off", up)
    assert host.hears("off")
    host.put("off")
    assert host.wait_up("off").pid != up.pid


def test_a_deaf_guest_is_stopped_hard_after_its_grace(host):
    host.put("deaf", words=["deaf"], stop_grace="1s")
    up = host.wait_up("deaf")
    host.put("deaf", words=["deaf"], stop_grace="1s", power="off")
    host.wait("deaf", "Stopped")
    host.wait_gone("deaf", up)
    assert not host.hears("deaf")


def test_a_removed_document_leaves_nothing_but_its_disk(host):
    host.put("gone", disks=[ROOT, {"device": "scratch", "size": "16MiB", "ephemeral": True}])
    up = host.wait_up("gone")
    host.remove("gone")
    host.wait_gone("gone", up)
    volumes = [file.name for file in host.site.images.glob("gone-*.qcow2")]
    assert volumes == ["gone-root.qcow2"]


def test_paused_stands_still_and_goes_on(host):
    host.put("still")
    up = host.wait_up("still")
    host.put("still", power="paused")
    assert host.wait("still", "Paused")["state"] == "paused"
    host.put("still")
    host.wait("still", "Running", where=lambda status: status["state"] == "running")
    assert host.is_up_since("still", up)


def test_a_vm_that_is_declared_paused_is_there_and_stands_still(host):
    host.put("asleep", power="paused")
    assert host.wait("asleep", "Paused")["state"] == "paused"
    assert host.pid("asleep")
    host.put("asleep")
    host.wait_up("asleep")


def test_a_reboot_is_one_more_boot_and_a_reset_stays_in_its_process(host):
    host.put("again")
    host.wait_up("again")
    host.wait("again", "Running")
    host.ctl("reboot", "vm", "again")
    up = host.wait_up("again")
    host.wait("again", "Running")
    assert host.is_up_since("again", up), "it was started once more"
    host.ctl("reboot", "vm", "again", "--grace", "0s")
    assert host.wait_up("again").pid == up.pid


# -- ends that nobody asked for ------------------------------------------------------------------


def test_a_guest_that_ends_by_itself_stays_off_or_comes_back(host):
    host.put("once", words=["off"], restart_policy="no")
    host.put("ever", words=["off"], restart_policy="always")
    assert host.wait("once", "Ended")["reason"].startswith("it shut down; restart_policy: no")
    for _ in range(2):  # on libvirt nothing says which process a boot was of
        host.wait_up("ever")
    assert host.pid("once") is None


def test_a_process_that_was_killed_is_a_crash(host):
    host.put("dies", restart_policy="on-failure")
    first = host.wait_up("dies")
    host.crash("dies")
    assert host.wait_up("dies").pid != first.pid
    assert host.wait("dies", "Running", where=lambda status: status.get("restarts"))["restarts"] == 1


# -- agents that come and go ---------------------------------------------------------------------


def test_guests_outlive_the_agent(host):
    host.put("outlives", disks=[ROOT])
    up = host.wait_up("outlives")
    host.wait("outlives", "Running")
    host.site.kill_agent()
    assert host.is_up_since("outlives", up)
    host.start_agent()
    revision = host.put("outlives", disks=[ROOT], labels={"seen": "again"})
    host.docs.wait_applied("vm", "outlives", revision)
    host.site.stop_agent()
    assert host.is_up_since("outlives", up)
    host.start_agent()
    host.wait("outlives", "Running")
    assert host.is_up_since("outlives", up)


def test_what_ended_while_no_agent_was_there_is_started_again(host):
    host.put("unseen", restart_policy="always")
    up = host.wait_up("unseen")
    host.wait("unseen", "Running")
    host.site.kill_agent()
    host.crash("unseen")
    host.wait_gone("unseen", up)
    host.start_agent()
    assert host.wait_up("unseen").pid != up.pid


# -- the console ---------------------------------------------------------------------------------


@pytest.fixture
def console(host):
    opened = []

    def open_one(name, *flags):
        opened.append(Terminal(host.argv("console", "vm", name, *flags)))
        return opened[-1]
    yield open_one
    for one in opened:
        one.close()


def talk(one, words):
    """What is typed is heard, and the answer is shown."""
    one.shows("Ctrl-] ends it")
    one.type(f"{words}\r")
    one.shows(f"heard {words}")


def test_a_line_on_the_console_is_answered(host, console):
    host.put("talks")
    host.wait_up("talks")
    host.wait("talks", "Running")
    one = console("talks")
    talk(one, "hello there")
    talk(one, "and again")
    one.type("\x1d")
    one.ends()
    assert " up, " not in one.text, "what was said before it was opened"
    assert host.ctl("logs", "vm", "talks").count("heard hello there") == 1


def test_a_console_is_one_persons_until_another_takes_it_over(host, console):
    host.put("shared")
    host.wait_up("shared")
    host.wait("shared", "Running")
    first = console("shared")
    talk(first, "first")
    second = console("shared")
    second.ends(code=1)
    assert "somebody else has its console open; --force takes it over" in second.text
    third = console("shared", "--force")
    first.ends()
    assert "somebody took it over" in first.text
    talk(third, "third")


def test_the_next_agent_has_the_console_too(host, console):
    host.put("kept")
    up = host.wait_up("kept")
    host.wait("kept", "Running")
    before = console("kept")
    talk(before, "before")
    host.site.kill_agent()
    before.ends(code=6)
    host.start_agent()
    host.wait("kept", "Running", revision=host.put("kept", labels={"seen": "again"}))
    talk(console("kept"), "after")
    assert host.is_up_since("kept", up)


def test_a_console_ends_with_its_vm_and_shows_its_last_words(host, console):
    host.put("ends")
    host.wait_up("ends")
    host.wait("ends", "Running")
    one = console("ends")
    talk(one, "goodbye")
    host.put("ends", power="off")
    one.ends()
    assert "switched off" in one.text and host.backend.last_words in one.text
    host.wait("ends", "Stopped")
    late = console("ends")
    late.ends(code=5)
    assert "vm ends is off: there is no console to talk to" in late.text


# -- changes -------------------------------------------------------------------------------------


def test_more_memory_than_there_is_room_for_takes_a_restart(host):
    host.put("larger")
    up = host.wait_up("larger")
    revision = host.put("larger", memory="256MiB")
    after = host.wait_up("larger")
    assert after.mib == 256 and after.pid != up.pid
    host.docs.wait_applied("vm", "larger", revision)


def test_processors_and_memory_grow_while_it_runs(host):
    size = {"max_vcpus": 3, "max_memory": "384MiB"}
    host.put("grows", **size)
    up = host.wait_up("grows")
    revision = host.put("grows", vcpus=2, memory="256MiB", **size)
    host.wait("grows", "Running", revision=revision, where=lambda status: (
        status["details"]["vcpus"] == 2 and status["details"]["memory"] >= 256 * MIB))  # a balloon may be slow
    assert host.is_up_since("grows", up)


def test_a_disk_comes_while_it_runs(host):
    host.put("disks", disks=[ROOT])
    up = host.wait_up("disks")
    assert host.has_open("disks", "disks-root.qcow2") and not host.has_open("disks", "disks-data.qcow2")
    revision = host.put("disks", disks=[ROOT, DATA])
    host.docs.wait_applied("vm", "disks", revision)
    assert host.has_open("disks", "disks-data.qcow2")
    assert host.is_up_since("disks", up)


def test_a_disk_goes_while_it_runs(host):
    if not host.backend.unplugs_qcow2:
        pytest.skip("a cloud-hypervisor before v53 ends then (test_vmm_versions.py)")
    host.put("parts", disks=[ROOT, DATA])
    up = host.wait_up("parts")
    revision = host.put("parts", disks=[ROOT])
    host.docs.wait_applied("vm", "parts", revision)
    wait_until(lambda: not host.has_open("parts", "parts-data.qcow2"), 30, "the disk to be let go")
    assert host.is_up_since("parts", up)
    assert (host.site.images / "parts-data.qcow2").exists(), "a disk outlives its VM"


def test_disks_whose_files_have_one_name_stay_apart_while_they_come(host):
    disks = []
    for place in ("left", "right"):
        file = host.site.images / place / "data.raw"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(MIB))
        disks.append({"device": place, "image": f"{IMAGES}/{place}/data.raw", "format": "raw"})
    host.put("alike", disks=[ROOT])
    up = host.wait_up("alike")
    revision = host.put("alike", disks=[ROOT, *disks])
    host.docs.wait_applied("vm", "alike", revision)
    assert host.is_up_since("alike", up)
    host.ctl("reboot", "vm", "alike", "--grace", "0s")  # cloud-hypervisor opens them again, by the names it was given
    assert host.wait_up("alike").pid == up.pid
    assert host.has_open("alike", "left/data.raw") and host.has_open("alike", "right/data.raw")


def test_a_kernel_that_is_not_there_is_told_and_then_mended(host):
    right = host.backend.spec("broken", (), {})["kernel"]
    host.put("broken", kernel=f"{right}-missing")
    error = host.wait("broken", "Failed", where=lambda status: status.get("error"))["error"]["text"]
    assert f"{right}-missing" in error or "No such file" in error, error
    assert host.pid("broken") is None
    host.put("broken", kernel=right)
    host.wait_up("broken")
    host.wait("broken", "Running")


# -- networks ------------------------------------------------------------------------------------


def test_a_card_is_a_tap_in_its_bridge_for_as_long_as_the_vm_runs(host, lan):
    before = set(host.taps())
    host.put("wired", networks=[{"network": lan}])
    up = host.wait_up("wired")
    host.wait("wired", "Running")
    [tap] = set(host.taps()) - before
    assert host.taps()[tap] == "br-lan"
    host.put("wired", networks=[{"network": lan}], power="off")
    host.wait("wired", "Stopped")
    host.wait_gone("wired", up)
    wait_until(lambda: set(host.taps()) == before, 10, "the TAP to be gone")


def test_an_address_stays_with_its_vm(host, lan):
    def address(name):
        return host.docs.status("network", lan)["details"]["addresses"].get(f"site-a.vm.{name}#0")

    for name in ("first", "second"):
        host.put(name, networks=[{"network": lan}])
        host.wait_up(name)
    held = [wait_until(lambda: address(name), 10, f"an address of {name}") for name in ("first", "second")]
    assert len(set(held)) == 2
    shown = [host.wait(name, "Running", where=lambda status: "address" in status["details"]["networks"][0])
             for name in ("first", "second")]
    assert [status["details"]["networks"][0]["address"] for status in shown] == held
    host.put("first", networks=[{"network": lan}], power="off")
    host.wait("first", "Stopped")
    host.put("first", networks=[{"network": lan}])
    host.wait_up("first")
    assert [address(name) for name in ("first", "second")] == held


# -- the host ------------------------------------------------------------------------------------


def test_a_power_cut_ends_all_and_brings_back_what_is_declared(host):
    host.put("survivor", disks=[ROOT])
    host.put("sleeper", power="off")
    host.wait_up("survivor")
    host.wait("sleeper", "Stopped")
    host.power_cut()
    host.told.clear()
    before = host.backend.boots(host.site, "survivor") if host.backend.keeps_console else 0
    host.told["survivor"] = (None, before)
    host.power_on()
    host.wait_up("survivor")
    host.wait("survivor", "Running")
    assert host.pid("sleeper") is None
