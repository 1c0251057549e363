"""TAPs and addresses of VMs on a native network (netalloc/), in a host of its own."""

import statistics

from lib.netns import NativeHost
from lib.processes import run

TAPS, BARE, VMS = 500, 20, 200


def microseconds(host, verb, name, count):
    return [int(line) for line in run(host.argv(verb, name, count), timeout=300).stdout.split()]


def bare(host):
    """The same by iproute2, in one batch of its own for each TAP: microseconds each, as its caller sees it."""
    script = ("for i in $(seq {n}); do ip tuntap add bare$i mode tap vnet_hdr; "
              "ip link set bare$i alias bare master br-lan up; done; ")
    host.run("sh", "-c", script.format(n=2))
    host.run("sh", "-c", "ip link delete bare1; ip link delete bare2")
    text = host.run("sh", "-c", f"date +%s%N; {script.format(n=BARE)} date +%s%N").stdout.split()
    return (int(text[1]) - int(text[0])) / 1000 / BARE


def bench_taps(folder, row):
    """A TAP on a bridge; and all that a VM with one card needs: its address on disk, its TAP, dnsmasq told."""
    host = NativeHost("bench", folder)
    try:
        host.up("lan")
        by_ip = bare(host)
        ours = microseconds(host, "bench", "br-lan", TAPS)
        vms = microseconds(host, "bench-vms", "lan", VMS)
    finally:
        host.close()
    row(f"TAP on a bridge, median of {TAPS}", f"{statistics.median(ours) / 1000:.2f} ms",
        f"ip(8) {by_ip / 1000:.2f} ms", f"{statistics.median(ours) / by_ip:.2f}", "< 2 ms")
    row("TAP on a bridge, p99", f"{sorted(ours)[TAPS * 99 // 100] / 1000:.2f} ms")
    row(f"a VM's card: address, TAP, dnsmasq; median of {VMS}", f"{statistics.median(vms) / 1000:.2f} ms")
    row("the same, the last 20", f"{statistics.median(vms[-20:]) / 1000:.2f} ms")
