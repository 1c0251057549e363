"""The test guest (tests/lib/guest/): boots in 2 s under emulation and talks on its console.

Its kernel command line: "console=ttyS0 quiet name=NAME", and beat=MS, deaf, watch, web or end=WAY:S (see guest/init).
"""

import re
from dataclasses import dataclass

from .paths import GUEST, Missing

CMDLINE = "console=ttyS0 quiet name={name}"
UP = re.compile(r"harmony-guest: (?P<name>\S+) up, (?P<cpus>\d+) cpus?, (?P<mib>\d+) MiB"
                r"(?:, (?P<address>[0-9.]+))?\r?$", re.M)
DISK = re.compile(r"harmony-guest: (?P<name>\S+) disk vda (?P<mib>\d+) MiB, boot (?P<boot>\d+)\r?$",
                  re.M)
DISKS = re.compile(r"harmony-guest: \S+ disks (?P<disks>.*?)\r?$", re.M)
STOPPING = "harmony-guest: stopping"


def files():
    """(kernel, initramfs) as built by `make guest`."""
    kernel, initramfs = GUEST / "kernel", GUEST / "initramfs"
    if not initramfs.exists():
        raise Missing(f"{initramfs} is missing: run make guest")
    return kernel, initramfs


@dataclass
class Boot:
    """One boot as told on the console."""
    name: str
    cpus: int
    mib: int
    address: str | None
    words: str  # the guest's own, without the prefix


def boots(console):
    """Every boot in a console's text, in order."""
    return [Boot(m["name"], int(m["cpus"]), int(m["mib"]), m["address"],
                 m.group().strip().removeprefix("harmony-guest: ")) for m in UP.finditer(console)]


def disk_boots(console):
    """What each boot read from its disk: how often a guest has booted from it."""
    return [int(m["boot"]) for m in DISK.finditer(console)]


def disk_sizes(console):
    """What a guest that watches its disks said last: {"vda": MiB, ...}, or None."""
    said = DISKS.findall(console)
    return {disk.split()[0]: int(disk.split()[1]) for disk in said[-1].split(", ") if disk} if said else None
