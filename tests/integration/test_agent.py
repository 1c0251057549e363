"""The agent with documents, on a real libvirt with real guests and a real NATS server."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from lib import guest
from lib.declared import DESIRED, Documents, vm
from lib.paths import built
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

LAN = {"subnet": "192.168.77.1/24"}


@pytest.fixture
def docs(nats, site):
    """Documents of a site whose agent runs."""
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def definition(site, name):
    return site.virsh("dumpxml", "--inactive", name)


def test_network_disk_and_vm_come_up_and_go(site, docs):
    docs.put("network", "lan", LAN)
    docs.put("disk", "data", {"size": "64MiB"})
    revision = docs.put("vm", "web", vm("web", network="lan",
                                        disks=[{"device": "vda", "disk": "data"}]))
    docs.wait_applied("vm", "web", revision)
    boot = site.wait_boot("web")
    assert (boot.cpus, boot.name) == (1, "web")
    assert boot.address and boot.address.startswith("192.168.77.")
    assert docs.wait("network", "lan", "Running") and docs.wait("disk", "data", "Running")

    docs.delete("vm", "web")
    docs.wait("vm", "web", "Deleted")
    assert "web" not in site.domains()
    assert guest.STOPPING in site.console("web")
    assert docs.status("disk", "data")["phase"] == "Running", "disks outlive their VM"
    docs.delete("network", "lan")
    docs.delete("disk", "data")
    docs.wait("network", "lan", "Deleted")
    docs.wait("disk", "data", "Deleted")
    assert site.virsh("net-list", "--all", "--name") == ""


def test_graceful_stop_is_seen_on_the_console(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    docs.put("vm", "web", vm("web", power="off"))
    docs.wait("vm", "web", "Stopped")
    assert guest.STOPPING in site.console("web")
    assert site.domains() == {"web": "shut off"}


def test_deaf_guest_is_stopped_hard_after_its_grace(site, docs):
    deaf = dict(cmdline=guest.CMDLINE.format(name="web") + " deaf", stop_grace="1s")
    docs.put("vm", "web", vm("web", **deaf))
    site.wait_boot("web")
    docs.put("vm", "web", vm("web", power="off", **deaf))
    docs.wait("vm", "web", "Stopped", timeout=20)
    assert guest.STOPPING not in site.console("web")


def test_change_of_memory_restarts_and_keeps_the_disk(site, docs):
    disks = [{"device": "vda", "size": "32MiB"}]
    docs.put("vm", "web", vm("web", disks=disks))
    first = site.wait_boot("web")
    revision = docs.put("vm", "web", vm("web", memory="128MiB", disks=disks))
    docs.wait_applied("vm", "web", revision)
    second = site.wait_boot("web", 2)
    assert second.mib > first.mib
    assert wait_until(lambda: guest.disk_boots(site.console("web"))[1:], 10, "the second boot's disk") == [2]


def test_foreign_domain_is_never_touched_unless_adopted(site, docs):
    xml = ("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>"
           "<description>by hand</description></domain>")
    (site.host / "foreign.xml").write_text(xml)
    site.virsh("define", site.host / "foreign.xml")
    docs.put("vm", "web", vm("web"))
    blocked = docs.wait("vm", "web", "Blocked")
    assert "adopt" in blocked["reason"]
    docs.delete("vm", "web")
    docs.wait("vm", "web", "Deleted")
    assert "by hand" in definition(site, "web"), "deleting the document removed a thing that is not ours"
    docs.put("vm", "web", vm("web", adopt=True))
    docs.wait("vm", "web", "Running")
    assert "harmony" in definition(site, "web")


def test_immutable_change_replaces_as_planned_and_protect_stops_it(site, docs):
    docs.put("network", "lan", LAN)
    docs.wait("network", "lan", "Running")
    before = site.virsh("net-uuid", "lan")
    docs.put("network", "lan", {**LAN, "subnet": "192.168.78.1/24", "protect": True})
    docs.wait("network", "lan", "Running", where=lambda s: "192.168.78" in site.virsh("net-dumpxml", "lan"))
    assert site.virsh("net-uuid", "lan") != before
    docs.put("network", "lan", {"subnet": "192.168.79.1/24", "protect": False})
    assert "protect" in docs.wait("network", "lan", "Blocked")["reason"]
    docs.delete("network", "lan")
    assert "protect" in docs.wait("network", "lan", "Blocked",
                                  where=lambda s: "then delete" in s["reason"])["reason"]
    assert "192.168.78" in site.virsh("net-dumpxml", "lan")


def test_bad_documents_leave_what_runs_untouched(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    bad = {
        "not JSON": "{\"vcpus\":",
        "unknown field": vm("web", memmory="1GiB"),
        "wrong type": vm("web", vcpus="many"),
        "too deep": "[" * 5000 + "]" * 5000,
        "too large": "{\"cmdline\":\"" + "x" * 600000 + "\"}",
        "a path outside": vm("web", kernel="/etc/shadow"),
        "a path with dots": vm("web", kernel="/var/lib/libvirt/images/../../../../etc/shadow"),
    }
    for what, value in bad.items():
        revision = docs.put("vm", "web", value)
        sentence = wait_until(lambda: (s := docs.status("vm", "web"))["desired_revision"] == revision
                              and (s["error"]["text"] if "error" in s else s["reason"]), 20, f"a word on {what}")
        assert "\n" not in sentence and len(sentence) > 20
    docs.put("vm", "WEB_x", vm("web"))
    docs.put("unknown-kind", "x", {})
    good = docs.put("vm", "web", vm("web", labels={"still": "here"}))
    docs.wait_applied("vm", "web", good)
    assert len(site.boots("web")) == 1, "the guest was restarted by a bad document"


def test_nats_killed_and_restarted_mid_work(nats, site, docs):
    docs.put("vm", "one", vm("one"))
    site.wait_boot("one")
    docs.put("vm", "two", vm("two"))
    nats.kill()
    wait_until(lambda: "disconnected" in site.agent_log.read_text(), 20, "the agent to notice")
    site.virsh("destroy", "one")
    site.wait_boot("one", 2)  # what is pinned to the site is kept running without NATS
    nats.start()
    docs.put("vm", "three", vm("three"))
    docs.wait("vm", "three", "Running")
    docs.wait("vm", "two", "Running")
    assert set(site.domains()) == {"one", "two", "three"}


def test_rebooted_host_starts_from_its_cache_without_nats(nats, site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    wait_until(lambda: (site.state / "desired.json").exists(), 10, "the cache")
    nats.kill()
    site.power_cut()
    site.power_on()
    assert site.domains() == {"web": "shut off"}
    site.start_agent()
    site.wait_boot("web", 2)


def test_deleted_bucket_removes_nothing(nats, site, docs):
    docs.put("vm", "web", vm("web"))
    docs.put("network", "lan", LAN)
    site.wait_boot("web")
    docs.wait("network", "lan", "Running")
    pid = site.qemu_pid("web")
    docs.store.wait_for(docs.store.js.delete_stream(f"KV_{DESIRED}"))
    wait_until(lambda: "harmony_desired" in site.agent_log.read_text(), 30, "the agent to notice")
    docs.store.make_bucket(DESIRED)
    docs.put("vm", "other", vm("other", power="off"))
    docs.wait("vm", "other", "Stopped")
    web = docs.wait("vm", "web", "Running", where=lambda s: any(
        c["type"] == "Orphaned" for c in s["conditions"]))
    assert web["state"] == "running" and site.qemu_pid("web") == pid
    assert site.virsh("net-list", "--name") == "lan"


def test_libvirtd_killed_and_restarted(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    pid = site.qemu_pid("web")
    site.kill_libvirtd()
    docs.put("vm", "late", vm("late"))
    wait_until(lambda: docs.status("vm", "web")["phase"] == "Waiting", 20, "the agent to say it can't see")
    site.start_libvirtd()
    docs.wait("vm", "web", "Running")
    docs.wait("vm", "late", "Running")
    assert site.qemu_pid("web") == pid and len(site.boots("web")) == 1


def test_agent_killed_leaves_guests_alone_and_its_successor_finds_them(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    pid = site.qemu_pid("web")
    site.kill_agent()
    assert site.qemu_pid("web") == pid
    site.start_agent()
    revision = docs.put("vm", "web", vm("web", labels={"new": "agent"}))
    docs.wait_applied("vm", "web", revision)
    assert site.qemu_pid("web") == pid and len(site.boots("web")) == 1


def test_planned_end_leaves_guests_alone(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    pid = site.qemu_pid("web")
    assert site.stop_agent() == 0
    assert site.qemu_pid("web") == pid


# -- killed at the k-th libvirt call ---------------------------------------------------------------

PHASES = {
    "create": lambda docs: [docs.put("network", "lan", LAN), docs.put("disk", "data", {"size": "8MiB"}),
                            docs.put("vm", "web", small())],
    "update": lambda docs: [docs.put("vm", "web", small(memory="80MiB"))],
    "hot": lambda docs: [docs.put("vm", "web", grown())],
    "delete": lambda docs: [docs.delete("vm", "web"), docs.delete("disk", "data"),
                            docs.delete("network", "lan")],
}


DISKS = [{"device": "vda", "disk": "data"}, {"device": "vdb", "size": "8MiB", "ephemeral": True}]
CARD = {"network": "lan", "mac": "52:54:00:00:00:01"}


def small(**fields):
    """A VM whose guest is stopped at once: the k-th call matters here, not the guest."""
    return vm("web", **{
        "disks": DISKS, "networks": [CARD], "stop_grace": "0s", "max_vcpus": 2, "max_memory": "112MiB",
        **fields})


def grown():
    """The same with more of everything, which needs no restart."""
    return small(vcpus=2, memory="112MiB", disks=[*DISKS, {"device": "vdc", "size": "8MiB", "ephemeral": True}],
                 networks=[CARD, {"network": "lan", "mac": "52:54:00:00:00:02"}])


def is_settled(docs, phase):
    """Every document of the phase is as it should be."""
    if phase == "delete":
        return all(docs.status(kind, name)["phase"] == "Deleted"
                   for kind, name in (("vm", "web"), ("disk", "data"), ("network", "lan")))
    web = docs.status("vm", "web")
    return web["phase"] == "Running" and web.get("applied_revision") == web["desired_revision"] >= docs.last


def wait_settled(site, docs, phase):
    def condition():
        site.agent.check_running()
        site.keep_libvirtd()
        return is_settled(docs, phase)
    wait_until(condition, 60, f"{phase} to be done", 0.01, tell=lambda: (docs.status("vm", "web"), site.agent.log_end()))


def run_phase(site, docs, phase, kill_at, log):
    """One phase under the interposer; if it was killed, another agent finishes it. Returns whether it was."""
    environ = {"LD_PRELOAD": str(built("interpose_libvirt.so")), "HARMONY_TEST_KILL_LOG": str(log),
               "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", "HARMONY_TEST_KILL_AT": str(kill_at)}
    site.start_agent(environ=environ)
    docs.last = max([r for r in PHASES[phase](docs) if r], default=0)
    wait_until(lambda: not site.agent.is_running() or is_settled(docs, phase), 60,
               f"{phase} to be done, or killed at step {kill_at}", 0.01)
    killed = not site.agent.is_running()
    if killed:
        site.start_agent()
        wait_settled(site, docs, phase)
    site.kill_agent()
    return killed


def check_nothing_doubled(site, phase):
    volumes = sorted(p.name for p in site.images.glob("*.qcow2"))
    if phase == "delete":
        assert site.domains() == {} and volumes == [] and site.virsh("net-list", "--all", "--name") == ""
    else:
        assert site.domains() == {"web": "running"}
        assert volumes[:2] == ["data.qcow2", "web-vdb.qcow2"]
        disks, cards, vcpus = (3, 2, 2) if phase == "hot" else (2, 1, 1)
        for words in ((), ("--inactive",)):
            xml = ElementTree.fromstring(site.virsh("dumpxml", *words, "web"))
            assert len(xml.findall("devices/disk")) == disks == len(volumes)
            assert len(xml.findall("devices/interface")) == cards
            assert int(xml.find("vcpu").get("current", 2)) == vcpus
        assert site.virsh("net-list", "--all", "--name") == "lan"


@pytest.mark.parametrize("phase", PHASES)
def test_killed_at_every_libvirt_call(nats, site, folder, phase):
    """Whatever the step, the next agent converges, nothing doubles, other guests keep running."""
    docs = Documents(nats.url)
    docs.put("vm", "bystander", vm("bystander"))
    site.start_agent()
    site.wait_boot("bystander")
    site.kill_agent()
    pid, k, killed = site.qemu_pid("bystander"), 0, True
    while killed:
        k += 1
        prepare(site, docs, phase)
        was = site.qemu_pid("web")
        killed = run_phase(site, docs, phase, k, folder / f"steps-{k}")
        steps = (folder / f"steps-{k}").read_text().splitlines()
        reached = max(int(step.split()[0]) for step in steps)  # another worker's line may be lost
        assert not killed or reached >= k, f"killed before step {k}: {steps}"
        assert site.qemu_pid("bystander") == pid
        assert phase != "hot" or site.qemu_pid("web") == was
        check_without(site, "bystander", phase)
    assert k > 4, "there were fewer calls than a libvirt VM needs"
    docs.close()


def prepare(site, docs, phase):
    """What must be there before the phase begins, made by an agent that nobody kills."""
    site.start_agent()
    docs.last = 0
    if phase == "create":
        PHASES["delete"](docs)
        wait_settled(site, docs, "delete")
        if "default" in site.virsh("pool-list", "--name"):  # so that making it is part of the phase
            site.virsh("pool-destroy", "default")
            site.virsh("pool-undefine", "default")
    else:
        if phase == "hot":  # a volume that was plugged out outlives its VM
            docs.delete("vm", "web")
            docs.wait("vm", "web", "Deleted")
        docs.last = max(PHASES["create"](docs))
        wait_settled(site, docs, "create")
    site.kill_agent()


def check_without(site, bystander, phase):
    domains = site.domains
    site.domains = lambda: {n: s for n, s in domains().items() if n != bystander}
    try:
        check_nothing_doubled(site, phase)
    finally:
        site.domains = domains


def test_frozen_libvirtd_delays_nothing_else(site, docs):
    docs.put("vm", "web", vm("web"))
    site.wait_boot("web")
    site.freeze_libvirtd()
    docs.put("vm", "web", {"vcpus": "x"})
    wait_until(lambda: re.search(r"site-a\.vm\.web rev", site.agent_log.read_text()), 10,
               "the agent to go on reading documents")
    site.thaw_libvirtd()
    docs.wait("vm", "web", "Running")
