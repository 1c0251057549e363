"""Downloads into the image store, from a real HTTP server that goes wrong; and images in an agent's hands."""

import json
import os
import shutil
import subprocess

import pytest

from lib import guest
from lib.declared import Documents, vm
from lib.paths import built
from lib.sites import IMAGES
from lib.waiting import wait_until
from lib.web_server import WebServer, publishing

pytestmark = pytest.mark.boots_guests

MIB = 1 << 20


class Store:
    """The driver `images` in a process of its own, over a folder."""

    def __init__(self, folder, *options):
        self.folder = folder / "harmony-images"
        argv = [built("drive"), "--backend", "images", "--image-dir", folder, *map(str, options), "session"]
        self._drive = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._drive.stdin.close()
        assert self._drive.wait(20) == 0

    def kill(self):
        self._drive.kill()
        self._drive.wait()

    def ask(self, verb, name=None, spec=None):
        words = [verb] + (["image-file", name] if name else []) + ([json.dumps(spec)] if spec else [])
        self._drive.stdin.write(json.dumps(words) + "\n")
        self._drive.stdin.flush()
        return json.loads(self._drive.stdout.readline())

    def thing(self, name="a"):
        found = [t for t in self.ask("observe")["things"] if t["name"] == name]
        return found[0] if found else None

    def state(self, name="a"):
        thing = self.thing(name)
        return thing["state"] if thing else "absent"

    def begin(self, spec, name="a"):
        answer = self.ask("create", name, spec)
        assert answer.get("code") == "in-progress", answer
        return answer["error"]

    def bring(self, spec, name="a"):
        """Until it is complete; returns its bytes."""
        def is_there():
            answer = self.ask("create", name, spec)
            assert answer["result"] == 0 or answer["code"] == "in-progress", answer
            return answer["result"] == 0
        wait_until(is_there, 20, "the download")
        assert self.state(name) == "running"
        with open(self.thing(name)["details"]["path"], "rb") as file:
            return file.read()

    def fail(self, spec, name="a"):
        """Until it has failed; returns (code, sentence)."""
        def failure():
            answer = self.ask("create", name, spec)
            assert answer["result"] < 0, answer
            return answer["code"] != "in-progress" and answer
        answer = wait_until(failure, 20, "the failure")
        assert f"{spec.get('sha256')}.image" not in self.complete()
        return answer["code"], answer["error"]

    def files(self, suffix):
        return sorted(f for f in os.listdir(self.folder) if f.endswith(suffix))

    def complete(self):
        return self.files(".image")

    def part(self):
        """How much of the one download is there."""
        parts = self.files(".part")
        return os.path.getsize(self.folder / parts[0]) if parts else 0


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


@pytest.fixture
def store(folder):
    with Store(folder, "--stall", 1000) as it:
        yield it


def content(size=2 * MIB):
    return os.urandom(size)


def spec_of(web, path, resource, **more):
    return {"url": web.url(path), "sha256": resource.sha256, "format": "raw", **more}


# -- what goes well --------------------------------------------------------------------------------


def test_a_file_is_brought_once_for_many(web, store):
    one = web.put("/a.img", content())
    spec = spec_of(web, "/a.img", one)
    one.hold(after=MIB)
    store.begin(spec, "a")
    store.begin(spec, "b")
    assert one.held.wait(10)
    wait_until(lambda: store.thing("a")["reason"] == "downloading, 50 % of 2MiB", 10, "half of it")
    details = store.thing("b")["details"]
    assert (details["bytes"], details["total"], details["percent"]) == (MIB, 2 * MIB, 50)
    one.release()
    assert store.bring(spec, "a") == store.bring(spec, "b") == one.content
    assert len(one.asked) == 1 and store.complete() == [one.sha256 + ".image"]
    wait_until(lambda: not store.files(".part") and not store.files(".part.json"), 5, "nothing to be left")


def test_the_last_document_takes_the_file_along(web, store):
    one, other = web.put("/a.img", content()), web.put("/b.img", content(1000))
    store.bring(spec_of(web, "/a.img", one), "a")
    store.bring(spec_of(web, "/a.img", one), "b")
    store.bring(spec_of(web, "/b.img", other), "c")
    (store.folder / "mine.image").write_bytes(b"somebody's")
    assert store.ask("remove", "a")["result"] == 0
    assert one.sha256 + ".image" in store.complete()
    assert store.ask("remove", "b")["result"] == 0
    assert store.complete() == sorted(["mine.image", other.sha256 + ".image"])
    assert store.ask("remove", "b")["result"] == 1


def test_while_a_mark_cannot_be_read_nothing_is_removed(web, store):
    one = web.put("/a.img", content(1000))
    store.bring(spec_of(web, "/a.img", one), "a")
    (store.folder / "b.image.json").write_text("{")
    assert store.ask("remove", "a")["code"] == "conflict"
    assert store.complete() == [one.sha256 + ".image"]


def test_redirects_are_followed_to_http_alone(web, store):
    one = web.put("/a.img", content(1000))
    there = web.put("/there.img", b"")
    there.status, there.location = 302, web.url("/a.img")
    assert store.bring({**spec_of(web, "/a.img", one), "url": web.url("/there.img")}) == one.content
    file = web.put("/file.img", b"")
    file.status, file.location = 302, "file:///etc/passwd"
    code, _ = store.fail({"url": web.url("/file.img"), "sha256": "0" * 64, "format": "raw"}, "b")
    assert code == "download-failed"


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_broken_download_goes_on_where_it_stopped(web, store):
    one = web.put("/a.img", content())
    one.break_after = MIB
    code, text = store.fail(spec_of(web, "/a.img", one))
    assert code == "download-failed" and f"broke off after {MIB} of {2 * MIB}" in text
    assert store.state() == "off" and store.part() == MIB
    assert store.bring(spec_of(web, "/a.img", one)) == one.content
    assert one.asked == [None, f"bytes={MIB}-"]


def test_a_killed_agent_goes_on_where_it_stopped(web, folder):
    one = web.put("/a.img", content())
    spec = spec_of(web, "/a.img", one)
    one.hold(after=MIB)
    first = Store(folder)
    first.begin(spec)
    wait_until(lambda: first.part() == MIB, 10, "half of it")
    first.kill()
    one.release()
    with Store(folder) as second:
        assert second.state() == "off"
        assert second.bring(spec) == one.content
    assert one.asked == [None, f"bytes={MIB}-"]


def test_a_file_that_changed_upstream_begins_anew(web, store):
    one = web.put("/a.img", content())
    one.break_after = MIB
    store.fail(spec_of(web, "/a.img", one))
    one.content, one.etag = content(), '"two"'
    spec = spec_of(web, "/a.img", one)
    assert store.ask("remove", "a")["result"] == 0  # as the plan does it: another checksum is another image
    one.break_after = MIB
    store.fail(spec)
    changed = one.content
    one.etag = '"three"'  # the same bytes, says nobody: once more from the beginning
    assert store.bring(spec) == changed
    assert one.asked[-1] == f"bytes={MIB}-" and len(one.asked) == 3


def test_a_server_without_ranges_begins_anew(web, store):
    one = web.put("/a.img", content(), ranges=False)
    one.break_after = MIB
    store.fail(spec_of(web, "/a.img", one))
    assert store.bring(spec_of(web, "/a.img", one)) == one.content
    assert one.asked == [None, f"bytes={MIB}-"]


def test_without_a_validator_nothing_is_resumed(web, store):
    one = web.put("/a.img", content(), etag=None)
    one.break_after = MIB
    store.fail(spec_of(web, "/a.img", one))
    assert store.bring(spec_of(web, "/a.img", one)) == one.content
    assert one.asked == [None, None]


def test_wrong_bytes_are_thrown_away(web, store):
    one = web.put("/a.img", content())
    spec = spec_of(web, "/a.img", one)
    right, one.content = one.content, content()
    code, text = store.fail(spec)
    assert code == "download-failed" and one.sha256 in text and spec["sha256"] in text
    assert store.part() == 0
    one.content = right
    assert store.bring(spec) == right


@pytest.mark.parametrize("claim", [3 * MIB, MIB])
def test_a_length_that_is_a_lie(web, store, claim):
    one = web.put("/a.img", content())
    one.claim = claim
    code, _ = store.fail(spec_of(web, "/a.img", one))
    assert code == "download-failed"
    one.claim = None
    assert store.bring(spec_of(web, "/a.img", one)) == one.content


def test_a_stall_ends_and_is_resumed(web, store):
    one = web.put("/a.img", content())
    one.hold(after=MIB)
    code, text = store.fail(spec_of(web, "/a.img", one))
    assert code == "download-failed" and "nothing came for 1 s" in text
    one.release()
    assert store.bring(spec_of(web, "/a.img", one)) == one.content


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_told(web, store, status):
    web.put("/a.img", b"").status = status
    code, text = store.fail({"url": web.url("/a.img?token=geheim"), "sha256": "0" * 64, "format": "raw"})
    assert code == "download-failed" and f"answered {status}" in text
    assert "geheim" not in text


def test_nobody_listens(web, store):
    url = web.url("/a.img")
    web.__exit__()
    code, text = store.fail({"url": url, "sha256": "0" * 64, "format": "raw"})
    assert code == "download-failed" and url in text


def test_a_download_that_nobody_needs_ends(web, store):
    one = web.put("/a.img", content())
    one.hold(after=MIB)
    store.begin(spec_of(web, "/a.img", one))
    wait_until(lambda: store.part() == MIB, 10, "half of it")
    assert store.ask("remove", "a")["result"] == 0
    assert os.listdir(store.folder) == []


@pytest.fixture
def small_disk(folder):
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(web, small_disk):
    one = web.put("/a.img", content(8 * MIB))
    with Store(small_disk) as store:
        code, text = store.fail(spec_of(web, "/a.img", one))
        assert code == "disk-full" and "9 MiB are needed" in text
        one.claim = 1000 * MIB  # and a server that says so
        assert store.fail(spec_of(web, "/a.img", one))[0] == "disk-full"
        assert store.part() == 0
        small = web.put("/b.img", content(MIB))
        assert store.bring(spec_of(web, "/b.img", small), "b") == small.content


# -- checksums of the publisher ----------------------------------------------------------------------


@pytest.fixture
def publisher(folder):
    """An https server, and the authority that a client must believe."""
    with publishing(folder) as server:
        yield server


def test_the_publishers_checksum_decides(web, publisher, folder):
    one = web.put("/noble/a.img", content())
    sums = publisher.put("/SHA256SUMS", f"{'0' * 64} *b.img\n{one.sha256} *a.img\n".encode())
    spec = {"url": web.url("/noble/a.img"), "sha256_url": publisher.url("/SHA256SUMS"), "format": "raw"}
    with Store(folder, "--image-ca", publisher.ca) as store:
        assert store.bring(spec) == one.content
        assert store.thing()["details"]["sha256"] == one.sha256
        assert store.ask("create", "a", spec)["result"] == 0 and len(sums.asked) == 1  # asked once
        right, one.content = one.content, content()
        assert store.ask("remove", "a")["result"] == 0
        assert store.fail(spec)[0] == "download-failed"
        one.content = right
        sums.content = b"nothing of the kind\n"
        code, text = store.fail(spec)
        assert code == "not-found" and "no SHA-256 for a.img" in text
    with Store(folder) as stranger:
        sums.content = f"{one.sha256}  a.img\n".encode()
        assert stranger.fail(spec)[0] == "download-failed"  # a certificate that nobody vouches for


# -- in an agent's hands -----------------------------------------------------------------------------

SECRET = "hunter2-of-the-user-data"


@pytest.fixture
def docs(nats, site):
    documents = Documents(nats.url)
    site.start_agent()
    yield documents
    documents.close()


def in_store(site):
    return site.run("ls", f"{IMAGES}/harmony-images", check=False).stdout.split()


def read_seed(site, name):
    """(label, {file: text}) as another program reads them."""
    seed = f"{IMAGES}/harmony-seeds/{name}.iso"
    pvd = site.run("xorriso", "-indev", f"stdio:{seed}", "-pvd_info").stdout
    label = next(line.split(":")[1].strip() for line in pvd.splitlines() if line.startswith("Volume Id"))
    extracted = site.directory / "seed"
    shutil.rmtree(extracted, ignore_errors=True)
    site.run("xorriso", "-osirrox", "on", "-indev", f"stdio:{seed}", "-extract", "/", extracted)
    return label, {file.name: file.read_text() for file in extracted.iterdir()}


def test_guests_share_a_download_that_outlives_an_agent(site, docs, web):
    one = web.put("/a.iso", content())
    one.hold(after=MIB)
    by_url = {"url": web.url("/a.iso"), "sha256": one.sha256}
    docs.put("image-file", "a", {**by_url, "format": "iso"})
    docs.put("vm", "one", vm("one", cdroms=[{"image": "a"}]))
    docs.put("vm", "two", vm("two", cdroms=[by_url]))
    docs.wait("image-file", "a", "Waiting", where=lambda s: "downloading, 50 %" in s["reason"])
    docs.wait("vm", "one", "Waiting", where=lambda s: "waits for image-file a: downloading" in s["reason"])
    docs.wait("vm", "two", "Pending", where=lambda s: "downloading, 50 %" in s.get("progress", ""))
    site.kill_agent()
    one.release()
    site.start_agent()
    for name in ("one", "two"):
        docs.wait("vm", name, "Running")
        xml = site.virsh("dumpxml", name)
        assert f"{one.sha256}.image" in xml and web.url("") not in xml.partition("</metadata>")[2]
    assert one.asked == [None, f"bytes={MIB}-"]
    site.wait_boot("one")

    docs.delete("image-file", "a")
    docs.wait("image-file", "a", "Waiting", where=lambda s: "in use by vm one" in s["reason"])
    docs.delete("vm", "one")
    docs.wait("image-file", "a", "Deleted")
    assert f"{one.sha256}.image" in in_store(site), "the other guest has it by its URL"
    docs.delete("vm", "two")
    docs.wait("vm", "two", "Deleted")
    assert in_store(site) == []


def test_a_disk_begins_as_a_cloud_image(site, docs, web, folder):
    raw, qcow2 = folder / "a.raw", folder / "a.qcow2"
    raw.write_bytes(b"%-32s" % b"harmony-boots 41" + bytes(8 * MIB - 32))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, qcow2], check=True)
    one = web.put("/a.qcow2", qcow2.read_bytes())
    docs.put("image-file", "cloud", {"url": web.url("/a.qcow2"), "sha256": one.sha256, "format": "qcow2"})
    reads = f"{guest.CMDLINE.format(name='web')} seed"
    docs.put("vm", "web", vm("web", disks=[{"device": "vda", "size": "64MiB", "base": "cloud"}], cmdline=reads,
                             cloud_init={"user_data": f"#cloud-config\npassword: {SECRET}\n"}))
    docs.wait("vm", "web", "Running")
    site.wait_boot("web")
    assert "disk vda 64 MiB, boot 42" in site.console("web")

    assert guest.seed(site.console("web")) == ("vdb", "read-only", {
        "meta-data": ["instance-id: site-a.vm.web", "local-hostname: web"],
        "user-data": ["#cloud-config", f"password: {SECRET}"]})
    shown = [d["target"] for d in docs.wait("vm", "web", "Running", where=lambda s: s["details"].get("disks"))["details"]["disks"]]
    assert shown == ["vda"], "the seed is none of its disks"
    label, files = read_seed(site, "web")
    assert label == "cidata" and sorted(files) == ["meta-data", "user-data"]
    assert files["user-data"] == f"#cloud-config\npassword: {SECRET}\n"
    assert files["meta-data"] == "instance-id: site-a.vm.web\nlocal-hostname: web\n"
    assert site.run("stat", "-c", "%a", f"{IMAGES}/harmony-seeds/web.iso").stdout.strip() == "600"
    revision = docs.put("vm", "web", vm("web", disks=[{"device": "vda", "size": "64MiB", "base": "cloud"}],
                                        cloud_init={"user_data": "#cloud-config\n", "network_config": "version: 2\n"}))
    docs.wait_applied("vm", "web", revision)
    assert read_seed(site, "web")[1]["network-config"] == "version: 2\n"
    site.wait_boot("web", 2)
    assert "disk vda 64 MiB, boot 43" in site.console("web"), "the volume was made once"
    assert SECRET not in site.agent_log.read_text() and SECRET not in json.dumps(docs.status("vm", "web"))
    docs.delete("vm", "web")
    docs.wait("vm", "web", "Deleted")
    assert site.run("ls", f"{IMAGES}/harmony-seeds").stdout == ""
