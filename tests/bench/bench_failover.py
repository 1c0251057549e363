"""make bench-failover: how long a failover takes, and what being ready for one costs.

    bench_failover.py [PART...]     cuts, switchovers, cost, groups; all of them without an argument

Raw numbers beside each ratio; nothing here passes or fails but an overlap. BENCH_CUTS (10) power cuts
and switchovers each, BENCH_IDLE_SECONDS (60). The table also goes to BUILD/bench-failover.md.
"""

import json
import math
import os
import statistics
import sys
import time
import urllib.request
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "chaos")]
from lib import paths, witness  # noqa: E402

sys.path.insert(0, str(paths.TOOLS / "python"))
from case import Case  # noqa: E402
from faults import TABLE  # noqa: E402
from lab import HUB_ADDRESSES, Lab, memory_folder  # noqa: E402
from lib.nats_server import NatsServer  # noqa: E402
from lib.network import Network, enter_private_network  # noqa: E402
from lib.paths import built  # noqa: E402
from lib.failover import boottime_ns, nanoseconds, wall_minus_boottime_ns  # noqa: E402
from lib.processes import Process, TemporaryFolder, run  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

CUTS = int(os.environ.get("BENCH_CUTS") or 10)
SECONDS = int(os.environ.get("BENCH_IDLE_SECONDS") or 60)
GUARDIAN_MS, DRIFT, MARGIN_MS = 250, 0.0005, 10  # as in proto/cluster_config.h
LINES = []


def row(what, value, beside="", ratio=""):
    LINES.append((what, value, beside, ratio))
    print(f"  {what:<58} {value:>24} {beside:>26} {ratio:>6}", flush=True)


def tightest(t, n, fence):
    """The smallest failover_timeout_ms that is not refused."""
    return math.ceil(((n + 1) * t + fence + GUARDIAN_MS) / (1 - DRIFT)) + MARGIN_MS


def spread(values, unit="ms"):
    return f"{min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f} {unit}"


# -- power cuts -------------------------------------------------------------------------------------

def power_cuts(network, servers):
    t, n, fence = 100, 3, 300
    timeout = tightest(t, n, fence)
    times = {"heartbeat_interval_ms": t, "failure_threshold": n, "fence_timeout_ms": fence,
             "failover_timeout_ms": timeout}
    with memory_folder() as folder, Lab(folder, network, servers=servers, **times) as lab:
        lab.begin()  # T 100, n 3, fence_timeout 300: the tightest failover_timeout is 961 ms
        runs = [{} for _ in range(CUTS)]
        for number, result in enumerate(runs):
            Case(TABLE["power_cut"], lab, number).run(result)
    outages = [result["outage_ms"] for result in runs]
    aim = timeout + t + 50
    median = statistics.median(outages)
    row(f"power cut, {servers} NATS server(s): outage, {CUTS} times", spread(outages),
        f"{timeout} + T + 50 = {aim} ms", f"{median / aim:.2f}")


def bench_cuts(network):
    for servers in (3, 1):
        power_cuts(network, servers)


# -- planned switchovers ------------------------------------------------------------------------------

def bare_outage_ms(folder):
    """What the workload's own hooks need, with nothing around them: from the last record of one to the first
    of the next."""
    folder.mkdir()
    hooks = witness.hooks(folder)
    took = []
    for epoch in range(1, CUTS + 2):
        began = boottime_ns()
        run(hooks["promote"], env={**os.environ, "HARMONY_SITE": "site-a", "HARMONY_EPOCH": str(epoch)})
        wait_until(lambda: any(v["epoch"] == epoch for v in witness.report(folder)["intervals"]), 5,
                   "the witness to serve", 0.01)
        run(hooks["fence"])
        ended = boottime_ns()
        served = next(v for v in witness.report(folder)["intervals"] if v["epoch"] == epoch)
        took.append((served["first_ns"] - began + ended - served["last_ns"]) / 1e6)
    return took


def stamps_ns(lab, epoch):
    """By the server's clock: the release of the epoch before, and the claim of this one."""
    told = json.loads(lab.harmonyctl("failover", "history", "-o", "json"))["items"]
    at = {}
    for item in told:
        if item["type"] == "release" and item["epoch"] == epoch - 1:
            at["release"] = nanoseconds(item["from"])
        if item["type"] == "promotion" and item["epoch"] == epoch:
            at["claim"] = nanoseconds(item["from"])
    return at


def one_switchover(lab):
    """Milliseconds of each step of the outage."""
    leader, epoch = lab.settle()
    target = lab.others(leader)[0]
    lab.harmonyctl("failover", "switchover", "--to", target)
    lab.wait_serving(target, epoch + 1)
    move, at = lab.handover(leader, target), stamps_ns(lab, epoch + 1)
    apart = wall_minus_boottime_ns()
    last, first = lab.last_of_epoch(epoch) + apart, at["claim"]
    serves = next(v["first_ns"] for v in lab.report()["intervals"] if v["epoch"] == epoch + 1) + apart
    return {"outage": move["outage_ms"], "stop": (at["release"] - last) / 1e6,
            "handover": (first - at["release"]) / 1e6, "start": (serves - first) / 1e6}


def bench_switchovers(network):
    for servers in (3, 1):
        with memory_folder() as folder, Lab(folder, network, servers=servers,
                                            heartbeat_interval_ms=400) as lab:
            bare = bare_outage_ms(Path(folder) / "bare")
            lab.begin()
            runs = [one_switchover(lab) for _ in range(CUTS)]
            assert lab.report()["overlap_ms"] == 0
        aim = statistics.median(bare) + 100
        outages = [r["outage"] for r in runs]
        row(f"switchover, {servers} NATS server(s): outage, {CUTS} times", spread(outages),
            f"stop and start + 100 = {aim:.0f} ms", f"{statistics.median(outages) / aim:.2f}")
        for step, what in (("stop", "last record to RELEASED stored"),
                           ("handover", "RELEASED to the claim stored"),
                           ("start", "claim to the first record")):
            row(f"of it: {what}", spread([r[step] for r in runs]))
        row("the workload's own stop and start, by its hooks alone", spread(bare))


# -- what heartbeats cost -----------------------------------------------------------------------------

def cpu_ns(pid):
    """Of all its threads, to the nanosecond (those that have ended are missing: ours do not end)."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir())


def rss_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def cpu_a_minute(pids):
    """name -> seconds of processor a minute, over SECONDS."""
    before, began = {name: cpu_ns(pid) for name, pid in pids.items()}, time.monotonic()
    wait_until(lambda: time.monotonic() - began >= SECONDS, SECONDS + 10, "the idle minute", 0.5)
    took = time.monotonic() - began
    return {name: (cpu_ns(pid) - before[name]) / 1e9 * 60 / took for name, pid in pids.items()}


def bench_cost(network):
    """Agent and guardian of a leader and of a replica, T 1 s, nothing else to do."""
    times = {"heartbeat_interval_ms": 1000, "failure_threshold": 2, "fence_timeout_ms": 1500,
             "failover_timeout_ms": 5000}
    with memory_folder() as folder, Lab(folder, network, **times) as lab:
        lab.begin()
        leader, _ = lab.settle()
        pids = {}
        for name, site in lab.sites.items():
            role = "leader" if name == leader else "replica"
            pids.update({f"agent of the {role}": pid for pid in site.find("harmonyd")})
            pids.update({f"guardian of the {role}": pid for pid in site.find("harmony-guardian")})
        cost = cpu_a_minute(pids)
        rss = {name: rss_bytes(pid) for name, pid in pids.items()}
    for name in pids:
        row(f"{name}, T 1 s: CPU a minute, RSS", f"{cost[name]:.3f} s", f"{rss[name] / 2**20:.1f} MB")


# -- many groups ----------------------------------------------------------------------------------------

class Groups:
    """bench_groups as a site, and what it has printed."""

    def __init__(self, folder, url, site, count, t_ms):
        self.process = Process(site, [built("bench/bench_groups"), url, site, count, t_ms],
                               folder / f"{site}.log")

    def start(self):
        self.process.start()
        wait_until(lambda: self.process.check_running() and "state_bytes" in self.process.log_end(), 10,
                   "bench_groups to start", 0.01)
        return self

    def wait_settled(self, timeout=60):
        wait_until(lambda: self.process.check_running() and "settled" in self.process.log_end(), timeout,
                   f"{self.process.name} to see every group led", 0.05)

    def said(self, line):
        return json.loads(self.process.log_end().splitlines()[line])


def varz(server):
    with urllib.request.urlopen(f"http://{server.address}:{server.monitor_port}/varz", timeout=5) as answer:
        return json.load(answer)


def record_bytes(server):
    """What the bucket needs for one record, on average."""
    url = f"http://{server.address}:{server.monitor_port}/jsz"
    with urllib.request.urlopen(url, timeout=5) as answer:
        told = json.load(answer)
    return told["bytes"] / told["messages"]


def measure_groups(count, t_ms=1000):
    with TemporaryFolder() as folder, NatsServer(folder) as server:
        idle = rss_bytes(server.process.pid)
        leader = Groups(folder, server.url, "site-a", count, t_ms).start()
        empty = rss_bytes(leader.process.pid)
        leader.wait_settled()
        replica = Groups(folder, server.url, "site-b", count, t_ms).start()
        replica.wait_settled()
        pids = {"leaders": leader.process.pid, "replicas": replica.process.pid,
                "server": server.process.pid}
        before, began = varz(server), time.monotonic()
        cost = cpu_a_minute(pids)
        after, took = varz(server), time.monotonic() - began
        result = {"count": count, "cpu": cost, "record": record_bytes(server),
                  "in": (after["in_bytes"] - before["in_bytes"]) / took,
                  "out": (after["out_bytes"] - before["out_bytes"]) / took,
                  "rss": {"leaders": rss_bytes(pids["leaders"]) - empty,
                          "server": rss_bytes(pids["server"]) - idle}}
        leader.process.stop()
        replica.process.stop()
        result.update(leader.said(0), **leader.said(-1))
        assert result["led"] == count, f"only {result['led']} of {count} groups are led"
    return result


def bench_groups(_):
    """Cores driven in one process, one connection, one watch; one process leads, one follows."""
    for count in (100, 1000):
        r = measure_groups(count)
        for name, seconds in r["cpu"].items():
            row(f"{count} groups, T 1 s: CPU a minute, {name}", f"{seconds:.2f} s",
                f"{seconds / count * 1000:.2f} ms a group")
        row(f"{count} groups: the core alone, a step", f"{r['step_ns'] / r['steps']:.0f} ns",
            f"{r['steps']} steps")
        row(f"{count} groups: state of a core; RSS over that of none", f"{r['state_bytes']} bytes",
            f"{r['rss']['leaders'] / count / 1024:.1f} KiB a group")
        row(f"{count} groups: to the server, from it", f"{r['in'] / count:.0f}, {r['out'] / count:.0f} B/s",
            "a group, one leader, one replica")
        row(f"{count} groups: server's RSS over that of none", f"{r['rss']['server'] / count / 1024:.1f} KiB",
            "a group")
        row(f"{count} groups: stored, a record; two keys of 64", f"{r['record']:.0f} bytes",
            f"{r['record'] * 128 / 1024:.1f} KiB a group")


PARTS = {"cuts": bench_cuts, "switchovers": bench_switchovers, "cost": bench_cost, "groups": bench_groups}


def main():
    enter_private_network()
    network = Network(*HUB_ADDRESSES)
    print(f"  {'':<58} {'harmony':>24} {'beside':>26} {'ratio':>6}")
    for name in sys.argv[1:] or PARTS:
        PARTS[name](network)
    table = ["| | harmony | beside | ratio |", "|---|---|---|---|"] + [
        f"| {' | '.join(cell.strip() for cell in line)} |" for line in LINES]
    (paths.BUILD / "bench-failover.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
