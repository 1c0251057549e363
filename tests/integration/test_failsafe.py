"""Failsafe by consent on real parts: NATS goes away, and the sites still hear each other, or do not.

Each site reaches the other through a relay that can be cut. What serves is read from the witness's records.
HARMONY_OUTAGE_S: how long NATS is away in the first case.
"""

import os

import pytest

from lib.authority import Authority
from lib.failover import Group, assert_taken_over_in_time, boottime_ns
from lib.processes import free_port
from lib.relay import Relay
from lib.waiting import wait_until

OUTAGE_S = int(os.environ.get("HARMONY_OUTAGE_S", "15"))
# F 2500: the lease outlasts a machine that stands still for 2 s.
TIMES = {"heartbeat_interval_ms": 250, "failure_threshold": 9, "fence_timeout_ms": 500,
         "failover_timeout_ms": 3500, "yield_to_primary": False}
SLACK_MS = 500  # of a busy machine, beyond what the configuration bounds


class Links:
    """Ports, certificates, and the relays by which each site is reached."""

    def __init__(self, folder, names):
        self.authority = Authority(folder)
        self.ports = {name: free_port() for name in names}
        self.relays = {name: Relay(lambda port=port: ("127.0.0.1", port)).start()
                       for name, port in self.ports.items()}

    def peer(self, name):
        return {"listen": f"127.0.0.1:{self.ports[name]}", "tls": self.authority.issue(name)}

    def addresses(self):
        return {name: relay.address for name, relay in self.relays.items()}

    def cut(self):
        for relay in self.relays.values():
            relay.cut()

    def close(self):
        for relay in self.relays.values():
            relay.close()


@pytest.fixture
def make_group(folder, nats, make_site):
    made = []

    def make(names=("site-a", "site-b"), failsafe=True, peer=None, **config):
        links = Links(folder, names)
        group = Group(folder, nats.url, make_site, names=names, peer=peer or links.peer,
                      **{**TIMES, "failsafe": failsafe, "addresses": links.addresses(), **config})
        group.links = links
        made.append(group)
        group.init()
        group.start()
        assert group.wait_serving("site-a") == 1
        group.wait_replica("site-b")
        return group

    yield make
    for group in made:
        group.close()
        group.links.close()


def wait_linked(group, *names):
    """Until each of these has heard every other site over its own link."""
    for name in names:
        wait_until(lambda: all(link["connected"] for link in group.status(name)["failsafe"]["links"]),
                   15, f"{name} to be connected to its peers", 0.05)


def fence_start_ms(group):
    return (group.config["failure_threshold"] + 1) * group.config["heartbeat_interval_ms"]


def serves_for(group, name, seconds):
    """`name` alone serves in epoch 1, for so long, without a gap."""
    until = boottime_ns() + seconds * 1_000_000_000
    wait_until(lambda: (group.last_record(name) or (0, 0))[0] > until, seconds + 10,
               f"{name} to serve on", 0.05, group.describe)
    assert group.terms() == [(name, 1)]


def assert_no_overlap(group):
    assert group.report()["overlap_ms"] == 0


def test_the_primary_goes_on_while_nats_is_away(make_group, nats):
    group = make_group()
    wait_linked(group, "site-a", "site-b")
    nats.stop()
    serves_for(group, "site-a", OUTAGE_S)
    group.a.agent.check_running()
    assert "goes on by the consent of all voters" in group.a.agent.log_end(200)
    nats.start()
    wait_until(lambda: group.lease()["failures"] == 0 and group.lease()["status"] == "HEALTHY", 20,
               "heartbeats to be written again")
    assert group.lease()["epoch"] == 1
    serves_for(group, "site-a", 2)
    assert_no_overlap(group)


def test_it_fences_when_the_links_are_cut_too(make_group, nats):
    group = make_group()
    wait_linked(group, "site-a", "site-b")
    nats.stop()
    serves_for(group, "site-a", 4)
    group.links.cut()
    cut = boottime_ns()
    group.wait_nobody_serves()
    last = group.last_of_epoch(1)
    bound = fence_start_ms(group) + group.config["fence_timeout_ms"] + SLACK_MS
    assert group.lived_ms(cut, last) <= bound
    nats.start()
    group.wait_one_serves(above=1)
    assert_no_overlap(group)


def test_without_failsafe_it_fences_as_ever(make_group, nats):
    group = make_group(failsafe=False)
    wait_linked(group, "site-a", "site-b")  # seen before it is needed
    nats.stop()
    stopped = boottime_ns()
    group.wait_nobody_serves()
    bound = fence_start_ms(group) + group.config["fence_timeout_ms"] + SLACK_MS
    assert group.lived_ms(stopped, group.last_of_epoch(1)) <= bound
    nats.start()
    group.wait_one_serves(above=1)
    assert_no_overlap(group)


def test_a_stranger_is_no_voter(make_group, folder, nats):
    """site-b shows a certificate of another authority: it is not asked, and its answers would not count."""
    links = {}

    def peer(name):
        authority = links.setdefault(name, Authority(folder, f"ca-of-{name}"))
        return {"listen": f"127.0.0.1:{ports[name]}", "tls": authority.issue(name)}

    ports = {"site-a": free_port(), "site-b": free_port()}
    group = make_group(peer=peer, addresses={n: f"127.0.0.1:{p}" for n, p in ports.items()})
    wait_until(lambda: "certificate" in group.status("site-a")["failsafe"]["links"][0]["why"], 15,
               "the certificate to be refused", 0.05)
    nats.stop()
    stopped = boottime_ns()
    group.wait_nobody_serves()
    bound = fence_start_ms(group) + group.config["fence_timeout_ms"] + SLACK_MS
    assert group.lived_ms(stopped, group.last_of_epoch(1)) <= bound
    assert_no_overlap(group)


def test_a_dead_primary_is_still_replaced(make_group):
    """With failsafe on the voter promotes as ever once the leader is silent."""
    group = make_group()
    wait_linked(group, "site-a", "site-b")
    group.a.power_cut()
    group.wait_serving("site-b", epoch=2, timeout=20)
    assert_taken_over_in_time(group, group.handover("site-a", "site-b"), SLACK_MS)
    assert_no_overlap(group)


def test_failsafe_is_switched_on_and_off_live(make_group, nats):
    group = make_group(failsafe=False)
    wait_linked(group, "site-a", "site-b")
    group.configure(failsafe=True)
    wait_until(lambda: group.lease().get("voters") == ["site-b"], 10, "the voters to be named")
    nats.stop()
    serves_for(group, "site-a", 4)
    nats.start()
    wait_until(lambda: group.lease()["status"] == "HEALTHY", 20, "heartbeats to be written again")
    group.configure(failsafe=False)
    wait_until(lambda: "voters" not in group.lease(), 10, "the voters to be named no more")
    nats.stop()
    group.wait_nobody_serves()
    assert_no_overlap(group)


def test_one_voter_of_two_that_is_away_is_one_too_few(make_group, nats):
    group = make_group(names=("site-a", "site-b", "site-c"), replica_site_id=None,
                       replica_site_ids=["site-b", "site-c"])
    wait_linked(group, "site-a")
    group.links.relays["site-c"].cut()
    nats.stop()
    stopped = boottime_ns()
    group.wait_nobody_serves()
    bound = fence_start_ms(group) + group.config["fence_timeout_ms"] + SLACK_MS
    assert group.lived_ms(stopped, group.last_of_epoch(1)) <= bound
    nats.start()
    group.wait_one_serves(above=1)
    assert_no_overlap(group)


def test_a_voter_whose_agent_restarts_meanwhile_consents_again(make_group, nats):
    """It has forgotten what it promised and knows no record; its promise is as good as before."""
    group = make_group(heartbeat_interval_ms=500, failure_threshold=9, failover_timeout_ms=6500)
    wait_linked(group, "site-a", "site-b")
    nats.stop()
    serves_for(group, "site-a", 6)  # longer than F: by consent
    group.b.stop_agent()
    group.b.start_agent()
    serves_for(group, "site-a", 8)
    nats.start()
    wait_until(lambda: group.lease()["status"] == "HEALTHY", 20, "heartbeats to be written again")
    assert group.lease()["epoch"] == 1
    assert_no_overlap(group)
