"""The guardian beside real agents: agents that hang, die and come back while their workload runs.

What serves, and when, is read from the witness's records alone. VMs: test_primary.py.
"""

import signal

import pytest

from lib.failover import GONE_NS, Group, boottime_ns
from lib.waiting import wait_until

# nT is large enough for a busy machine to restart an agent within it.
CONFIG = {"heartbeat_interval_ms": 400, "failure_threshold": 6, "fence_timeout_ms": 900,
          "failover_timeout_ms": 4500, "yield_after_ms": 60000}
LATENESS_MS = 250


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
    assert group.lived_ms(since, group.last_of_epoch(1)) <= served_at_most_ms(group.config)
    assert group.report()["overlap_ms"] == 0


# -- the agent hangs or dies -------------------------------------------------------------------------

def test_workload_of_an_agent_that_hangs_is_ended_in_time(make_group):
    group = make_group()
    group.a.freeze_agent()
    frozen = boottime_ns()
    group.wait_serving("site-b", epoch=2)
    assert_ended_in_time(group, frozen)
    group.a.thaw_agent()
    group.wait_replica("site-a")
    group.wait_leader_writes(5)
    group.check_serving({"site-b": 2})
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
    group = make_group(failure_threshold=12, failover_timeout_ms=7000)
    witness = group.a.pids("witness")
    counter = group.lease()["counter"]
    group.a.kill_agent()
    group.a.start_agent()
    wait_until(lambda: group.lease()["counter"] > counter + 1, 10, "the next heartbeats", 0.005)
    lease = group.wait_leader_writes(group.config["failure_threshold"] + 2)
    assert (lease["site_id"], lease["epoch"], lease["status"]) == ("site-a", 1, "HEALTHY")
    assert group.a.pids("witness") == witness
    assert group.terms() == [("site-a", 1)]
    assert group.longest_outage_ms() * 1e6 < GONE_NS
    assert "goes on with the lease" in group.a.agent.log_end(50)


def test_agent_that_is_back_too_late_does_not_go_on(make_group):
    group = make_group()
    group.a.kill_agent()
    killed = boottime_ns()
    group.wait_nobody_serves()
    group.a.start_agent()
    group.wait_one_serves(above=1)
    assert_ended_in_time(group, killed)


def test_agent_that_is_well_fences_before_its_guardian_does(make_group, nats):
    """The lease runs out for both at the same instant; what runs is asked first, for as long as a fence may take."""
    group = make_group(fence_timeout_ms=3000, failover_timeout_ms=6500)
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
    group.wait_one_serves(above=1)
    assert group.report()["overlap_ms"] == 0
    wait_until(lambda: group.a.pids("harmony-guardian"), 10, "another guardian")
    wait_until(lambda: group.status("site-a")["guardian"]["up"], 10, "the agent to have it")


def test_guardian_that_is_asked_to_end_goes_when_the_role_is_given_up(make_group):
    group = make_group()
    old = group.a.pids("harmony-guardian")
    group.a.kill_guardian("-TERM")
    group.wait_one_serves(above=1)
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
    lease = group.wait_leader_writes(CONFIG["failure_threshold"] + 2)
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
    assert group.report()["overlap_ms"] == 0
    assert group.longest_outage_ms() < CONFIG["failover_timeout_ms"], "nobody was told; the silence decided"


def test_an_agent_that_is_stopped_while_it_restarts_hands_over(make_group):
    """The signal is for the next one, which finds a lease of another's that it has to give up."""
    group = make_group()
    group.a.agent.signal(signal.SIGHUP)
    wait_until(lambda: "restarting; the guardian holds" in group.a.agent_log.read_text(), 10, "the restart", 0.002)
    group.a.agent.signal(signal.SIGTERM)
    group.wait_serving("site-b")
    wait_until(lambda: not group.a.agent.is_running(), 10, "the agent of site-a to end")
    assert group.a.agent.popen.returncode == 0
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
    group.wait_leader_writes(5)
    assert group.terms() == [("site-a", 1)]
