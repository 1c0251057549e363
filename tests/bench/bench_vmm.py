"""cloud-hypervisor, for make bench: the real one where it is, else the fake, which it says. A document beside curl."""

import json
import os
import statistics
import subprocess
import time

import bench
from lib.driven import Session
from lib.paths import built, system
from lib.vm_hosts import VmHost
from lib.vmm_process import Unavailable, ask
from lib.waiting import wait_until

RUNS = int(os.environ.get("BENCH_RUNS", "10"))
MANY = 100
BOOTED = b'"event": "booted"'
MEMORY = "32MiB"

# What an operator would type: $1 the program, $2 a folder with NAME.json for each NAME that follows.
BY_HAND = """
program=$1; cd "$2"; shift 2
one() {
    "$program" --api-socket "path=$1.sock" --event-monitor "path=$1.events" >"$1.log" 2>&1 &
    until [ -S "$1.sock" ]; do sleep 0.001; done
    for call in vm.create vm.boot; do
        body=; [ $call = vm.boot ] || body="-d @$1.json"
        curl -sf --unix-socket "$1.sock" -X PUT -H 'Content-Type: application/json' $body "http://localhost/api/v1/$call"
    done
}
for name in "$@"; do one "$name" & done
wait
"""


class Bench:
    def __init__(self, folder):
        try:
            self.host = VmHost("real", folder)
        except Unavailable as reason:
            print(f"  the fake of cloud-hypervisor: {reason}")
            self.host = VmHost("fake", folder)
        self.backend, self.site = self.host.backend, self.host.site
        self.hand = folder / "by-hand"
        self.hand.mkdir()

    def put(self, name):
        self.host.put(name, memory=MEMORY)

    def events(self, name):
        return self.backend.record(self.site, name) / "events"

    def times(self, begin, events, consoles):
        """Seconds from begin() until all have booted, and until each guest has said its first line."""
        began, took = time.monotonic(), []
        begin()
        for files, part in ((events, BOOTED), (consoles, b"\n")):
            for file in files:
                wait_until(lambda: part in file.read_bytes(), 120, f"{file} to have {part}", 0.001)
            took.append(time.monotonic() - began)
        return took

    def ours(self, *names):
        return self.times(lambda: [self.put(name) for name in names], [self.events(name) for name in names],
                          [self.site.images / f"console/{name}.log" for name in names])

    def by_hand(self, *names):
        for name in names:
            serial = {"mode": "File", "file": str(self.hand / f"{name}.console")}
            (self.hand / f"{name}.json").write_text(json.dumps({
                "payload": {"kernel": str(built("tiny_guest")), "cmdline": f"name={name}"}, "serial": serial,
                "cpus": {"boot_vcpus": 1, "max_vcpus": 1}, "memory": {"size": 32 << 20}, "console": {"mode": "Off"}}))
        shell = []

        def begin():
            argv = self.site.enter("sh", "-c", BY_HAND, "sh", self.backend.program, self.hand, *names)
            shell.append(subprocess.Popen(argv))

        took = self.times(begin, [self.hand / f"{name}.events" for name in names],
                          [self.hand / f"{name}.console" for name in names])
        for name in names:
            ask(self.hand / f"{name}.sock", "vmm.shutdown")
        shell[0].wait()
        return took


def show(what, ours, bare):
    a, b = (statistics.median(times) * 1000 for times in (ours, bare))
    bench.row(what, f"{a:.1f} ms", f"curl {b:.1f} ms", f"{a / b:.2f}")
    bench.row("  least / most", f"{min(ours) * 1000:.1f} / {max(ours) * 1000:.1f}",
              f"{min(bare) * 1000:.1f} / {max(bare) * 1000:.1f}")


def one_by_one(b):
    ours, bare = [], []
    for run in range(RUNS + 1):
        ours.append(b.ours(f"ours{run}"))
        b.host.remove(f"ours{run}")
        bare.append(b.by_hand(f"bare{run}"))
    for i, what in enumerate(("vm.boot done", "guest's first line")):
        show(f"document put -> {what}, median of {RUNS}", [t[i] for t in ours[1:]], [t[i] for t in bare[1:]])


def observing(b):
    """Median milliseconds of one look at all of them, and of asking each of them for vm.info by hand."""
    ours, bare = [], []
    argv = b.site.enter(built("drive"), "--backend", "cloud-hypervisor", "--state", b.site.state, "--runtime",
                        b.site.runtime, "session")
    sockets = list(b.backend.vmms(b.site).values())
    with Session(argv) as session:
        for _ in range(RUNS):
            began = time.monotonic()
            session.ask("observe")
            ours.append(time.monotonic() - began)
            began = time.monotonic()
            for socket in sockets:
                ask(socket, "vm.info")
            bare.append(time.monotonic() - began)
    return [statistics.median(times) * 1000 for times in (ours, bare)]


def many_at_once(b):
    agent = b.site.agent.inner_pid()
    before = bench.rss_mb(agent)
    names = [f"many{i}" for i in range(MANY)]
    ours = b.ours(*names)
    for name in names:
        b.host.wait(name, "Running", timeout=120)
    after = bench.rss_mb(agent)
    looked, asked = observing(b)
    b.host.remove(*names, timeout=120)
    bare = b.by_hand(*[f"hand{i}" for i in range(MANY)])
    for i, what in enumerate(("vm.boot done", "first line")):
        bench.row(f"{MANY} documents at once -> all: {what}", f"{ours[i] * 1000:.0f} ms", f"curl {bare[i] * 1000:.0f} ms",
                  f"{ours[i] / bare[i]:.2f}")
    bench.row(f"one look at {MANY} VMs that need nothing", f"{looked:.1f} ms", f"vm.info each {asked:.1f} ms",
              f"{looked / asked:.2f}")
    bench.row("resident memory of the agent, a VM", f"{(after - before) * 1024 / MANY:.1f} KiB",
              f"{before:.1f} -> {after:.1f} MB")


def bench_vmm(folder):
    system("curl")
    b = Bench(folder)
    try:
        one_by_one(b)
        many_at_once(b)
    finally:
        b.host.close()


PARTS = {"vmm": bench_vmm}
