"""Disks: what the driver costs beside bare qemu-img on the same files, in turns. See bench.py."""

import json
import statistics
import subprocess
import time

from lib.driven import Host
from lib.sites import IMAGES, Site

DISKS = 40

# In the site, too, and started once: what is measured is qemu-img, not the way into the site.
BARE = """
import subprocess, sys, time
for line in sys.stdin:
    began = time.monotonic_ns()
    subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)
    print(time.monotonic_ns() - began, flush=True)
"""


class Bare:
    def __init__(self, site):
        self.process = subprocess.Popen(site.enter("python3", "-c", BARE), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ms(self, *argv):
        self.process.stdin.write(" ".join(argv) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) / 1e6

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def ask(session, name, spec):
    """Milliseconds until the driver has made it so."""
    began = time.monotonic_ns()
    said = session.ask("update", "disk", name, json.dumps(spec))
    assert said["result"] >= 0, said
    return (time.monotonic_ns() - began) / 1e6


def measure(folder):
    """({what: [ms]}, {what: [ms]}): the driver's, and qemu-img's."""
    ours = {"create": [], "grow": [], "snapshot": []}
    bare = {"create": [], "grow": [], "snapshot": []}
    with Site("site-a", folder) as site:
        host, beside = Host(site), Bare(site)
        with host.session() as session:
            session.ask("create", "disk", "first", '{"size":"1GiB"}')  # the pool is there
            for n in range(DISKS):
                path = f"{IMAGES}/bare-{n}.img"
                steps = [("create", {"size": "20GiB"}, ("create", "-q", "-f", "qcow2", path, "20G")),
                         ("grow", {"size": "40GiB"}, ("resize", "-q", "-f", "qcow2", path, "40G")),
                         ("snapshot", {"size": "40GiB", "snapshots": ["one"]}, ("snapshot", "-c", "one", path))]
                for what, spec, argv in steps:
                    ours[what].append(ask(session, f"d{n}", spec))
                    bare[what].append(beside.ms("qemu-img", *argv))
        beside.close()
    return ours, bare


def rows(folder, row):
    ours, bare = measure(folder)
    for what in ours:
        a, b = statistics.median(ours[what]), statistics.median(bare[what])
        row(f"disk {what}, median of {DISKS}", f"{a:.1f} ms", f"qemu-img {b:.1f} ms", f"{a / b:.2f}")
