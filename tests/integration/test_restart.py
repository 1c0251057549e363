"""Signals that come while the agent executes itself anew. It leads nothing, and has neither NATS nor a guardian."""

import json
import signal
import time

import pytest

from lib.paths import BUILD
from lib.processes import Process
from lib.waiting import wait_until

INSTANTS = 15
STEP_MS = 2


@pytest.fixture
def agent(folder):
    config = folder / "agent.json"
    config.write_text(json.dumps({
        "site_id": "site-a", "nats": {"servers": "nats://127.0.0.1:1"}, "libvirt": {"enabled": False},
        "http": {"listen": "off"}, "state_dir": str(folder / "state"), "runtime_dir": str(folder / "run"),
        "guardian": {"start": "unit", "socket": str(folder / "guardian.sock")}}))
    agent = Process("agent", [BUILD / "harmonyd", "--config", config], folder / "agent.log")
    yield agent
    agent.kill()


def starts(agent):
    return agent.log.read_text().count(", site site-a\n")


def restart_until_it_begins_to(agent):
    """Returns as soon as it is decided."""
    before = starts(agent) if agent.log.exists() else 0
    agent.start()
    wait_until(lambda: agent.check_running() and starts(agent) > before, 10, "the agent", 0.005)
    decided = agent.log.read_text().count("restarting; ")
    agent.signal(signal.SIGHUP)
    wait_until(lambda: agent.log.read_text().count("restarting; ") > decided, 10, "the restart", 0)


def test_a_stop_is_heard_at_any_instant_of_a_restart(agent):
    """By the old one until it is decided, by the new one from then on; it is neither lost nor ends it in between."""
    for instant in range(INSTANTS):
        restart_until_it_begins_to(agent)
        at = time.monotonic() + instant * STEP_MS / 1000
        wait_until(lambda: time.monotonic() >= at, 10, "the instant", 0)
        assert agent.stop(10) == 0, f"{instant * STEP_MS} ms after it was decided: {agent.log_end()}"


def test_a_second_reload_does_not_end_it(agent):
    restart_until_it_begins_to(agent)
    before = starts(agent)
    agent.signal(signal.SIGHUP)
    wait_until(lambda: agent.check_running() and starts(agent) > before, 10, "the next agent", 0.005)
    assert agent.stop(10) == 0
