"""What operators do to a failover group, on real parts: switchover, its plan and its cancel, nofailover, priority,
promotion by force. What serves is read from the witness's records; what was asked for and by whom, from the bucket.
"""

import json
import time

import pytest

from lib.failover import Group, nanoseconds, wall_minus_boottime_ns
from lib.paths import built
from lib.processes import run
from lib.waiting import wait_until

THREE = {"names": ("site-a", "site-b", "site-c"), "replica_site_id": None,
         "replica_site_ids": ["site-b", "site-c"]}


@pytest.fixture
def make_group(folder, nats, make_site):
    made = []

    def make(**config):
        names = config.pop("names", ("site-a", "site-b"))
        group = Group(folder, nats.url, make_site, names=names, **config)
        made.append(group)
        group.init()
        group.start()
        assert group.wait_serving("site-a") == 1
        for name in names[1:]:
            group.wait_replica(name)
        wait_until(lambda: group.lease()["role"] == "leader", 10, "site-a to say that it leads", 0.02)
        return group

    yield make
    for group in made:
        group.close()


@pytest.fixture
def ctl(nats):
    def call(*args, code=0, area="failover"):
        done = run([built("harmonyctl"), "--server", nats.url, area, *args], check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr
    return call


@pytest.fixture
def force(nats):
    """force("site-b", ...): what it said once the leader was silent for its promise. A site that itself stood still
    meanwhile listens for another one, and refuses until then."""
    def call(*args, code=0):
        argv = [built("harmonyctl"), "--server", nats.url, "failover", "promote", *args, "--force"]

        def said():
            done = run(argv, check=False)
            assert "heard within its promise" not in done.stderr, done.stderr
            return done
        done = wait_until(said, 30, "the promise of the leader to be over", 0.2)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr
    return call


def wait_status(ctl, *parts):
    """Until `failover status` says all of these. A site that stands still is silent first, whatever else it is."""
    def says():
        told = ctl("status")
        assert all(part in told for part in parts), told
        return True
    wait_until(says, 15, f"the status to say {parts}", 0.1)


def request(group):
    return group.store.get("request")


def assert_no_overlap(group):
    assert group.report()["overlap_ms"] == 0


def utc(seconds_from_now):
    at = time.time() + seconds_from_now
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


# -- switchover ---------------------------------------------------------------------------------------


def test_a_switchover_moves_the_role_and_its_choice_stays(make_group, ctl):
    group = make_group(yield_after_ms=1000)
    said = ctl("switchover", "--to", "site-b", "--by", "ann", "--reason", "new disks")
    assert "site-b: done" in said
    assert group.wait_serving("site-b") == 2
    assert request(group)["state"] == "done" and request(group)["by"] == "ann"
    assert group.lease()["chosen"] is True
    group.wait_replica("site-a")  # the preferred primary, ready for longer than yield_after:
    group.wait_heartbeats("site-a", 30)
    group.check_serving({"site-b": 2})
    wait_status(ctl, "by an operator's choice")
    history = ctl("history")
    assert "switchover to site-b, by ann: new disks" in history and "done" in history
    shown = ctl("show", "2", area="incident")
    assert "operator" in shown and "asked for: switchover to site-b, by ann: new disks" in shown
    ctl("switchover", "--to", "site-a")
    assert group.wait_serving("site-a") == 3
    assert group.terms() == [("site-a", 1), ("site-b", 2), ("site-a", 3)]
    assert_no_overlap(group)


def test_the_choice_outlasts_a_restart_of_the_agent(make_group, ctl):
    group = make_group(yield_after_ms=1000, heartbeat_interval_ms=500, failure_threshold=8, fence_timeout_ms=1000,
                       failover_timeout_ms=6000)  # the lease outlasts the agent on a busy machine
    ctl("switchover", "--to", "site-b")
    assert group.wait_serving("site-b") == 2
    wait_until(lambda: group.lease()["role"] == "leader", 10, "site-b to say that it leads", 0.02)
    group.b.agent.kill()
    group.b.start_agent()
    wait_until(lambda: group.lease().get("chosen") and group.lease()["site_id"] == "site-b" and
               group.status("site-b")["chosen"], 20, "the choice to be known again", 0.05)
    group.wait_replica("site-a")
    group.wait_heartbeats("site-a", 10)
    group.wait_serving("site-b")
    assert_no_overlap(group)


def test_a_planned_switchover_is_done_when_it_is_due(make_group, ctl):
    group = make_group()
    at = utc(8)
    assert f"planned for {at}" in ctl("switchover", "--to", "site-b", "--at", at, "--by", "ann")
    wait_status(ctl, f"switchover to site-b, planned for {at}, by ann")
    assert "there is another request" in ctl("switchover", "--to", "site-b", code=5)
    group.check_serving({"site-a": 1})
    assert group.wait_serving("site-b") == 2
    wait_until(lambda: request(group)["state"] == "done", 10, "the request to be answered", 0.02)
    begun = next(v["first_ns"] for v in group.report()["intervals"] if v["site"] == "site-b")
    assert begun + wall_minus_boottime_ns() >= nanoseconds(at)
    assert_no_overlap(group)


def test_a_planned_switchover_outlives_the_leader_that_was_told(make_group, ctl):
    group = make_group(**THREE)
    ctl("switchover", "--to", "site-c", "--at", utc(15))
    group.a.power_cut()
    assert group.wait_serving("site-b") == 2
    assert group.wait_serving("site-c", timeout=30) == 3
    assert_no_overlap(group)


def test_a_withdrawn_switchover_is_not_done(make_group, ctl):
    group = make_group()
    at = utc(6)
    ctl("switchover", "--to", "site-b", "--at", at)
    assert "withdrawn: switchover to site-b" in ctl("switchover", "--cancel", "--by", "bob")
    wait_until(lambda: time.time_ns() > nanoseconds(at), 20, "the time that it was planned for to pass", 0.05)
    group.wait_heartbeats("site-b", 20)
    group.check_serving({"site-a": 1})
    assert request(group)["state"] == "cancelled"
    assert "no switchover is asked for" in ctl("switchover", "--cancel", code=4)
    assert "cancelled (switchover to site-b" in ctl("history") and "by bob" in ctl("history")


def test_a_switchover_is_refused_with_its_reason(make_group, ctl, nats):
    group = make_group()
    assert "site-a leads already" in ctl("switchover", "--to", "site-a", code=5)
    assert "site-z is no site of group default" in ctl("switchover", "--to", "site-z", code=4)
    assert "would ask for: switchover to site-b" in ctl("switchover", "--to", "site-b", "--dry-run")
    ctl("pause")
    assert "the group is paused" in ctl("switchover", "--to", "site-b", code=5)
    ctl("resume")
    ctl("site", "site-b", "--nofailover", "on")
    assert "nofailover bars site-b" in ctl("switchover", "--to", "site-b", code=5)
    ctl("site", "site-b", "--nofailover", "off")
    group.wait_replica("site-b")
    group.b.power_cut()
    wait_status(ctl, "silent")
    assert "site-b has not been heard for" in ctl("switchover", "--to", "site-b", code=5)
    assert request(group) is None
    group.check_serving({"site-a": 1})


def test_the_leader_refuses_what_no_longer_is_safe(make_group, ctl):
    """harmonyctl looks at what was, the leader at what is."""
    group = make_group()
    group.b.power_cut()
    wait_status(ctl, "silent")
    group.store.put("request", {"action": "switchover", "site": "site-b", "state": "asked", "by": "ann"})
    wait_until(lambda: request(group)["state"] == "refused", 10, "a refusal", 0.02)
    assert request(group)["answered_by"] == "site-a" and "not heard" in request(group)["text"]
    group.check_serving({"site-a": 1})
    assert "refused (switchover to site-b, by ann)" in ctl("history")


def test_an_old_request_is_not_done(make_group):
    group = make_group()
    group.store.put("request", {"action": "switchover", "site": "site-b", "state": "asked", "by": "ann",
                                "at": utc(-120)})
    wait_until(lambda: request(group)["state"] == "refused", 10, "a refusal", 0.02)
    group.store.put("request", {"action": "promote", "site": "site-b", "state": "asked", "by": "ann",
                                "run": "1", "counter": 1})
    wait_until(lambda: "an earlier run" in request(group).get("text", ""), 10, "a refusal", 0.02)
    group.check_serving({"site-a": 1})


# -- nofailover and priority ------------------------------------------------------------------------------


def test_a_barred_site_takes_nothing_in_a_power_cut_until_it_is_forced(make_group, ctl, force):
    group = make_group()
    assert "nofailover" in ctl("site", "site-b", "--nofailover", "on", "--by", "ann")
    wait_until(lambda: not group.heartbeat("site-b")["fit"], 10, "site-b to know", 0.02)
    wait_status(ctl, "nofailover", "nobody could take over")
    group.a.power_cut()
    group.wait_silences("site-b")
    assert group.terms() == [("site-a", 1)]
    assert "site-b: done" in force("site-b", "--by", "ann", "--reason", "site-a burns")
    assert group.wait_serving("site-b") == 2
    assert "site site-b: " in ctl("history")
    assert "by ann" in ctl("history")
    shown = ctl("show", "2", area="incident")
    assert "asked for: forced promotion of site-b, by ann: site-a burns" in shown
    assert_no_overlap(group)


def test_the_higher_priority_takes_over(make_group, ctl):
    group = make_group(**THREE)
    ctl("site", "site-c", "--priority", "200")
    wait_until(lambda: group.heartbeat("site-b")["config_revision"] ==
               group.heartbeat("site-c")["config_revision"] > 2, 10, "both to know", 0.02)
    wait_status(ctl, "priority 200")
    group.a.power_cut()
    assert group.wait_serving("site-c") == 2
    assert_no_overlap(group)


# -- by force -----------------------------------------------------------------------------------------------


def test_nobody_is_forced_beside_a_leader(make_group, ctl):
    group = make_group()
    assert "say --force" in ctl("promote", "site-b", code=2)
    assert "site-a leads, was heard" in ctl("promote", "site-b", "--force", code=5)
    beat = group.heartbeat("site-b")
    group.store.put("request", {"action": "promote", "site": "site-b", "state": "asked", "by": "ann",
                                "run": beat["nonce"], "counter": beat["counter"],
                                "off": {"site": "site-a", "epoch": 1}})
    wait_until(lambda: request(group)["state"] == "refused", 10, "a refusal", 0.02)
    assert "heard within its promise" in request(group)["text"]
    group.check_serving({"site-a": 1})


def test_over_a_pause_it_takes_an_operators_word(make_group, ctl, force):
    group = make_group()
    ctl("pause")
    group.a.power_cut()
    group.wait_silences("site-b")
    assert group.terms() == [("site-a", 1)]
    said = force("site-b", code=5)
    assert "--leader-is-off site-a" in said and "two sites serve" in said
    assert "the last leader is site-a" in ctl("promote", "site-b", "--force", "--leader-is-off", "site-b",
                                              code=5)
    assert "site-b: done" in force("site-b", "--leader-is-off", "site-a")
    assert group.wait_serving("site-b") == 2
    wait_until(lambda: group.lease()["paused"], 10, "the pause to go on", 0.02)
    assert_no_overlap(group)


def test_a_repair_leaves_the_operators_name(make_group, ctl):
    group = make_group()
    group.a.power_cut()
    assert group.wait_serving("site-b") == 2
    group.b.power_cut()
    group.wait_nobody_serves()
    ctl("repair", "--yes", "--force", "--by", "ann", "--reason", "a drill")
    assert "repair by ann: a drill" in ctl("history")


def test_requests_are_in_the_json_of_the_status(make_group, ctl):
    group = make_group()
    at = utc(3600)
    ctl("switchover", "--to", "site-b", "--at", at)
    told = json.loads(ctl("status", "-o", "json"))
    assert told["request"]["action"] == "switchover" and told["request"]["at"] == at
    assert told["lease"]["chosen"] is False
    assert [s["nofailover"] for s in told["sites"]] == [False, False]
    wait_until(lambda: (group.status("site-a")["request"] or {}).get("state") == "asked", 10,
               "the agent to tell of it", 0.05)
