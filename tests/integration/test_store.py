"""The store goes backwards or disappears, on a real nats-server: hold, and `harmonyctl failover repair`.

What serves, and when, is read from the witness's records alone. Nobody promotes after a loss that the sites
have noticed, and two never serve at once.
"""

import json
import shutil

import pytest

from lib.failover import Group, boottime_ns
from lib.paths import built, system
from lib.processes import run
from lib.waiting import wait_until

# F 2.5 s, promise 3.3 s; the preferred primary does not ask for its role back
CONFIG = {"heartbeat_interval_ms": 250, "failure_threshold": 9, "fence_timeout_ms": 500,
          "failover_timeout_ms": 3500, "yield_to_primary": False}
SLACK_MS = 500  # of a busy machine
HOLDS = "harmonyctl failover repair"
FIRST = {"site_id": None, "status": "RELEASED", "epoch": 0, "next": "site-b"}


@pytest.fixture
def make_group(folder, nats, make_site):
    groups = []

    def make(**changes):
        groups.append(Group(folder, nats.url, make_site, **{**CONFIG, **changes}))
        return groups[-1]

    yield make
    for group in groups:
        group.close()


def lead(group):
    """site-a leads in epoch 1, site-b is a replica that is ready."""
    group.init()
    group.start()
    assert group.wait_serving("site-a") == 1
    group.wait_replica("site-b")
    group.wait_leader_writes(6)
    return group


@pytest.fixture
def group(make_group):
    return lead(make_group())


@pytest.fixture
def repair(nats):
    """repair("--yes", code=0): what it said, as JSON if that is asked for."""
    def call(*arguments, code=0):
        done = run([built("harmonyctl"), "--server", nats.url, "failover", "repair", *arguments],
                   check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if "json" in arguments else done.stdout + done.stderr
    return call


def config_file(group, folder):
    file = folder / "cluster_config.json"
    file.write_text(json.dumps(group.config))
    return str(file)


def wait_holds(group, *names):
    for name in names:
        group.wait_warning(name, HOLDS, timeout=15)
        assert group.status(name)["holds"]


def nobody_promotes(group):
    """For longer than any silence that a replica waits for."""
    until = boottime_ns() + 2 * group.config["failover_timeout_ms"] * 1_000_000
    records = {name: group.last_record(name) for name in group.sites}
    wait_until(lambda: boottime_ns() > until, 30, "two silences to pass", 0.05)
    assert {name: group.last_record(name) for name in group.sites} == records, group.describe()


def fence_bound_ms(config):
    """From the last good write to the last moment of service."""
    intervals = config["failure_threshold"] + 1
    return intervals * config["heartbeat_interval_ms"] + config["fence_timeout_ms"] + SLACK_MS


def fenced_in_time(group, name, lost_ns):
    """It served on until its deadline, and no longer."""
    group.wait_nobody_serves()
    last, config = group.last_record(name)[0], group.config
    served_ms = (group.still.goes_on(last) - lost_ns) / 1e6
    assert served_ms >= (config["failure_threshold"] - 1) * config["heartbeat_interval_ms"]
    assert group.lived_ms(lost_ns, last) <= fence_bound_ms(config)


def wait_repaired(group, generation=1):
    """Somebody alone serves again. Returns who."""
    site, epoch = group.wait_one_serves()
    lease = wait_until(lambda: (group.lease() or {}).get("site_id") and group.lease(), 10, "a leader")
    assert lease["generation"] == generation
    assert lease["epoch"] == epoch
    return site


def no_overlap(group):
    assert group.report()["overlap_ms"] == 0


# -- the bucket is gone ------------------------------------------------------------------------------

def test_bucket_deleted_while_leading(group, repair, folder):
    """The leader serves until its deadline and fences, nobody promotes, nothing is made anew by itself."""
    lost = boottime_ns()
    group.store.delete_bucket()
    fenced_in_time(group, "site-a", lost)
    wait_holds(group, "site-a", "site-b")
    nobody_promotes(group)
    assert "KV_harmony_failover" not in group.store.streams()
    said = repair(code=3)
    assert "--config" in said
    plan = repair("--config", config_file(group, folder), "-o", "json", code=5)
    assert (plan["bucket"], plan["needed"], plan["done"]) == (False, True, False)
    assert {s["site"]: s["epoch"] for s in plan["sites"]} == {"site-a": 1, "site-b": 1}
    assert "KV_harmony_failover" not in group.store.streams()
    done = repair("--config", config_file(group, folder), "--yes", "-o", "json")
    assert (done["done"], done["generation"]) == (True, 1)
    name = wait_repaired(group)
    assert group.lease()["epoch"] > 1
    wait_until(lambda: not any(group.status(n)["holds"] for n in group.sites), 10, "holds to end")
    no_overlap(group)


def test_bucket_made_anew_by_hand(group, repair):
    """With the first record of all, while the agents are away: their marks tell them that it is the past."""
    lost = boottime_ns()
    group.store.delete_bucket()
    fenced_in_time(group, "site-a", lost)
    for site in group.sites.values():
        site.kill_agent()
    group.store.make_bucket("harmony_failover")
    group.configure()
    group.store.put("primary_heartbeat", FIRST)
    for site in group.sites.values():
        site.start_agent()
    wait_holds(group, "site-a", "site-b")
    nobody_promotes(group)
    assert "has seen epoch 1" in repair(code=5)
    assert "generation 1" in repair("--yes", "--next", "site-b")
    assert wait_repaired(group) == "site-b"
    no_overlap(group)
    assert "nothing to repair" in repair("--yes")


# -- the bucket is what it was before ------------------------------------------------------------------

class Copy:
    """Of the server's store, to go back to. The server is stopped for as long as a copy takes."""

    def __init__(self, nats, folder):
        self.nats, self.store = nats, nats.directory / "jetstream"
        self.copy = folder / "copy-of-jetstream"
        nats.stop()
        shutil.copytree(self.store, self.copy)
        nats.start()

    def restore(self):
        """Returns when the server was stopped (BOOTTIME, ns)."""
        self.nats.stop()
        stopped = boottime_ns()
        shutil.rmtree(self.store)
        shutil.copytree(self.copy, self.store)
        self.nats.start()
        return stopped


def test_lost_heartbeats_of_the_leader_are_no_reason_to_stop(make_group, nats, folder):
    """The same epoch under a lower revision: the leader goes on from what is left."""
    group = lead(make_group(failure_threshold=15, failover_timeout_ms=6000))
    copy = Copy(nats, folder)
    before = group.lease()["counter"]
    wait_until(lambda: group.lease()["counter"] > before + 8, 10, "heartbeats to be lost")
    last = group.lease()["counter"]
    copy.restore()
    wait_until(lambda: (group.lease() or {"counter": 0})["counter"] > last + 8, 20, "heartbeats to go on")
    assert group.terms() == [("site-a", 1)]
    assert any("lost writes" in site.agent.log_end(200) for site in group.sites.values())
    assert not any(group.status(name)["holds"] for name in group.sites)
    no_overlap(group)


def test_epoch_that_was_lost_is_held_for(group, nats, folder, repair):
    """Rolled back to before a failover: the leader of the lost epoch fences, and nobody takes the old lease."""
    copy = Copy(nats, folder)
    group.wait_serving("site-a")
    group.a.power_cut()
    epoch = group.wait_serving("site-b")
    group.a.power_on(libvirtd=False)
    group.a.start_agent()
    group.wait_replica("site-a")
    wait_until(lambda: group.heartbeat("site-a")["epoch"] == epoch, 10, "site-a to have seen the epoch")
    lost = copy.restore()
    fenced_in_time(group, "site-b", lost)
    wait_holds(group, "site-a", "site-b")
    nobody_promotes(group)
    plan = repair("-o", "json", code=5)
    assert plan["primary_heartbeat"]["epoch"] < epoch
    assert {s["epoch"] for s in plan["sites"]} == {epoch}
    repair("--yes", "--next", "site-b")
    assert wait_repaired(group) == "site-b"
    assert group.lease()["epoch"] == epoch + 1
    no_overlap(group)


def test_first_record_put_over_a_leader_is_the_past(group, repair):
    lost = boottime_ns()
    group.store.put("primary_heartbeat", FIRST)
    fenced_in_time(group, "site-a", lost)
    wait_holds(group, "site-a", "site-b")
    nobody_promotes(group)
    repair("--yes")
    wait_repaired(group)
    no_overlap(group)


# -- what repair refuses -------------------------------------------------------------------------------

def test_repair_of_a_group_that_is_well(group, repair):
    before = group.lease()["epoch"]
    assert "nothing to repair" in repair("--yes")
    result = repair("-o", "json")
    assert (result["needed"], result["done"]) == (False, False)
    assert group.lease()["epoch"] == before


def test_repair_refuses_while_a_leader_lives(group, repair):
    """Somebody has seen more than the leader's epoch, and still it serves."""
    group.store.put("replica_heartbeat.site-c", {"site_id": "site-c", "status": "HEALTHY", "epoch": 9,
                                                 "seen_epoch": 9})
    for arguments in ((), ("--yes",)):
        assert "site-a holds the lease" in repair(*arguments, code=5)
    group.check_serving({"site-a": 1})
    assert group.lease().get("generation", 0) == 0


def test_repair_of_a_group_that_never_was(nats, repair):
    assert "failover init" in repair("--yes", code=4)


# -- the own disk ----------------------------------------------------------------------------------------

def test_full_disk_leads_nothing(make_group):
    """What could not be remembered is not begun, and the reason is said."""
    group = make_group()
    group.a.power_on(libvirtd=False)
    group.a.run(system("mount"), "-t", "tmpfs", "-o", "size=256k", "tmpfs", group.a.state)
    group.a.start_agent()
    wait_until(lambda: "failover init" in group.a.agent.log_end(100), 10, "the agent to be up")
    group.a.run(system("dd"), "if=/dev/zero", f"of={group.a.state}/filler", "bs=4k", check=False)
    group.init()
    group.wait_warning("site-a", "No space left on device")
    wait_until(lambda: not group.heartbeat("site-a")["fit"], 10, "site-a to be unfit")
    group.b.power_on(libvirtd=False)
    group.b.start_agent()
    group.wait_serving("site-b", timeout=20)
    assert group.last_record("site-a") is None
    group.a.run(system("rm"), f"{group.a.state}/filler")
    wait_until(lambda: group.heartbeat("site-a")["fit"], 10, "site-a to be fit again")
