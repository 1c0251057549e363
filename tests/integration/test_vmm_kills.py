"""kill -9 of the agent at random instants, over 100 VMs on the fake of cloud-hypervisor, in every phase of their
lives: none is lost, doubled or leaked, and neither is a TAP or an address. HARMONY_SEED makes the same instants."""

import collections
import os
import random
import time

import pytest

from lib.kept import keep_logs
from lib.processes import TemporaryFolder
from lib.vm_hosts import VmHost
from lib.vmm_process import ask
from lib.waiting import wait_until

VMS, KILLS = int(os.environ.get("HARMONY_VMS", "100")), 5
NAMES = [f"vm{i}" for i in range(VMS)]
SEED = int(os.environ.get("HARMONY_SEED", random.randrange(10 ** 6)))
SIZE = {"max_vcpus": 4, "disks": [{"device": "root", "size": "1MiB", "format": "raw"}],
        "networks": [{"network": "lan"}], "stop_grace": "5s"}


class Killed:
    """100 VMs and an agent that is killed at random instants."""

    def __init__(self, folder):
        self.host = VmHost("fake", folder)
        self.random = random.Random(SEED)
        self.host.docs.put("network", "lan", {"backend": "native", "subnet": "10.100.0.1/23"})
        self.host.docs.wait("network", "lan", "Running")

    def put(self, **fields):
        self.revisions = {name: self.host.put(name, **{**SIZE, **fields}) for name in NAMES}

    def kill(self):
        """After some random time, in which nothing is doubled whatever is going on."""
        until = time.monotonic() + self.random.uniform(0.05, 1.5)
        seen = wait_until(lambda: self.doubled() or time.monotonic() >= until, 10, "the instant", 0.01)
        assert seen is True, seen
        self.host.site.kill_agent()
        assert not self.doubled(), self.doubled()
        self.host.start_agent()

    def doubled(self):
        """What is there too often, as a sentence; None: nothing."""
        sockets = collections.Counter(self.vmms().values())
        twice = [socket for socket, count in sockets.items() if count > 1]
        return f"{len(sockets)} VMMs for {VMS} VMs, two for each of {twice}" if twice or len(sockets) > VMS else None

    def vmms(self):
        return self.host.backend.vmms(self.host.site)

    # -- what there must be ------------------------------------------------------------------------

    def settle(self, phase):
        """Until each document is reported to be as declared, in its last revision."""
        def behind():
            found = {}
            for name in NAMES:
                status = self.host.docs.status("vm", name)
                if (status["phase"], status.get("applied_revision")) != (phase, self.revisions[name]):
                    found[name] = f"{status['phase']} {status.get('error') or status.get('reason')}"
            if found:
                raise ValueError(f"{len(found)} are not {phase}: {dict(list(found.items())[:3])}")
            return True
        wait_until(behind, 240, f"all to be {phase}", 0.5)

    def check_running(self, vcpus, mib):
        vmms = self.vmms()
        assert len(vmms) == VMS and len(set(vmms.values())) == VMS
        assert sorted(map(self.host.pid, NAMES)) == sorted(vmms), "a VM whose record names another process"
        for name in NAMES:
            info = ask(self.host.site.directory / vmms[self.host.pid(name)], "vm.info").body
            config = info["config"]
            assert info["state"] == "Running" and f"name={name}" in config["payload"]["cmdline"]
            assert (config["cpus"]["boot_vcpus"], config["memory"]["size"] >> 20) == (vcpus, mib)
        self.check_cards()

    def check_cards(self):
        taps = self.host.taps()
        assert len(taps) == VMS and set(taps.values()) == {"br-lan"}, taps
        held = self.addresses(VMS)
        assert sorted(held) == sorted(f"site-a.vm.{name}#0" for name in NAMES)
        assert len(set(held.values())) == VMS, "an address is held twice"

    def addresses(self, count):
        """Whose is which, once the network was looked at again and holds so many."""
        def held():
            found = self.host.docs.status("network", "lan")["details"].get("addresses", {})
            return (found,) if len(found) == count else None
        return wait_until(held, 90, f"{count} addresses to be held", 0.2)[0]

    def check_nothing_runs(self):
        assert self.vmms() == {}
        sockets = self.host.backend.sockets(self.host.site)
        assert [file.name for file in sockets.glob("*.sock")] == []

    def check_nothing_is_left(self):
        self.check_nothing_runs()
        assert self.host.taps() == {}
        records = self.host.backend.record(self.host.site, "")
        left = {folder.name: sorted(file.name for file in folder.iterdir()) for folder in records.iterdir()}
        assert not any(left.values()), left
        self.addresses(0)


@pytest.fixture
def killed(request):
    with TemporaryFolder() as folder:
        killed = Killed(folder)
        try:
            yield killed
        finally:
            killed.host.close()
            if getattr(request.node, "has_failed", False):
                print(f"seed {SEED}; logs are kept in {keep_logs(folder, request.node.name)}")


@pytest.mark.parametrize("backend", ["fake"])
def test_no_vm_is_lost_doubled_or_leaked_whenever_the_agent_dies(killed, backend):
    phases = [
        ("Running", {}, (1, 128)),
        ("Running", {"vcpus": 2}, (2, 128)),
        ("Running", {"vcpus": 2, "memory": "256MiB"}, (2, 256)),
        ("Stopped", {"vcpus": 2, "memory": "256MiB", "power": "off"}, None),
        ("Running", {"vcpus": 2, "memory": "256MiB"}, (2, 256)),
    ]
    pids = None
    for phase, fields, size in phases:
        killed.put(**fields)
        for _ in range(KILLS):
            killed.kill()
        killed.settle(phase)
        if size:
            killed.check_running(*size)
        else:
            killed.check_nothing_runs()
        if fields == {"vcpus": 2}:
            assert sorted(killed.vmms()) == pids, "more processors took another process"
        pids = sorted(killed.vmms())
    for name in NAMES:
        killed.host.docs.delete("vm", name)
    for _ in range(KILLS):
        killed.kill()
    for name in NAMES:
        killed.host.wait(name, "Deleted", timeout=240)
    killed.check_nothing_is_left()
