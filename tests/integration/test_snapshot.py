"""Snapshots of real guests' disks: what a guest finds after it went back, and kill -9 in the middle."""

import json

import pytest
from lib import guest
from lib.declared import Documents
from lib.declared import vm as document
from lib.driven import Host, run_guest, vm
from lib.nats_server import NatsServer
from lib.paths import built
from lib.processes import TemporaryFolder, environment, run
from lib.sites import IMAGES, Site
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests


@pytest.fixture(scope="module")
def host(module_site):
    return Host(module_site)


@pytest.fixture(autouse=True)
def cleared(request):
    yield
    if "host" in request.fixturenames:
        clear(request.getfixturevalue("host"))


def clear(host):
    for kind, name in list(host.things()):
        if kind == "vm":
            host.do("remove", kind, name)
    for file in [*host.site.images.glob("*.*"), *host.site.images.glob("console/*")]:
        file.unlink()
    host.site.virsh("pool-refresh", "default", check=False)


def names(host, kind="vm", name="web"):
    return [s["name"] for s in host.ask("snapshot-list", kind, name)["snapshots"]]


def disk_boots(site, name="web"):
    return guest.disk_boots(site.console(name))


# -- what it holds -----------------------------------------------------------------------------------


def test_it_is_applied_again_and_again_within_a_second(host):
    host.do("create", "disk", "data", {"size": "8MiB", "snapshots": ["one"]})
    kept = [host.ask("snapshot-apply", "disk", "data", snapshot="one")["kept_as"] for _ in range(6)]
    assert len({name[:len("auto-20261129t203412")] for name in kept}) < len(kept), f"too slow to be a test: {kept}"
    assert names(host, "disk", "data") == ["one", *kept]


def restart(host, spec, boot):
    host.do("stop", "vm", "web", spec)
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", boot)


def test_a_vm_goes_back_to_a_snapshot_that_was_taken_while_it_ran(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    spec = vm(disks=[{"device": "root", "size": "16MiB"}, {"device": "data", "disk": "data"}])
    run_guest(host, spec)
    pid = host.site.qemu_pid("web")
    host.ask("snapshot-create", "vm", "web", snapshot="first")
    assert host.site.qemu_pid("web") == pid
    assert host.refuse("snapshot-create", "vm", "web", {"snapshot": "first"})[0] == "conflict"
    listed = host.ask("snapshot-list", "vm", "web")["snapshots"][0]
    assert (listed["disks"], listed["complete"], listed["declared"]) == (["root", "data"], True, False)
    restart(host, spec, 2)
    code, sentence = host.refuse("snapshot-apply", "vm", "web", {"snapshot": "first"})
    assert code == "refused" and "stop it first" in sentence
    host.do("stop", "vm", "web", spec)
    kept = host.ask("snapshot-apply", "vm", "web", snapshot="first")["kept_as"]
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", 3)
    assert disk_boots(host.site) == [1, 2, 2], "as if the second boot had never been"
    host.do("stop", "vm", "web", spec)
    assert host.ask("snapshot-apply", "vm", "web", snapshot=kept, discard=True).get("kept_as") is None
    host.do("start", "vm", "web", spec)
    host.site.wait_boot("web", 4)
    assert disk_boots(host.site) == [1, 2, 2, 3], "nothing was lost by going back"
    host.ask("snapshot-delete", "vm", "web", snapshot="first")
    assert names(host) == [kept] and host.site.boots("web")[-1].name == "web"
    assert host.ask("snapshot-delete", "vm", "web", snapshot="first")["existed"] is False


def test_a_disk_that_grew_since_is_as_large_as_its_document_says(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    host.ask("snapshot-create", "disk", "data", snapshot="small")
    host.do("update", "disk", "data", {"size": "16MiB"})
    host.ask("snapshot-apply", "disk", "data", snapshot="small")
    assert host.thing("disk", "data")["drift"] == "it is smaller than it was made"
    host.do("update", "disk", "data", {"size": "16MiB"})
    assert host.thing("disk", "data")["details"]["capacity"] == 16 << 20


# -- what is refused ---------------------------------------------------------------------------------


def test_what_can_hold_no_snapshots_says_so(host):
    host.do("create", "disk", "data", {"size": "8MiB", "format": "raw"})
    code, sentence = host.refuse("snapshot-create", "disk", "data", {"snapshot": "one"})
    assert code == "unsupported" and "disk data is raw" in sentence
    host.do("create", "vm", "web", vm(disks=[{"device": "root", "size": "16MiB"},
                                            {"device": "data", "disk": "data"}]))
    code, sentence = host.refuse("snapshot-create", "vm", "web", {"snapshot": "one"})
    assert code == "unsupported" and "disk data is raw" in sentence
    host.site.run("qemu-img", "create", "-q", "-f", "qcow2", f"{IMAGES}/mine.qcow2", "8M")
    host.do("create", "vm", "two", vm("two", disks=[{"device": "x", "image": f"{IMAGES}/mine.qcow2"}]))
    assert "image that is used where it is" in host.refuse("snapshot-create", "vm", "two", {"snapshot": "a"})[1]


def test_a_name_that_qemu_would_take_for_an_id_is_refused(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    for name in ("1", "-a", "A b", "x" * 64):
        assert host.refuse("snapshot-create", "disk", "data", {"snapshot": name})[0] == "invalid"
    assert host.refuse("snapshot-apply", "disk", "data", {"snapshot": "none"})[0] == "not-found"
    assert host.refuse("snapshot-list", "disk", "other", {})[0] == "not-found"


def test_a_declared_snapshot_is_deleted_only_after_its_document_lets_it_go(host):
    host.do("create", "disk", "data", {"size": "8MiB", "snapshots": ["one"]})
    code, sentence = host.refuse("snapshot-delete", "disk", "data", {"snapshot": "one"})
    assert code == "refused" and "take it out of `snapshots`" in sentence
    host.do("update", "disk", "data", {"size": "8MiB"})
    host.ask("snapshot-delete", "disk", "data", snapshot="one")
    assert names(host, "disk", "data") == []


def test_protect_keeps_what_was_whatever_is_asked(host):
    host.do("create", "disk", "data", {"size": "8MiB", "protect": True})
    host.ask("snapshot-create", "disk", "data", snapshot="one")
    kept = host.ask("snapshot-apply", "disk", "data", snapshot="one", discard=True)["kept_as"]
    assert sorted(names(host, "disk", "data")) == [kept, "one"]


def test_a_disk_of_another_document_or_of_nobody_is_left_alone(host):
    host.do("create", "disk", "data", {"size": "8MiB"})
    mark = host.site.images / "data.qcow2.harmony.json"
    mark.write_text(mark.read_text().replace("site-a", "site-b"))
    for operation in ("snapshot-create", "snapshot-apply", "snapshot-delete"):
        assert host.refuse(operation, "disk", "data", {"snapshot": "one"})[0] == "conflict"


# -- killed anywhere ---------------------------------------------------------------------------------


def test_create_killed_anywhere_leaves_a_snapshot_of_all_disks_or_one_that_can_be_deleted(host, each_step):
    spec = vm(disks=[{"device": "root", "size": "16MiB"}, {"device": "more", "size": "8MiB"}])
    host.do("create", "vm", "web", spec)
    for running in (False, True):
        if running:
            host.do("start", "vm", "web", spec)
        steps = 0
        for step in each_step(host, lambda: None, lambda: ("snapshot-create", "vm", "web", '{"snapshot":"one"}')):
            steps += 1

            def listed():
                return host.ask("snapshot-list", "vm", "web")["snapshots"]

            wait_until(lambda: host.drive("snapshot-delete", "vm", "web", '{"snapshot":"one"}')[0] == 0
                       and not listed(), 10, f"what step {step} left to be deleted")
        assert steps >= 2
        host.ask("snapshot-delete", "vm", "web", snapshot="one")


def test_delete_killed_anywhere_is_done_by_the_next(host, each_step):
    host.do("create", "disk", "data", {"size": "8MiB"})
    steps = 0
    for _ in each_step(host, lambda: host.ask("snapshot-create", "disk", "data", snapshot="one"),
                       lambda: ("snapshot-delete", "disk", "data", '{"snapshot":"one"}')):
        steps += 1
        wait_until(lambda: host.drive("snapshot-delete", "disk", "data", '{"snapshot":"one"}')[0] == 0, 10,
                   "an orphaned qemu-img to end")
        assert names(host, "disk", "data") == []
    assert steps == 2


def test_apply_killed_anywhere_is_finished_before_a_guest_gets_the_disks(host, each_step):
    """Both disks hold what they held then, or both what they hold now; a guest never gets one of each."""
    disks = [{"device": "root", "size": "16MiB"}, {"device": "more", "size": "8MiB"}]
    spec = vm(disks=disks, words=" deaf", stop_grace="0s")
    files = [f"{IMAGES}/web-root.qcow2", f"{IMAGES}/web-more.qcow2"]
    host.do("create", "vm", "web", spec)

    def write(text):
        for file in files:
            done = host.site.run("qemu-io", "-f", "qcow2", "-c", f"write -P {text} 65536 512", file, check=False)
            assert done.returncode == 0

    def reads():
        seen = []
        for file in files:
            for text in (1, 2):
                done = host.site.run("qemu-io", "-r", "-U", "-f", "qcow2", "-c",
                                     f"read -P {text} 65536 512", file, check=False)
                if done.returncode == 0 and "verification failed" not in done.stdout:
                    seen.append(text)
        return seen

    write(1)
    host.ask("snapshot-create", "vm", "web", snapshot="one")
    outcomes = set()
    for step in each_step(host, lambda: write(2),
                          lambda: ("snapshot-apply", "vm", "web", '{"snapshot":"one","discard":true}')):
        wait_until(lambda: host.drive("start", "vm", "web", json.dumps(spec))[0] == 0, 15,
                   f"the guest to start after step {step}")
        assert reads() in ([1, 1], [2, 2]), step
        outcomes.add(reads()[0])
        host.do("kill", "vm", "web", spec)
        assert "apply" not in json.loads((host.site.images / "web-root.qcow2.harmony.json").read_text())
    assert reads() == [1, 1] and outcomes == {1}


# -- through the agent -------------------------------------------------------------------------------


class World:
    def __init__(self, folder):
        self.folder = folder
        self.nats = NatsServer(folder).start()
        self.site = Site("site-a", folder, nats_url=self.nats.url).power_on()
        self.docs = Documents(self.nats.url)
        self.site.start_agent()

    def ctl(self, *arguments, code=0):
        def tried():  # again while the end of a stop is still on its way
            done = run([str(built("harmonyctl")), "-s", self.nats.url, *arguments], check=False,
                       env=environment(XDG_CONFIG_HOME=str(self.folder / "config")))
            return None if "is under way" in done.stderr else done
        done = wait_until(tried, 20, f"{arguments} not to be busy")
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def close(self):
        self.docs.close()
        self.site.close()
        self.nats.stop()


@pytest.fixture(scope="module")
def world():
    with TemporaryFolder() as folder:
        world = World(folder)
        yield world
        world.close()


def test_an_operator_takes_a_snapshot_and_goes_back(world):
    disk = {"size": "16MiB", "snapshots": ["installed"]}
    web = document("web", disks=[{"device": "vda", "disk": "data"}])
    world.docs.put("disk", "data", {"size": "16MiB"})
    world.docs.put("vm", "web", web)
    world.site.wait_boot("web", timeout=60)
    revision = world.docs.put("disk", "data", disk)
    status = world.docs.wait_applied("disk", "data", revision)
    wait_until(lambda: [s["name"] for s in world.docs.status("disk", "data")["details"]["image"].get(
        "snapshots", [])] == ["installed"], 20, "the status to show it")
    assert status["phase"] == "Running"
    assert world.ctl("snapshot", "create", "vm", "web", "today") == "vm/web has snapshot today\n"
    listed = world.ctl("snapshot", "list", "disk", "data")
    assert [row.split()[0] for row in listed.splitlines()[1:]] == ["installed", "today"]
    assert "declared" in listed.splitlines()[1]
    assert "stop it first" in world.ctl("snapshot", "apply", "vm", "web", "today", code=5)
    world.docs.put("vm", "web", {**web, "power": "off"})
    world.docs.wait("vm", "web", "Stopped")
    world.docs.put("vm", "web", web)
    world.site.wait_boot("web", 2)
    world.docs.put("vm", "web", {**web, "power": "off"})
    world.docs.wait("vm", "web", "Stopped")
    said = world.ctl("snapshot", "apply", "vm", "web", "today")
    assert said.startswith("vm/web holds what it held at snapshot today; what it held until now is in snapshot auto-")
    world.docs.put("vm", "web", web)
    world.site.wait_boot("web", 3)
    assert disk_boots(world.site) == [1, 2, 2]
    assert "nobody is there to ask" in world.ctl("snapshot", "delete", "disk", "data", "today", code=5)
    assert world.ctl("snapshot", "delete", "disk", "data", "today", "--yes") == (
        "snapshot today of disk/data is deleted\n")
    assert "take it out" in world.ctl("snapshot", "delete", "disk", "data", "installed", "-y", code=5)
    names = [s["name"] for s in json.loads(world.ctl("snapshot", "list", "vm", "web", "-o", "json"))]
    assert names[0] == "installed" and names[1].startswith("auto-") and len(names) == 2


def test_a_disk_grows_through_its_document_and_the_plan_says_so(world):
    file = world.folder / "disk.yaml"
    text = "kind: disk\nname: grows\nsite: site-a\nsize: {}\n"
    file.write_text(text.format("8MiB"))
    world.ctl("apply", "-f", str(file), "--wait")
    file.write_text(text.format("16MiB"))
    assert "size 8MiB -> 16MiB (it grows)" in world.ctl("plan", "-f", str(file))
    world.ctl("apply", "-f", str(file), "--wait")
    assert world.docs.status("disk", "grows")["details"]["capacity"] == 16 << 20
    file.write_text(text.format("4MiB"))
    assert "a disk never shrinks" in world.ctl("plan", "-f", str(file))
