"""VMs of placement `primary` on two sites with a libvirtd each: on the leader, and nowhere else."""

import contextlib

import pytest
from lib import guest
from lib.declared import DESIRED, vm
from lib.failover import boottime_ns
from lib.pair import Pair, Watch, guests
from lib.vm_hosts import CloudHypervisor
from lib.vmm_process import vmm_program
from lib.waiting import GaveUp, wait_until

pytestmark = pytest.mark.boots_guests

LAN = {"subnet": "192.168.78.1/24"}
SLACK_MS = 600  # of a busy machine, beyond what the configuration bounds


def db(**fields):
    """The guest says something every 20 ms."""
    return vm("db", network="lan", cmdline=guest.CMDLINE.format(name="db") + " beat=20", **fields)


@pytest.fixture
def make_pair(folder, nats, make_site):
    pairs = []

    def make(*sites, **config):
        """Started, with the network and the VM declared, which run on site-a."""
        pair = Pair(folder, nats.url, make_site, **config)
        pairs.append(pair)
        pair.start(*(getattr(pair, site) for site in sites))
        pair.docs.put("network", "lan", LAN)
        pair.docs.put("vm", "db", db())
        pair.wait_runs("site-a")
        return pair

    yield make
    for pair in pairs:
        pair.close()


@pytest.fixture
def make_pair_on_fake(folder, nats, make_site):
    """The same with a VM on the fake of cloud-hypervisor, without a network."""
    backend, pairs = CloudHypervisor(vmm_program("fake")), []

    def make(**config):
        pair = Pair(folder, nats.url, make_site, **config)
        pairs.append(pair)
        for site in pair.sites.values():
            backend.configure(site)
        pair.start()
        pair.docs.put("vm", "db", backend.spec("db", (), {"vcpus": 1, "memory": "128MiB"}))
        pair.wait_phase("site-a", "Running")
        pair.wait_phase("site-b", "Standby")
        return pair

    yield make
    for pair in pairs:
        pair.close()


def promise_ms(config):
    """How long after the last good heartbeat its writer can at most serve."""
    intervals = config["failure_threshold"] + 1
    return intervals * config["heartbeat_interval_ms"] + config["fence_timeout_ms"] + 250


def wait_runs_anew(pair):
    """Until the VM, which was stopped on site-a, runs in a later epoch, wherever that is led."""
    def leader():
        lease = pair.lease()
        return lease["epoch"] > 1 and lease["site_id"]
    site = wait_until(leader, 30, "a leader in a later epoch")
    pair.wait_runs(site, boots=2 if site == "site-a" else 1)


def test_runs_on_the_leader_and_moves_with_the_role(make_pair):
    """Power cut and return: defined and off on the replica, the other way round after a takeover,
    and back by the handshake, in which the guest is asked to stop first."""
    pair = make_pair(fence_timeout_ms=5000, failover_timeout_ms=8000, yield_after_ms=2000)
    pair.wait_phase("site-b", "Standby")
    assert pair.a.domains() == {"db": "running"}
    assert pair.b.domains() == {"db": "shut off"}
    assert pair.b.virsh("domstate", "db", "--reason").startswith("shut off")
    with Watch(pair) as watch:
        pair.a.power_cut()
        pair.wait_runs("site-b")
        assert pair.b.wait_boot("db").name == "db"
        assert pair.lease()["site_id"] == "site-b"
        pair.a.power_on()
        pair.a.start_agent()
        pair.wait_phase("site-b", "Standby")
        pair.wait_runs("site-a", boots=2)
        wait_until(lambda: watch.speakers()[2:], 10, "the look-out to hear site-a again")
    watch.check_never_twice()
    assert watch.speakers() == ["site-a", "site-b", "site-a"]
    assert guest.STOPPING in pair.b.console("db"), "the guest was not asked to stop"
    assert guest.STOPPING not in pair.a.console("db")
    assert (pair.lease()["site_id"], pair.lease()["epoch"]) == ("site-a", 3)
    assert pair.b.domains() == {"db": "shut off"}


def test_nats_killed_stops_it_within_the_promise_and_what_is_pinned_runs_on(make_pair, nats):
    pair = make_pair()
    pair.pinned.put("vm", "web", vm("web"))
    pair.a.wait_boot("web")
    first, web = guests(pair.a, "db")[0], guests(pair.a, "web")
    with Watch(pair) as watch:
        killed = boottime_ns()
        nats.kill()
        gone = pair.wait_gone("site-a", first)
        assert pair.still.lived_ns(killed, gone) / 1e6 <= promise_ms(pair.config) + SLACK_MS
        nats.start()
        wait_runs_anew(pair)
    watch.check_never_twice()
    assert guests(pair.a, "web") == web and len(pair.a.boots("web")) == 1


def test_the_guardian_ends_the_vmm_of_a_frozen_agent_before_the_other_site_starts_its_own(make_pair_on_fake):
    pair = make_pair_on_fake()
    [first] = guests(pair.a, "db")
    with Watch(pair, speaks=False) as watch:
        frozen = boottime_ns()
        pair.a.freeze_agent()
        gone = pair.wait_gone("site-a", first)
        assert pair.still.lived_ns(frozen, gone) / 1e6 <= promise_ms(pair.config) + SLACK_MS
        pair.wait_phase("site-b", "Running")
        assert len(guests(pair.b, "db")) == 1
        pair.a.thaw_agent()
        pair.wait_phase("site-a", "Standby")
    watch.check_never_twice()
    assert guests(pair.a, "db") == []


def test_a_record_that_can_not_be_read_keeps_its_vmm_from_no_fence(make_pair_on_fake, nats):
    """Whose it is can't be told any more, but its document says who it may be."""
    pair = make_pair_on_fake()
    [first] = guests(pair.a, "db")
    (pair.a.state / "cloud-hypervisor/db/vm.json").write_text("{")
    wait_until(lambda: "its state is unknown" in pair.status("site-a").get("reason", ""), 60, "the record to be missed")
    with Watch(pair, speaks=False) as watch:
        nats.kill()
        pair.wait_gone("site-a", first)
        nats.start()
        wait_until(lambda: pair.lease()["epoch"] > 1, 40, "a later epoch")
    watch.check_never_twice()


def test_agent_that_finds_nothing_held_fences_it_before_anything_else(make_pair):
    """Its guardian died with it."""
    pair = make_pair(failover_timeout_ms=8000)
    first = guests(pair.a, "db")[0]
    with Watch(pair) as watch:
        pair.a.kill_agent()
        pair.a.kill_guardian()
        assert guests(pair.a, "db") == [first]
        pair.a.start_agent()
        wait_until(lambda: fence_is_over(pair, first), 30, "a later epoch")
        wait_runs_anew(pair)
    watch.check_never_twice()


def fence_is_over(pair, pid):
    """True in a later epoch, which must not have begun while the guest of the earlier one lived."""
    pair.a.agent.check_running()
    epoch = pair.lease()["epoch"]  # asked first: the fence came before what it shows
    if pid in guests(pair.a, "db") and epoch > 1:
        raise GaveUp(f"epoch {epoch} began before the guest of epoch 1 was fenced")
    return epoch > 1


@contextlib.contextmanager
def frozen_libvirtd(site):
    site.freeze_libvirtd()
    try:
        yield
    finally:
        site.thaw_libvirtd()


def test_hanging_libvirtd_keeps_the_site_from_leading_not_its_guest_running(make_pair, nats):
    """libvirtd hangs while the lease is lost. The guardian ends the guest, and its word is enough for the
    others. The site does not lead anew before its agent has seen the guest off, after the thaw."""
    def heard():
        return pair.store.get("replica_heartbeat.site-a")["counter"]

    pair = make_pair("a")
    before = heard()
    with frozen_libvirtd(pair.a):
        nats.kill()
        wait_until(lambda: "it has seen the effect" in pair.a.agent_log.read_text(), 30,
                   "the guardian to end it")
        assert guests(pair.a, "db") == []
        nats.start()
        first = wait_until(lambda: heard() > before and heard(), 20, "the site to be back")
        silence = pair.config["failover_timeout_ms"] // pair.config["heartbeat_interval_ms"]
        wait_until(lambda: heard() > first + 1.2 * silence, 30, "more heartbeats than its failover_timeout has")
        assert pair.store.get("replica_heartbeat.site-a")["fit"] is False
        assert {(r["site_id"], r["epoch"]) for r in pair.leases()[1:]} <= {("site-a", 1), (None, 1)}
    wait_runs_anew(pair)


def test_change_and_deletion_reach_both_sites(make_pair):
    """Also a site whose agent was away."""
    pair = make_pair()
    pair.wait_phase("site-b", "Standby")
    pair.b.kill_agent()
    revision = pair.docs.put("vm", "db", db(memory="128MiB"))
    pair.wait_phase("site-a", "Running", revision=revision)
    before, after = pair.a.boots("db")[0], pair.a.wait_boot("db", 2)
    assert after.mib > before.mib
    pair.b.start_agent()
    pair.wait_phase("site-b", "Standby", revision=revision)
    assert "131072" in pair.b.virsh("dominfo", "db").split("Max memory:")[1].splitlines()[0]
    assert pair.b.domains() == {"db": "shut off"} and not pair.b.boots("db")
    pair.docs.delete("vm", "db")
    for name, site in pair.sites.items():
        pair.wait_phase(name, "Deleted")
        assert site.domains() == {}
    assert pair.lease()["epoch"] == 1


def test_a_paused_guest_is_fenced_with_its_lease(make_pair, nats):
    """It stands still, but its process and its memory are there: another site must not start it beside."""
    pair = make_pair("a")
    first = guests(pair.a, "db")[0]
    revision = pair.docs.put("vm", "db", db(power="paused"))
    pair.wait_phase("site-a", "Paused", revision=revision)
    assert pair.a.domains() == {"db": "paused"} and guests(pair.a, "db") == [first]
    nats.kill()
    pair.wait_gone("site-a", first)
    nats.start()
    wait_until(lambda: pair.lease()["epoch"] > 1 and pair.a.domains() == {"db": "paused"}, 40,
               "it to be there again, paused, in a later epoch")
    revision = pair.docs.put("vm", "db", db())
    pair.wait_phase("site-a", "Running", revision=revision)
    pair.a.wait_boot("db", 2)


def test_who_ended_by_itself_moves_nothing_and_starts_with_the_next_leader(make_pair):
    pair = make_pair()
    ending = db(restart_policy="on-failure")
    ending["cmdline"] += " end=off:3"
    pair.docs.put("vm", "db", {**ending, "power": "off"})
    pair.wait_phase("site-a", "Stopped")
    pair.docs.put("vm", "db", ending)
    pair.wait_phase("site-a", "Ended")
    pair.wait_phase("site-b", "Standby")
    heard = pair.lease()["counter"]
    wait_until(lambda: pair.lease()["counter"] > heard + 1.2 * pair.config["failure_threshold"], 20,
               "more heartbeats than a probe may fail")
    assert (pair.lease()["site_id"], pair.lease()["epoch"]) == ("site-a", 1)
    assert len(pair.a.boots("db")) == 2 and not pair.b.boots("db")
    pair.a.power_cut()
    pair.b.wait_boot("db", 1, 60)  # another run of it
    pair.wait_phase("site-b", "Ended")
    assert (pair.lease()["site_id"], pair.lease()["epoch"]) == ("site-b", 2)


def test_a_crash_is_mended_where_it_is_and_a_crash_loop_moves_the_role(make_pair):
    """What is started again within n * T was not ill; what has to wait longer for its next start is."""
    pair = make_pair(heartbeat_interval_ms=1000, failure_threshold=3, failover_timeout_ms=8000)
    pair.wait_phase("site-b", "Standby")
    pair.docs.put("vm", "db", db(restart_policy="on-failure"))

    def crash():
        pid = wait_until(lambda: guests(pair.a, "db"), 30, "it to run on site-a")[0]
        pair.a.run("kill", "-9", pid, check=False)
        wait_until(lambda: pid not in guests(pair.a, "db"), 10, "its end")
    with Watch(pair) as watch:
        crash()
        pair.wait_runs("site-a", boots=2)
        wait_until(lambda: pair.status("site-a")["restarts"] == 1, 20, "the restart to be counted")
        assert pair.lease()["epoch"] == 1 and not pair.b.boots("db")
        for _ in range(4):  # the next starts are 1 s, 2 s, 4 s away
            crash()
            wait_until(lambda: guests(pair.a, "db") or pair.lease()["site_id"] != "site-a", 30, "a start, or a release")
            if pair.lease()["site_id"] != "site-a":
                break
        pair.wait_runs("site-b")
    watch.check_never_twice()
    assert (pair.lease()["site_id"], pair.lease()["epoch"]) == ("site-b", 2)
    there = pair.status("site-b")
    assert there["restarts"] == 0 and not [c for c in there["conditions"] if c["type"] == "CrashLoop"], "a run of its own"
    pair.wait_phase("site-a", "Standby")
    assert pair.a.domains() == {"db": "shut off"}


def test_orphan_is_fenced_like_any_other(make_pair, nats):
    """harmony_desired made anew: no document is left, but the VM still moves with the lease."""
    pair = make_pair("a")
    first = guests(pair.a, "db")[0]
    pair.store.wait_for(pair.store.js.delete_stream(f"KV_{DESIRED}"))
    wait_until(lambda: DESIRED in pair.a.agent_log.read_text(), 30, "the agent to notice")
    pair.store.make_bucket(DESIRED)
    wait_until(lambda: any(c["type"] == "Orphaned" for c in pair.status("site-a")["conditions"]), 30,
               "the VM to be reported as an orphan")
    assert guests(pair.a, "db") == [first]
    nats.kill()
    pair.wait_gone("site-a", first)
    nats.start()
    wait_runs_anew(pair)


def test_vm_is_killed_while_agent_and_libvirtd_hang(folder, nats, make_site):
    """Nobody is left to ask but the kernel."""
    with Pair(folder, nats.url, make_site) as pair:
        pair.start()
        pair.docs.put("vm", "db", vm("db", cmdline=db()["cmdline"]))
        pair.wait_runs("site-a", timeout=90)
        first = guests(pair.a, "db")[0]
        with Watch(pair) as watch:
            pair.a.freeze_libvirtd()
            pair.a.freeze_agent()
            frozen = boottime_ns()
            gone = pair.wait_gone("site-a", first)
            assert pair.still.lived_ns(frozen, gone) / 1e6 <= promise_ms(pair.config) + SLACK_MS
            pair.wait_runs("site-b", timeout=90)
        watch.check_never_twice()
        pair.a.thaw_libvirtd()
        pair.a.thaw_agent()
        pair.wait_phase("site-a", "Standby")
        assert guests(pair.a, "db") == []
