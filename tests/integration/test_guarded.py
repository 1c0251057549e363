"""The guardian beside real agents: agents that hang, die and come back while their workload runs.

What serves, and when, is read from the witness's records alone. VMs: test_primary.py.
"""

import signal

import pytest

from lib.failover import GONE_NS, Group, boottime_ns
from lib.waiting import wait_until

# T is large enough for a busy machine to restart an agent within nT.
CONFIG = {"heartbeat_interval_ms": 400, "failure_threshold": 3, "fence_timeout_ms": 900,
          "failover_timeout_ms": 3500, "yield_after_ms": 60000}
LATENESS_MS = 250
SLACK_MS = 500  # of a busy machine, beyond what the configuration bounds


@pytest.fixture
def make_group(folder, nats, make_site):
    groups = []

    def make(**options):
        """site-a leads in epoch 1, site-b is a replica that is ready."""
        group = Group(folder, nats.url, make_site, **{**CONFIG, **options})
        groups.append(group)
        group.init()
        group.start()
        assert group.wait_serving("site-a") == 1
        group.wait_replica("site-b")
        wait_until(lambda: group.lease()["role"] == "leader", 10, "the promotion to end")
        return group

    yield make
    for group in groups:
        group.close()


def served_at_most_ms(config):
    """After the last good heartbeat: F, the fence, and how late the guardian may be."""
    intervals = config["failure_threshold"] + 1
    return intervals * config["heartbeat_interval_ms"] + config["fence_timeout_ms"] + LATENESS_MS


def assert_ended_in_time(group, since):
    """Epoch 1, of which no heartbeat was sent after `since`."""
    assert (group.last_of_epoch(1) - since) / 1e6 <= served_at_most_ms(group.config)
    assert group.report()["overlap_ms"] == 0


def wait_more_heartbeats(group, count):
    """Until the leader has written `count` more. Returns the lease."""
    start = group.lease()["counter"]
    wait_until(lambda: group.lease()["counter"] >= start + count, 30, f"{count} more heartbeats", 0.02)
    return group.lease()


# -- the agent hangs or dies -------------------------------------------------------------------------

def test_workload_of_an_agent_that_hangs_is_ended_in_time(make_group):
    group = make_group()
    group.a.freeze_agent()
    frozen = boottime_ns()
    group.wait_serving("site-b", epoch=2)
    assert_ended_in_time(group, frozen)
    group.a.thaw_agent()
    group.wait_replica("site-a")
    wait_more_heartbeats(group, 5)
    assert group.serving() == {"site-b": 2}
    assert group.report()["overlap_ms"] == 0


def test_workload_of_an_agent_that_is_dead_is_ended_in_time(make_group):
    group = make_group()
    group.a.kill_agent()
    killed = boottime_ns()
    group.wait_serving("site-b", epoch=2)
    assert_ended_in_time(group, killed)
    assert group.a.pids("witness") == []


def test_agent_that_is_back_in_time_goes_on(make_group):
    """The workload's process stays, and so does the epoch. A busy machine may take a second or two to
    start a sanitized agent."""
    group = make_group(failure_threshold=10, failover_timeout_ms=6000)
    witness = group.a.pids("witness")
    counter = group.lease()["counter"]
    group.a.kill_agent()
    group.a.start_agent()
    wait_until(lambda: group.lease()["counter"] > counter + 1, 10, "the next heartbeats", 0.005)
    lease = wait_more_heartbeats(group, 2 * CONFIG["failure_threshold"])
    assert (lease["site_id"], lease["epoch"], lease["status"]) == ("site-a", 1, "HEALTHY")
    assert group.a.pids("witness") == witness
    assert group.terms() == [("site-a", 1)]
    assert group.report()["longest_outage_ms"] * 1e6 < GONE_NS
    assert "goes on with the lease" in group.a.agent.log_end(50)


def test_agent_that_is_back_too_late_does_not_go_on(make_group):
    group = make_group()
    group.a.kill_agent()
    killed = boottime_ns()
    group.wait_nobody_serves()
    group.a.start_agent()
    wait_until(lambda: min(group.serving().values(), default=0) > 1, 20, "a later epoch")
    assert_ended_in_time(group, killed)


def test_agent_that_is_well_fences_before_its_guardian_does(make_group, nats):
    """The lease runs out for both at the same instant; what runs is asked first."""
    group = make_group()
    nats.kill()
    killed = boottime_ns()
    group.wait_nobody_serves()
    assert_ended_in_time(group, killed)
    wait_until(lambda: "fencing -> releasing" in group.a.agent_log.read_text(), 10, "the fence to end")
    assert "the guardian ended" not in group.a.agent_log.read_text()


# -- the guardian dies ---------------------------------------------------------------------------------

def test_death_of_the_guardian_ends_the_epoch(make_group):
    """The agent starts another one; wherever the role is then, it is in a higher epoch."""
    group = make_group()
    group.a.kill_guardian()
    wait_until(lambda: min(group.serving().values(), default=0) > 1, 20, "a later epoch")
    assert group.report()["overlap_ms"] == 0
    wait_until(lambda: group.a.pids("harmony-guardian"), 10, "another guardian")
    wait_until(lambda: group.status("site-a")["guardian"]["up"], 10, "the agent to have it")


def test_guardian_that_is_asked_to_end_goes_when_the_role_is_given_up(make_group):
    group = make_group()
    old = group.a.pids("harmony-guardian")
    group.a.kill_guardian("-TERM")
    wait_until(lambda: min(group.serving().values(), default=0) > 1, 20, "a later epoch")
    wait_until(lambda: group.a.pids("harmony-guardian") != old, 10, "the old one to end")
    assert group.report()["overlap_ms"] == 0


# -- a restart in place -----------------------------------------------------------------------------------

def hang_up(group, site):
    """SIGHUP, until the agent has come up again."""
    log = site.agent_log
    before = log.read_text().count(f", site {site.name}\n")
    site.agent.signal(signal.SIGHUP)
    wait_until(lambda: log.read_text().count(f", site {site.name}\n") > before, 20,
               f"{site.name} to have restarted")


def test_restart_in_place_touches_nothing(make_group):
    group = make_group()
    pid, witness = group.a.agent.inner_pid(), group.a.pids("witness")
    group.a.config["log"]["level"] = "debug"
    group.a.write_config()
    hang_up(group, group.a)
    lease = wait_more_heartbeats(group, 2 * CONFIG["failure_threshold"])
    assert (lease["site_id"], lease["epoch"]) == ("site-a", 1)
    assert group.a.agent.inner_pid() == pid
    assert group.a.pids("witness") == witness
    assert group.terms() == [("site-a", 1)]
    assert " debug " in group.a.agent.log_end(50), "the configuration was not read again"
    hang_up(group, group.b)
    group.wait_replica("site-b")
    assert group.terms() == [("site-a", 1)]


def test_an_agent_that_has_just_restarted_hands_over_when_it_is_stopped(make_group):
    """The long promise of the restart is not waited for."""
    group = make_group()
    hang_up(group, group.a)
    group.a.agent.signal(signal.SIGTERM)
    group.wait_serving("site-b")
    report = group.report()
    assert report["overlap_ms"] == 0
    assert report["longest_outage_ms"] < CONFIG["failover_timeout_ms"], "nobody was told; the silence decided"


def test_restart_into_a_bad_configuration_is_refused(make_group):
    group = make_group()
    group.a.config["site_ids"] = "x"
    group.a.write_config()
    group.a.agent.signal(signal.SIGHUP)
    wait_until(lambda: "not restarted" in group.a.agent_log.read_text(), 10, "the refusal")
    assert 'unknown field "site_ids"' in group.a.agent_log.read_text()
    wait_more_heartbeats(group, 5)
    assert group.terms() == [("site-a", 1)]
