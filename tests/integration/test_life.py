"""The life of VMs on a real libvirt: what ends by itself, under each restart policy; agents that come and go."""

import json
import urllib.request

import pytest
from lib import guest, metrics
from lib.crossing import Crossing
from lib.declared import Documents, vm
from lib.paths import built
from lib.processes import free_port, run
from lib.sites import IMAGES
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests


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


def test_a_watchdog_ends_what_is_started_again_and_pauses_what_waits_for_a_person(site, docs):
    def fed(name, **fields):
        return vm(name, cmdline=f"{guest.CMDLINE.format(name=name)} pets=2", restart_policy="on-failure", **fields)
    docs.put("vm", "ends", fed("ends", watchdog="poweroff"))
    docs.put("vm", "stands", fed("stands", watchdog="pause"))
    site.wait_boot("ends", 2, timeout=90)
    docs.wait("vm", "ends", "Running", where=lambda s: s["restarts"] == 1)
    docs.wait("vm", "stands", "Waiting", where=lambda s: s["reason"].startswith("paused by its watchdog: "))
    assert len(site.boots("stands")) == 1
    docs.put("vm", "stands", fed("stands", watchdog="pause", power="paused"))
    docs.wait("vm", "stands", "Paused")
    docs.put("vm", "stands", fed("stands", watchdog="pause"))
    docs.wait("vm", "stands", "Running")
    assert len(site.boots("stands")) == 1


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
    cmdline = f"{guest.CMDLINE.format(name='web')} web end=ill:8"
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


def stats(site, name):
    """What virsh says: {"cpu.time": 12.0, ...}."""
    lines = site.virsh("domstats", name).splitlines()
    return {k.strip(): v for k, _, v in (line.partition("=") for line in lines)}


def ask_metrics(docs):
    """The result of the operation `metrics`, as any client gets it."""
    async def asked():
        client = docs.store.client
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish("harmony.op.site-a.metrics", b"{}", reply=inbox)
        while True:
            answer = json.loads((await answers.next_msg(5)).data)
            if "accepted" not in answer:
                return answer["result"]
    return docs.store.wait_for(asked())


def test_metrics_grow_and_agree_with_virsh(nats, site):
    port = free_port()
    site.config["http"] = {"listen": f"127.0.0.1:{port}"}
    docs = Documents(nats.url)
    site.start_agent()
    docs.put("network", "lan", {"subnet": "192.168.77.1/24"})
    docs.put("vm", "web", vm("web", network="lan", disks=[{"device": "vda", "size": "32MiB"}],
                             cmdline=guest.CMDLINE.format(name="web") + " end=off:30"))
    site.wait_boot("web")

    def scrape():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return metrics.parse(answer.read().decode())

    def value(families, name, **labels):
        return families[name][1][tuple(sorted(labels.items()))]

    first = wait_until(lambda: (f := scrape()) and value(f, "harmony_vm_network_receive_bytes_total", vm="web", nic="0") and f,
                       40, "the guest's traffic to be measured", 0.2)
    before = value(first, "harmony_vm_cpu_seconds_total", vm="web")
    again = wait_until(lambda: (f := scrape()) and value(f, "harmony_vm_cpu_seconds_total", vm="web") > before and f, 40,
                       "the next round", 0.2)
    now = stats(site, "web")
    cpu = value(again, "harmony_vm_cpu_seconds_total", vm="web")
    assert before < cpu <= int(now["cpu.time"]) / 1e9 < cpu + 30
    assert value(again, "harmony_vm_memory_bytes", vm="web") == int(now["balloon.current"]) * 1024
    assert value(again, "harmony_vm_vcpus", vm="web") == 1
    assert value(again, "harmony_vm_disk_size_bytes", vm="web", disk="vda") == 32 << 20
    assert 0 < value(again, "harmony_vm_disk_written_bytes_total", vm="web", disk="vda") <= int(now["block.0.wr.bytes"])
    assert 0 < value(again, "harmony_vm_network_receive_bytes_total", vm="web", nic="0") <= int(now["net.0.rx.bytes"])
    assert value(again, "harmony_verbs_total", verb="start", result="ok") == 2  # the network and the VM
    assert value(again, "harmony_backend_up", backend="libvirt") == 1
    assert value(again, "harmony_nats_connected") == 1
    assert value(again, "process_resident_memory_bytes") > 1 << 20
    assert value(again, "harmony_workload_restarts_total", key="site-a.vm.web") == 0

    vm_now = ask_metrics(docs)["vms"][0]
    assert vm_now["vm"] == "web" and vm_now["memory_bytes"] == 96 << 20 and vm_now["cpu_cores"] > 0
    assert [d["disk"] for d in vm_now["disks"]] == ["vda"] and vm_now["nics"][0]["network_receive_bytes_total"] > 0

    def top(*args):
        return run([built("harmonyctl"), "--server", nats.url, "top", *args]).stdout
    title, row = top("--once").splitlines()
    assert title.split()[:5] == ["SITE", "VM", "CPU", "VCPUS", "MEMORY"]
    assert row.split()[:2] == ["site-a", "web"] and row.split()[3:5] == ["1", "96MiB"]
    answers = json.loads(top("--site", "site-a", "-o", "json"))
    assert [(a["site"], a["vms"][0]["vm"]) for a in answers] == [("site-a", "web")]
    docs.close()
