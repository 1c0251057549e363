"""The life of VMs on a real libvirt: what ends by itself, under each restart policy; agents that come and go."""

import pytest
from lib import guest
from lib.crossing import Crossing
from lib.declared import Documents, vm
from lib.sites import IMAGES
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


@pytest.fixture
def inside(nats, site):
    """Documents of a site whose agent runs in the site's own network, so that it reaches the guests."""
    crossing = Crossing(site, lambda: ("127.0.0.1", nats.port)).start()
    site.config["nats"]["servers"] = f"nats://{crossing.address}"
    site.start_agent(net=True)
    documents = Documents(nats.url)
    yield documents
    documents.close()
    crossing.close()


def test_ill_by_http_is_started_again_until_it_is_a_crash_loop(site, inside):
    docs = inside
    health = {"http": {}, "interval": "1s", "timeout": "1s", "retries": 2, "start_period": "60s"}
    cmdline = f"{guest.CMDLINE.format(name='web')} web end=ill:2"
    docs.put("network", "lan", {"subnet": "192.168.77.1/24"})
    docs.put("vm", "web", vm("web", cmdline=cmdline, network="lan", health=health, stop_grace="2s"))
    docs.wait("vm", "web", "Running", where=lambda s: s.get("health") == "healthy")
    ill = docs.wait("vm", "web", "Failed", timeout=180, where=lambda s: condition(s, "CrashLoop") and s.get("next_start"))
    assert "status 404" in ill["reason"] and "not well" in ill["reason"]
    assert condition(ill, "Healthy")["status"] is False and "404" in condition(ill, "Healthy")["reason"]
    assert ill["restarts"] == 3 and ill["state"] == "running", "it is left running until its restart is due"

    cmdline = f"{guest.CMDLINE.format(name='web')} web"
    docs.put("vm", "web", vm("web", cmdline=cmdline, network="lan", health=health, stop_grace="2s"))
    well = docs.wait("vm", "web", "Running", where=lambda s: s.get("health") == "healthy" and s["restarts"] == 0)
    assert not condition(well, "CrashLoop"), "a new revision starts afresh"

    nowhere = {"tcp": {"port": 80}, "interval": "1s", "timeout": "1s", "retries": 1, "start_period": "0s"}
    docs.put("vm", "alone", vm("alone", health=nowhere))
    unknown = docs.wait("vm", "alone", "Running", where=lambda s: condition(s, "Healthy"))
    site.wait_boot("alone")
    wait_until(lambda: docs.status("vm", "web")["health"] == "healthy", 20, "web to stay well")
    unknown = docs.wait("vm", "alone", "Running", where=lambda s: s["health"] in ("starting", "unknown"))
    assert unknown["restarts"] == 0, "what can't be asked is left alone"


def test_guest_agent_is_asked_through_libvirt(site, docs):
    health = {"guest_agent": True, "interval": "1s", "timeout": "1s", "retries": 2, "start_period": "60s"}

    def with_agent(*words, **fields):
        return vm("web", memory="128MiB", initramfs=f"{IMAGES}/guest/{guest.AGENT.name}", health=health,
                  cmdline=" ".join((guest.CMDLINE.format(name="web"), *words)), stop_grace="2s", **fields)

    docs.put("vm", "web", with_agent())
    docs.wait("vm", "web", "Running", where=lambda s: s.get("health") == "healthy")
    site.freeze_libvirtd()  # nobody can be asked: that says nothing about the guest
    try:
        wait_until(lambda: "site-a.vm.web: unknown: " in site.agent_log.read_text(), 30, "its health to be unknown")
    finally:
        site.thaw_libvirtd()
    docs.wait("vm", "web", "Running", where=lambda s: s.get("health") == "healthy" and s["restarts"] == 0)

    docs.put("vm", "web", with_agent("end=silent:2", restart_policy="no"))
    ill = docs.wait("vm", "web", "Running", timeout=90, where=lambda s: s.get("health") == "unhealthy")
    assert condition(ill, "Healthy")["reason"] == "the guest agent does not answer"
    docs.put("vm", "web", with_agent("end=silent:2", restart_policy="on-failure"))
    docs.wait("vm", "web", "Running", timeout=90, where=lambda s: s.get("restarts") == 1)
