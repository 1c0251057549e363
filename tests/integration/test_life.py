"""The life of VMs on a real libvirt: what ends by itself, under each restart policy; agents that come and go."""

import pytest
from lib import guest
from lib.declared import Documents, vm
from lib.waiting import wait_until


@pytest.fixture
def docs(nats, site):
    """Documents of a site whose agent runs."""
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def ending(name, how, policy, **fields):
    """A VM whose guest ends by itself that way."""
    cmdline = f"{guest.CMDLINE.format(name=name)} end={how}"
    return vm(name, cmdline=cmdline, restart_policy=policy, **fields)


def condition(status, kind):
    return next((c for c in status["conditions"] if c["type"] == kind), None)


def test_each_policy_and_each_end(site, docs):
    """Five guests at once: who comes back, and that no agent and no libvirtd brings back who shall not."""
    docs.put("vm", "once-off", ending("once-off", "off:1", "no"))
    docs.put("vm", "once-panic", ending("once-panic", "panic:1", "no"))
    docs.put("vm", "clean", ending("clean", "off:1", "on-failure"))
    docs.put("vm", "panics", ending("panics", "panic:1", "on-failure"))
    docs.put("vm", "always", ending("always", "off:1", "always"))
    ended = docs.wait("vm", "once-off", "Ended")
    assert ended["reason"].startswith("it shut down; restart_policy: no")
    assert docs.wait("vm", "once-panic", "Ended")["reason"].startswith("it crashed; restart_policy: no")
    assert docs.wait("vm", "clean", "Ended")["reason"].startswith("it shut down; restart_policy: on-failure")
    site.wait_boot("panics", 2, timeout=60)
    site.wait_boot("always", 2, timeout=60)
    wait_until(lambda: docs.status("vm", "always").get("restarts"), 20, "a restart to be counted")

    site.kill_agent()  # what is known about the ends is in the definitions alone
    site.kill_libvirtd()
    site.start_libvirtd()
    site.start_agent()
    seen = len(site.boots("always"))
    site.wait_boot("always", seen + 1, timeout=60)
    site.wait_boot("panics", 3, timeout=60)
    for name in ("once-off", "once-panic", "clean"):
        assert docs.wait("vm", name, "Ended")["state"] in ("off", "crashed")
        assert len(site.boots(name)) == 1, f"{name} was started again"


def test_crash_loop_is_told_and_outlives_the_agent(site, docs):
    docs.put("vm", "web", vm("web", restart_policy="on-failure"))
    for boot in range(1, 5):
        site.wait_boot("web", boot, timeout=60)
        site.run("kill", "-9", wait_until(lambda: site.qemu_pid("web"), 10, "the process of web"))
    status = docs.wait("vm", "web", "Failed", where=lambda s: condition(s, "CrashLoop") and s.get("next_start"))
    loop = condition(status, "CrashLoop")
    assert status["restarts"] == 3 and "3 times" in loop["reason"] and "it crashed" in loop["reason"]
    assert loop["next_try"] == status["next_start"]

    site.kill_agent()
    site.start_agent()
    site.wait_boot("web", 5, timeout=60)
    again = docs.wait("vm", "web", "Running", where=lambda s: s["restarts"] == 4)
    assert condition(again, "CrashLoop")["since"] == loop["since"], "the next agent forgot the loop"
    assert len(site.boots("web")) == 5

    docs.put("vm", "web", vm("web", restart_policy="on-failure", power="off"))
    docs.wait("vm", "web", "Stopped")
    docs.put("vm", "web", vm("web", restart_policy="on-failure"))
    fresh = docs.wait("vm", "web", "Running")
    assert fresh["restarts"] == 0 and not condition(fresh, "CrashLoop")
