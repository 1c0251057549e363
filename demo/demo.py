#!/usr/bin/env python3
"""./run demo: two sites on this host, a change, a power cut, and the way back.

Real parts: a JetStream server, two private libvirtds, guests that boot, two agents. Everything that is
told has been seen from outside: on the guests' consoles and in the witness's records. It all lives in
build/demo (BUILD/demo) and ends with this process, however that ends. KEEP=1: it ends on Ctrl-C.
HARMONY_DEMO_FAILOVER_MS: another failover_timeout, for a machine that stands still at times.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from control import Control  # noqa: E402
from lib import witness  # noqa: E402
from lib.nats_server import NatsServer, server_program  # noqa: E402
from lib.paths import BUILD, Missing, built  # noqa: E402
from lib.sites import Site  # noqa: E402
from lib.waiting import wait_until  # noqa: E402
from telling import Teller, seconds  # noqa: E402

HOME = BUILD / "demo"
EXAMPLE = ROOT / "examples/demo.yaml"
T_MS, FENCE_MS, GUARDIAN_MS, YIELD_MS = 100, 300, 250, 5000
FAILOVER_MS = int(os.environ.get("HARMONY_DEMO_FAILOVER_MS", "1000"))
FAILURE_THRESHOLD = (FAILOVER_MS - FENCE_MS - GUARDIAN_MS - 20) // T_MS - 1  # as many as the sum of the rules allows
BUCKETS = "harmony_failover, harmony_desired, harmony_status"


class Demo:
    def __init__(self, teller):
        self.tell = teller
        self.nats = NatsServer(HOME)
        self.control = Control(self.nats.url)
        self.sites = {name: self.make_site(name) for name in ("site-a", "site-b")}
        self.evidence = [self.records_of(name) for name in self.sites]
        self.timeline, self.picture = HOME / "history.txt", HOME / "incident.html"

    def records_of(self, name):
        return HOME / name / "witness"

    def make_site(self, name):
        records = self.records_of(name)
        records.mkdir(parents=True)
        return Site(name, HOME, nats_url=self.nats.url, accel="auto",
                    failover={"hooks": witness.hooks(records)})

    def close(self):
        for site in self.sites.values():
            site.close()
        self.nats.close()

    # -- what is looked at -----------------------------------------------------------------------

    def report(self):
        return witness.report(*self.evidence)

    def handover(self, to, epoch):
        """The witness's handover to site `to` in `epoch`, once it is in the records."""
        return wait_until(lambda: next((h for h in self.report()["handovers"]
                                        if (h["to"], h["to_epoch"]) == (to, epoch)), None),
                          30, f"the witness to serve on {to} in epoch {epoch}", 0.05)

    def leads(self, name):
        """The lease once `name` holds it and its workload is healthy."""
        def held():
            lease = self.control.lease()
            return lease if lease["leader"] == name else None
        return wait_until(held, 30, f"{name} to lead", 0.05)

    def tell_boot(self, site, domain, count, since, more=""):
        boot = site.wait_boot(domain, count, 60)
        self.tell.ok(f'{domain:<5} running on {site.name}{more}   guest says: "{boot.words}"',
                     seconds(time.monotonic() - since))

    # -- the story -------------------------------------------------------------------------------

    def set_up(self):
        self.tell.line(f"harmony demo: two sites on this host, T {T_MS} ms, "
                       f"failover_timeout {FAILOVER_MS / 1000:.1f} s")
        self.nats.start()
        self.control(
            "failover", "init", "--primary", "site-a", "--replica", "site-b",
            "--heartbeat-interval", f"{T_MS}ms", "--failure-threshold", str(FAILURE_THRESHOLD),
            "--fence-timeout", f"{FENCE_MS}ms", "--failover-timeout", f"{FAILOVER_MS}ms",
            "--yield-after", f"{YIELD_MS}ms")
        self.tell.ok(f"nats-server {server_program()[1]}, JetStream, buckets {BUCKETS}")
        for site in self.sites.values():
            site.power_on()
            self.tell.ok(f"{site.name}  {facts(site)}")
        for site in self.sites.values():  # one after the other: the first record names site-a, but not for long
            site.start_agent()
            self.leads("site-a")

    def declare(self):
        self.tell.step("declare", f"{EXAMPLE.relative_to(ROOT)}: network lan, disk web-data, vm web, "
                       "vm db (placement: primary), witness (process)")
        since = time.monotonic()
        self.control("apply", "-f", EXAMPLE)
        a = self.sites["site-a"]
        self.tell_boot(a, "web", 1, since)
        self.tell_boot(a, "db", 1, since, f" (leader, epoch {self.leads('site-a')['epoch']})")

    def change(self):
        changed = HOME / "demo.yaml"
        text = EXAMPLE.read_text()
        head, mark, tail = text.partition("name: web\n")
        changed.write_text(head + mark + tail.replace("memory: 128MiB", "memory: 192MiB", 1))
        self.tell.step("change", "vm web: memory 128 MiB -> 192 MiB")
        steps = [s for s in self.control.plan(changed) if s["name"] == "web"]
        assert [s["op"] for s in steps] == ["restart"], f"the plan is not a restart of web: {steps}"
        self.tell.more(f"plan: {steps[0]['op']} web ({changes(steps[0])}); disk web-data is kept")
        since = time.monotonic()
        self.control("apply", "-f", changed)
        self.tell_boot(self.sites["site-a"], "web", 2, since)

    def power_cut(self):
        a, b = self.sites["site-a"], self.sites["site-b"]
        epoch = self.leads("site-a")["epoch"] + 1
        at = time.time()
        since = time.monotonic()
        a.power_cut()
        self.tell.step("power cut", f"site-a: agent and guests killed at {clock(at)}")
        took_over = self.handover("site-b", epoch)
        self.tell.ok(f"site-b leads, epoch {epoch}    {told(took_over, 'witness silent for')}")
        self.tell.more(f"the role moved after {seconds(self.control.promoted_at(epoch) - at)} "
                       f"(bound {seconds((FAILOVER_MS + T_MS) / 1000)}), then db was started, "
                       "then the witness")
        self.keep_history("power cut of site-a")
        self.tell_boot(b, "db", 1, since)

    def keep_history(self, title):
        """The bucket holds the last 64 heartbeats, 6 s of them: too few for the whole demo."""
        with open(self.timeline, "a") as file:
            file.write(f"== {title}\n{self.control('failover', 'history')}\n")

    def give_back(self):
        a = self.sites["site-a"]
        epoch = self.leads("site-b")["epoch"] + 1
        self.tell.step("return", f"site-a has power again; it gets the role when it has been ready "
                       f"for {YIELD_MS / 1000:.0f} s")
        a.power_on()
        since = time.monotonic()
        a.start_agent()
        wait_until(lambda: is_ready(self.control.site("site-a")), 20, "site-a to be ready", 0.02)
        ready = time.monotonic() - since
        back = self.handover("site-a", epoch)
        self.tell.ok(f"site-a waited as replica, ready after {seconds(ready)}, leads again "
                     f"(epoch {epoch})    {told(back, 'pause')}")
        self.keep_history("return of site-a")
        self.tell_boot(a, "web", 3, since)
        self.tell_boot(a, "db", 2, since)

    def explain(self):
        """What the power cut looks like from the bucket alone, once site-a is back and has told its part."""
        def cause():
            found = self.control.json("incident", "show", "2")["cause"]
            assert found["confidence"] == "confident", f"the cause is not sure yet: {found}"
            return found
        found = wait_until(cause, 10, "the cause of the power cut to be sure", 0.1)
        self.picture.write_text(self.control("incident", "show", "2", "-o", "html"))
        self.tell.ok(f"incident 2: {found['text']} ({found['confidence']}): {found['because'][0]}")

    def sum_up(self):
        report = self.report()
        assert report["overlap_ms"] == 0, f"two sites served at once: see {self.timeline}"
        self.tell.line(f"Summary  outage {seconds(report['longest_outage_ms'] / 1000)}, overlap "
                       f"{seconds(report['overlap_ms'] / 1000)}.  "
                       f"Timeline: {self.timeline.relative_to(ROOT)}, a picture of why: "
                       f"{self.picture.relative_to(ROOT)}")

    def run(self):
        self.set_up()
        self.declare()
        self.change()
        self.power_cut()
        self.give_back()
        self.explain()
        self.sum_up()


def facts(site):
    """What the agent itself finds on that host: "libvirt 9.0.0 (private), tcg because ..."."""
    known = dict(re.findall(r"^ +ok +libvirt +(\w+): (.*)$", site.check_agent(), re.M))
    return f"libvirt {known['version']} (private), {known['accel_reason']}"


def told(handover, how):
    return (f"{how} {seconds(handover['outage_ms'] / 1000)}, "
            f"both at once: {seconds(handover['overlap_ms'] / 1000)}")


def changes(step):
    return ", ".join(f"{c['path']} {c['before']} -> {c['after']}: {c['cost']}"
                     for c in step["changes"])


def is_ready(site):
    return site.get("role") == "replica" and site["fit"] and not site["silent"]


def clock(at):
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}"


@contextlib.contextmanager
def own_folder():
    """An empty build/demo that is ours alone, and the caller's again in the end."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME.with_suffix(".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Missing("a demo runs already in this folder: end it first (Ctrl-C)") from None
        shutil.rmtree(HOME)
        HOME.mkdir()
        try:
            yield
        finally:
            give_to_caller()


def give_to_caller():
    """Under sudo: what was written belongs to who called it, so that `make clean` works."""
    if "SUDO_UID" in os.environ:
        uid, gid = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
        for folder, _, files in os.walk(HOME):
            for path in [folder, *(os.path.join(folder, f) for f in files)]:
                os.chown(path, uid, gid, follow_symlinks=False)


def keep_running(demo, tell):
    tell.line(f"It runs on until Ctrl-C. Look around in another terminal:\n"
              f"  export NATS_URL={demo.nats.url}\n"
              f"  {built('harmonyctl').relative_to(ROOT)} get      (also: plan, failover status, "
              f"incident list)\n"
              f"  tail -f {demo.sites['site-a'].agent_log.relative_to(ROOT)}")
    signal.pause()


def tell_failure(tell, error):
    tell.failed(str(error) or type(error).__name__)
    logs = [HOME / "nats/nats.log", *(HOME / s / "log/agent.log" for s in ("site-a", "site-b"))]
    there = [str(log.relative_to(ROOT)) for log in logs if log.exists()]
    if there:
        tell.line(f"Logs: {', '.join(there)}. Everything is stopped.")


def end(*_):
    raise KeyboardInterrupt


def main():
    tell = Teller()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        with own_folder(), contextlib.closing(Demo(tell)) as demo:
            demo.run()
            if os.environ.get("KEEP") == "1":
                keep_running(demo, tell)
            else:
                tell.line("Look around: KEEP=1 ./run demo, then build/harmonyctl get, plan, "
                          "failover status")
    except KeyboardInterrupt:
        tell.line("\nEnded; everything is stopped.")
        return 130
    except (AssertionError, Missing, OSError) as error:
        tell_failure(tell, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
