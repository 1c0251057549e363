"""Operations over NATS: reboot, logs and what can go wrong, on one real site and a cluster of NATS servers."""

import json
import os
import subprocess
import time

import pytest
from lib.declared import Documents, vm
from lib.nats_server import NatsCluster
from lib.paths import built
from lib.processes import Process, TemporaryFolder, environment, run
from lib.sites import Site
from lib.waiting import wait_until


class World:
    """A site whose agent is connected to the first server, and clients of the others."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = NatsCluster(folder).start()
        self.site = Site("site-a", folder, nats_url=self.cluster.servers[0].url).power_on()
        self.docs = Documents(self.cluster.url)
        self.site.start_agent()

    def argv(self, *arguments, server=2):
        return [str(a) for a in
                (built("harmonyctl"), "-s", self.cluster.servers[server].url, *arguments)]

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
            world.site.wait_boot("web", timeout=60)
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


def test_logs_follow_a_file_that_grows_and_is_replaced(world):
    log = world.site.images / "console/web.log"
    out = world.folder / "followed"
    reader = Process("logs -f", world.argv("logs", "vm", "web", "-f", "--tail", "0"), out).start()
    said = "begun"
    wait_until(lambda: said in world.site.agent_log.read_text().splitlines()[-1], 10, "the stream")
    with open(log, "a") as file:
        file.write("one\n")
    wait_until(lambda: "one\n" in out.read_text(), 10, "the new line", 0.02)
    log.rename(log.with_suffix(".log.0"))
    log.write_text("two\n")
    wait_until(lambda: "two\n" in out.read_text(), 10, "the line of the new file", 0.02)
    reader.signal(2)
    assert reader.popen.wait(10) == 0
    wait_until(lambda: "logs vm web for " in world.site.agent_log.read_text().splitlines()[-1]
               and "ended after" in world.site.agent_log.read_text().splitlines()[-1], 10,
               "the session to be over")


def test_reader_that_takes_nothing_holds_no_memory_of_the_agent(world):
    log = world.site.images / "console/web.log"
    before = world.agent_memory()
    with open(log, "ab") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20) + b"\n")
    reader = subprocess.Popen(world.argv("logs", "vm", "web", "-f"), stdout=subprocess.PIPE)
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
    world.site.freeze_libvirtd()
    try:
        answers = world.ask("reboot", {"kind": "vm", "name": "web", "deadline": "300ms"})
        done = world.ctl("reboot", "vm", "web", code=1)
    finally:
        world.site.thaw_libvirtd()
    assert list(answers[0]) == ["accepted"]
    assert answers[1]["error"]["code"] == "timeout" and "may go on" in answers[1]["error"]["text"]
    assert "another operation is under way" in done.stderr, "it holds the document meanwhile"


def test_agent_that_dies_meanwhile_is_noticed(world):
    out = world.folder / "died"
    reader = Process("logs -f", world.argv("logs", "vm", "web", "-f"), out).start()
    wait_until(lambda: "begun" in world.site.agent_log.read_text().splitlines()[-1], 10, "the stream")
    world.site.kill_agent()
    try:
        assert reader.popen.wait(15) == 6
        assert "site site-a: its agent went away; it ends here" in out.read_text()
    finally:
        world.site.start_agent()
