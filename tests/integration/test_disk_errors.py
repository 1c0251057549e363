"""A guest whose disk fails: what its status says, and that nobody but the operator resumes it."""

import pytest
from lib.declared import Documents, vm
from lib.paths import built
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

SMALL = "/var/lib/libvirt/small"


@pytest.fixture
def docs(nats, site):
    documents = Documents(nats.url)
    yield documents
    documents.close()


@pytest.fixture
def small(site):
    """A pool with room for one disk and hardly more."""
    site.run("mkdir", "-p", SMALL)
    site.run("mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", SMALL)
    site.virsh("pool-define-as", "small", "dir", "--target", SMALL)
    site.virsh("pool-start", "small")
    yield "small"
    for name in site.domains():
        site.virsh("destroy", name, check=False)
    site.run("umount", "-l", SMALL)


def condition(status):
    return next((c for c in status["conditions"] if c["type"] == "DiskFailed"), None)


def test_a_guest_whose_disk_is_full_stands_still_until_its_operator_resumes_it(site, docs, small):
    site.start_agent()
    docs.put("disk", "data", {"size": "16MiB", "pool": small})
    docs.wait("disk", "data", "Running")
    site.run("dd", "if=/dev/zero", f"of={SMALL}/ballast", "bs=4k", check=False)
    spec = vm("web", disks=[{"device": "vda", "disk": "data"}])
    docs.put("vm", "web", spec)

    def stands_still(phase="Waiting"):
        status = docs.wait("vm", "web", phase, where=lambda s: s["state"] == "paused")
        error, where = status["error"], f"its disk vda ({SMALL}/data.qcow2)"
        assert error["code"] == "disk-full" and where in error["text"], error
        assert "make room there, then resume it" in error["text"]
        assert where in condition(status)["reason"] and condition(status)["status"] is True
        assert "I/O error" in status["state_reason"] and where in status["state_reason"]
        assert "paused" in site.virsh("domstate", "--reason", "web")
        return status
    first, pid = stands_still(), site.qemu_pid("web")
    site.kill_agent()
    site.start_agent()
    docs.wait("vm", "web", "Waiting", where=lambda s: s["since"] > first["since"])
    stands_still()

    docs.put("vm", "web", {**spec, "power": "paused"})
    assert docs.wait("vm", "web", "Paused")["error"]["code"] == "disk-full"
    docs.put("vm", "web", spec)  # too early: it stands still again, and is resumed again
    stands_still("Failed")

    site.run("rm", f"{SMALL}/ballast")
    well = docs.wait("vm", "web", "Running")
    site.wait_boot("web", 1)
    assert "error" not in well and not condition(well)
    assert site.qemu_pid("web") == pid and len(site.boots("web")) == 1


def test_a_guest_that_was_told_of_an_error_runs_on_and_its_status_says_which_disk(site, docs):
    fails = site.host / "run/libvirt/disk-fails"
    site.kill_libvirtd()
    site.start_libvirtd(LD_PRELOAD=built("interpose_writes.so"))
    site.start_agent()
    spec = vm("web", disks=[{"device": "vda", "size": "16MiB"}])
    spec["cmdline"] += " scribble"
    docs.put("vm", "web", spec)
    docs.wait("vm", "web", "Running")
    wait_until(lambda: "disk vda takes what is written" in site.console("web"), 60, "the guest to write", 0.05)
    fails.touch()
    told = docs.wait("vm", "web", "Running", where=condition)
    assert "its disk vda (" in condition(told)["reason"] and "I/O error" in condition(told)["reason"]
    assert told["state"] == "running" and "error" not in told
    fails.unlink()
    docs.put("vm", "web", {**spec, "power": "off"})
    docs.wait("vm", "web", "Stopped", where=lambda s: not condition(s))
