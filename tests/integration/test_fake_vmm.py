"""The fake of cloud-hypervisor against what the real one was observed to answer; and where the real one is
at hand (CLOUD_HYPERVISOR, or in PATH), that it still answers so. Then processes, the tiny guest, faults."""

import json
import os
import signal
import socket
import time
import tty

import pytest

from lib import vmm_talks
from lib.netns import Machine
from lib.paths import system
from lib.processes import run
from lib.vmm_process import Unavailable, Vmm, version_of, vmm_program
from lib.waiting import wait_until

VERSIONS = [50, 53]
OBSERVED = {version: json.loads(vmm_talks.observed(version).read_text()) for version in VERSIONS}
VMMS = ["fake", "real"]
OLD = {"FAKE_VMM_VERSION": "50"}


def program(which):
    """Skips the real one where it is not."""
    try:
        return vmm_program(which)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def machine(folder):
    machine = Machine("machine", folder)
    yield machine
    machine.close()


@pytest.fixture
def make_vmm(folder, machine):
    made = []

    def make(which, name="vm", **environ):
        made.append(Vmm(program(which), folder, name, machine.enter, **environ))
        return made[-1]

    yield make
    for vmm in made:
        vmm.kill()


@pytest.fixture(params=VMMS)
def vmm(request, make_vmm):
    return make_vmm(request.param).start()


@pytest.fixture(params=["fake", "fake v50", "real"])
def any_vmm(request, make_vmm):
    which, _, is_old = request.param.partition(" ")
    return make_vmm(which, **(OLD if is_old else {})).start()


@pytest.fixture
def fake(make_vmm):
    return make_vmm("fake").start()


# -- conversations -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("talk", vmm_talks.TALKS)
@pytest.mark.parametrize("which", ["fake"])
def test_the_fake_answers_as_the_real_one_was_observed_to(talk, which, version, folder):
    assert vmm_talks.noted(talk, program(which), folder, FAKE_VMM_VERSION=str(version)) == OBSERVED[version][talk]


@pytest.mark.parametrize("talk", vmm_talks.TALKS)
@pytest.mark.parametrize("which", ["real"])
def test_the_real_one_still_answers_so(talk, which, folder):
    version = version_of(program(which))
    if version not in OBSERVED:
        pytest.skip(f"v{version} was not observed: python3 -m lib.vmm_talks does it")
    assert vmm_talks.noted(talk, program(which), folder) == OBSERVED[version][talk]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_conversation_was_observed(version):
    assert list(OBSERVED[version]) == list(vmm_talks.TALKS)


def test_it_says_that_it_is_a_fake(fake):
    assert "fake" in run([fake.program, "--version"]).stdout
    assert fake.do("vmm.ping")["build_version"].endswith("-fake")


# -- the process ---------------------------------------------------------------------------------


def test_sigterm_ends_it_and_takes_the_socket_away(vmm):
    vmm.boot()
    vmm.process.signal(signal.SIGTERM)
    assert vmm.wait_end() == 0 and not vmm.socket.exists()


def test_a_socket_that_sigkill_left_is_taken_over_by_v53_alone(any_vmm):
    vmm = any_vmm
    vmm.boot()
    vmm.process.kill()
    assert vmm.socket.exists()
    with pytest.raises(ConnectionRefusedError):
        vmm.ask("vmm.ping")
    if vmm.version < 53:
        vmm.process = vmm.spawn()
        assert vmm.wait_end() == 1
        vmm.socket.unlink()
    vmm.start()
    assert vmm.ask("vm.info").body[-1] == "VM is not created"


def test_a_second_one_on_a_live_socket_ends(vmm):
    first = vmm.process
    vmm.process = vmm.spawn()
    assert vmm.wait_end() == 1
    vmm.process = first
    assert vmm.ask("vmm.ping").status == 200


def test_it_ends_with_its_guest(vmm):
    vmm.do("vm.create", vmm.config(cmdline="off=0"))
    vmm.do("vm.boot")
    assert vmm.wait_end() == 0 and not vmm.socket.exists()
    assert vmm.said() == ["up, 1 cpu, 128 MiB, off=0"]


def test_a_guest_that_cannot_be_run_any_further_ends_it_as_a_shutdown_does(vmm):
    vmm.do("vm.create", vmm.config(cmdline="breaks=0"))
    vmm.do("vm.boot")
    assert vmm.wait_end() == 0 and not vmm.socket.exists()
    assert vmm.events()[-3:] == [("vm", "shutdown"), ("vm", "deleted"), ("vmm", "shutdown")]
    assert "VCPU generated error" in vmm.process.log.read_text()


@pytest.mark.parametrize("which", VMMS)
def test_it_outlives_its_guest_if_told_to(which, make_vmm):
    vmm = make_vmm(which)
    if vmm.version < 53:
        pytest.skip("--no-shutdown came later")
    vmm.start("--no-shutdown")
    vmm.do("vm.create", vmm.config(cmdline="off=0"))
    vmm.do("vm.boot")
    wait_until(lambda: ("vm", "shutdown") in vmm.events(), 10, "the guest's end to be told")
    wait_until(lambda: vmm.state() == "Created", 10, "the VM to be created and no more")


# -- the guest -----------------------------------------------------------------------------------


def test_the_guest_says_what_it_is(vmm):
    cpus = {"boot_vcpus": 2, "max_vcpus": 4}
    vmm.boot(cpus=cpus, memory={"size": 256 << 20}, cmdline="hello there")
    assert vmm.said() == ["up, 2 cpu, 256 MiB, hello there"]


def test_the_guest_hears_the_power_button(vmm):
    vmm.boot()
    vmm.do("vm.power-button")
    assert vmm.wait_end() == 0
    assert vmm.said()[-1] == "power button"


def test_a_deaf_guest_does_not(vmm):
    vmm.boot(cmdline="deaf")
    vmm.do("vm.power-button")
    vmm.do("vm.pause")
    vmm.do("vm.resume")  # whatever it heard would be done by now
    assert vmm.state() == "Running" and len(vmm.said()) == 1
    vmm.do("vm.shutdown")
    assert vmm.state() == "Created"


def test_a_guest_that_resets_itself_boots_anew_in_the_same_process(vmm):
    vmm.boot(cmdline="reset=300")
    wait_until(lambda: ("vm", "rebooted") in vmm.events(), 10, "the reset to be told")
    assert vmm.process.check_running() and vmm.state() == "Running"


def test_a_paused_guest_does_nothing(vmm):
    vmm.boot(cmdline="off=2000")
    due = time.monotonic() + 2.5
    vmm.do("vm.pause")
    vmm.do("vm.power-button")
    wait_until(lambda: time.monotonic() >= due, 10, "the time at which it would have ended", 0.05)
    assert vmm.state() == "Paused" and len(vmm.said()) == 1
    vmm.do("vm.resume")
    assert vmm.wait_end() == 0


def test_a_device_is_gone_when_the_guest_lets_it_go(vmm, folder):
    (folder / "disk").write_bytes(bytes(1 << 20))
    disk = {"path": str(folder / "disk"), "id": "extra", "image_type": "Raw"}
    vmm.boot(cmdline="keeps")
    vmm.do("vm.add-disk", disk)
    vmm.do("vm.remove-device", {"id": "extra"})
    info = vmm.do("vm.info")
    assert not info["config"].get("disks") and "extra" in info["device_tree"], "only the guest lets it go"
    assert ("vm", "device-removed") not in vmm.events()
    vmm.do("vm.shutdown")
    vmm.do("vm.delete")

    vmm.boot()
    vmm.do("vm.add-disk", disk)
    vmm.do("vm.remove-device", {"id": "extra"})
    wait_until(lambda: ("vm", "device-removed") in vmm.events(), 10, "the device to be let go")
    assert "extra" not in vmm.do("vm.info")["device_tree"]


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_qcow2_disk_that_the_guest_lets_go_ends_v50(any_vmm, folder, format):
    path = folder / f"disk.{format}"
    run([system("qemu-img"), "create", "-q", "-f", format, path, "4M"])
    any_vmm.boot(disks=[{"path": str(path), "id": "extra", "image_type": format.title()}])
    any_vmm.do("vm.remove-device", {"id": "extra"})
    if format == "qcow2" and any_vmm.version < 53:
        assert any_vmm.wait_end() == -signal.SIGSYS
    else:
        wait_until(lambda: "extra" not in any_vmm.do("vm.info")["device_tree"], 10, "the device to be gone")


def test_events_tell_of_its_life(vmm):
    vmm.boot()
    for call in ("vm.pause", "vm.resume", "vm.reboot", "vm.shutdown", "vm.delete", "vmm.shutdown"):
        vmm.do(call)
    vmm.wait_end()
    assert vmm.events() == [("vmm", "starting"), *(("vm", event) for event in (
        "booting", "booted", "pausing", "paused", "resuming", "resumed", "rebooting", "rebooted", "shutdown",
        "deleted")), ("vmm", "shutdown")]


def test_a_serial_console_of_its_own_is_told_where(vmm):
    vmm.do("vm.create", vmm.config(serial={"mode": "Pty"}))
    vmm.do("vm.boot")
    terminal = vmm.do("vm.info")["config"]["serial"]["file"]
    with open(os.open(terminal, os.O_RDONLY | os.O_NOCTTY), "rb") as console:  # not ours: its end would be a SIGHUP
        assert console.readline().startswith(b"tiny-guest: up")


@pytest.fixture
def terminal():
    """What is typed, and where it is read."""
    ends = os.openpty()
    tty.setraw(ends[1])
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("which", VMMS)
def test_what_is_typed_on_its_terminal_is_heard_also_after_a_pause_and_a_reset(make_vmm, which, terminal):
    vmm = make_vmm(which).start(stdin=terminal[1]).boot_on_terminal()
    os.write(terminal[0], b"first\r")
    vmm.wait_said("heard first")
    vmm.do("vm.pause")
    os.write(terminal[0], b"second\r")
    vmm.do("vm.resume")
    vmm.wait_said("heard second")
    vmm.do("vm.reboot")
    os.write(terminal[0], b"third\r")
    vmm.wait_said("heard third")
    assert len(vmm.wait_said("up")) == 2, "a reset goes on behind what was said before"


def test_without_a_terminal_its_console_is_stdout_alone(vmm):
    vmm.boot_on_terminal()
    assert vmm.state() == "Running"


def test_a_serial_console_on_a_socket(vmm, folder):
    path = folder / "console"
    vmm.do("vm.create", vmm.config(serial={"mode": "Socket", "socket": str(path)}))
    vmm.do("vm.boot")
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(path))
        vmm.do("vm.power-button")
        heard = b""
        while more := console.recv(200):
            heard += more
    assert b"tiny-guest: power button" in heard
    assert vmm.wait_end() == 0


# -- snapshots -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", VMMS)
def test_a_snapshot_is_restored_paused_in_another_one(which, make_vmm, folder):
    vmm, there = make_vmm(which).start(), folder / "snapshot"
    there.mkdir()
    vmm.boot(cmdline="kept")
    vmm.do("vm.pause")
    answer = vmm.ask("vm.snapshot", {"destination_url": f"file://{there}"})
    if "GetNestedState" in answer.text:
        pytest.skip("cloud-hypervisor can't take a snapshot on this host: GetNestedState")
    assert answer.status == 204
    assert sorted(file.name for file in there.iterdir()) == ["config.json", "memory-ranges", "state.json"]
    vmm.do("vmm.shutdown")
    vmm.wait_end()

    other = make_vmm(which, "other").start()
    other.do("vm.restore", {"source_url": f"file://{there}"})
    assert other.state() == "Paused"
    other.do("vm.resume")
    other.do("vm.power-button")
    assert other.wait_end() == 0


# -- faults, which only the fake has ---------------------------------------------------------------


def fault(vmm, *lines):
    vmm.socket.with_name(vmm.socket.name + ".fault").write_text("".join(line + "\n" for line in lines))


def test_hangs(fake):
    fake.boot(cmdline="obey=0")
    fault(fake, "vm.pause hang")
    with pytest.raises(TimeoutError):
        fake.ask("vm.pause", timeout=0.2)
    with pytest.raises(TimeoutError):
        fake.ask("vmm.ping", timeout=0.2)
    fake.process.signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        fake.ask("vmm.ping", timeout=0.2)
    fake.process.check_running()


def test_answers_slowly_and_in_order(fake):
    fault(fake, "vm.create slow 300 1")
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(fake.socket))
        body = json.dumps(fake.config())
        waiting.sendall(f"PUT /api/v1/vm.create HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        assert fake.ask("vm.info").status == 200, "what came later was answered first"
        assert time.monotonic() - began >= 0.3
        assert waiting.recv(100).startswith(b"HTTP/1.1 204")


def test_answers_garbage(fake):
    fault(fake, "vm.info garbage 0 1")
    with pytest.raises(Exception, match="BadStatusLine|not HTTP"):
        fake.ask("vm.info")
    assert fake.ask("vm.info").status == 404


def test_dies_while_being_asked(fake):
    fault(fake, "vm.boot die")
    fake.do("vm.create", fake.config())
    with pytest.raises(ConnectionError):
        fake.ask("vm.boot")
    assert fake.wait_end() == -signal.SIGKILL
    assert fake.socket.exists() and ("vm", "booting") not in fake.events()


def test_does_what_was_asked_and_never_says_so(fake):
    fault(fake, "vm.boot close 0 1")
    fake.do("vm.create", fake.config())
    with pytest.raises(ConnectionError):
        fake.ask("vm.boot")
    assert fake.state() == "Running"


def test_one_file_can_hold_faults_for_all_of_a_folder(make_vmm, folder):
    (folder / "faults").write_text("vm.boot garbage\n")
    fakes = [make_vmm("fake", name).start() for name in "ab"]
    for fake in fakes:
        fake.do("vm.create", fake.config())
        with pytest.raises(Exception, match="BadStatusLine|not HTTP"):
            fake.ask("vm.boot")
