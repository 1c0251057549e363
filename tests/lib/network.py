"""A network that only this process, and what it starts, can see: a bridge, and cables that can be cut.

    enter_private_network()           # once, before any thread; goes with its last process
    network = Network("10.77.0.11")   # the bridge, with addresses for NATS servers
    cable = network.plug(pid, "10.77.0.21")    # into the network namespace of that process
    cable.cut(["10.77.0.11"], "both")
    cable.mend()

What a cut drops is dropped without a word, as by a broken switch: no connection is reset, no neighbour
is told. Needs root.
"""

import ctypes
import itertools
import os
import signal
import traceback

from .paths import system
from .processes import run

PR_SET_PDEATHSIG = 1
CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x00020000, 0x40000000, 0x4000, 0x40000
BRIDGE, BRIDGE_MAC, PREFIX_LENGTH = "hub", "02:00:00:00:00:01", 24
WAYS = {"out": ("out",), "in": ("in",), "both": ("out", "in")}


def enter_private_network():
    """Network and mount namespaces of our own: what is mounted or plugged here ends with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) or libc.mount(
            b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "namespaces of our own: " + os.strerror(ctypes.get_errno()))
    ip("link", "set", "lo", "up")


def privately(check):
    """Run it in a process with a network of its own; this one keeps the host's."""
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            enter_private_network()
            check()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def ip(*args):
    run([system("ip"), *args])


class Network:
    def __init__(self, *addresses):
        """A bridge on which this process has these addresses."""
        self.numbers = itertools.count()
        # An address of its own: else it takes a port's, and changes it when that port goes, unheard.
        ip("link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge", "forward_delay", "0")
        for address in addresses:
            ip("address", "add", f"{address}/{PREFIX_LENGTH}", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")

    def plug(self, pid, address):
        """A cable from the bridge to eth0 of that process's network namespace. Who has this address
        later has the same hardware address, so that nobody asks for it at the old one."""
        port = f"port{next(self.numbers)}"
        cable = Cable(port, pid)
        hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "address", hardware, "netns",
           str(pid))
        ip("link", "set", port, "master", BRIDGE, "up")
        cable.inside("ip", "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", "eth0")
        cable.inside("ip", "link", "set", "eth0", "up")
        return cable


class Cable:
    def __init__(self, port, pid):
        self.port, self.pid = port, pid

    def inside(self, program, *args):
        """Run a program in the network namespace at the other end."""
        return run([system("nsenter"), "--target", self.pid, "--net", "--", system(program), *args])

    def cut(self, addresses, way="both"):
        """Drop what goes to these addresses ("out"), what comes from them ("in"), or both."""
        ends = {"out": ("output", "daddr"), "in": ("input", "saddr")}
        script = ["add table inet cut"]
        for hook, end in (ends[w] for w in WAYS[way]):
            script += [f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}",
                       f"add rule inet cut {hook} ip {end} {{ {', '.join(addresses)} }} drop"]
        self.inside("nft", "; ".join(script))

    def mend(self):
        self.inside("nft", "delete table inet cut")

    def narrow(self, bits_per_second, waiting_ms):
        """What the site sends passes at this rate at most; what would wait longer is lost (tc tbf)."""
        self.inside("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", f"{bits_per_second}bit",
                    "burst", "2000", "latency", f"{waiting_ms}ms")

    def widen(self):
        self.inside("tc", "qdisc", "del", "dev", "eth0", "root")

    def unplug(self):
        """Both ends are gone at once."""
        ip("link", "delete", self.port)
