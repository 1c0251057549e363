"""A VMM without an agent, as tests call it: the fake (tests/lib/fake_vmm) or the real cloud-hypervisor."""

import http.client
import json
import os
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from .paths import SYSTEM_PATH, built
from .processes import Process, environment, run
from .waiting import wait_until


def real_vmm():
    """The real cloud-hypervisor's program, or None: CLOUD_HYPERVISOR, or from PATH."""
    named = os.environ.get("CLOUD_HYPERVISOR")
    return Path(named) if named else shutil.which("cloud-hypervisor", path=SYSTEM_PATH)


class Unavailable(Exception):
    """It can't be had here; the message is the reason."""


def vmm_program(which):
    """Of the "fake", or the "real" one; raises Unavailable."""
    if which == "fake":
        return built("fake_vmm")
    if not real_vmm():
        raise Unavailable("no cloud-hypervisor in CLOUD_HYPERVISOR or PATH")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Unavailable("cloud-hypervisor needs /dev/kvm")
    return Path(real_vmm())


def version_of(program, **environ):
    """53 of "cloud-hypervisor v53.0.0"."""
    said = run([program, "--version"], env=environment(**environ)).stdout
    return int(re.match(r"cloud-hypervisor v(\d+)\.", said).group(1))


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Answer:
    """`status`, `text`, and `body`: its JSON, or None where it is not."""

    def __init__(self, status, text):
        self.status, self.text = status, text
        try:
            self.body = json.loads(text)
        except ValueError:
            self.body = None

    def __repr__(self):
        return f"{self.status} {self.text}"


def ask(path, call, body=None, method=None, timeout=10):
    """One call on a connection of its own. `body`: an object, or a text that goes as it is."""
    connection = Connection(path, timeout)
    method = method or ("GET" if call in ("vmm.ping", "vm.info", "vm.counters") else "PUT")
    try:
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        with suppress(BrokenPipeError):  # what is too large is answered and hung up on before it is whole
            connection.request(method, f"/api/v1/{call}", body=text)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


class Vmm:
    """One VMM process in a folder: socket, events and serial console lie there. `enter`: of the Machine it runs in."""

    def __init__(self, program, folder, name="vm", enter=lambda *argv: argv, **environ):
        self.program, self.folder, self.enter = program, Path(folder), enter
        self.socket = self.folder / f"{name}.sock"
        self.events_file = self.folder / f"{name}.events"
        self.serial_file = self.folder / f"{name}.serial"
        self.environ = environ
        self.process = None

    def start(self, *options, **more):
        self.process = self.spawn(*options, **more)
        wait_until(lambda: self.process.check_running() and self.ask("vmm.ping"), 10,
                   "the VMM's socket to answer", 0.002)
        return self

    def spawn(self, *options, **more):
        return Process(self.socket.name, self.enter(
            self.program, "--api-socket", f"path={self.socket}",
            "--event-monitor", f"path={self.events_file}", *options),
            self.folder / f"{self.socket.name}.log", env=environment(**self.environ), **more).start()

    @property
    def version(self):
        return version_of(self.program, **self.environ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def ask(self, call, body=None, **options):
        return ask(self.socket, call, body, **options)

    def do(self, call, body=None):
        """The call, which must succeed; its body."""
        answer = self.ask(call, body)
        assert answer.status in (200, 204), f"{call}: {answer}"
        return answer.body

    def state(self):
        return self.do("vm.info")["state"]

    def config(self, **more):
        """A VM with the tiny guest, whose serial console is a file."""
        return {"cpus": {"boot_vcpus": 1, "max_vcpus": 4},
                "memory": {"size": 128 << 20, "hotplug_size": 256 << 20},
                "payload": {"kernel": str(built("tiny_guest")), "cmdline": more.pop("cmdline", "test")},
                "serial": {"mode": "File", "file": str(self.serial_file)},
                "console": {"mode": "Off"}, **more}

    def boot_on_terminal(self):
        """Its console is its stdout, and its stdin where that is a terminal."""
        self.serial_file = self.process.log
        return self.boot(serial={"mode": "Tty"})

    def boot(self, **more):
        self.do("vm.create", self.config(**more))
        self.do("vm.boot")
        self.wait_said("up")
        return self

    def said(self):
        """Whole lines of the guest, without their prefix: it says them letter by letter."""
        if not self.serial_file.exists():
            return []
        return [line.removeprefix("tiny-guest: ").rstrip() for line in
                self.serial_file.read_bytes().decode(errors="replace").split("\n")[:-1]]

    def wait_said(self, start):
        return wait_until(lambda: self.process.check_running() and
                          [line for line in self.said() if line.startswith(start)], 10,
                          f"the guest to say {start!r}")

    def events(self):
        """Names of the events so far: objects with blank lines between them."""
        parts = self.events_file.read_text().split("\n\n")
        return [(e["source"], e["event"]) for e in map(json.loads, filter(str.strip, parts))]

    def wait_end(self, timeout=10):
        """Its exit code."""
        wait_until(lambda: not self.process.is_running(), timeout, "the VMM to end")
        return self.process.popen.returncode

    def kill(self):
        if self.process:
            self.process.kill()
