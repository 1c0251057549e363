"""Disks on a real libvirtd, QEMU and qemu-img: growth, headers of hostile images, and kill -9 in the middle."""

import contextlib
import hashlib
import json

import pytest

from lib import guest
from lib.driven import Host, run_guest, vm
from lib.paths import built
from lib.processes import run
from lib.sites import IMAGES
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

WATCH = " watch"


@pytest.fixture(scope="module")
def host(module_site):
    return Host(module_site)


@pytest.fixture(autouse=True)
def cleared(host):
    yield
    for kind, name in list(host.things()):
        if kind == "vm":
            host.do("remove", kind, name)
    for file in host.site.images.glob("*.*"):
        file.unlink()
    for log in host.site.images.glob("console/*"):
        log.unlink()
    host.site.virsh("pool-refresh", "default", check=False)


def with_disks(*disks, words="", **fields):
    return vm(words=words, disks=[{"device": "root", "size": "16MiB"}, *disks], **fields)


def qemu_img(host, *argv, check=True):
    return host.site.run("qemu-img", *argv, check=check).stdout


def size_of(host, volume):
    return json.loads(qemu_img(host, "info", "-U", "--output=json", f"{IMAGES}/{volume}"))["virtual-size"]


def wait_sizes(host, name="web", **sizes):
    wait_until(lambda: guest.disk_sizes(host.site.console(name)) == sizes, 30,
               f"guest {name} to see {sizes}", 0.05)


# -- growth ------------------------------------------------------------------------------------------


def test_disks_grow_under_a_running_guest_which_sees_it(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    disks = [{"device": "data", "disk": "data"}, {"device": "raw", "size": "8MiB", "format": "raw"}]
    spec = with_disks(*disks, words=WATCH)
    run_guest(host, spec)
    wait_sizes(host, vda=16, vdb=8, vdc=8)
    pid = host.site.qemu_pid("web")
    host.do("update", "disk", "data", {"size": "24MiB"})
    wait_sizes(host, vda=16, vdb=24, vdc=8)
    spec["disks"][0]["size"], spec["disks"][2]["size"] = "32MiB", "12MiB"
    host.do("update", "vm", "web", spec)
    wait_sizes(host, vda=32, vdb=24, vdc=12)
    assert host.site.qemu_pid("web") == pid
    assert host.thing("vm", "web")["spec"]["disks"][0]["size"] == 32 << 20
    assert host.thing("vm", "web").get("drift") is None
    # what an overlay of sparse files took is not more than it was
    assert (host.site.images / "web-raw.raw").stat().st_blocks * 512 < 8 << 20


def test_disks_that_nobody_uses_grow_and_none_shrinks(host):
    for format in ("qcow2", "raw"):
        host.do("create", "disk", format, {"size": "8MiB", "format": format})
        host.do("update", "disk", format, {"size": "24MiB", "format": format})
        assert size_of(host, f"{format}.{format}") == 24 << 20
        code, sentence = host.refuse("update", "disk", format, {"size": "8MiB", "format": format})
        assert code == "refused" and "shrink" in sentence
        assert size_of(host, f"{format}.{format}") == 24 << 20


def test_an_odd_size_is_reached(host):
    for format in ("qcow2", "raw"):
        spec = {"size": (8 << 20) + 1, "format": format}
        host.do("create", "disk", format, spec)
        host.do("update", "disk", format, spec)


def test_a_disk_in_a_foreign_guest_is_left_alone(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    xml = host.site.directory / "foreign.xml"
    xml.write_text(f"""<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory>
        <os><type arch='x86_64'>hvm</type></os><devices><disk type='file'><driver name='qemu' type='qcow2'/>
        <source file='{IMAGES}/data.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>""")
    host.site.virsh("create", xml)
    try:
        code, sentence = host.refuse("update", "disk", "data", {"size": "16MiB"})
        assert code == "conflict" and "foreign" in sentence
        assert size_of(host, "data.qcow2") == 8 << 20
    finally:
        host.site.virsh("destroy", "foreign")
    host.do("update", "disk", "data", {"size": "16MiB"})


def test_growth_killed_anywhere_converges(host, each_step):
    """Under a running guest, and with nobody using it."""
    host.do("create", "disk", "data", {"size": "8MiB"})
    for running in (True, False):
        spec = with_disks({"device": "data", "disk": "data"})
        if running:
            host.do("create", "vm", "web", spec)
            host.do("start", "vm", "web", spec)
        elif "web" in host.site.domains():
            host.do("stop", "vm", "web", spec)
        size = [size_of(host, "data.qcow2") >> 20]

        def argv():
            return ("update", "disk", "data", json.dumps({"size": f"{size[0]}MiB"}))

        def more():
            size[0] += 1

        steps = 0
        for _ in each_step(host, more, argv):
            steps += 1
            wait_until(lambda: host.drive(*argv())[0] == 0, 10, "an orphaned qemu-img to end")
            assert size_of(host, "data.qcow2") == size[0] << 20
        assert steps >= 2


# -- what the status shows ---------------------------------------------------------------------------


def test_disks_are_shown_as_they_are(host):
    host.do("create", "disk", "data", {"size": "8MiB", "snapshots": ["one"]})
    host.do("create", "vm", "web", with_disks({"device": "raw", "size": "8MiB", "format": "raw"}))
    seen = host.thing("disk", "data")["details"]
    assert (seen["pool"], seen["path"], seen["capacity"]) == ("default", f"{IMAGES}/data.qcow2", 8 << 20)
    assert (seen["image"]["size"], seen["image"]["format"]) == (8 << 20, "qcow2")
    assert [s["name"] for s in seen["image"]["snapshots"]] == ["one"]
    root, raw = host.thing("vm", "web")["details"]["disks"]
    assert (root["target"], root["path"]) == ("vda", f"{IMAGES}/web-root.qcow2")
    assert (root["size"], root["format"], raw["size"], raw["format"]) == (16 << 20, "qcow2", 8 << 20, "raw")
    assert 0 < root["allocation"] < 1 << 20 and raw["allocation"] < 1 << 20


@contextlib.contextmanager
def counted_qemu_img(host):
    """The site's qemu-img says each time that it was called; yields how often it has been."""
    real, counting, calls = (host.site.directory / name for name in ("real-qemu-img", "qemu-img", "calls"))
    host.site.run("cp", "/usr/bin/qemu-img", real)
    counting.write_text(f'#!/bin/sh\necho >>{calls}\nexec {real} "$@"\n')
    counting.chmod(0o755)
    calls.touch()
    host.site.run("mount", "--bind", counting, "/usr/bin/qemu-img")
    try:
        yield lambda: calls.stat().st_size
    finally:
        host.site.run("umount", "/usr/bin/qemu-img")


def test_what_changes_is_looked_into_again_and_nothing_else(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    host.do("create", "vm", "web", vm())
    with host.session() as session:
        assert session.thing("disk", "data")["details"]["image"]["size"] == 8 << 20
        assert session.ask("update", "disk", "data", json.dumps({"size": "16MiB"}))["result"] == 0
        assert session.thing("disk", "data")["details"]["image"]["size"] == 16 << 20
        spec = {"size": "16MiB", "snapshots": ["one"]}
        assert session.ask("update", "disk", "data", json.dumps(spec))["result"] == 0
        image = session.thing("disk", "data")["details"]["image"]
        assert image["size"] == 16 << 20 and [s["name"] for s in image["snapshots"]] == ["one"]
        spec = with_disks()
        spec["disks"][0]["size"] = "24MiB"
        assert session.ask("update", "vm", "web", json.dumps(spec))["result"] == 0
        assert session.thing("vm", "web")["details"]["disks"][0]["size"] == 24 << 20
        with counted_qemu_img(host) as calls:
            def calls_of_a_look():
                before = calls()
                assert session.ask("observe")["result"] == 0
                return calls() - before
            # libvirt's event of the last change may come late: then that is looked into once more
            wait_until(lambda: calls_of_a_look() == 0, 20, "a look that needs no qemu-img", 0.05)


def test_what_could_not_be_looked_into_is_looked_into_again_later(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    host.do("create", "vm", "web", with_disks())
    looks = host.site.directory / "looks"
    broken = host.site.directory / "broken-qemu-img"
    broken.write_text(f"#!/bin/sh\necho >>{looks}\nexit 1\n")
    broken.chmod(0o755)
    host.site.run("mount", "--bind", broken, "/usr/bin/qemu-img")
    with host.session() as session:

        def seen():
            return session.thing("disk", "data")["details"]["image"], session.thing("vm", "web")["details"]["disks"][0]

        try:
            assert all("error" in image for image in seen())
            failed = len(looks.read_text())
            for _ in range(20):
                seen()
            assert len(looks.read_text()) == failed, "not with every pass"
        finally:
            host.site.run("umount", "/usr/bin/qemu-img")
        wait_until(lambda: [image.get("size") for image in seen()] == [8 << 20, 16 << 20], 30, "another look", 0.2)


def test_disks_that_take_long_to_look_into_are_all_seen(host):
    host.do("create", "vm", "web", with_disks({"device": "a", "size": "8MiB"}, {"device": "b", "size": "24MiB"}))
    slow = host.site.directory / "slow-qemu-img"
    host.site.run("cp", "/usr/bin/qemu-img", host.site.directory / "real-qemu-img")
    slow.write_text(f'#!/bin/sh\nsleep 0.6\nexec {host.site.directory}/real-qemu-img "$@"\n')
    slow.chmod(0o755)
    host.site.run("mount", "--bind", slow, "/usr/bin/qemu-img")
    try:
        with host.session() as session:  # longer than a pass may look, each of them
            wait_until(lambda: [disk.get("size") for disk in session.thing("vm", "web")["details"]["disks"]] ==
                       [16 << 20, 8 << 20, 24 << 20], 30, "all its disks to be seen", 0.2)
    finally:
        host.site.run("umount", "/usr/bin/qemu-img")


# -- snapshots that a document declares --------------------------------------------------------------


def snapshots(host, volume="data.qcow2"):
    shown = json.loads(qemu_img(host, "info", "-U", "--output=json", f"{IMAGES}/{volume}"))
    return [s["name"] for s in shown.get("snapshots", [])]


def disk_boots(host):
    return guest.disk_boots(host.site.console("web"))


def test_a_declared_snapshot_is_made_under_a_running_guest_and_kept(host):
    spec = vm(disks=[{"device": "vda", "disk": "data"}])
    host.do("create", "disk", "data", {"size": "16MiB"})
    run_guest(host, spec)
    pid = host.site.qemu_pid("web")
    host.do("update", "disk", "data", {"size": "16MiB", "snapshots": ["one"]})
    assert snapshots(host) == ["one"] and host.site.qemu_pid("web") == pid
    host.do("update", "disk", "data", {"size": "16MiB", "snapshots": ["two"]})
    assert snapshots(host) == ["one", "two"], "what is taken out of the list stays"
    host.do("update", "disk", "data", {"size": "32MiB", "snapshots": ["two"]})
    assert size_of(host, "data.qcow2") == 32 << 20, "a disk with snapshots grows live, too"
    assert host.thing("disk", "data").get("drift") is None
    # back by hand: the guest counts its boots from where the snapshot was made
    for boot in (2, 3):
        host.do("stop", "vm", "web", spec)
        host.do("start", "vm", "web", spec)
        host.site.wait_boot("web", boot)
    host.do("stop", "vm", "web", spec)
    qemu_img(host, "snapshot", "-a", "one", f"{IMAGES}/data.qcow2")
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", 4)
    assert disk_boots(host) == [1, 2, 3, 2]


def test_a_declared_snapshot_that_vanished_is_said_and_not_made_anew(host):
    spec = {"size": "8MiB", "snapshots": ["one"]}
    host.do("create", "disk", "data", spec)
    qemu_img(host, "snapshot", "-d", "one", f"{IMAGES}/data.qcow2")
    assert host.thing("disk", "data")["drift"] == "snapshot one is gone"
    code, sentence = host.refuse("update", "disk", "data", spec)
    assert code == "refused" and "vanished" in sentence
    host.do("update", "disk", "data", {"size": "8MiB", "snapshots": ["other"]})


def test_raw_holds_no_snapshots(host):
    code, sentence = host.refuse("create", "disk", "data",
                                 {"size": "8MiB", "format": "raw", "snapshots": ["one"]})
    assert code == "invalid" and "raw" in sentence and "qcow2" in sentence


def test_a_declared_snapshot_killed_anywhere_converges(host, each_step):
    host.do("create", "disk", "data", {"size": "8MiB"})
    spec = with_disks({"device": "data", "disk": "data"})
    names = []
    for running in (True, False):
        if running:
            run_guest(host, spec)
        else:
            host.do("stop", "vm", "web", spec)

        def argv():
            return ("update", "disk", "data", json.dumps({"size": "8MiB", "snapshots": names[-1:]}))

        steps = 0
        for _ in each_step(host, lambda: names.append(f"s{len(names)}"), argv):
            steps += 1
            wait_until(lambda: host.drive(*argv())[0] == 0, 10, "an orphaned qemu-img to end")
            assert snapshots(host) == names
        assert steps >= 2


# -- protect -----------------------------------------------------------------------------------------


def test_protect_keeps_what_was_before_a_risky_change(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    host.do("update", "disk", "data", {"size": "16MiB"})
    assert snapshots(host) == [], "nothing protects it"
    host.do("update", "disk", "data", {"size": "16MiB", "protect": True})
    assert snapshots(host) == [], "that changes nothing on it"
    for _ in range(2):  # a second attempt makes no second one
        host.do("update", "disk", "data", {"size": "24MiB", "protect": True})
    assert len(snapshots(host)) == 1 and snapshots(host)[0].startswith("auto-")


def test_protect_keeps_the_disks_of_a_vm_before_they_change(host):
    raw = {"device": "raw", "size": "8MiB", "format": "raw"}
    host.do("create", "disk", "data", {"size": "8MiB"})
    spec = with_disks(raw, {"device": "data", "disk": "data"}, protect=True)
    run_guest(host, spec)
    host.do("update", "vm", "web", {**spec, "labels": {"a": "b"}})
    assert snapshots(host, "web-root.qcow2") == []
    spec["disks"][0]["size"] = "32MiB"
    host.do("update", "vm", "web", spec)
    kept = snapshots(host, "web-root.qcow2")
    assert len(kept) == 1 and snapshots(host) == kept, "of all its disks, of one instant"
    assert size_of(host, "web-root.qcow2") == 32 << 20


# -- on top of a base image --------------------------------------------------------------------------


def checksum(host, name):
    return hashlib.sha256((host.site.images / name).read_bytes()).hexdigest()


@pytest.fixture
def base(host):
    """An image on which a guest has booted 40 times already."""
    path = host.site.images / "base,a:b.raw"
    path.write_bytes(b"harmony-boots 40".ljust(32) + bytes((8 << 20) - 32))
    qemu_img(host, "convert", "-O", "qcow2", f"{IMAGES}/{path.name}", f"{IMAGES}/base.qcow2")
    return f"{IMAGES}/base.qcow2"


def test_disks_on_top_of_one_image_which_is_never_written(host, base):
    raw_base = f"{IMAGES}/base,a:b.raw"
    before = checksum(host, "base.qcow2"), checksum(host, "base,a:b.raw")
    host.do("create", "disk", "data", {"size": "16MiB", "backing": base})
    run_guest(host, vm(disks=[{"device": "vda", "disk": "data"}]))
    run_guest(host, vm("two", disks=[{"device": "vda", "size": "24MiB", "backing": raw_base,
                                      "backing_format": "raw"}]), "two")
    assert "disk vda 16 MiB, boot 41" in host.site.console("web")
    assert "disk vda 24 MiB, boot 41" in host.site.console("two")
    assert (checksum(host, "base.qcow2"), checksum(host, "base,a:b.raw")) == before
    assert host.thing("disk", "data")["details"]["image"]["backing"] == base
    assert host.thing("vm", "two")["details"]["disks"][0]["backing"] == raw_base
    host.do("update", "disk", "data", {"size": "32MiB", "backing": base, "snapshots": ["one"]})
    assert host.thing("disk", "data").get("drift") is None
    host.do("stop", "vm", "web", vm(stop_grace="0s"))
    qemu_img(host, "rebase", "-u", "-b", raw_base, "-F", "raw", f"{IMAGES}/data.qcow2")
    code, sentence = host.refuse("start", "vm", "web", vm(disks=[{"device": "vda", "disk": "data"}]))
    assert code == "refused" and "header names" in sentence


def test_a_base_is_refused_that_would_not_stay_or_is_made_of_others(host, base, secret):
    def refused(backing, part, **fields):
        code, sentence = host.refuse("create", "disk", "data", {"size": "16MiB", "backing": backing, **fields})
        assert code in ("refused", "invalid", "not-found") and part in sentence, (code, sentence)
        assert not list(host.site.images.glob("data*"))

    refused(hostile(host, "evil.qcow2", "-b", f"{IMAGES}/{secret.name}", "-F", "raw"), "header names")
    refused(base, "do not fit", size="4MiB")
    refused(f"{IMAGES}/none.qcow2", "No such file")
    refused(f"{IMAGES}/{secret.name}", "not in qcow2 format")
    refused(base, "can't be made on top", format="raw")
    host.do("create", "disk", "mine", {"size": "8MiB"})
    refused(f"{IMAGES}/mine.qcow2", "harmony made for guests")


def test_an_image_with_the_backing_file_that_its_document_names_is_used(host, base):
    image = hostile(host, "mine.qcow2", "-b", base, "-F", "qcow2")
    run_guest(host, vm(disks=[{"device": "vda", "image": image, "backing": base}]))
    assert "disk vda 16 MiB, boot 41" in host.site.console("web")


class Images:
    """The image store of the site, as its own backend fills it."""

    def __init__(self, host):
        self.host = host

    def do(self, verb, name, spec=None):
        done = run([built("drive"), "--backend", "images", "--image-dir", self.host.site.images, verb, "image-file",
                    name, *([json.dumps(spec)] if spec else [])], check=False)
        return json.loads(done.stdout)

    def files(self, suffix):
        return [f.name for f in (self.host.site.images / "harmony-images").glob(f"*{suffix}")]


def test_a_disk_on_top_of_a_downloaded_image_keeps_it_in_the_store(host, base):
    content = (host.site.images / "base,a:b.raw").read_bytes()
    sha256, images = hashlib.sha256(content).hexdigest(), Images(host)
    disk = {"size": "16MiB", "backing_image": "cloud"}
    spec = vm(disks=[{"device": "vda", "disk": "data"}])
    assert host.refuse("create", "disk", "data", disk)[0] == "not-found"
    store = host.site.images / "harmony-images"
    store.mkdir(exist_ok=True)
    (store / f"{sha256}.image").write_bytes(content)
    image = {"url": "http://localhost/cloud", "sha256": sha256, "format": "raw"}
    assert images.do("create", "cloud", image)["result"] == 0
    host.do("create", "disk", "data", disk)
    run_guest(host, spec)
    assert "disk vda 16 MiB, boot 41" in host.site.console("web")
    assert images.do("remove", "cloud")["result"] == 0
    assert images.files(".image") == [f"{sha256}.image"], "a disk is made on top of it"
    host.do("stop", "vm", "web", spec)
    host.do("start", "vm", "web", spec)  # the document of its image is not needed any more
    host.site.wait_boot("web", 2)
    assert hashlib.sha256((store / f"{sha256}.image").read_bytes()).hexdigest() == sha256
    host.do("remove", "vm", "web")
    host.do("remove", "disk", "data")
    assert images.files(".vm.json") == []


# -- a full disk of the host -------------------------------------------------------------------------


@pytest.fixture
def small_pool(host):
    """Pool `small`, with room for one disk and hardly more."""
    host.site.run("mkdir", "-p", "/var/lib/libvirt/small")
    host.site.run("mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", "/var/lib/libvirt/small")
    host.site.virsh("pool-define-as", "small", "dir", "--target", "/var/lib/libvirt/small")
    host.site.virsh("pool-start", "small")
    yield "small"
    for name in [n for k, n in host.things() if k == "vm"]:
        host.do("remove", "vm", name)
    host.site.virsh("pool-destroy", "small")
    host.site.virsh("pool-undefine", "small")
    host.site.run("umount", "/var/lib/libvirt/small")


def fill(host):
    host.site.run("dd", "if=/dev/zero", "of=/var/lib/libvirt/small/ballast", "bs=4k", check=False)


def test_a_full_disk_has_an_error_of_its_own_and_loses_nothing(host, small_pool):
    disk = {"size": "16MiB", "pool": small_pool}
    host.do("create", "disk", "data", disk)
    spec = vm(disks=[{"device": "vda", "disk": "data"}])
    run_guest(host, spec)
    fill(host)
    assert host.refuse("create", "disk", "more", {**disk, "size": "8MiB"})[0] == "disk-full"
    for stop in (False, True):
        if stop:
            host.do("stop", "vm", "web", spec)
        code, sentence = host.refuse("update", "disk", "data", {**disk, "snapshots": ["one"]})
        assert code == "disk-full" and ("data" in sentence), sentence
    host.site.run("rm", "/var/lib/libvirt/small/ballast")
    host.do("update", "disk", "data", {**disk, "snapshots": ["one"]})
    host.do("create", "disk", "more", {**disk, "size": "8MiB"})
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", 2)
    assert disk_boots(host) == [1, 2]
    host.do("stop", "vm", "web", spec)
    host.do("update", "disk", "data", {**disk, "snapshots": ["one", "two"]})
    fill(host)
    host.do("start", "vm", "web", spec)  # its first write needs room, since a snapshot keeps what was there
    wait_until(lambda: "I/O error" in (host.thing("vm", "web").get("reason") or ""), 30, "QEMU to stop the guest")
    assert host.thing("vm", "web")["state"] == "paused"
    host.site.run("rm", "/var/lib/libvirt/small/ballast")
    host.do("resume", "vm", "web", spec)
    host.site.wait_boot("web", 3)
    assert disk_boots(host) == [1, 2, 3]


# -- images of others ----------------------------------------------------------------------------


@pytest.fixture
def secret(host):
    path = host.site.images / "secret.raw"
    path.write_bytes(b"secret" * 4096)
    return path


def hostile(host, name, *options):
    qemu_img(host, "create", "-q", "-f", "qcow2", *options, f"{IMAGES}/{name}", "16M")
    return f"{IMAGES}/{name}"


def test_an_image_whose_header_names_another_file_is_never_given_to_a_guest(host, secret):
    target = f"{IMAGES}/{secret.name}"
    images = [hostile(host, "a.qcow2", "-b", target, "-F", "raw"),
              hostile(host, "b.qcow2", "-b", target, "-F", "raw", "-u"),
              hostile(host, "c:1,x=y.qcow2", "-u", "-F", "raw", "-b",
                      'json:{"driver":"file","filename":"/etc/shadow"}'),
              hostile(host, "d.qcow2", "-o", f"data_file={IMAGES}/elsewhere")]
    for image in images:
        code, sentence = host.refuse("create", "vm", "web", with_disks({"device": "x", "image": image}))
        assert code == "refused" and "header names" in sentence, sentence
        assert "web" not in host.site.domains()
    # as raw it is no header but the guest's own bytes
    host.do("create", "vm", "web", with_disks({"device": "x", "image": images[0], "format": "raw"}))


def test_an_image_that_is_replaced_while_the_vm_is_off_is_not_started(host, secret):
    image = hostile(host, "mine.qcow2")
    spec = with_disks({"device": "x", "image": image})
    host.do("create", "vm", "web", spec)
    hostile(host, "mine.qcow2", "-b", f"{IMAGES}/{secret.name}", "-F", "raw")
    assert host.refuse("start", "vm", "web", spec)[0] == "refused"
    assert host.site.domains() == {"web": "shut off"}
    hostile(host, "mine.qcow2")
    host.do("start", "vm", "web", spec)


def test_a_volume_that_is_adopted_is_looked_into_first(host, secret):
    hostile(host, "data.qcow2", "-b", f"{IMAGES}/{secret.name}", "-F", "raw")
    code, sentence = host.refuse("create", "disk", "data", {"size": "16MiB", "adopt": True})
    assert code == "refused" and "secret.raw" in sentence
    assert not (host.site.images / "data.qcow2.harmony.json").exists()


def test_a_header_that_a_guest_wrote_into_a_raw_disk_means_nothing(host, secret):
    host.do("create", "disk", "data", {"size": "16MiB", "format": "raw"})
    qemu_img(host, "create", "-q", "-f", "qcow2", "-b", f"{IMAGES}/{secret.name}", "-F", "raw",
             f"{IMAGES}/evil", "1G")
    with open(host.site.images / "data.raw", "r+b") as disk:
        disk.write((host.site.images / "evil").read_bytes())
    host.site.virsh("pool-refresh", "default")
    host.do("update", "disk", "data", {"size": "32MiB", "format": "raw"})
    assert (host.site.images / "data.raw").stat().st_size == 32 << 20
