"""Failover on real parts: a NATS server, two agents, the witness as workload.

What serves, and when, is read from the witness's records alone. One case each; the guardian's cases
(an agent that hangs or dies while its workload runs on) are in test_guarded.py.
"""

import signal

import pytest

from lib.failover import GONE_NS, Group, assert_taken_over_in_time, boottime_ns
from lib.fake_server import FakeOldServer
from lib.paths import built
from lib.processes import run
from lib.waiting import wait_until

SLACK_MS = 400  # of a busy machine, beyond what the configuration bounds


@pytest.fixture
def make_group(folder, nats, make_site):
    groups = []

    def make(**options):
        groups.append(Group(folder, nats.url, make_site, **options))
        return groups[-1]

    yield make
    for group in groups:
        group.close()


@pytest.fixture
def group(make_group):
    """site-a leads in epoch 1, site-b is a replica that is ready."""
    group = make_group()
    group.init()
    group.start()
    assert group.wait_serving("site-a") == 1
    group.wait_replica("site-b")
    group.wait_leader_writes(9)
    return group


def fence_bound_ms(config):
    """From the last good write to the last moment of service: F + fence_timeout."""
    intervals = config["failure_threshold"] + 1
    return intervals * config["heartbeat_interval_ms"] + config["fence_timeout_ms"] + SLACK_MS


def assert_no_overlap(group):
    assert group.report()["overlap_ms"] == 0


# -- the straight path -----------------------------------------------------------------------------

def test_first_leader_is_elected_once_the_group_is_made(make_group):
    """Agents that were there first say what is missing, and nobody serves."""
    group = make_group()
    group.start(in_turn=False)
    wait_until(lambda: "failover init" in group.a.agent.log_end(100), 10, "the missing bucket to be told")
    group.check_silent(0)
    group.init()
    assert group.wait_serving("site-a") == 1
    lease = group.lease()
    assert (lease["site_id"], lease["status"], lease["epoch"]) == ("site-a", "HEALTHY", 1)
    state = wait_until(lambda: group.store.get("cluster_state"), 15, "cluster_state")
    assert (state["current_primary"], state["epoch"]) == ("site-a", 1)
    beat = wait_until(lambda: group.heartbeat("site-b"), 15, "a heartbeat of site-b")
    assert beat["site_id"] == "site-b"


def test_failover_init_makes_a_group_that_elects_its_leader(make_group, nats):
    group = make_group()
    run([built("harmonyctl"), "--server", nats.url, "failover", "init", "--primary", "site-a",
         "--replica", "site-b", "--heartbeat-interval=100ms", "--failover-timeout=3400ms",
         "--failure-threshold=24", "--fence-timeout=500ms"])
    group.start()
    assert group.wait_serving("site-a") == 1


def test_power_cut_of_the_leader_moves_the_role(group):
    cut = group.a.power_cut()
    group.wait_serving("site-b", epoch=2)
    handover = group.handover("site-a", "site-b")
    assert_taken_over_in_time(group, handover, SLACK_MS)
    assert (handover["at_ns"] - cut) / 1e6 >= group.config["failover_timeout_ms"] - 200
    assert_no_overlap(group)
    incident = wait_until(lambda: group.store.get("incident.2"), 15, "the incident")
    assert (incident["from"], incident["to"], incident["reason"]) == ("site-a", "site-b", "STALE")
    assert {h["site_id"] for h in incident["heartbeats"][-3:]} == {"site-a"}


def test_preferred_primary_gets_the_role_back_by_handshake(group):
    group.a.power_cut()
    group.wait_serving("site-b", epoch=2)
    back = boottime_ns()
    group.a.power_on(libvirtd=False)
    group.a.start_agent()
    group.wait_serving("site-a", epoch=3, timeout=20)
    handover = group.handover("site-b", "site-a")
    assert group.outage_ms(handover) < group.config["failover_timeout_ms"]
    assert (handover["at_ns"] - back) / 1e6 >= group.config["yield_after_ms"]
    assert_no_overlap(group)
    assert wait_until(lambda: group.store.get("incident.3"), 15, "the incident")["ended"] == "YIELD"


def test_graceful_stop_of_the_agent_hands_over_at_once(group):
    assert group.a.stop_agent() == 0
    group.wait_serving("site-b", epoch=2)
    handover = group.handover("site-a", "site-b")
    assert group.outage_ms(handover) < group.config["failover_timeout_ms"] / 2
    assert_no_overlap(group)
    assert group.store.get("incident.2")["ended"] == "STEP_DOWN"


def test_graceful_stop_of_a_replica_changes_nothing(group):
    assert group.b.stop_agent() == 0
    group.wait_leader_writes(20)
    group.check_serving({"site-a": 1})
    assert group.terms() == [("site-a", 1)]


# -- the primary lives -----------------------------------------------------------------------------

def test_replica_that_was_frozen_does_not_promote_on_waking(group):
    """Its own silence is not the leader's: it was away for longer than failover_timeout."""
    group.b.freeze_agent()
    ticks = int(1.5 * group.config["failover_timeout_ms"] / group.config["heartbeat_interval_ms"])
    group.wait_leader_writes(ticks, timeout=40)
    group.b.thaw_agent()
    group.wait_silences("site-b")
    group.check_serving({"site-a": 1})
    assert group.lease()["epoch"] == 1
    assert group.terms() == [("site-a", 1)]


def test_failing_replica_hook_never_leads(make_group):
    """A site that is not fit waits, however long the silence."""
    group = make_group(hooks={"probe": ["/bin/sh", "-c", "test $HARMONY_SITE = site-a"]})
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_heartbeats("site-b", 5)
    group.a.power_cut()
    group.wait_silences("site-b", 2)
    assert group.heartbeat("site-b")["fit"] is False
    assert group.terms() == [("site-a", 1)]


# -- the store fails ---------------------------------------------------------------------------------

def test_nats_killed_and_restarted_mid_work(group, nats):
    killed = boottime_ns()
    nats.kill()
    group.wait_nobody_serves()
    assert group.lived_ms(killed, group.last_of_epoch(1)) <= fence_bound_ms(group.config)
    nats.start()
    group.wait_one_serves(above=1)
    assert_no_overlap(group)


def test_nats_frozen_longer_than_the_lease(group, nats):
    frozen = boottime_ns()
    nats.freeze()
    group.wait_nobody_serves()
    assert group.lived_ms(frozen, group.last_of_epoch(1)) <= fence_bound_ms(group.config)
    nats.thaw()
    group.wait_one_serves(above=1)
    assert_no_overlap(group)


def test_nats_frozen_for_less_than_the_lease_costs_nothing(make_group, nats):
    group = make_group(heartbeat_interval_ms=500, failure_threshold=6, failover_timeout_ms=4300)
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    nats.freeze()
    frozen = boottime_ns()
    wait_until(lambda: boottime_ns() - frozen > 600_000_000, 5, "0.6 s of a frozen server")
    nats.thaw()
    group.wait_leader_writes(6)
    group.check_serving({"site-a": 1})
    assert group.terms() == [("site-a", 1)]


# -- the agent fails ---------------------------------------------------------------------------------

def noting_hooks(group, notes):
    """The witness's hooks, each of which first notes that it runs: "site-a fence 1"."""
    for name, site in group.sites.items():
        hooks = site.config["failover"]["hooks"]
        for hook in ("promote", "fence"):
            hooks[hook] = ["/bin/sh", "-c", f'echo {name} {hook} $HARMONY_EPOCH >>{notes}; exec "$@"', "-",
                           *hooks[hook]]


def notes_of(site, notes):
    """What this site's hooks noted; the other one's agent may still be starting."""
    return [line for line in notes.read_text().splitlines() if line.startswith(site)]


def test_agent_that_finds_nothing_held_fences_before_anything_else(make_group, folder):
    """Agent and guardian were killed. The next agent starts a guardian, which ends what it finds."""
    group = make_group(failover_timeout_ms=5000)
    notes = folder / "notes"
    noting_hooks(group, notes)
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    wait_until(lambda: group.lease()["role"] == "leader", 10, "the promotion to end")
    group.a.kill_agent()
    group.a.kill_guardian()
    assert "site-a" in group.serving(GONE_NS)
    before = len(notes_of("site-a", notes))
    group.a.start_agent()
    group.wait_one_serves(above=1)
    assert notes_of("site-a", notes)[before].startswith("site-a fence")
    assert_no_overlap(group)
    ended = group.last_of_epoch(1)
    assert all(v["first_ns"] > ended for v in group.report()["intervals"] if v["epoch"] > 1)


def test_role_is_not_given_away_before_the_workload_was_seen_stopped(make_group, folder):
    """The fence hook fails for a while during a planned end."""
    group = make_group(failover_timeout_ms=5000)
    hooks = group.a.config["failover"]["hooks"]
    hooks["fence"] = ["/bin/sh", "-c", f'test ! -e {folder}/stuck && exec "$@"', "-", *hooks["fence"]]
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_replica("site-b")
    (folder / "stuck").touch()
    group.a.agent.signal(signal.SIGTERM)
    wait_until(lambda: "could not be seen stopped: fence hook" in group.a.agent.log_end(100), 10,
               "the fence to fail")
    assert "site-a" in group.serving(GONE_NS)
    assert group.lease()["status"] != "RELEASED"
    (folder / "stuck").unlink()
    group.wait_serving("site-b", epoch=2)
    assert_no_overlap(group)


def test_failed_promotion_is_undone_and_the_role_given_away(make_group):
    """The promote hook of site-a fails: site-b serves, site-a backs off."""
    group = make_group()
    broken = group.a.config["failover"]["hooks"]
    broken["promote"] = ["/bin/false"]
    group.init()
    group.start()
    group.wait_serving("site-b", timeout=30)
    assert "promote hook exited with 1" in group.a.agent.log_end(200)
    assert_no_overlap(group)


def test_failing_probe_of_the_leader_moves_the_role(make_group, folder):
    group = make_group(hooks={"probe": ["/bin/sh", "-c", f"! test -e {folder}/ill-$HARMONY_SITE"]})
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_replica("site-b")
    group.wait_heartbeats("site-b", 5)
    (folder / "ill-site-a").touch()
    group.wait_serving("site-b")
    assert_no_overlap(group)
    assert group.longest_outage_ms() < group.config["failover_timeout_ms"]


# -- hooks ---------------------------------------------------------------------------------------------

def test_site_that_owes_a_resync_does_not_lead_until_it_succeeded(make_group, folder):
    """site-a led, then site-b: site-a catches up late, and is yielded to only then."""
    group = make_group(yield_after_ms=100, hooks={"resync": ["/bin/sh", "-c", f"test -e {folder}/mended"]})
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_replica("site-b")
    group.a.power_cut()
    group.wait_serving("site-b", epoch=2)
    group.a.power_on(libvirtd=False)
    group.a.start_agent()
    group.wait_warning("site-a", "resync hook exited with 1")
    group.wait_warning("site-a", "before its resync hook has succeeded")
    group.wait_leader_writes(20)
    group.check_serving({"site-b": 2})
    assert not group.status("site-a")["fit"]
    (folder / "mended").touch()
    wait_until(lambda: group.status("site-a")["fit"], 20, "site-a to be fit")
    group.wait_serving("site-a", timeout=30)
    assert_no_overlap(group)


def test_follow_and_resync_hooks_are_told_the_new_leader(make_group, folder):
    def note(what):
        return ["/bin/sh", "-c", f"echo {what} $HARMONY_SITE $HARMONY_LEADER $HARMONY_EPOCH >>{folder}/notes"]
    group = make_group(hooks={"follow": note("follow"), "resync": note("resync")})
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    notes = folder / "notes"
    wait_until(lambda: notes.read_text() == "follow site-b site-a 1\n", 15, "site-b to follow")
    group.wait_replica("site-b")
    group.a.power_cut()
    group.wait_serving("site-b", epoch=2)
    group.a.power_on(libvirtd=False)
    group.a.start_agent()
    wait_until(lambda: notes.read_text().splitlines()[1:] == [
        "resync site-a site-b 2", "follow site-a site-b 2"], 20, "site-a to catch up, then follow")


# -- refusals --------------------------------------------------------------------------------------------

def refused_config(group, part, **changes):
    """Put a bad cluster_config; returns the sentence, and sees that the last good one stays."""
    good = dict(group.config)
    revision = group.store.put("cluster_config", {**good, **changes})
    sentence = group.wait_warning("site-a", f"cluster_config rev {revision} refused")
    assert part in sentence
    assert f"revision {group.status('site-a')['config']['revision']} stays" in sentence
    group.wait_leader_writes(5)
    group.check_serving({"site-a": 1})
    assert group.status("site-a")["config"]["failover_timeout_ms"] == good["failover_timeout_ms"]
    return sentence


def test_availability_before_consistency_is_refused_by_name(group):
    sentence = refused_config(group, "AP", consistency="AP")
    assert "CP" in sentence


def test_a_timeout_that_cannot_be_met_is_refused_with_the_sum(group):
    sentence = refused_config(group, "failover_timeout_ms 900 is below", failover_timeout_ms=900)
    assert "F 2500 + fence_timeout 500 + guardian 250" in sentence


def test_nonsense_is_refused_and_a_good_one_is_taken_again(group):
    revision = group.store.put("cluster_config", "{not json")
    group.wait_warning("site-a", f"cluster_config rev {revision} refused")
    taken = group.configure(failover_timeout_ms=4000)
    wait_until(lambda: group.status("site-a")["config"]["revision"] == taken, 10, "the new configuration")
    assert not any("refused" in w for w in group.status("site-a")["warnings"])
    group.check_serving({"site-a": 1})


def test_last_good_configuration_survives_a_restart(group):
    group.store.put("cluster_config", "{not json")
    group.wait_warning("site-b", "refused")
    good = group.status("site-b")["config"]
    assert group.b.stop_agent() == 0
    group.b.start_agent()
    sentence = group.wait_warning("site-b", "refused")
    assert f"revision {good['revision']} stays" in sentence
    assert group.status("site-b")["config"] == good


def test_malformed_heartbeat_is_an_unknown_holder_with_the_longest_promise(make_group):
    group = make_group(max_promise_ms=4000)
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_replica("site-b")
    put = boottime_ns()
    group.store.put("primary_heartbeat", "{\"site_id\": 7")
    group.wait_nobody_serves()
    leader, _ = group.wait_one_serves(above=1)
    first = next(v for v in group.report()["intervals"] if v["epoch"] > 1)
    assert first["site"] == leader
    assert (first["first_ns"] - put) / 1e6 >= 4000
    assert_no_overlap(group)


def test_old_server_is_refused(make_group, nats):
    """A fake: the real server, seen through a proxy that says it is Debian 12's 2.9.10."""
    with FakeOldServer(nats.port, "2.9.10") as old:
        group = make_group(agent_url=old.url)
        group.init()
        group.start(in_turn=False)
        wait_until(lambda: "nats-server 2.9.10 is too old" in group.a.agent.log_end(100), 10, "the refusal")
        counter = (group.lease() or {}).get("counter", 0)
        assert group.lease()["site_id"] is None and counter == 0
        group.check_silent(0)


# -- the heartbeat's path waits for nothing ---------------------------------------------------------------

def test_hanging_hooks_do_not_stop_the_heartbeat(make_group):
    """A probe that hangs is a failed probe; the writes go on in time while it does."""
    group = make_group(hooks={"follow": ["/bin/sleep", "60"]})
    group.init()
    group.start()
    group.wait_serving("site-a", epoch=1)
    group.wait_heartbeats("site-b", 30)
    assert group.heartbeat("site-b")["failures"] == 0
