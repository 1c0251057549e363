"""A pause on real parts: NATS goes away, and nothing else happens."""

import pytest

from lib.failover import Group, boottime_ns
from lib.paths import built
from lib.processes import run
from lib.waiting import wait_until


@pytest.fixture
def group(folder, nats, make_site):
    group = Group(folder, nats.url, make_site)
    group.init()
    yield group
    group.close()


@pytest.fixture
def ctl(nats):
    def call(*args, code=0):
        done = run([built("harmonyctl"), "--server", nats.url, "failover", *args], check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr
    return call


def lead(group):
    group.start()
    assert group.wait_serving("site-a") == 1
    group.wait_replica("site-b")
    wait_until(lambda: group.lease()["role"] == "leader", 10, "site-a to say that it leads")


def test_nothing_moves_in_a_pause_and_the_history_says_whose_it_was(group, ctl, nats):
    lead(group)
    assert "pause: acknowledged by site-a" in ctl("pause", "--by", "anna", "--reason", "NATS upgrade")
    assert group.lease()["paused"] is True
    assert "unchanged" in ctl("pause")
    witness = group.sites["site-a"].pids("witness")
    nats.stop()
    until = boottime_ns() + 1.5 * group.config["failover_timeout_ms"] * 1e6
    wait_until(lambda: boottime_ns() >= until, 30, "an upgrade to take its time", 0.05)
    nats.start()
    wait_until(lambda: group.lease()["counter"], 20, "the store to be back")
    assert "resume: acknowledged by site-a" in ctl("resume", "--by", "anna")
    assert group.lease()["paused"] is False
    assert group.sites["site-a"].pids("witness") == witness, "it was stopped"
    assert group.report()["overlap_ms"] == 0 and group.terms() == [("site-a", 1)]
    history = ctl("history")
    assert "pause by anna: NATS upgrade" in history and "resume by anna" in history


def test_a_pause_is_refused_while_nobody_leads(group, ctl):
    assert "nobody leads now" in ctl("pause", code=5)
    assert group.store.get("cluster_config").get("paused", False) is False
    assert "nobody leads; it holds for whoever does" in ctl("pause", "--force")
    assert group.store.get("cluster_config")["paused"] is True


def test_a_paused_leader_that_died_is_for_a_person_to_decide(group, ctl):
    lead(group)
    ctl("pause")
    group.sites["site-a"].power_cut()
    assert "bring its agent back" in ctl("resume", "--timeout", "2s", code=7)
    assert group.terms() == [("site-a", 1)]
    ctl("repair", "--yes", "--force", "--next", "site-b")
    group.wait_serving("site-b")
    assert group.report()["overlap_ms"] == 0
