"""Snapshots with memory that go wrong: VMMs that fail or die meanwhile, and agents that do. On the fake of
cloud-hypervisor, which does so when it is told to."""

import json
import signal
from contextlib import suppress

import pytest

from lib.terminal import Terminal
from lib.vm_fixture import vm_host
from lib.vm_memory import ROOT, lines, notes, put_up, save, saved, say, snapshot, switch_off
from lib.vmm_process import ask
from lib.waiting import wait_until

pytestmark = pytest.mark.parametrize("backend", ["fake"])


@pytest.fixture(scope="module")
def host(request):
    with vm_host(request, "fake", "vm-memory-faults") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.mend()
    host.remove_all()


def is_asked(host, name, call):
    """All that comes before that call is done."""
    record, images = host.backend.record(host.site, name), host.site.images
    if call == "vm.pause":
        return (images / f"harmony-plugged/{name}/memory").exists()
    if call == "vm.restore":
        return (record / "resume.json").exists() and host.pid(name)
    before = {"vm.snapshot": "paused", "vmm.shutdown": "snapshotted", "vm.resume": "restored"}[call]
    return f'"event": "{before}"' in (record / "events").read_text()


def test_a_vmm_that_can_not_save_runs_on(host, backend):
    up = put_up(host, "cannot")
    host.strike("vm.snapshot garbage 0 1")
    code, said = snapshot(host, "create", "vm", "cannot", "kept", "--memory")
    assert code != 0 and "save its memory" in said, said
    host.wait("cannot", "Running")
    assert host.is_up_since("cannot", up) and lines(host, "cannot") == 1
    assert notes(host, "cannot") == {} and saved(host, "cannot") == []
    host.mend()
    save(host, "cannot", "kept")


def test_a_vmm_that_can_not_even_go_on_does_so_when_it_can(host, backend):
    up = put_up(host, "stuck")
    host.strike("vm.snapshot garbage 0 1", "vm.resume garbage 0 1")
    code, said = snapshot(host, "create", "vm", "stuck", "kept", "--memory")
    assert code != 0 and "save its memory" in said, said
    revision = host.put("stuck", disks=[ROOT], labels={"look": "again"})
    host.wait("stuck", "Running", revision=revision, where=lambda status: status["state"] == "running")
    assert host.is_up_since("stuck", up) and lines(host, "stuck") == 1


def test_what_an_agent_has_left_goes_on_though_it_was_asked_too_early(host, backend):
    """Its VMM writes on when the agent has died. Whoever asks it for a snapshot meanwhile gets no answer in time."""
    up = put_up(host, "asked")
    host.strike("vm.snapshot slow 20000 1")
    first = Terminal(host.argv("snapshot", "create", "vm", "asked", "kept", "--memory"))
    try:
        wait_until(lambda: is_asked(host, "asked", "vm.snapshot"), 20, "its memory to be asked for", 0.005)
        host.site.kill_agent()
    finally:
        first.close()
    host.start_agent()
    host.wait("asked", "Waiting", where=lambda status: status["state"] == "unknown")
    code, said = snapshot(host, "create", "vm", "asked", "again", "--memory")
    assert code != 0 and "ask for its state" in said, said
    host.mend()
    revision = host.put("asked", disks=[ROOT], labels={"look": "again"})
    host.wait("asked", "Running", revision=revision, where=lambda status: status["state"] == "running")
    assert host.is_up_since("asked", up) and lines(host, "asked") == 1


def by_hand(host, name, call):
    assert ask(json.loads((host.backend.record(host.site, name) / "process.json").read_text())["socket"], call).status == 204


def look(host, name, phase, **options):
    """What the next look shows of it."""
    return host.wait(name, phase, revision=host.put(name, disks=[ROOT], labels={"look": f"at {phase}"}), **options)


def pause_by_hand(host, name):
    by_hand(host, name, "vm.pause")
    look(host, name, "Waiting", where=lambda status: "paused by someone" in status["reason"])


def test_one_that_never_stood_still_is_left_to_who_pauses_it_later(host, backend):
    put_up(host, "unpaused")
    folder = host.site.images / "harmony-plugged/unpaused"
    folder.rmdir()
    folder.write_text("in the way")
    code, said = snapshot(host, "create", "vm", "unpaused", "kept", "--memory")
    assert code != 0 and "cannot make " in said, said
    folder.unlink()
    pause_by_hand(host, "unpaused")


def test_so_is_one_that_somebody_else_had_go_on(host, backend):
    """The note that says what to do about it says nothing of the next time."""
    put_up(host, "resumed")
    record = host.backend.record(host.site, "resumed")
    run = json.loads((record / "process.json").read_text())
    (record / "hold.json").write_text(json.dumps({name: run[name] for name in ("pid", "start_time")}))
    look(host, "resumed", "Running")
    pause_by_hand(host, "resumed")


def test_a_start_that_fails_before_its_memory_was_touched_keeps_it(host, backend):
    put_up(host, "noted")
    say(host, "noted", "one")
    save(host, "noted", "kept")
    switch_off(host, "noted")
    assert snapshot(host, "apply", "vm", "noted", "kept")[0] == 0
    in_the_way = host.backend.record(host.site, "noted") / "hold.json"
    (in_the_way / "full").mkdir(parents=True)
    host.put("noted", disks=[ROOT])
    error = host.wait("noted", "Failed", where=lambda status: status.get("error"))["error"]
    assert "hold.json" in error["text"], error
    (in_the_way / "full").rmdir()
    in_the_way.rmdir()
    host.wait("noted", "Running")
    assert lines(host, "noted") == 2, "it was booted"


def test_between_two_vmms_it_is_not_taken_for_off(host, backend):
    """A network that is to be replaced when nobody uses it is not, in that moment."""
    host.docs.put("network", "held", {"backend": "native", "subnet": "10.77.1.1/24"})
    host.docs.wait("network", "held", "Running")
    put_up(host, "between", networks=[{"network": "held"}])
    before = host.taps()
    host.docs.put("network", "held", {"backend": "native", "subnet": "10.77.2.1/24", "mode": "isolated"})
    wait_until(lambda: "in use by vm between" in host.docs.status("network", "held")["reason"], 20,
               "the network to wait for its VM")
    host.strike("vm.restore slow 2500")
    asked = Terminal(host.argv("snapshot", "create", "vm", "between", "kept", "--memory"))
    try:
        host.wait("between", "Waiting", where=lambda status: "goes on from there" in status["reason"])
        asked.ends()
    finally:
        asked.close()
    status = host.wait("between", "Running")
    assert status.get("restarts", 0) == 0 and host.taps() == before
    assert "in use by vm between" in host.docs.status("network", "held")["reason"]


def test_memory_that_was_half_written_goes_with_its_vm(host, backend):
    put_up(host, "half")
    host.strike("vmm.shutdown slow 2000")
    asked = Terminal(host.argv("snapshot", "create", "vm", "half", "kept", "--memory"))
    try:
        wait_until(lambda: is_asked(host, "half", "vmm.shutdown"), 20, "its memory to be written", 0.005)
        host.site.kill_agent()
    finally:
        asked.close()
    host.mend()
    host.start_agent()
    host.wait("half", "Running", revision=host.put("half", disks=[ROOT], labels={"seen": "again"}))
    host.remove("half")
    assert not list(host.site.images.rglob("memory-ranges"))


def test_an_agent_that_dies_between_two_vmms_leaves_no_guest_off(host, backend):
    """Its VMM has ended because it was told to, and not since its guest shut down."""
    up = put_up(host, "unled", restart_policy="on-failure")
    record = host.backend.record(host.site, "unled")
    host.strike("vmm.shutdown slow 1500")
    asked = Terminal(host.argv("snapshot", "create", "vm", "unled", "kept", "--memory"))
    try:
        wait_until(lambda: json.loads((record / "note.json").read_text())["state"] == "stopped", 20,
                   "its VMM to be about to end", 0.005)
        host.site.kill_agent()
    finally:
        asked.close()
    with suppress(OSError):  # the agent may have died before it had said so
        ask(json.loads((record / "process.json").read_text())["socket"], "vmm.shutdown")
    host.wait_gone("unled", up)
    host.mend()
    host.start_agent()
    assert host.wait_up("unled").pid != up.pid
    host.wait("unled", "Running")


def test_a_vmm_that_dies_while_it_saves_is_started_again(host, backend):
    up = put_up(host, "dies", restart_policy="always")
    host.strike("vm.snapshot die")
    code, said = snapshot(host, "create", "vm", "dies", "kept", "--memory")
    assert code != 0, said
    assert host.wait_up("dies").pid != up.pid
    assert saved(host, "dies") == []


def test_a_guest_that_can_not_be_brought_back_is_booted_and_that_is_said(host, backend):
    put_up(host, "lost")
    host.strike("vm.restore die")
    code, said = snapshot(host, "create", "vm", "lost", "kept", "--memory")
    assert code != 0 and "it was booted anew, as after a power cut" in said, said
    host.wait_up("lost")
    host.wait("lost", "Running")
    assert saved(host, "lost") == [] and lines(host, "lost") == 1


def hang_up(host):
    """SIGHUP: what the agent said before it."""
    before = host.site.agent_log.read_text()
    host.site.agent.signal(signal.SIGHUP)
    return before


def wait_for_log(host, before, text):
    wait_until(lambda: text in host.site.agent_log.read_text()[len(before):], 20, f"the agent to say {text!r}")


def test_a_reload_waits_for_a_snapshot_and_lets_no_other_in(host, backend):
    up, other = put_up(host, "reloaded"), put_up(host, "other")
    say(host, "reloaded", "one")
    host.strike("vm.restore slow 2500")
    asked = Terminal(host.argv("snapshot", "create", "vm", "reloaded", "kept", "--memory"))
    try:
        wait_until(lambda: is_asked(host, "reloaded", "vm.restore"), 20, "its memory to be brought back", 0.005)
        before = hang_up(host)
        wait_for_log(host, before, "the agent restarts when what is under way has ended: 1")
        code, said = snapshot(host, "create", "vm", "other", "kept")
        assert code != 0 and "restarts as soon as what is under way has ended; try again" in said, said
        asked.ends()
    finally:
        asked.close()
    assert "vm/reloaded has snapshot kept, with its memory" in asked.text
    wait_for_log(host, before, f", site {host.site.name}\n")
    assert host.pid("reloaded") != up.pid and lines(host, "reloaded") == 2
    assert host.is_up_since("other", other)
    host.mend()
    save(host, "other", "kept")


def test_a_reload_that_is_refused_lets_operations_in_again(host, backend):
    put_up(host, "stays")
    good = host.site.config["log"]["level"]
    host.site.config["log"]["level"] = "loud"
    host.site.write_config()
    try:
        wait_for_log(host, hang_up(host), "not restarted: ")
        save(host, "stays", "kept")
    finally:
        host.site.config["log"]["level"] = good
        host.site.write_config()


@pytest.mark.parametrize("call", ["vm.pause", "vm.snapshot", "vmm.shutdown", "vm.restore", "vm.resume"])
def test_an_agent_that_dies_in_between_leaves_a_guest_that_goes_on_or_is_booted(host, backend, call):
    name = f"cut-in-{call.split('.')[1]}"
    up = put_up(host, name)
    say(host, name, "one")
    host.strike(f"{call} slow 2000")
    asked = Terminal(host.argv("snapshot", "create", "vm", name, "kept", "--memory"))
    try:
        wait_until(lambda: is_asked(host, name, call), 20, f"{call} to be asked", 0.005)
        host.site.kill_agent()
    finally:
        asked.close()
    host.mend()
    host.start_agent()
    host.wait(name, "Running", revision=host.put(name, disks=[ROOT], labels={"seen": "again"}))
    assert len(host.backend.vmms(host.site)) == 1
    goes_on = host.pid(name) == up.pid or call in ("vm.restore", "vm.resume")
    assert lines(host, name) == (2 if goes_on else 1)
    assert not (host.backend.record(host.site, name) / "resume.json").exists()
