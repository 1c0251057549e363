"""The units under a real systemd: what becomes of the workload, and of VMs on cloud-hypervisor, when they are killed,
reloaded, restarted and stopped."""

import json
import shutil

import pytest

from lib.booted import Booted, is_possible
from lib.declared import Documents
from lib.failover import Store
from lib.processes import environment, run
from lib.pair import PAIR_CONFIG
from lib.paths import built
from lib.sites import IMAGES
from lib.terminal import Terminal
from lib.waiting import wait_until

pytestmark = pytest.mark.skipif(not is_possible(), reason="systemd-nspawn, systemd or dbus is not installed")

AGENT, GUARDIAN = "harmonyd.service", "harmony-guardian.service"
FENCE_TIMEOUT_MS = 1500
PROMOTE = "#!/bin/sh\nsleep 987654 </dev/null >/dev/null 2>&1 &\n"


class Host(Booted):
    """One site of a group in which nobody else is, so that the role stays or comes back."""

    def __init__(self, folder, nats):
        super().__init__(folder)
        config = {"site_id": "site-a", "nats": {"servers": nats.url}, "libvirt": {"uri": "test:///default"},
                  "failover": {"hooks": {"promote": ["/usr/local/sbin/promote"], "fence": ["/bin/true"]}}}
        (self.root / "etc/harmony/harmonyd.yaml").write_text(json.dumps(config))
        (self.local / "sbin/promote").write_text(PROMOTE)
        (self.local / "sbin/promote").chmod(0o755)
        run([built("harmonyctl"), "failover", "init", "--primary", "site-a", "--replica", "site-b",
             "--heartbeat-interval", "500ms", "--failure-threshold", "7", "--fence-timeout", f"{FENCE_TIMEOUT_MS}ms",
             "--failover-timeout", "6s"], env=environment(NATS_URL=nats.url))
        self.store = Store(nats.url)

    def close(self):
        super().close()
        self.store.close()

    def lease(self):
        return self.store.get("primary_heartbeat")

    def workload(self):
        """Its pids."""
        return self.run("pgrep -x sleep", check=False).stdout.split()

    def leads(self):
        """(epoch, the workload's pid) once it leads and its lease is kept, else None."""
        lease, pids = self.lease(), self.workload()
        if (lease["site_id"], lease["role"], len(pids)) != ("site-a", "leader", 1) or lease["status"] != "HEALTHY":
            return None
        return lease["epoch"], pids[0]

    def leading(self):
        """The same, waited for: a heartbeat may fail on a machine that stands still. An epoch that is over does not return."""
        return wait_until(self.leads, 15, "a lease that is kept", 0.05, tell=lambda: (self.lease(), self.journal(AGENT)[-2000:]))

    def wait_leads(self, above=0):
        """Until it leads in an epoch above this one. Returns (epoch, the workload's pid)."""
        def condition():
            now = self.leads()
            return now if now and now[0] > above else None
        return wait_until(condition, 30, f"site-a to lead in an epoch above {above}", 0.05)

    def wait_heartbeats(self, count):
        start = self.lease()["counter"]
        wait_until(lambda: self.lease()["counter"] >= start + count, 20, f"{count} heartbeats", 0.05)

    def kill(self, unit):
        """SIGKILL to its main process alone; returns once systemd has started the next."""
        before = self.pid(unit)
        self.run(f"kill -KILL {before}")
        wait_until(lambda: self.pid(unit) not in (0, before), 20, f"{unit} to be started again", 0.02)


@pytest.fixture
def host(folder, nats):
    """It has booted with the agent enabled, and leads."""
    host = Host(folder, nats)
    try:
        host.enable(AGENT)
        host.boot()
        host.wait_leads()
        yield host
    finally:
        host.close()


def test_units_keep_and_end_the_workload(host):
    """One host goes through all of it: booting one takes longer than the rest."""
    check_workload_is_below_the_guardian(host)
    check_agent_killed(host)
    check_agent_reloaded(host)
    check_guardian_reloaded(host)
    check_guardian_killed(host)
    check_both_killed(host)
    check_guardian_restarted(host)
    check_agent_stopped_and_started(host)
    check_power_off(host)


def check_workload_is_below_the_guardian(host):
    _, pid = host.leading()
    cgroups = host.run(f"cat /proc/{pid}/cgroup").stdout
    assert f"0::/system.slice/{GUARDIAN}/harmony-default-" in cgroups
    assert host.property(GUARDIAN, "ActiveState") == "active"


def check_agent_killed(host):
    before = host.leading()
    host.kill(AGENT)
    host.wait_heartbeats(4)
    assert host.leading() == before


def check_agent_reloaded(host):
    before, agent = host.leading(), host.pid(AGENT)
    host.run(f"systemctl reload {AGENT}")
    wait_until(lambda: "restarting; the guardian holds" in host.journal(AGENT), 10, "the restart in place")
    host.wait_heartbeats(4)
    assert host.property(AGENT, "ActiveState") == "active", "it has told systemd that the reload is over"
    assert (host.leading(), host.pid(AGENT)) == (before, agent)


def check_guardian_reloaded(host):
    before, guardian = host.leading(), host.pid(GUARDIAN)
    host.run(f"systemctl reload {GUARDIAN}")
    wait_until(lambda: "goes on for site-a/default" in host.journal(GUARDIAN), 10, "the guardian to go on")
    host.wait_heartbeats(4)
    assert (host.leading(), host.pid(GUARDIAN)) == (before, guardian)


def check_guardian_killed(host):
    """Its epoch is over, and what ran in it has ended before its successor is asked for another."""
    kill_and_wait_for_the_end(host, GUARDIAN)


def check_both_killed(host):
    kill_and_wait_for_the_end(host, AGENT, GUARDIAN)


def kill_and_wait_for_the_end(host, *units):
    """All of them at once. Of the epoch's workload, in time, and until the next one is led."""
    epoch, pid = host.leading()
    host.run(" ".join(["kill -KILL", *(str(host.pid(unit)) for unit in units)]))
    wait_until(lambda: pid not in host.workload(), FENCE_TIMEOUT_MS / 1000 + 1, "the workload to be dead", 0.01)
    assert host.wait_leads(above=epoch)[1] != pid


def check_guardian_restarted(host):
    epoch, pid = host.leading()
    host.run(f"systemctl restart {GUARDIAN}")
    assert host.wait_leads(above=epoch)[1] != pid


def check_agent_stopped_and_started(host):
    epoch, _ = host.leading()
    guardian = host.pid(GUARDIAN)
    host.run(f"systemctl stop {AGENT}")
    assert (host.workload(), host.lease()["status"]) == ([], "RELEASED")
    assert host.pid(GUARDIAN) == guardian
    host.run(f"systemctl start {AGENT}")
    host.wait_leads(above=epoch)


def check_power_off(host):
    """The agent hands over before its guardian goes."""
    host.power_off(timeout=60)
    assert host.lease()["status"] == "RELEASED"
    lines = host.journal_afterwards().splitlines()
    # The guardian's own word: what systemd says of it then may come behind the journal's end.
    last = [max(i for i, line in enumerate(lines) if said in line)
            for said in (f"{AGENT}: Deactivated successfully", "guardian: was asked to end")]
    assert last == sorted(last), "\n".join(lines[-40:])


# -- VMs on cloud-hypervisor -----------------------------------------------------------------------


class VmmHost(Booted):
    """Its agent runs VMs on the fake of cloud-hypervisor, each in a scope of systemd's."""

    def __init__(self, folder, nats):
        super().__init__(folder)
        config = {"site_id": "site-a", "nats": {"servers": nats.url}, "libvirt": {"enabled": False},
                  "cloud_hypervisor": {"program": "/usr/local/bin/fake_vmm"}}
        (self.root / "etc/harmony/harmonyd.yaml").write_text(json.dumps(config))
        images = self.root / IMAGES[1:]
        images.mkdir(parents=True)
        shutil.copy(built("fake_vmm"), self.local / "bin")
        shutil.copy(built("tiny_guest"), images)
        self.nats, self.docs = nats, Documents(nats.url)

    def close(self):
        super().close()
        self.docs.close()

    def put(self, name, docs=None, **fields):
        return (docs or self.docs).put("vm", name, {
            "backend": "cloud-hypervisor", "vcpus": 1, "memory": "128MiB", "kernel": f"{IMAGES}/tiny_guest",
            "cmdline": name, **fields})

    def console(self, name):
        return (self.root / IMAGES[1:] / f"console/{name}.log").read_text()

    def scopes(self):
        """unit -> its description."""
        listed = self.run("systemctl list-units --all --plain --no-legend harmony-vm-*.scope").stdout
        return {line.split()[0]: line.split(maxsplit=4)[4] for line in listed.splitlines()}

    def has_no_scopes(self):
        assert self.scopes() == {}
        return True

    def is_running(self, pid):
        return self.run(f"kill -0 {pid}", check=False).returncode == 0


@pytest.fixture
def vmm_host(folder, nats):
    host = VmmHost(folder, nats)
    try:
        host.enable(AGENT)
        host.boot()
        yield host
    finally:
        host.close()


def test_a_vm_is_in_a_scope_of_its_own_and_outlives_the_service(vmm_host):
    host = vmm_host
    host.put("web")
    pid = host.docs.wait("vm", "web", "Running")["details"]["pid"]
    [scope] = host.scopes()
    assert host.scopes() == {scope: "harmony: virtual machine web"}
    assert f"0::/machine.slice/{scope}" in host.run(f"cat /proc/{pid}/cgroup").stdout.splitlines()
    for command in ("restart", "stop", "start", "reload"):
        host.run(f"systemctl {command} {AGENT}")
        assert host.is_running(pid) and host.property(scope, "ActiveState") == "active", command
    host.docs.wait_applied("vm", "web", host.put("web", labels={"seen": "again"}))
    check_console(host)
    host.docs.delete("vm", "web")
    host.docs.wait("vm", "web", "Deleted")
    assert not host.is_running(pid)
    wait_until(host.has_no_scopes, 10, "the scope to be gone")


APART = """#!/bin/sh
for number in $(seq 100); do /bin/true; done
exec harmonyd --config /etc/harmony/harmonyd.yaml
"""


def be_apart(host):
    """Its agent is in a pid namespace of its own from its next start on, in which the next numbers are others' outside."""
    (host.local / "sbin/apart").write_text(APART)
    (host.local / "sbin/apart").chmod(0o755)
    changes = host.root / "etc/systemd/system/harmonyd.service.d/apart.conf"
    changes.parent.mkdir()
    changes.write_text("[Service]\nType=simple\nExecStart=\nExecStart=unshare --pid --fork --mount-proc --kill-child apart\n")
    host.run("systemctl daemon-reload")
    host.run("sh -c 'for number in $(seq 200); do sleep 1000 </dev/null >/dev/null 2>&1 & done'")


def test_an_agent_in_a_namespace_of_its_own_has_nobody_moved(vmm_host):
    host = vmm_host
    be_apart(host)
    host.run(f"systemctl restart {AGENT}")
    host.put("web")
    host.docs.wait("vm", "web", "Running")
    host.has_no_scopes()


def check_console(host):
    """The service may fetch what the agent before it had opened."""
    one = Terminal([built("harmonyctl"), "-s", host.nats.url, "console", "vm", "web"])
    try:
        one.shows("Ctrl-] ends it")
        one.type("hello\r")
        one.shows("heard hello")
    finally:
        one.close()


def test_a_vm_that_is_killed_leaves_no_scope(vmm_host):
    host = vmm_host
    host.put("web", restart_policy="always")
    pid = host.docs.wait("vm", "web", "Running")["details"]["pid"]
    [before] = host.scopes()
    host.run(f"kill -KILL {pid}")
    host.docs.wait("vm", "web", "Running", where=lambda status: status["details"]["pid"] != pid)
    wait_until(lambda: len(host.scopes()) == 1 and before not in host.scopes(), 10, "the scope of the next one alone")


def test_at_a_power_off_a_guest_is_asked_before_systemd_ends_its_vmm(vmm_host):
    """The agent has the time to stop what it leads with in order, before it hands over."""
    host = vmm_host
    primary = Documents(host.nats.url, where="primary")
    primary.store.put("cluster_config", PAIR_CONFIG)
    primary.store.put("primary_heartbeat", {"site_id": None, "status": "RELEASED", "epoch": 0, "next": "site-a"})
    host.put("web", primary, stop_grace="10s", cmdline="web obey=500")
    primary.wait("vm", "web", "Running")
    host.power_off()
    assert primary.store.get("primary_heartbeat")["status"] == "RELEASED"
    primary.close()
    journal = host.journal_afterwards()
    assert "tiny-guest: power button" in host.console("web"), journal
    assert "Stopping harmony-vm-" not in journal, "its guest was not given the time to end"
