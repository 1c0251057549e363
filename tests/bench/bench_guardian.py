"""make bench-guardian: what the guardian costs and how late it is, idle and on a busy host.

Nothing here passes or fails: times on a shared machine are for people to read. BENCH_RUNS: fires per row.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import cgroups  # noqa: E402
from lib import guardian as g  # noqa: E402
from lib.guardian import Guardian, in_ms  # noqa: E402
from lib.processes import TemporaryFolder  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

RUNS = int(os.environ.get("BENCH_RUNS", "100"))
WITHOUT_FIFO = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"]


def row(what, values, unit="ms"):
    values = sorted(v / 1e6 for v in values)
    print(f"  {what:<58} {values[0]:8.3f} {statistics.median(values):8.3f} "
          f"{values[int(len(values) * 0.95)]:8.3f} {values[-1]:8.3f} {unit}", flush=True)


class Load:
    """Twice as many busy processes as there are cores."""

    def __enter__(self):
        spin = [sys.executable, "-c", "while True: pass"]
        self.busy = [subprocess.Popen(spin) for _ in range(2 * os.cpu_count())]

    def __exit__(self, *_):
        for process in self.busy:
            process.kill()
            process.wait()


def workload(cgroup, count):
    """So many processes in the cgroup."""
    script = f"for i in $(seq {count}); do sleep 1000 & done; wait"
    process = g.join_and_run(cgroup, "sh", "-c", script)
    wait_until(lambda: len(g.members(cgroup)) == count + 1, 30, f"{count} processes", 0.05)
    return process


def fire(agent, epoch, processes):
    """Returns ns from the deadline to the fire, and to the STATE that says that all are gone."""
    armed = agent.set(g.ARMED, epoch, in_ms(600_000))
    assert armed.error == g.OK, armed
    process = workload(armed.cgroup, processes) if processes else None
    agent.news = []
    agent.set(g.SERVING, epoch, in_ms(30))
    end = agent.wait_end(epoch)
    now = g.boot_ns()
    assert end.verified
    if process:
        process.wait()
    return end.fired_ns - end.lease.deadline_ns, now - end.lease.deadline_ns


def fire_by_name(folder, cgroup, vms, running):
    """A plan of so many VMs, some of which run here as processes with an argv as long as QEMU's."""
    guardian = Guardian(folder, "--cgroup", cgroup).start()
    agent = guardian.client()
    names = [f"00000000-0000-0000-0000-{i:012d}" for i in range(vms)]
    agent.plan(*[("process", "-uuid", name) for name in names], limits=(0, 60_000, 0, 0, 0))
    long = [f"-word{i}" for i in range(200)]
    argv = [["sh", "-c", "read x; :", *long, "-uuid", name] for name in names[:running]]
    processes = [subprocess.Popen(a, stdin=subprocess.PIPE) for a in argv]
    gone = fire(agent, 1, 0)[1]
    assert all(p.wait() == -9 for p in processes)
    guardian.stop()
    return gone


def fires(folder, cgroup, runs, processes, prefix=()):
    guardian = Guardian(folder, "--cgroup", cgroup)
    guardian.argv = [*prefix, *guardian.argv]
    guardian.start()
    agent = guardian.client()
    times = [fire(agent, epoch, processes) for epoch in range(1, runs + 1)]
    agent.close()
    guardian.stop()
    return zip(*times)


def memory(folder, cgroup):
    guardian = Guardian(folder, "--cgroup", cgroup).start()
    guardian.client().close()
    status = Path(f"/proc/{guardian.pid}/status").read_text().splitlines()
    for line in status:
        if line.startswith(("VmRSS", "VmLck", "RssAnon", "Threads")):
            print("  " + " ".join(line.split()))
    guardian.stop()


def main():
    with TemporaryFolder() as folder:
        cgroup = cgroups.make("bench")
        try:
            memory(folder / "m", cgroup)
            print(f"  {'from the deadline, ' + str(RUNS) + ' fires':<58} {'min':>8} {'median':>8} "
                  f"{'95%':>8} {'max':>8}")
            late, gone = fires(folder / "a", cgroup, RUNS, 1)
            row("idle: to the fire", late)
            row("idle: until one process is seen to be gone", gone)
            late, gone = fires(folder / "h", cgroup, max(RUNS // 10, 3), 100)
            row("idle: until 100 processes are seen to be gone (10 fires)", gone)
            gone = [fire_by_name(folder / f"v{i}", cgroup, 1000, 100) for i in range(5)]
            row("idle: until 100 of 1,000 named VMs are seen to be gone (5)", gone)
            with Load():
                late, gone = fires(folder / "b", cgroup, RUNS, 0)
                row("two busy processes on each core: to the fire", late)
                late, gone = fires(folder / "c", cgroup, RUNS, 0, WITHOUT_FIFO)
                row("the same, SCHED_FIFO not permitted: to the fire", late)
        finally:
            (cgroup / "cgroup.kill").write_text("1")
            wait_until(lambda: cgroups.drop(cgroup) or not cgroup.exists(), 10, f"{cgroup} to be removed")


if __name__ == "__main__":
    main()
