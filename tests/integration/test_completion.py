"""Completion in a real bash, with names from a real bucket."""

import pytest

from lib.failover import Store
from lib.paths import built, system
from lib.processes import environment, run

DESIRED = "harmony_desired"
SCRIPT = """
source <("$HARMONYCTL" completion bash)
harmonyctl() { "$HARMONYCTL" "$@"; }
COMP_WORDS=(harmonyctl "$@") COMP_CWORD=$#
compopt() { :; }  # there is no line under way here
_harmonyctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def store(nats):
    store = Store(nats.url)
    yield store
    store.close()


@pytest.fixture
def complete(nats):
    run([built("harmonyctl"), "--server", nats.url, "failover", "init", "--primary", "site-a",
         "--replica", "site-b"])

    def ask(*words):
        done = run([system("bash"), "-c", SCRIPT, "bash", *words], env=environment(
            HARMONYCTL=str(built("harmonyctl")), NATS_URL=nats.url))
        return [word for word in done.stdout.splitlines() if word]
    return ask


def test_commands_kinds_and_the_names_of_what_is_declared(complete, store):
    for name in "web", "web-2", "db":
        store.put(f"site-a.vm.{name}", {"kernel": "/boot/k"}, DESIRED)
    store.put("site-b.network.web-lan", {}, DESIRED)
    assert complete("failover", "re") == ["repair", "resume"]
    assert complete("get", "net") == ["network"]
    assert sorted(complete("delete", "vm", "web")) == ["web", "web-2"]
    assert complete("get", "network", "") == ["web-lan"]
    assert sorted(complete("get", "--site", "")) == ["site-a", "site-b"]
    for site in "site-a", "site-b":
        store.put(f"{site}.agent", {}, "harmony_status")
    assert sorted(complete("failover", "switchover", "--to", "")) == ["site-a", "site-b"]
    assert sorted(complete("failover", "promote", "--leader-is-off", "")) == ["site-a", "site-b"]
    assert sorted(complete("failover", "site", "")) == ["site-a", "site-b"]


def test_what_lies_in_the_bucket_is_never_evaluated(complete, store, folder):
    """A key can hold what a shell would run; it is no name, and nothing of it is run."""
    store.put("site-a.vm.ok", {}, DESIRED)
    for key in f"site-a.vm.`touch${{IFS}}{folder}/run`", f"site-a.vm.$(touch${{IFS}}{folder}/run)":
        store.put(key, {}, DESIRED)
    assert complete("get", "vm", "") == ["ok"]
    assert not (folder / "run").exists()


def test_without_a_server_there_are_no_names_and_no_errors(complete, nats):
    nats.stop()
    assert complete("get", "vm", "") == []
    assert "validate" in complete("v")
