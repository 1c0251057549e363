"""VMMs that hang, answer slowly, answer garbage, or die while they are asked: the fake of cloud-hypervisor does so
when it is told to. One VM is struck, and one beside it must not notice."""

import pytest

from lib.processes import run
from lib.terminal import Terminal
from lib.vm_fixture import vm_host
from lib.waiting import wait_until

pytestmark = pytest.mark.parametrize("backend", ["fake"])


@pytest.fixture(scope="module")
def host(request):
    with vm_host(request, "fake", "vmm-faults") as host:
        host.put("beside")
        host.beside = host.wait_up("beside")
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.mend()
    host.remove(*sorted(host.declared - {"beside"}))
    assert host.is_up_since("beside", host.beside), "the VM beside it was touched"
    assert len(host.backend.vmms(host.site)) == 1, "a VMM is left"


def vmms(host):
    return len(host.backend.vmms(host.site))


# -- while it is started -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["vm.create hang", "vm.create die", "vm.boot die", "vm.create garbage",
                                   "vm.boot garbage", "vm.create close", "vm.boot close"])
def test_a_start_that_fails_is_tried_again_and_leaves_nothing(host, fault, backend):
    host.strike(fault)
    host.put("struck")
    error = host.wait("struck", "Failed", timeout=60, where=lambda status: status.get("error"))["error"]
    assert "struck" in error["text"], error
    host.mend()
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    assert host.is_up_since("struck", up) and vmms(host) == 2


def test_a_slow_one_comes_up_and_holds_nobody_up(host, backend):
    slow = ["vm.create slow 8000", "vm.boot slow 8000"]
    host.strike(*slow)
    host.put("struck")
    wait_until(lambda: host.pid("struck"), 20, "the slow VMM to be started", 0.01)
    host.strike(*slow, name="struck")
    host.strike()  # no other one
    host.put("quick")
    host.wait_up("quick")
    assert host.backend.boots(host.site, "struck") == 0, "it has waited for the slow one"
    assert host.wait("struck", "Running", timeout=60)["state"] == "running"
    host.wait_up("struck")
    assert vmms(host) == 3


# -- while it runs -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["vm.info hang", "vm.info garbage", "vm.info close"])
def test_what_says_nothing_is_unknown_and_not_dead(host, fault, backend):
    host.put("struck")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    host.strike(fault, name="struck")
    told = host.wait("struck", "Waiting", timeout=60, where=lambda status: status["state"] == "unknown")
    assert told["reason"]
    assert host.is_up_since("struck", up) and vmms(host) == 2, "it was started anew, or ended"
    if "hang" in fault:
        host.crash("struck")
        host.mend()
        assert host.wait_up("struck").pid != up.pid
    else:
        host.mend()
        host.wait("struck", "Running", timeout=60)
        assert host.is_up_since("struck", up)


def test_one_that_hangs_can_be_stopped(host, backend):
    host.put("struck")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    host.strike("vm.power-button hang", name="struck")
    host.put("struck", power="off", stop_grace="1s")
    host.wait_gone("struck", up)
    host.wait("struck", "Stopped", timeout=60)


def test_one_that_dies_while_it_is_asked_is_started_again(host, backend):
    host.put("struck", restart_policy="always")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    host.strike("vm.info die", name="struck")
    host.wait_gone("struck", up)
    host.mend()
    assert host.wait_up("struck").pid != up.pid
    host.wait("struck", "Running")


def test_an_agent_that_comes_meets_one_that_hangs(host, backend):
    host.put("struck")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    host.site.kill_agent()
    host.strike("* hang", name="struck")
    host.start_agent()
    host.wait("struck", "Waiting", timeout=60, where=lambda status: status["state"] == "unknown")
    revision = host.put("other")
    host.docs.wait_applied("vm", "other", revision)
    assert host.is_up_since("struck", up) and vmms(host) == 3
    host.crash("struck")
    host.mend()
    host.wait_up("struck")


def test_an_agent_that_dies_in_a_reboot_leaves_no_guest_off(host, backend):
    """Its guest shuts down because it was asked to, and not by itself."""
    host.put("struck", words=["obey=1500"], restart_policy="on-failure")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    asked = Terminal(host.argv("reboot", "vm", "struck"))
    try:
        wait_until(lambda: host.hears("struck"), 20, "the guest to be asked", 0.01)
        host.site.kill_agent()
    finally:
        asked.close()
    host.wait_gone("struck", up)
    host.start_agent()
    assert host.wait_up("struck").pid != up.pid
    host.wait("struck", "Running")


def test_while_it_is_rebooted_it_is_not_taken_for_off(host, backend):
    """A network that is to be replaced when nobody uses it would be, in that moment, and the guest plugged into nothing."""
    host.docs.put("network", "held", {"backend": "native", "subnet": "10.77.1.1/24"})
    host.docs.wait("network", "held", "Running")
    host.put("struck", networks=[{"network": "held"}])
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    before = host.taps()
    host.docs.put("network", "held", {"backend": "native", "subnet": "10.77.2.1/24", "mode": "isolated"})
    wait_until(lambda: "in use by vm struck" in host.docs.status("network", "held")["reason"], 20,
               "the network to wait for its VM")
    host.strike("vm.create slow 2000")
    asked = Terminal(host.argv("reboot", "vm", "struck"))
    try:
        host.wait("struck", "Waiting", where=lambda status: "it is rebooted" in status["reason"])
        asked.ends()
    finally:
        asked.close()
    host.wait("struck", "Running")
    assert host.pid("struck") != up.pid and host.taps() == before
    assert "in use by vm struck" in host.docs.status("network", "held")["reason"]


def test_a_guest_is_not_booted_on_a_tap_that_is_plugged_into_nothing(host, backend):
    """Its VMM would make one."""
    host.docs.put("network", "gone", {"backend": "native", "subnet": "10.77.3.1/24"})
    host.docs.wait("network", "gone", "Running")
    host.put("struck", networks=[{"network": "gone"}])
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    [(tap, bridge)] = host.taps().items()
    host.site.run("ip", "link", "delete", tap)
    said = run(host.argv("reboot", "vm", "struck"), check=False)
    assert said.returncode != 0 and f"the TAP {tap} of its card is not there" in said.stderr, said
    assert host.wait_up("struck").pid != up.pid
    assert host.taps() == {tap: bridge}


def test_what_has_no_record_of_its_run_is_not_rebooted_as_something_else(host, backend):
    """It would be booted without disks and cards."""
    host.put("struck")
    up = host.wait_up("struck")
    host.wait("struck", "Running")
    (host.backend.record(host.site, "struck") / "process.json").unlink()
    said = run(host.argv("reboot", "vm", "struck"), check=False)
    assert said.returncode != 0 and "the record of what it was started from is gone; stop and start it" in said.stderr, said
    assert up.pid in host.backend.vmms(host.site)
    host.put("struck", power="off")
    host.wait("struck", "Stopped")
    host.put("struck")
    assert host.wait_up("struck").pid != up.pid
