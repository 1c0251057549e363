"""harmonyctl against a real nats-server, seen by another client (nats-py)."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import nats as nats_py
import pytest
from nats.js.api import KeyValueConfig

from lib import cgroups
from lib.nats_server import NatsServer
from lib.paths import built
from lib.processes import Process, environment, run
from lib.waiting import wait_until

LAN = "kind: network\nname: lan\nsite: site-a\nsubnet: 192.168.100.1/24\n"
WEB = ("kind: vm\nname: web\nsite: site-a\nvcpus: 1\nmemory: 128MiB\n"
       "disks: [{device: vda, size: 1GiB}]\nnetworks: [{network: lan}]\n")
DB = "kind: vm\nname: db\nplacement: primary\nmemory: 256MiB\ndisks: [{device: vda, size: 1GiB}]\n"


class Ctl:
    """harmonyctl with one server; the exit code is checked in every call."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder
        self.env = {"XDG_CONFIG_HOME": str(folder / "config")}

    def __call__(self, *arguments, code=0, server=True, **env):
        argv = [built("harmonyctl"), *(["-s", self.url] if server else []), *arguments]
        done = run(argv, check=False, env=environment(**self.env, **env), cwd=self.folder)
        assert done.returncode == code, f"{argv} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def file(self, name, text):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        return name

    def init(self, *flags, **options):
        return self("failover", "init", "--primary", "site-a", "--replica", "site-b",
                    "--failover-timeout", "8s", *flags, **options)


class Bucket:
    """What plain clients see and write."""

    def __init__(self, url, name):
        self.url, self.name = url, name

    def call(self, action):
        async def connected():
            client = await nats_py.connect(self.url)
            try:
                return await action(client.jetstream())
            finally:
                await client.close()
        return asyncio.run(connected())

    def get(self, key):
        async def action(js):
            return await (await js.key_value(self.name)).get(key)
        return self.call(action)

    def put(self, key, value):
        text = value if isinstance(value, str) else json.dumps(value)

        async def action(js):
            return await (await js.key_value(self.name)).put(key, text.encode())
        return self.call(action)

    def last(self, key):
        """The last message of the key's subject, with its headers."""
        async def action(js):
            return await js.get_last_msg(f"KV_{self.name}", f"$KV.{self.name}.{key}")
        return self.call(action)

    def info(self):
        async def action(js):
            return (await js.stream_info(f"KV_{self.name}"))
        return self.call(action)

    def create(self, **config):
        async def action(js):
            await js.create_key_value(KeyValueConfig(bucket=self.name, **config))
        return self.call(action)


class FakeAgent:
    """Not harmonyd: answers harmony.plan.<site> with what it was given, and keeps the requests."""

    def __init__(self, url, site, reply):
        self.url, self.site, self.reply = url, site, reply
        self.requests, self.ready, self.over = [], threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def serve(self):
        client = await nats_py.connect(self.url)

        async def answer(message):
            self.requests.append(json.loads(message.data))
            reply = self.reply if isinstance(self.reply, str) else json.dumps(self.reply)
            await message.respond(reply.encode())
        await client.subscribe(f"harmony.plan.{self.site}", cb=answer)
        await client.flush()
        self.ready.set()
        await asyncio.get_running_loop().run_in_executor(None, self.over.wait)
        await client.close()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10), "the fake agent did not connect"
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(10)


class HoldingProxy:
    """Passes one connection on to the server; calls `before` once ahead of the bytes that hold `needle`."""

    def __init__(self, server_port, needle, before):
        self.server_port, self.needle, self.before = server_port, needle, before
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
                threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
                threading.Thread(target=self.pump, args=(client, server), daemon=True).start()

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.before and self.needle in data:
                    before, self.before = self.before, None
                    before()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


@pytest.fixture
def ctl(nats, folder):
    return Ctl(nats.url, folder)


@pytest.fixture
def desired(nats, ctl):
    """The bucket harmony_desired of an initialised group."""
    ctl.init()
    return Bucket(nats.url, "harmony_desired")


@pytest.fixture
def status(nats, desired):
    return Bucket(nats.url, "harmony_status")


@pytest.fixture
def failover(nats, desired):
    return Bucket(nats.url, "harmony_failover")


# -- Without a server ----------------------------------------------------------------------------------


def test_validate_needs_no_server(folder):
    ctl = Ctl("nats://127.0.0.1:1", folder)
    ctl.file("docs/web.yaml", LAN + "---\n" + WEB)
    assert ctl("validate", "-f", "docs").stdout == "2 documents, all valid\n"


def test_validate_says_every_error_with_its_place(folder):
    ctl = Ctl("nats://127.0.0.1:1", folder)
    ctl.file("bad.yaml", WEB.replace("memory:", "memmory:") + "---\n" + LAN.replace("lan", "LAN"))
    said = ctl("validate", "-f", "bad.yaml", code=3).stderr.splitlines()
    assert len(said) == 2 and all(line.startswith("bad.yaml:") for line in said)
    assert 'did you mean "memory"?' in said[0]
    report = json.loads(ctl("validate", "-f", "bad.yaml", "-o", "json", code=3).stdout)
    assert report["valid"] is False and len(report["errors"]) == 2


def test_the_same_document_in_two_files_is_refused(folder):
    ctl = Ctl("nats://127.0.0.1:1", folder)
    one, two = ctl.file("one.yaml", WEB), ctl.file("two.yaml", WEB)
    assert "one.yaml" in ctl("validate", "-f", one, "-f", two, code=3).stderr


def test_usage_errors_exit_with_2(folder):
    ctl = Ctl("nats://127.0.0.1:1", folder)
    assert 'did you mean "apply"?' in ctl("aply", code=2).stderr
    assert "is not a name" in ctl("--group", "a b", "failover", "status", code=2).stderr
    assert "-f FILE|DIR" in ctl("apply", code=2).stderr
    assert 'did you mean "vm"?' in ctl("get", "vmm", code=2).stderr


def test_no_connection_is_said_without_credentials(folder):
    ctl = Ctl("nats://me:hunter2@127.0.0.1:1", folder)
    begun = time.monotonic()
    said = ctl("get", code=6).stderr
    assert time.monotonic() - begun < 4, "a refused connection is known at once"
    assert "NATS at 127.0.0.1:1" in said and "--server" in said
    assert "hunter2" not in said


# -- Finding the server ----------------------------------------------------------------------------------


def test_contexts_and_variables_of_the_nats_cli_are_used(folder):
    with NatsServer(folder, users=[{"user": "ops", "password": "right"}]) as server:
        ctl = Ctl(server.url, folder)
        ctl.file("config/nats/context/prod.json",
                 json.dumps({"url": server.url, "user": "ops", "password": "right"}))
        ctl.file("config/nats/context.txt", "prod")
        ctl.init(server=False)
        ctl("get", server=False)
        ctl("get", server=False, NATS_URL=server.url, NATS_USER="ops", NATS_PASSWORD="right")
        ctl("get", server=False, NATS_USER="ops", NATS_PASSWORD="wrong", code=6)
        said = ctl("get", "--context", "nosuch", server=False, code=4).stderr
        assert "context nosuch" in said


def test_what_a_user_may_not_do_is_said(folder):
    users = [{"user": "root", "password": "x"},
             {"user": "nobody", "password": "x", "permissions": {"publish": ["nothing"]}}]
    with NatsServer(folder, users=users) as server:
        ctl = Ctl(server.url, folder)
        ctl.init("--user", "root", NATS_PASSWORD="x")
        said = ctl("get", "--user", "nobody", "--timeout", "3s", NATS_PASSWORD="x", code=7).stderr
        assert "ermission" in said, said


# -- failover init ---------------------------------------------------------------------------------------


def test_init_makes_the_recorder_and_the_first_records(nats, ctl, failover):
    info = failover.info()
    assert info.config.max_msgs_per_subject == 64
    assert info.config.deny_purge and not info.config.allow_rollup_hdrs and not info.config.allow_direct
    assert info.config.storage == "file" and not info.config.max_age
    assert Bucket(nats.url, "harmony_status").info().config.max_msgs_per_subject >= 16
    config = json.loads(failover.get("cluster_config").value)
    assert (config["primary_site_id"], config["failover_timeout_ms"]) == ("site-a", 8000)
    first = json.loads(failover.get("primary_heartbeat").value)
    assert (first["site_id"], first["status"], first["epoch"], first["next"]) == (
        None, "RELEASED", 0, "site-a")


def test_init_again_changes_nothing(ctl, failover):
    before = failover.info().state.last_seq
    assert "created" not in ctl.init().stdout
    said = ctl.init("--failure-threshold", "4", code=5).stderr
    assert "failure_threshold 2 -> 4" in said
    assert failover.info().state.last_seq == before


def test_init_refuses_a_timeout_that_cannot_be_met(nats, ctl):
    said = ctl("failover", "init", "--primary", "site-a", "--replica", "site-b",
               "--failover-timeout", "3s", code=3).stderr
    assert "failover_timeout_ms 3000 is below" in said
    with pytest.raises(Exception, match="not found"):
        Bucket(nats.url, "harmony_failover").info()


def test_init_never_starts_anew_over_a_deleted_lease(ctl, failover):
    async def action(js):
        await (await js.key_value("harmony_failover")).delete("primary_heartbeat")
    failover.call(action)
    assert "outage of the store" in ctl.init(code=5).stderr


def test_a_second_group_has_keys_of_its_own(ctl, failover):
    ctl("--group", "blue", "failover", "init", "--primary", "site-b", "--replica", "site-a",
        "--failover-timeout", "8s")
    assert json.loads(failover.get("blue.cluster_config").value)["primary_site_id"] == "site-b"
    assert json.loads(failover.get("cluster_config").value)["primary_site_id"] == "site-a"
    assert "next: site-b" in ctl("--group", "blue", "failover", "status").stdout


# -- apply, get, delete ----------------------------------------------------------------------------------


def test_apply_writes_what_was_given_and_only_changes(ctl, desired):
    ctl.file("web.yaml", LAN + "---\n" + WEB)
    assert ctl("apply", "-f", "web.yaml").stdout == (
        "network/lan created (rev 1), site-a\nvm/web created (rev 2), site-a\n")
    assert json.loads(desired.get("site-a.vm.web").value) == {
        "vcpus": 1, "memory": "128MiB", "disks": [{"device": "vda", "size": "1GiB"}],
        "networks": [{"network": "lan"}]}
    ctl.file("web.yaml", LAN + "---\n" + WEB.replace("128MiB", "192MiB"))
    assert ctl("apply", "-f", "web.yaml").stdout == (
        "network/lan unchanged (rev 1), site-a\nvm/web configured (rev 3), site-a\n")


def test_apply_works_beside_plain_puts(ctl, desired):
    desired.put("site-a.network.lan", '{ "subnet" :\n "192.168.100.1/24" }')
    ctl.file("lan.yaml", LAN)
    assert "unchanged (rev 1)" in ctl("apply", "-f", "lan.yaml").stdout
    desired.put("site-a.network.lan", "not even JSON")
    assert "configured (rev 3)" in ctl("apply", "-f", "lan.yaml").stdout


def test_nothing_is_written_if_anything_is_invalid(ctl, desired):
    ctl.file("docs/a.yaml", LAN)
    ctl.file("docs/b.yaml", WEB.replace("128MiB", "128 MB"))
    said = ctl("apply", "-f", "docs", code=3)
    assert "docs/b.yaml:5" in said.stderr and "is not a size" in said.stderr and said.stdout == ""
    assert desired.info().state.messages == 0


def test_a_document_that_moves_to_primary_is_refused(ctl, desired):
    ctl.file("web.yaml", WEB)
    ctl("apply", "-f", "web.yaml")
    ctl.file("web.yaml", LAN + "---\n" + WEB.replace("site: site-a", "placement: primary"))
    said = ctl("apply", "-f", "web.yaml", code=5).stderr
    assert "declared for site-a already" in said and "harmonyctl delete vm web --site site-a" in said
    assert desired.info().state.messages == 1, "nothing of it was written"


def test_a_change_by_someone_else_is_not_overwritten(ctl, nats, desired, folder):
    ctl.file("web.yaml", LAN + "---\n" + WEB)
    theirs = {"subnet": "192.168.7.1/24"}
    proxy = HoldingProxy(nats.port, b"PUB $KV.harmony_desired.site-a.network.lan",
                         lambda: desired.put("site-a.network.lan", theirs))
    said = Ctl(proxy.url, folder)("apply", "-f", "web.yaml", code=5)
    proxy.close()
    assert "site-a.network.lan: someone else changed it meanwhile" in said.stderr
    assert json.loads(desired.get("site-a.network.lan").value) == theirs
    assert said.stdout == "vm/web created (rev 2), site-a\n", "one that fails holds up no other"


def test_without_buckets_it_says_what_to_do(ctl):
    ctl.file("lan.yaml", LAN)
    assert "harmonyctl failover init" in ctl("apply", "-f", "lan.yaml", code=4).stderr


def test_get_joins_declared_and_reported(ctl, desired, status):
    ctl.file("all.yaml", "---\n".join([LAN, WEB, DB]))
    ctl("apply", "-f", "all.yaml")
    status.put("site-a.vm.web", {"phase": "Running", "applied_revision": 2, "desired_revision": 2})
    status.put("site-a.vm.db", {"phase": "Running", "applied_revision": 3, "desired_revision": 3})
    status.put("site-b.vm.db", {"phase": "Standby", "applied_revision": 3, "desired_revision": 3})
    rows = [line.split()[:6] for line in ctl("get").stdout.splitlines()]
    assert rows[1:] == [["network", "lan", "site-a", "-", "-", "->"],
                        ["vm", "db", "primary", "site-a", "Running", "3"],
                        ["vm", "db", "primary", "site-b", "Standby", "3"],
                        ["vm", "web", "site-a", "site-a", "Running", "2"]]
    items = json.loads(ctl("get", "vm", "web", "-o", "json").stdout)["items"]
    assert items[0]["spec"]["memory"] == "128MiB" and items[0]["status"]["phase"] == "Running"
    assert "kind: vm" in ctl("get", "vm", "db", "-o", "yaml").stdout
    assert "STATE" in ctl("get", "-o", "wide").stdout
    assert ctl("get", "vm", "nosuch", code=4).stderr == "vm nosuch: is not declared\n"


def test_hostile_values_reach_no_terminal(ctl, desired, status):
    desired.put("site-a.vm.web", {"memory": "\x1b]0;owned\x07"})
    status.put("site-a.vm.web", {"phase": "Run\x1b[31mning", "reason": "a\nb\x9b2J",
                                 "error": {"text": "\x1b[2Jgone"}})
    for format in "text", "wide", "json", "yaml":
        said = ctl("get", "-o", format, "--color", "never").stdout
        assert not any(c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in said), repr(said)


def test_delete_writes_a_marker_and_asks_first(ctl, desired):
    ctl.file("web.yaml", WEB)
    ctl("apply", "-f", "web.yaml")
    said = ctl("delete", "vm", "web", code=5).stderr
    assert "will be deleted" in said and "--yes" in said
    assert desired.get("site-a.vm.web").value
    assert ctl("delete", "vm", "web", "--yes").stdout == "vm/web deleted (rev 2), site-a\n"
    assert desired.last("site-a.vm.web").headers["KV-Operation"] == "DEL"
    assert "not declared" in ctl("delete", "vm", "web", "--yes").stderr
    assert "created (rev 3)" in ctl("apply", "-f", "web.yaml").stdout
    assert "deleted (rev 4)" in ctl("delete", "-f", "web.yaml", "--yes").stdout


def test_what_is_protected_is_not_deleted(ctl, desired):
    ctl.file("web.yaml", WEB + "protect: true\n")
    ctl("apply", "-f", "web.yaml")
    said = ctl("delete", "vm", "web", "--yes", code=5).stderr
    assert "protect: true in revision 1" in said
    assert desired.info().state.messages == 1


def test_a_name_on_two_sites_needs_the_site(ctl, desired):
    ctl.file("web.yaml", WEB + "---\n" + WEB.replace("site-a", "site-b"))
    ctl("apply", "-f", "web.yaml")
    assert "--site" in ctl("delete", "vm", "web", "--yes", code=2).stderr
    assert "site-b" in ctl("delete", "vm", "web", "--site", "site-b", "--yes").stdout


# -- plan and waiting, with a fake agent -----------------------------------------------------------------


PLAN = {"site": "site-a", "unchanged": 1, "orphans": [], "steps": [
    {"op": "restart", "kind": "vm", "name": "web", "key": "site-a.vm.web",
     "why": "above max_memory 128MiB", "changes": [
         {"path": "memory", "before": "128MiB", "after": "192MiB", "cost": "restart"}]}]}


def test_plan_asks_the_agents_that_reported(ctl, nats, desired, status):
    assert "no agent has reported" in ctl("plan", code=4).stderr
    status.put("site-a.agent", {"version": "0.1"})
    ctl.file("web.yaml", WEB)
    with FakeAgent(nats.url, "site-a", PLAN) as agent:
        said = ctl("plan", "-f", "web.yaml").stdout
        assert "~ vm web  restart    memory 128MiB -> 192MiB (above max_memory 128MiB)\n" in said
        assert agent.requests == [{"deletes": [], "documents": [
            {"where": "site-a", "kind": "vm", "name": "web",
             "spec": {"vcpus": 1, "memory": "128MiB", "disks": [{"device": "vda", "size": "1GiB"}],
                      "networks": [{"network": "lan"}]}}]}]
        ctl("plan", "--detailed-exitcode", code=10)
        assert json.loads(ctl("plan", "-o", "json").stdout) == [PLAN]
    assert desired.info().state.messages == 0


def test_plan_says_which_site_gave_none(ctl, nats, status):
    status.put("site-a.agent", {})
    status.put("site-b.agent", {})
    with FakeAgent(nats.url, "site-a", {**PLAN, "steps": []}):
        said = ctl("plan", code=1).stdout
    assert "site-a  no changes" in said and "site-b  no plan: its agent is not connected" in said
    with FakeAgent(nats.url, "site-a", "\x1b[2J not a plan"):
        assert "is not a plan" in ctl("plan", "--site", "site-a", code=1).stdout


@contextlib.contextmanager
def told_later(status, after, *reports):
    """Writes reports to harmony_status once harmonyctl may wait for them."""
    def write():
        for key, value in reports:
            status.put(key, value)
    timer = threading.Timer(after, write)
    timer.start()
    yield
    timer.join()


def test_apply_waits_for_the_revision(ctl, desired, status):
    ctl.file("web.yaml", WEB)
    with told_later(status, 0.3,
                    ("site-a.vm.web", {"phase": "Pending", "desired_revision": 1}),
                    ("site-a.vm.web", {"phase": "Running", "desired_revision": 1, "applied_revision": 1})):
        said = ctl("apply", "-f", "web.yaml", "--wait").stdout
    assert "vm/web Running on site-a" in said


def test_apply_says_why_it_is_not_applied(ctl, desired, status):
    ctl.file("web.yaml", WEB)
    said = ctl("apply", "-f", "web.yaml", "--wait", "--timeout", "300ms", code=7).stderr
    assert "no agent reported on it (is one running for site-a?)" in said
    status.put("site-a.vm.web", {"phase": "Failed", "desired_revision": 1,
                                 "error": {"code": "libvirt-error", "text": "no such pool"}})
    said = ctl("apply", "-f", "web.yaml", "--wait", "--timeout", "300ms", code=7).stderr
    assert "Failed on site-a: no such pool" in said
    status.put("site-a.vm.web", {"phase": "Blocked", "desired_revision": 1, "reason": "protect: true"})
    assert "blocked on site-a: protect: true" in ctl("apply", "-f", "web.yaml", "--wait", code=5).stderr


# -- with a real agent, on libvirt's test driver --------------------------------------------------------


@contextlib.contextmanager
def running_agent(server, folder):
    """harmonyd of site-a with a libvirt that emulates everything in memory."""
    for name in "state", "run", "images":
        (folder / name).mkdir()
    (folder / "images/kernel").write_text("never booted\n")
    config = {"site_id": "site-a", "state_dir": str(folder / "state"), "runtime_dir": str(folder / "run"),
              "nats": {"servers": server.url}, "log": {"level": "info", "format": "text"},
              "http": {"listen": "off"},
              "libvirt": {"uri": "test:///default", "image_dir": str(folder / "images"), "accel": "tcg"}}
    cgroup = cgroups.make(folder.name) if cgroups.hierarchy() else None
    if cgroup:  # else its guardian leaves one behind in ours
        config["guardian"] = {"cgroup": str(cgroup)}
    (folder / "harmonyd.yaml").write_text(json.dumps(config))
    ends_with_its_guardian = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    process = Process("harmonyd", [*ends_with_its_guardian, built("harmonyd"), "--config", folder / "harmonyd.yaml"],
                      folder / "harmonyd.log").start()
    status = Bucket(server.url, "harmony_status")
    wait_until(lambda: process.check_running() and status.get("site-a.agent"), 20, "harmonyd to report")
    yield process
    process.kill()
    if cgroup:
        cgroups.drop(cgroup)


@pytest.fixture
def agent(nats, folder, desired):
    with running_agent(nats, folder) as process:
        yield process


def test_plan_apply_change_delete_with_an_agent(ctl, agent, folder):
    vm = (f"kind: vm\nname: web\nsite: site-a\nvcpus: 1\nmemory: 128MiB\n"
          f"kernel: {folder}/images/kernel\nnetworks: [{{network: lan}}]\n")
    ctl.file("web.yaml", LAN + "---\n" + vm)
    said = ctl("plan", "-f", "web.yaml", "--detailed-exitcode", code=10).stdout
    assert "+ network lan  create" in said and "vm web" in said
    said = ctl("apply", "-f", "web.yaml", "--wait", "--timeout", "20s").stdout
    assert "network/lan Running on site-a" in said and "vm/web Running on site-a" in said
    ctl("plan", "--detailed-exitcode", code=0)
    ctl.file("web.yaml", LAN + "---\n" + vm.replace("128MiB", "192MiB"))
    assert "~ vm web  restart    memory 128MiB -> 192MiB" in ctl("plan", "-f", "web.yaml").stdout
    ctl("apply", "-f", "web.yaml", "--wait", "--timeout", "20s")
    item = json.loads(ctl("get", "vm", "web", "-o", "json").stdout)["items"][0]
    assert item["status"]["applied_revision"] == item["revision"] == 3
    said = ctl("delete", "-f", "web.yaml", "--yes", "--wait", "--timeout", "20s").stdout
    assert "vm/web removed on site-a" in said and "network/lan removed on site-a" in said
    assert ctl("get").stdout == "nothing is declared\n"


def test_a_plan_that_the_server_cannot_carry_is_an_error(folder):
    """max_payload is the server's: the agent's answer would be refused there, and nobody would hear of it."""
    with NatsServer(folder, extra={"max_payload": 16384}) as server:
        ctl = Ctl(server.url, folder)
        ctl.init()
        with running_agent(server, folder):
            blocked = [f"kind: vm\nname: web{i}\nsite: site-a\nmemory: 128MiB\nkernel: /not/allowed/here\n"
                       for i in range(150)]
            ctl.file("all.yaml", "---\n".join(blocked))
            ctl.file("few.yaml", "---\n".join(blocked[:3]))
            assert "3 blocked" in ctl("plan", "-f", "few.yaml").stdout
            ctl("apply", "-f", "all.yaml")
            said = ctl("plan", code=1).stdout
    assert "site-a  no plan: the plan is too large: the answer is " in said
    assert "takes at most 16384 in one message (max_payload); change fewer documents at a time" in said


# -- failover status and history, from records that another client wrote ----------------------------------


def heartbeat(site, epoch, counter, **more):
    return {"site_id": site, "status": "HEALTHY", "role": "leader", "epoch": epoch, "counter": counter,
            "timestamp": 1, "interval_ms": 60000, "expires_in_ms": 4600, "rtt_us": 31000, **more}


def test_status_and_history_come_from_the_bucket_alone(ctl, failover):
    for counter in range(3):
        failover.put("primary_heartbeat", heartbeat("site-a", 1, counter, reason="RELEASED_TO"))
        failover.put("replica_heartbeat.site-b",
                     heartbeat("site-b", 1, counter, role="replica", fit=True, lag=0))
    said = ctl("failover", "status").stdout
    assert "leader site-a" in said and "(epoch 1, was handed the role)" in said
    assert "if site-a died now: site-b would lead in about 8" not in said  # it waits 2T more
    assert "site-b would lead in about 10 s and lose nothing" in said
    report = json.loads(ctl("failover", "status", "-o", "json").stdout)
    assert report["successor"] == "site-b" and report["lease"]["epoch"] == 1
    told = ctl("failover", "history").stdout
    assert "no leader, epoch 0, next: site-a" in told
    assert "site-a  promotes: epoch 0 -> 1" in told
    assert "leads, epoch 1: 3 heartbeats" in told and "rtt 31 ms, no failures" in told
    kinds = [i["type"] for i in json.loads(ctl("failover", "history", "-o", "json").stdout)["items"]]
    assert kinds == ["config", "release", "promotion", "serving", "leading", "replica"]


def test_history_survives_what_others_write(ctl, failover):
    failover.put("primary_heartbeat", "\x1b[2Jnonsense")
    failover.put("replica_heartbeat.site-b", "[[[[")
    told = ctl("failover", "history").stdout
    assert "primary_heartbeat can't be read" in told and "\x1b" not in told
    assert "can't be read" in ctl("failover", "status").stdout
