"""What somebody changes in a running VMM behind the agent's back is told, and put right as far as a running guest allows."""

import json
import re
from contextlib import contextmanager

import pytest

from lib.paths import built
from lib.sites import IMAGES
from lib.vm_fixture import vm_host
from lib.vm_memory import save
from lib.vmm_process import ask
from lib.waiting import wait_until

MIB = 1 << 20
ROOT, DATA = ({"device": name, "size": size} for name, size in (("root", "16MiB"), ("data", "24MiB")))
SIZE = {"max_vcpus": 3, "max_memory": "384MiB"}


@pytest.fixture(scope="module", params=["fake", "real"])
def host(request):
    with vm_host(request, request.param, "vmm-drift") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.remove_all()


class Stranger:
    """Somebody with the socket of that VM's VMM."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        record = json.loads((host.backend.record(host.site, name) / "process.json").read_text())
        self.socket = record["socket"]

    def does(self, call, **body):
        answer = ask(self.socket, call, body)
        assert answer.status in (200, 204), answer.text

    def sees(self):
        return ask(self.socket, "vm.info").body

    def ids(self, sort):
        return [device["id"] for device in self.sees()["config"].get(sort) or []]

    def file(self, name):
        """A raw disk that its VMM may open, as the VMM knows it."""
        folder = f"{IMAGES}/harmony-plugged/{self.name}"
        (self.host.site.images / "harmony-plugged" / self.name / name).write_bytes(bytes(MIB))
        return f"{folder}/{name}"


def up(host, name, **fields):
    host.put(name, **fields)
    there = host.wait_up(name)
    host.wait(name, "Running")
    return there, Stranger(host, name)


@contextmanager
def no_agent(host):
    host.site.stop_agent()
    try:
        yield
    finally:
        host.start_agent()


def drift(host, name):
    """As the driver sees it; the agent would put it right meanwhile, so there is none."""
    site = host.site
    said = json.loads(site.run(built("drive"), "--backend", "cloud-hypervisor", "--image-dir", IMAGES, "--state", site.state,
                               "--runtime", site.runtime, "--vmm", host.backend.program, "observe").stdout)
    [thing] = [thing for thing in said["things"] if thing["name"] == name]
    return thing.get("drift")


def looks(host, condition, what):
    """The agent looks whenever it is asked for its plan."""
    def looked():
        host.ctl("plan")
        return condition()
    return wait_until(looked, 60, what, 0.5)


def is_planned(host, name):
    return [step for step in json.loads(host.ctl("plan", "-o", "json"))[0]["steps"]
            if step["name"] == name and step["op"] != "none"]


def test_sizes_are_as_declared_again(host):
    there, stranger = up(host, "sizes", **SIZE)
    with no_agent(host):
        assert drift(host, "sizes") is None
        stranger.does("vm.resize", desired_vcpus=3)
        stranger.does("vm.resize", desired_ram=256 * MIB)
        assert drift(host, "sizes") == "vcpus is 3, was made as 1; memory is 256MiB, was made as 128MiB"

    def as_declared():
        info = stranger.sees()
        return info["config"]["cpus"]["boot_vcpus"] == 1 and info["memory_actual_size"] == 128 * MIB
    looks(host, as_declared, "the sizes to be as declared")
    looks(host, lambda: not is_planned(host, "sizes"), "nothing to be left to do")
    assert host.is_up_since("sizes", there)


def test_devices_are_as_declared_again(host, lan):
    there, stranger = up(host, "devices", disks=[ROOT, DATA], networks=[{"network": lan}])
    [card] = stranger.ids("net")
    with no_agent(host):
        assert drift(host, "devices") is None
        stranger.does("vm.remove-device", id="disk-data")
        stranger.does("vm.remove-device", id=card)
        stranger.does("vm.add-disk", path=stranger.file("theirs"), readonly=True)
        wait_until(lambda: drift(host, "devices") and drift(host, "devices").count(" is gone") == 2, 20, "the guest to let go")
        assert drift(host, "devices").startswith("disk data (devices-data.qcow2) is gone; card 52:54:00:")
        assert re.search(f"; disk _disk[0-9]+ [(]{IMAGES}/harmony-plugged/devices/theirs, read-only[)] was added$",
                         drift(host, "devices"))
    looks(host, lambda: stranger.ids("disks") == ["disk-root", "disk-data"] and stranger.ids("net") == [card],
          "the devices to be as declared")
    looks(host, lambda: not is_planned(host, "devices"), "nothing to be left to do")
    assert host.is_up_since("devices", there)
    assert host.has_open("devices", "devices-data.qcow2")


def test_a_card_is_in_its_bridge_again(host):
    """As an agent that dies right after the boot leaves it, or who makes the bridge anew."""
    host.site.run("ip", "link", "add", "br-own", "type", "bridge")
    there, _ = up(host, "bridged", networks=[{"bridge": "br-own"}])
    [tap] = host.taps()
    assert host.taps() == {tap: "br-own"}
    with no_agent(host):
        assert drift(host, "bridged") is None
        host.site.run("ip", "link", "set", tap, "nomaster")
        assert drift(host, "bridged") == f"card {tap} is not in its bridge br-own"
    looks(host, lambda: host.taps() == {tap: "br-own"}, "the card to be in its bridge")
    looks(host, lambda: not is_planned(host, "bridged"), "nothing to be left to do")
    assert host.is_up_since("bridged", there)


def test_what_the_guest_has_not_let_go_of_is_no_drift(host):
    there, stranger = up(host, "keeps", words=["keeps"], disks=[ROOT, DATA])
    stranger.does("vm.remove-device", id="disk-data")
    assert stranger.ids("disks") == ["disk-root"]
    assert drift(host, "keeps") is None and not is_planned(host, "keeps")
    stranger.does("vm.add-disk", path=stranger.file("theirs"))
    looks(host, lambda: stranger.ids("disks") == ["disk-root"], "their disk to be asked back")
    looks(host, lambda: not is_planned(host, "keeps"), "nothing to be left to do but for the guest")
    assert host.is_up_since("keeps", there)


def test_another_file_under_a_disks_name_is_told_and_left_to_a_restart(host):
    there, stranger = up(host, "swapped", disks=[ROOT, DATA])
    with no_agent(host):
        stranger.does("vm.remove-device", id="disk-data")
        wait_until(lambda: drift(host, "swapped") == "disk data (swapped-data.qcow2) is gone", 20, "the guest to let go")
        stranger.does("vm.add-disk", id="disk-data", path=stranger.file("theirs"))
    status = host.wait("swapped", "Failed", timeout=60, where=lambda status: status.get("error"))
    assert "another disk as disk-data" in status["error"]["text"] and "restart the VM" in status["error"]["text"]
    assert "disk data is " in status["reason"] and host.is_up_since("swapped", there)
    host.ctl("reboot", "vm", "swapped")
    host.wait_up("swapped")
    host.wait("swapped", "Running", where=lambda status: not status.get("error"), timeout=60)
    assert host.has_open("swapped", "swapped-data.qcow2") and not is_planned(host, "swapped")


def test_what_goes_on_from_its_memory_is_as_it_was_given(host, lan):
    there, _ = up(host, "restored", disks=[ROOT], networks=[{"network": lan}], **SIZE)
    host.docs.wait_applied("vm", "restored", host.put(
        "restored", disks=[ROOT, DATA], networks=[{"network": lan}], vcpus=2, memory="256MiB", **SIZE))
    save(host, "restored", "kept")
    host.wait("restored", "Running")
    assert host.pid("restored") != there.pid and drift(host, "restored") is None
