"""The test guest (tests/lib/guest/): boots in 2 s under emulation and talks on its console.

Its kernel command line: CMDLINE with its name, and beat=MS, deaf, watch, web, seed,
ask=ADDRESS, pets=N, scribble or end=WAY:S (see guest/init).
"""

import re
from dataclasses import dataclass

from .paths import GUEST, Missing

CMDLINE = "console=ttyS0 quiet cryptomgr.notests name={name}"  # its tests of itself take 0.3 s
UP = re.compile(r"harmony-guest: (?P<name>\S+) up, (?P<cpus>\d+) cpus?, (?P<mib>\d+) MiB"
                r"(?:, (?P<address>[0-9.]+))?\r?$", re.M)
DISK = re.compile(r"harmony-guest: (?P<name>\S+) disk vda (?P<mib>\d+) MiB, boot (?P<boot>\d+)\r?$",
                  re.M)
HAS = re.compile(r"harmony-guest: (?P<name>\S+) has (?P<cpus>\d+) cpus, (?P<mib>\d+) MiB, disks(?P<disks>.*?), "
                 r"cards(?P<cards>.*?), devices(?P<devices>.*?)\r?$", re.M)
SEED = re.compile(r"harmony-guest: \S+ seed (?P<file>[a-z-]+): (?P<line>.*?)\r?$", re.M)
SEED_DEVICE = re.compile(r"harmony-guest: \S+ seed (?P<device>\w+) (?P<how>read-only|writable)\r?$", re.M)
POSSIBLE = re.compile(r"harmony-guest: \S+ can have cpus (?P<cpus>[0-9,-]+)\r?$", re.M)
STOPPING = "harmony-guest: stopping"


AGENT = GUEST / "initramfs-agent"  # with the QEMU guest agent in it; for the tests that need one


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


@dataclass
class Hardware:
    """What a guest with the word `watch` has now, as its Linux sees it."""
    cpus: int
    mib: int  # what the kernel can use: less than was installed
    disks: dict  # name -> MiB
    cards: list  # their MAC addresses
    devices: list  # of efi, tpm, rng: those that are there


def hardware(console):
    """The last that a guest told of its hardware, or None."""
    told = list(HAS.finditer(console))
    if not told:
        return None
    m = told[-1]
    disks = dict(disk.split("=") for disk in m["disks"].split())
    return Hardware(int(m["cpus"]), int(m["mib"]), {n: int(size) for n, size in disks.items()},
                    m["cards"].split(), m["devices"].split())


def takes_processors(console):
    """Whether the guest's kernel takes processors that are plugged in. Debian 13's does not under emulation."""
    return "-" in POSSIBLE.search(console)["cpus"]


def seed(console):
    """What a guest with the word `seed` read of its cloud-init seed: (device, how, {file: its lines}), or None."""
    found = SEED_DEVICE.search(console)
    files = {}
    for m in SEED.finditer(console):
        files.setdefault(m["file"], []).append(m["line"])
    return (found["device"], found["how"], files) if found else None


def disk_sizes(console):
    """What a guest that watches its hardware said last of its disks: {"vda": MiB, ...}, or None."""
    told = hardware(console)
    return told.disks if told else None
