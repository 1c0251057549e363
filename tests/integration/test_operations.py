"""Operations over NATS: reboot, logs and what can go wrong, on one real site and a cluster of NATS servers."""

import json
import os
import subprocess
import termios
import time

import pytest
from lib.declared import Documents, vm
from lib.nats_server import NatsCluster
from lib.paths import built
from lib.processes import Process, TemporaryFolder, environment, run
from lib.sites import Site
from lib.terminal import Terminal
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests


# As in docs/operations.md.
USERS = [
    {"user": "ops", "password": "ops"},
    {"user": "support", "password": "support", "permissions": {
        "publish": {"allow": ["harmony.op.*.logs", "harmony.op.*.logs.*", "$JS.API.>"]},
        "subscribe": {"allow": ["_INBOX.>"]}}},
]


class World:
    """A site whose agent is connected to the first server, and clients of the others."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = NatsCluster(folder)
        for server in self.cluster.servers:
            server.config["authorization"] = {"users": USERS}
        self.cluster.start()
        self.site = Site("site-a", folder, nats_url=self.url(0)).power_on()
        self.docs = wait_until(lambda: Documents(self.url(1)), 20, "JetStream on all of the cluster", 0.1)
        self.site.start_agent()

    def url(self, server, user="ops"):
        return self.cluster.servers[server].url.replace("://", f"://{user}:{user}@")

    def argv(self, *arguments, server=2, user="ops"):
        return [str(a) for a in (built("harmonyctl"), "-s", self.url(server, user), *arguments)]

    def ctl(self, *arguments, code=0, **options):
        done = run(self.argv(*arguments, **options), check=False,
                   env=environment(XDG_CONFIG_HOME=str(self.folder / "config")))
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def ask(self, operation, payload, site="site-a", count=2, timeout=10):
        """What a plain client gets back: a list of its first `count` answers."""
        async def asked():
            client = self.docs.store.client
            inbox = client.new_inbox()
            got = await client.subscribe(inbox)
            await client.publish(f"harmony.op.{site}.{operation}", json.dumps(payload).encode(),
                                 reply=inbox)
            return [json.loads((await got.next_msg(timeout)).data) for _ in range(count)]
        return self.docs.store.wait_for(asked())

    def start_agent(self):
        """And wait until it answers."""
        self.site.start_agent()
        wait_until(lambda: self.ask("logs", {}, count=1), 30, "the agent to answer", 0.05)

    def agent_memory(self):
        """Resident KiB of the agent."""
        text = open(f"/proc/{self.site.agent.inner_pid()}/status").read()
        return int(text.split("VmRSS:")[1].split()[0])

    def close(self):
        self.docs.close()
        self.site.close()
        self.cluster.close()


@pytest.fixture(scope="module")
def world(request):
    with TemporaryFolder() as folder:
        world = World(folder)
        try:
            world.docs.put("vm", "web", vm("web"))
            world.docs.put("vm", "quiet", vm("quiet", power="off"))  # its log is the tests' own
            world.site.wait_boot("web", timeout=60)
            world.docs.wait("vm", "quiet", "Stopped")
            yield world
        finally:
            world.close()


def test_reboot_from_another_server_of_the_cluster(world):
    boots = len(world.site.boots("web"))
    qemu = world.site.qemu_pid("web")
    done = world.ctl("reboot", "vm", "web")
    assert done.stdout == "vm/web reboots on site-a\n"
    world.site.wait_boot("web", boots + 1, timeout=60)
    assert world.site.qemu_pid("web") == qemu, "the process stays"
    assert "reboot vm web for " in world.site.agent_log.read_text()


def test_logs_and_their_tail(world):
    assert world.ctl("logs", "vm", "web").stdout.count("web up") == len(world.site.boots("web"))
    tail = world.ctl("logs", "vm", "web", "--tail", "1").stdout
    assert tail == world.site.console("web").splitlines(keepends=True)[-1]
    assert world.ctl("logs", "vm", "web", "--tail", "0").stdout == ""


def test_logs_since_a_time(world):
    log = world.site.images / "console/web.log"
    times = log.with_suffix(".log.times")  # the agent looks every 10 s
    wait_until(lambda: int(times.read_text().split()[-1]) == log.stat().st_size, 30, "the agent to have seen the whole log", 0.02)
    before, since = log.stat().st_size, time.time()

    def within(span):
        return world.ctl("logs", "vm", "web", "--since", span).stdout
    boots = len(world.site.boots("web"))
    world.ctl("reboot", "vm", "web")
    world.site.wait_boot("web", boots + 1, timeout=60)
    told = within(f"{int((time.time() - since) * 1000)}ms")
    assert told == log.read_bytes()[before:].decode().replace("\r\n", "\n") and told.count("web up") == 1
    assert within("1d") == world.ctl("logs", "vm", "web").stdout
    assert within("1d").count("web up") == boots + 1
    wait_until(lambda: within("50ms") == "", 10, "the guest to have been silent")
    assert "since: \"soon\"" in world.ctl("logs", "vm", "web", "--since", "soon", code=2).stderr


def test_logs_follow_a_file_that_grows_and_is_replaced(world):
    log = world.site.images / "console/quiet.log"
    out = world.folder / "followed"
    log.write_text("zero\n")
    reader = Process("logs -f", world.argv("logs", "vm", "quiet", "-f"), out).start()
    wait_until(lambda: out.read_text().endswith("\n"), 10, "the last line there is", 0.02)
    with open(log, "a") as file:
        file.write("one\n")
    wait_until(lambda: "one\n" in out.read_text(), 10, "the new line", 0.02)
    log.rename(log.with_suffix(".log.0"))
    log.write_text("two\n")
    wait_until(lambda: "two\n" in out.read_text(), 10, "the line of the new file", 0.02)
    reader.signal(2)
    assert reader.popen.wait(10) == 0
    wait_until(lambda: "logs vm quiet for " in world.site.agent_log.read_text().splitlines()[-1]
               and "ended after" in world.site.agent_log.read_text().splitlines()[-1], 10,
               "the session to be over")


def test_reader_that_takes_nothing_holds_no_memory_of_the_agent(world):
    log = world.site.images / "console/quiet.log"
    before = world.agent_memory()
    with open(log, "ab") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20) + b"\n")
    reader = subprocess.Popen(world.argv("logs", "vm", "quiet", "-f"), stdout=subprocess.PIPE)
    try:
        sent = len(reader.stdout.read(4096))
        start = time.monotonic()  # its window is full by then; nothing can be waited for but time
        wait_until(lambda: time.monotonic() - start > 2, 5, "the stream to stand still")
        assert sent and world.agent_memory() - before < 8 * 1024, "64 MiB are read at the reader's pace"
        assert reader.poll() is None
        rest = log.stat().st_size - sent
        assert len(reader.stdout.read(rest)) == rest
    finally:
        reader.kill()
        reader.wait()
        reader.stdout.close()
        os.truncate(log, 0)


def test_what_is_wrong_is_said(world):
    unknown = world.ask("rebot", {}, count=1)[0]["error"]
    assert unknown["code"] == "invalid" and 'did you mean "reboot"?' in unknown["text"]
    args = world.ask("logs", {"kind": "vm", "name": "web", "args": {"folow": True}}, count=1)[0]["error"]
    assert args["code"] == "invalid" and 'did you mean "follow"?' in args["text"]
    thing = world.ask("logs", {"kind": "network", "name": "lan"}, count=1)[0]["error"]
    assert "logs is not for a network; it takes vm" in thing["text"]
    name = world.ask("reboot", {"kind": "vm", "name": "wep"})[1]["error"]
    assert name["code"] == "not-found" and 'did you mean "web"?' in name["text"]
    assert 'did you mean "web"?' in world.ctl("reboot", "vm", "wep", code=4).stderr
    over = world.ask("logs.0123456789abcdef0123456789abcdef", {}, count=1)[0]["error"]
    assert over["code"] == "not-found"


def test_no_agent_is_said_at_once(world):
    start = time.monotonic()
    done = world.ctl("reboot", "vm", "web", "--site", "site-z", code=4)
    assert "no agent of site site-z answers" in done.stderr
    assert time.monotonic() - start < 3


def test_deadline_that_passes_is_an_error(world):
    boots = len(world.site.boots("web"))
    world.site.freeze_libvirtd()
    try:
        answers = world.ask("reboot", {"kind": "vm", "name": "web", "deadline": "300ms"})
        done = world.ctl("reboot", "vm", "web", code=1)
    finally:
        world.site.thaw_libvirtd()
    assert list(answers[0]) == ["accepted"]
    assert answers[1]["error"]["code"] == "timeout" and "may go on" in answers[1]["error"]["text"]
    assert "another operation is under way" in done.stderr, "it holds the document meanwhile"
    world.site.wait_boot("web", boots + 1, timeout=60)  # it went on


def test_agent_that_dies_meanwhile_is_noticed(world):
    out = world.folder / "died"
    reader = Process("logs -f", world.argv("logs", "vm", "web", "-f"), out).start()
    wait_until(lambda: "begun" in world.site.agent_log.read_text().splitlines()[-1], 10, "the stream")
    world.site.kill_agent()
    try:
        assert reader.popen.wait(15) == 6
        assert "site site-a: its agent went away; it ends here" in out.read_text()
    finally:
        world.start_agent()


@pytest.fixture
def terminal(world):
    opened = []

    def open_one(*flags, **options):
        opened.append(Terminal(world.argv("console", "vm", "web", *flags, **options)))
        return opened[-1]
    yield open_one
    for one in opened:
        one.close()


def test_console_echoes_and_ends_with_its_key(world, terminal):
    one = terminal()
    one.shows("console of vm web on site-a; Ctrl-] ends it")
    assert termios.tcgetattr(one.slave) != one.before, "raw"
    one.type("hello guest\r")  # the guest's own terminal echoes it
    one.shows("hello guest")
    one.type("\x1d")
    one.ends()
    assert "the console has ended\r\n" in one.text


def test_nats_permissions_allow_logs_and_not_the_console(world, terminal):
    (world.site.images / "console/quiet.log").write_text("what it wrote\n")
    assert world.ctl("logs", "vm", "quiet", user="support").stdout == "what it wrote\n"
    denied = 'Permissions Violation for Publish to "harmony.op.site-a.{}"'
    start = time.monotonic()
    assert denied.format("reboot") in world.ctl("reboot", "vm", "web", code=5, user="support").stderr
    one = terminal(user="support")
    one.ends(code=5)
    assert denied.format("console") in " ".join(one.text.split())
    assert time.monotonic() - start < 8, "at once, not at the deadline"


def test_second_console_is_refused_or_takes_over(world, terminal):
    first = terminal()
    first.shows("Ctrl-] ends it")
    first.type("first\r")
    first.shows("first\r")
    second = terminal()
    second.ends(code=1)
    assert "somebody else has its console open; --force takes it over" in second.text
    third = terminal("--force")
    first.ends()
    assert "somebody took it over" in first.text
    third.type("third\r")
    third.shows("third\r")
    third.process.send_signal(15)
    third.ends()


@pytest.mark.parametrize("number", [1, 11])
def test_terminal_is_given_back_whatever_ends_the_console(world, terminal, number):
    one = terminal("--force")
    one.shows("Ctrl-] ends it")
    one.process.send_signal(number)
    one.ends(code=0 if number == 1 else -number)


def test_console_ends_with_a_sentence_when_the_agent_dies(world, terminal):
    one = terminal("--force")
    one.shows("Ctrl-] ends it")
    one.type("x\r")
    one.shows("x\r")
    world.site.kill_agent()
    try:
        one.ends(code=6)
        assert "site site-a: its agent went away; it ends here" in one.text
    finally:
        world.start_agent()


def test_power_is_declared_and_watched(world):
    out = world.folder / "watched"
    watcher = Process("watch", world.argv("watch", "vm", "web", "-o", "json"), out).start()
    plain = Process("watch", world.argv("watch"), world.folder / "plain").start()

    def watched(bucket, **wanted):
        for line in out.read_text().splitlines():
            entry = json.loads(line)
            if entry["bucket"] == bucket and all(entry["value"].get(k) == v for k, v in wanted.items()):
                return entry
    wait_until(lambda: (world.docs.put("vm", "web", vm("web", labels={"seen": str(time.monotonic())})),
                        watched("harmony_desired"))[1], 20, "the watch to see", 0.2)
    done = world.ctl("stop", "vm", "web", "--wait")
    assert done.stdout.startswith("vm/web power off (rev ") and "Stopped on site-a" in done.stdout
    assert world.site.domains()["web"] == "shut off"
    wait_until(lambda: watched("harmony_status", phase="Stopped"), 10, "the status in the watch")
    assert watched("harmony_desired", power="off")
    assert "power off already" in world.ctl("stop", "vm", "web").stdout
    assert "is declared off; harmonyctl start starts it" in world.ctl("resume", "vm", "web", code=5).stderr
    assert "does not run" in world.ctl("reboot", "vm", "web", code=5).stderr
    started = json.loads(world.ctl("start", "vm", "web", "-o", "json").stdout)
    assert (started["power"], started["changed"]) == ("on", True)
    world.docs.wait("vm", "web", "Running")
    wait_until(lambda: "vm/web  changed (rev " in plain.log.read_text()
               and "power off -> on" in plain.log.read_text(), 10, "what differs, in words")
    assert "a network has no power to switch" in world.ctl("start", "network", "lan", code=2).stderr
    watcher.kill()
    plain.kill()


def forget(world, *names, cache):
    """The store loses documents without a marker while the agent is away; so does its cache, if asked."""
    world.site.stop_agent()
    for name in names:
        world.docs.store.wait_for(world.docs.store.js.purge_stream(
            "KV_harmony_desired", subject=f"$KV.harmony_desired.site-a.vm.{name}"))
    if cache:
        (world.site.state / "desired.json").unlink()
    world.start_agent()


def test_prune_removes_orphans_and_nothing_else(world):
    for name, more in (("lost", {}), ("kept", {"protect": True}), ("missed", {})):
        world.docs.put("vm", name, vm(name, power="off", **more))
    for name in ("lost", "kept", "missed"):
        world.docs.wait("vm", name, "Stopped")
    foreign = world.folder / "foreign.xml"
    foreign.write_text("<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory>"
                       "<os><type>hvm</type></os></domain>")
    world.site.virsh("define", foreign)
    assert world.ctl("prune").stdout == "no orphans\n"

    forget(world, "lost", "kept", cache=True)
    wait_until(lambda: "site-a.vm.lost" in world.ctl("prune", "--dry-run").stderr, 20, "the orphans", 0.2)
    told = world.ctl("prune", code=5).stderr
    assert "removed site-a.vm.lost on site-a" in told and "nobody is there to ask" in told
    assert "kept site-a.vm.kept on site-a: protect: true" in told and "foreign" not in told
    world.ctl("prune", "--yes", "--wait")
    assert set(world.site.domains()) == {"web", "quiet", "kept", "missed", "foreign"}

    forget(world, "missed", cache=False)  # in force from the cache, and not in the store
    wait_until(lambda: "site-a.vm.missed" in world.ctl("prune", "--dry-run").stderr, 20, "the orphan", 0.2)
    world.ctl("prune", "--yes", "--wait")
    assert set(world.site.domains()) == {"web", "quiet", "kept", "foreign"}
    orphans = json.loads(world.ctl("prune", "--dry-run", "-o", "json").stdout)["orphans"]
    assert [(o["key"], o["op"]) for o in orphans] == [("site-a.vm.kept", "blocked")]


def test_doctor_finds_what_is_wrong(world):
    def findings(code):
        found = json.loads(world.ctl("doctor", "-o", "json", code=code).stdout)["findings"]
        return lambda level, subject: [f["text"] + " -> " + f.get("advice", "") for f in found
                                       if (f["level"], f["subject"]) == (level, subject)]
    well = findings(0)
    assert well("ok", "server")
    bucket = " ".join(well("warning", "harmony_desired"))
    assert "has 1 replica" in bucket and "--replicas 3" in bucket
    assert "guests on libvirt are emulated (tcg)" in " ".join(well("warning", "site-a"))
    text = world.ctl("doctor").stdout
    assert "its agent answers within" in text and "(images): " in text and text.endswith(" warnings\n")

    key = "site-q.network.lan"
    world.docs.store.put(key, {"subnet": "10.9.9.1/24"}, "harmony_desired")
    world.site.stop_agent()
    try:
        ill = findings(1)
        assert "no agent of it has ever reported" in ill("problem", "site-q")[0]
        assert "no agent of site site-a answers" in ill("problem", "site-a")[0]
    finally:
        world.start_agent()
