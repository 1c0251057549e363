"""A qemu-img that is killed, and a host's disk that fails, at every write; and a guest whose disk fails."""

import hashlib
import json

import pytest

from lib.driven import Host, failing_writes, run_guest, vm
from lib.paths import built
from lib.sites import IMAGES
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

SIZE = 8 << 20
SAID = {False: ("process-failed", "qemu-img died of signal 9"), True: ("io-error", "Input/output error")}


@pytest.fixture
def host(make_site):
    return Host(make_site().power_on())


def qemu_img(host, *argv, codes=(0,)):
    done = host.site.run("qemu-img", *argv, check=False)
    assert done.returncode in codes, f"{argv}: {done.returncode} {done.stdout}{done.stderr}"
    return done.stdout


def contents(host, volume="data.qcow2"):
    """What a guest would read, to the size that all of them have at least."""
    file = host.site.directory / "contents.raw"
    qemu_img(host, "convert", "-f", "qcow2", "-O", "raw", f"{IMAGES}/{volume}", file)
    return hashlib.sha256(file.read_bytes()[:SIZE]).hexdigest()


def check(host, volume="data.qcow2", cut_short=False):
    """Nothing in it is damaged; space that nobody uses (3) is no damage. A snapshot that was cut short has counted
    clusters as shared, but not marked them so: qemu-img calls that an error, and it ends with the next one."""
    done = host.site.run("qemu-img", "check", "-q", "-f", "qcow2", f"{IMAGES}/{volume}", check=False)
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(("Leaked ", "ERROR OFLAG_COPIED"))]
    assert done.returncode in (0, 3) or (cut_short and not said), f"{done.returncode} {said[:9]}"


def fill(host, byte):
    """The disk's content is this byte all over."""
    pattern = host.site.images / "pattern.raw"
    pattern.write_bytes(bytes([byte]) * SIZE)
    size = json.loads(qemu_img(host, "info", "--output=json", f"{IMAGES}/data.qcow2"))["virtual-size"]
    qemu_img(host, "resize", "-q", "-f", "raw", f"{IMAGES}/pattern.raw", str(size))
    qemu_img(host, "convert", "-n", "-f", "raw", "-O", "qcow2", f"{IMAGES}/pattern.raw", f"{IMAGES}/data.qcow2")


def each_fault(host, error, *argv):
    """The command, with a fault at its first write, its second, ... until it has none left; yields after each."""
    code, sentence = SAID[error]
    for at in range(1, 1000):
        result, said = host.drive(*argv, environ=failing_writes(at, error))
        if result == 0:
            assert at > 1, "no write was seen"
            return
        assert said["code"] == code and sentence in said["error"], (at, said)
        yield at


@pytest.mark.parametrize("error", (False, True), ids=("killed", "eio"))
def test_a_disk_survives_whatever_fails_in_growing_and_snapshots(host, error):
    host.do("create", "disk", "data", {"size": SIZE})
    fill(host, 7)
    kept = contents(host)
    specs = [{"size": SIZE, "snapshots": ["one"]}, {"size": 3 * SIZE, "snapshots": ["one"]}]
    for spec in specs:
        for _ in each_fault(host, error, "update", "disk", "data", json.dumps(spec)):
            check(host, cut_short=True)
            assert contents(host) == kept
        check(host)
        thing = host.thing("disk", "data")
        assert thing.get("drift") is None and thing["spec"]["size"] == spec["size"] and contents(host) == kept

    host.do("update", "disk", "data", {"size": 3 * SIZE})  # a declared one is not deleted
    fill(host, 9)
    changed = contents(host)
    for _ in each_fault(host, error, "snapshot-apply", "disk", "data", json.dumps({"snapshot": "one", "discard": True})):
        check(host, cut_short=True)
        assert contents(host) in (kept, changed)
    assert contents(host) == kept
    for _ in each_fault(host, error, "snapshot-delete", "disk", "data", json.dumps({"snapshot": "one"})):
        check(host, cut_short=True)
        assert contents(host) == kept
    check(host)


@pytest.mark.parametrize("error", (False, True), ids=("killed", "eio"))
def test_a_copy_that_fails_leaves_nothing_under_the_final_name(host, error):
    image = bytes(range(256)) * (SIZE // 256)
    sha256 = hashlib.sha256(image).hexdigest()
    store = host.site.images / "harmony-images"
    store.mkdir(parents=True)
    (store / f"{sha256}.image").write_bytes(image)
    cloud = {"url": "http://localhost/cloud", "sha256": sha256, "format": "raw"}
    host.site.run(built("drive"), "--backend", "images", "--image-dir", IMAGES, "create", "image-file", "cloud", json.dumps(cloud))
    spec = vm(disks=[{"device": "vda", "size": 2 * SIZE, "base": "cloud"}])
    for _ in each_fault(host, error, "create", "vm", "web", json.dumps(spec)):
        assert not [f.name for f in host.site.images.glob("web*") if not f.name.endswith(".harmony.json")]
        assert "web" not in host.site.domains()
    check(host, "web-vda.qcow2")
    assert contents(host, "web-vda.qcow2") == sha256


def test_a_guest_sees_the_errors_of_its_disk_and_runs_on(host):
    fails = host.site.host / "run/libvirt/disk-fails"
    host.site.kill_libvirtd()
    host.site.start_libvirtd(LD_PRELOAD=built("interpose_writes.so"))
    run_guest(host, vm(words=" scribble"))

    def wait_told(words, after=0):
        wait_until(lambda: words in host.site.console("web")[after:], 30, f"the guest to say that its disk {words}", 0.05)
        return len(host.site.console("web"))
    told = wait_told("disk vda takes what is written")
    fails.touch()
    told = wait_told("disk vda fails", told)
    assert host.thing("vm", "web")["state"] == "running" and host.site.qemu_pid("web")
    fails.unlink()
    wait_told("disk vda takes what is written", told)
    assert len(host.site.boots("web")) == 1
    host.do("stop", "vm", "web", vm())
    fails.touch()
    code, sentence = host.refuse("start", "vm", "web", vm())
    assert code == "io-error" and "Input/output error" in sentence and host.site.domains() == {"web": "shut off"}
    fails.unlink()
    host.do("start", "vm", "web", vm())
    host.site.wait_boot("web", 2)
