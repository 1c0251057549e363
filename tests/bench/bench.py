"""make bench: what the agent costs beside the bare thing, both measured in this run.

Each row shows both raw numbers and, where it makes sense, the ratio. Nothing here passes or fails: times
on a shared machine are for people to read.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import paths  # noqa: E402

sys.path.insert(0, str(paths.TOOLS / "python"))
import nats  # noqa: E402
from bench_disk import rows as bench_disk_rows  # noqa: E402
from bench_taps import bench_taps  # noqa: E402
from lib import witness  # noqa: E402
from lib.guardian import Guardian  # noqa: E402
from lib.nats_server import NatsServer  # noqa: E402
from lib.paths import built  # noqa: E402
from lib.processes import Process, TemporaryFolder, environment, run  # noqa: E402
from lib.sites import Site  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

SETTLE_SECONDS = 10
IDLE_SECONDS = int(os.environ.get("BENCH_IDLE_SECONDS", "60"))
CUTS = int(os.environ.get("BENCH_CUTS", "10"))


def row(what, ours, bare="", ratio="", aim=""):
    print(f"  {what:<44} {ours:>14} {bare:>20} {ratio:>8}  {aim}", flush=True)


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def agent_config(folder, url, **more):
    config = {
        "site_id": "site-a", "state_dir": str(folder / "state"), "runtime_dir": str(folder / "run"),
        "nats": {"servers": url}, "host_paths": ["/boot"],
        "libvirt": {"uri": "test:///default", "image_dir": str(folder), "accel": "tcg"},
        "log": {"level": "warn", "format": "text"}, "http": {"listen": "off"},
        "guardian": {"start": "unit"}, **more}
    path = folder / "harmonyd.yaml"
    path.write_text(json.dumps(config))
    return path


@contextlib.contextmanager
def running_agent(folder, url, env=None):
    """With a guardian of ours: one that the agent starts outlives it, and us."""
    guardian = Guardian(folder / "run").start()
    agent = Process("agent", [built("harmonyd"), "--config", agent_config(folder, url)], folder / "agent.log",
                    env=env).start()
    try:
        yield agent
        agent.stop()
    finally:
        agent.kill()
        guardian.kill()


def init_group(url, interval_ms=1000, timeout_ms=8000, **more):
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in more.items()]
    run([built("harmonyctl"), "--server", url, "failover", "init", "--primary", "site-a", "--replica",
         "site-b", f"--heartbeat-interval={interval_ms}ms", f"--failover-timeout={timeout_ms}ms", *flags])


def spec(number):
    """No two are equal: the agent keeps equal specs once. tests/bench/bench_domain.h makes the same ones."""
    return {"vcpus": 1, "memory": "16MiB", "kernel": "/boot/vmlinuz", "labels": {"number": str(number)}}


async def put_documents(url, count, first=0, pause=0.0):
    """Put `count` VM documents; returns when each was sent (BOOTTIME, ns)."""
    client = await nats.connect(url)
    bucket = await client.jetstream().key_value("harmony_desired")
    sent = []
    for i in range(first, first + count):
        sent.append(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        await bucket.put(f"site-a.vm.vm{i}", json.dumps(spec(i)).encode())
        if pause:
            await asyncio.sleep(pause)
    await client.close()
    return sent


async def count_running(url):
    client = await nats.connect(url)
    status = await client.jetstream().key_value("harmony_status")
    running = 0
    for key in await status.keys():
        if ".vm." in key:
            running += json.loads((await status.get(key)).value)["phase"] == "Running"
    await client.close()
    return running


def wait_running(url, count):
    wait_until(lambda: asyncio.run(count_running(url)) >= count, 120, f"{count} running VMs", 0.5)


# -- document to libvirt -------------------------------------------------------------------------

def bench_latency(folder):
    """One document at a time, put by another program, until libvirt is asked to define it."""
    count, calls = 200, folder / "calls"
    with NatsServer(folder) as server:
        init_group(server.url)
        preload = environment(LD_PRELOAD=str(built("bench/first_call.so")), HARMONY_BENCH_CALLS=str(calls))
        with running_agent(folder, server.url, env=preload) as agent:
            asyncio.run(put_documents(server.url, 1, first=9000))
            wait_until(lambda: agent.check_running() and calls.exists(), 30, "the first definition")
            sent = asyncio.run(put_documents(server.url, count, pause=0.02))
            wait_until(lambda: len(calls.read_text().split()) >= count + 1, 30, "all definitions")
            seen = [int(t) for t in calls.read_text().split()][1:count + 1]
    ms = [(b - a) / 1e6 for a, b in zip(sent, seen)]
    row("document put -> define call, p50", f"{percentile(ms, 50):.2f} ms")
    row("document put -> define call, p99", f"{percentile(ms, 99):.2f} ms", aim="aim < 10 ms")


# -- pass over what needs nothing ------------------------------------------------------------------

def bench_pass(folder):
    with NatsServer(folder) as server:
        for count in (1000, 10000):
            r = json.loads(run([built("bench/bench_pass"), server.url, count, 50, folder], timeout=600).stdout)
            row(f"no-op pass, {count} documents", f"{r['pass_us'] / 1000:.2f} ms",
                f"bulk call {r['bulk_us'] / 1000:.2f} ms", f"{r['pass_us'] / r['bulk_us']:.2f}", "aim < 1.5")
            row(f"metrics every 10 s, {count} VMs, off the loop",
                f"bulk call {r['usage_us'] / 1000:.2f} ms, text {r['text_us'] / 1000:.2f} ms",
                f"{r['text_bytes'] / 1e6:.1f} MB")


# -- memory and processor ----------------------------------------------------------------------------

def rss_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def cpu_seconds(pid):
    """Of all its threads, in nanoseconds' steps: utime and stime count ticks of 10 ms by sampling, and an
    agent that does nothing but heartbeats uses two or three of them in a minute."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def let_pass(seconds):
    deadline = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= deadline, seconds + 5, "the time to pass", 1)


def idle_cost(pid):
    """CPU seconds a minute over IDLE_SECONDS of doing nothing but heartbeats, after its start."""
    let_pass(SETTLE_SECONDS)
    before = cpu_seconds(pid)
    let_pass(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) * 60 / IDLE_SECONDS


def bare_cost(folder, url, count):
    domains = folder / "domains"
    domains.write_text(run([built("bench/domains"), count]).stdout)
    bare = Process("bare", [built("bench/bare"), url, domains], folder / f"bare{count}.log").start()
    wait_until(lambda: "ready" in bare.log_end(), 60, "the bare program")
    cost = rss_mb(bare.pid)
    bare.stop()
    return cost


def bench_resources(folder):
    for count, aim in ((0, 8), (1000, 12)):
        place = folder / str(count)
        place.mkdir()
        with NatsServer(place) as server:
            init_group(server.url)
            with running_agent(place, server.url) as agent:
                if count:
                    asyncio.run(put_documents(server.url, count))
                    wait_running(server.url, count)
                cpu = idle_cost(agent.pid)
                ours, bare = rss_mb(agent.pid), bare_cost(place, server.url, count)
        row(f"RSS, {count} documents", f"{ours:.1f} MB", f"bare {bare:.1f} MB", f"+{ours - bare:.1f}",
            f"aim +{aim} MB")
        row(f"CPU a minute at T = 1 s, {count} documents", f"{cpu:.3f} s", aim="aim 0.03 s")


# -- the bus alone ---------------------------------------------------------------------------------------

def idle_bus(folder, url, mode):
    """(RSS in MB, CPU seconds a minute) of the program in this mode."""
    program = Process(mode, [built("bench/bench_bus"), url, mode], folder / f"{mode}.log").start()
    wait_until(lambda: "ready" in program.log_end(), 30, f"bench_bus {mode}")
    cost = idle_cost(program.pid), rss_mb(program.pid)
    program.stop()
    return cost


def bench_bus(folder):
    with NatsServer(folder) as server:
        times = json.loads(run([built("bench/bench_bus"), server.url, "puts", 3000], timeout=300).stdout)
        for p in (50, 99):
            ours, bare = percentile(times["bus_us"], p), percentile(times["bare_us"], p)
            row(f"acknowledged put, p{p}", f"{ours:.0f} us", f"js_Publish {bare:.0f} us", f"{ours / bare:.2f}")
        (cpu, rss), (bare_cpu, bare_rss) = (idle_bus(folder, server.url, m) for m in ("idle", "bare"))
        row("bus, 3 watches, idle: RSS", f"{rss:.1f} MB", f"bare {bare_rss:.1f} MB", f"+{rss - bare_rss:.1f}")
        row("bus, 3 watches, idle: CPU a minute", f"{cpu:.3f} s", f"bare {bare_cpu:.3f} s")


# -- failover -------------------------------------------------------------------------------------------

def handovers(records):
    return len(witness.report(*records.values())["handovers"])


def serving(place):
    """The witness wrote its newest record less than 50 ms ago."""
    newest = max((f.stat().st_mtime_ns for f in place.glob("*.records")), default=0)
    return time.time_ns() - newest < 50e6


def bench_failover(folder):
    """Power cut of the leader: silence of the witness against the configured bound."""
    interval, timeout = 100, 1000
    bound = timeout + interval + 50
    with NatsServer(folder) as server:
        init_group(server.url, interval, timeout, failure_threshold=3, fence_timeout="300ms",
                   yield_after="1s")
        records = {s: folder / f"records-{s}" for s in ("site-a", "site-b")}
        sites = {}
        for name, place in records.items():
            place.mkdir()
            sites[name] = Site(name, folder, nats_url=server.url,
                               failover={"hooks": witness.hooks(place)})
            sites[name].power_on(libvirtd=False)
            sites[name].start_agent()
        outages, overlaps = [], []
        for _ in range(CUTS):
            wait_until(lambda: serving(records["site-a"]), 60, "site-a to serve")
            before = handovers(records)
            sites["site-a"].power_cut()
            wait_until(lambda: handovers(records) > before, 30, "the takeover")
            report = witness.report(*records.values())
            outages.append(report["handovers"][-1]["outage_ms"])
            overlaps.append(report["overlap_ms"])
            sites["site-a"].power_on(libvirtd=False)
            sites["site-a"].start_agent()
        for site in sites.values():
            site.close()
    row("outage at a power cut, T 100 ms, median", f"{statistics.median(outages):.0f} ms",
        f"bound {bound} ms", f"{statistics.median(outages) / bound:.2f}")
    row("  min / max of " + str(CUTS), f"{min(outages):.0f} / {max(outages):.0f} ms")
    row("  both at once", f"{max(overlaps):.1f} ms")


def bench_network(folder):
    bench_taps(folder, row)


def bench_disk(folder):
    """Also what nothing else measures alone: two marks, written and fsynced, and libvirt's round trips."""
    bench_disk_rows(folder, row)


PARTS = {"bus": bench_bus, "latency": bench_latency, "pass": bench_pass, "resources": bench_resources,
         "failover": bench_failover, "network": bench_network,
         "disk": bench_disk}


def main():
    import bench_vmm  # which, as the other one, uses what is above
    import bench_vms
    parts = {**PARTS, **bench_vms.PARTS, **bench_vmm.PARTS}
    print(f"  {'':<44} {'harmony':>14} {'beside':>20} {'ratio':>8}")
    for name in sys.argv[1:] or parts:
        with TemporaryFolder() as folder:
            parts[name](folder)


if __name__ == "__main__":
    main()
