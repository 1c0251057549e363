"""Virtual IPs as seen from outside: who has one, by each host's own kernel, and what a client on it hears.

    holders = Holders(["10.77.0.100", "fd00:77::100"])
    holders.watch("site-a", pid)      # the network namespace of that process
    holders.of("10.77.0.100")         # {"site-a"}
    holders.overlaps                  # two hosts had it at once, proven: must stay empty
    client = Client(pid, folder, "10.77.0.100")    # a TCP client in that namespace
    client.wait_hears("site-b")
"""

import ctypes
import ipaddress
import json
import os
import socket
import struct
import sys
import threading
import time

from .paths import system
from .processes import Process, run
from .waiting import wait_until

PORT = 7000
CLONE_NEWNET = 0x40000000
GETADDR, DUMP, ERROR, DONE = 22, 0x301, 2, 3

SERVER = f"""
import socketserver, socket, sys
class Site(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            self.wfile.write(sys.argv[1].encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    address_family, allow_reuse_address, daemon_threads = socket.AF_INET6, True, True
Server(("::", {PORT}), Site).serve_forever()
"""

# One connection as long as it answers within a quarter of a second; each answer is a line: when, and who.
CLIENT = f"""
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], {PORT}), timeout=0.25) as s:
            s.settimeout(0.25)
            while True:
                s.sendall(b"?\\n")
                answer = s.recv(64)
                if not answer.endswith(b"\\n"):
                    break
                print(time.clock_gettime_ns(time.CLOCK_BOOTTIME), answer.decode().strip(), flush=True)
                time.sleep(0.005)
    except OSError:
        time.sleep(0.005)
"""


def in_network(pid, *argv):
    return [system("nsenter"), "--target", str(pid), "--net", "--", *map(str, argv)]


def serve(pid, name, log):
    """A TCP server on all addresses of that namespace, which says `name` for each line."""
    return Process(f"{name} server", in_network(pid, sys.executable, "-c", SERVER, name), log).start()


ASK = f"""
import socket, sys
with socket.create_connection((sys.argv[1], {PORT}), timeout=5) as s:
    s.sendall(b"?\\n")
    print(s.recv(64).decode(), end="")
"""


def ask(pid, address):
    """Who answers there, asked from that namespace."""
    return run(in_network(pid, sys.executable, "-c", ASK, address)).stdout.strip()


class Client:
    """Keeps a TCP connection to the address, and makes another when it breaks."""

    def __init__(self, pid, folder, address):
        self.address, self.log = address, folder / f"client-{address.replace(':', '_')}"
        self.process = Process(f"client of {address}", in_network(
            pid, sys.executable, "-c", CLIENT, address), self.log).start()

    def heard(self):
        """[(BOOTTIME in ns, site)]"""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True) if self.log.exists() else []
        return [(int(when), site) for when, site in (
            line.split() for line in lines if line.endswith("\n") and line[0].isdigit())]

    def wait_hears(self, site, since=0, timeout=30):
        """Until it is answered by that site. Returns when that was first so, after `since`."""
        def condition():
            self.process.check_running()
            return next((when for when, who in self.heard() if who == site and when > since), None)
        return wait_until(condition, timeout, f"an answer of {site} to the client of {self.address}", 0.02)

    def longest_gap_ms(self, since=0):
        times = [when for when, _ in self.heard() if when >= since]
        return max(((b - a) / 1e6 for a, b in zip(times, times[1:])), default=0)

    def close(self):
        self.process.kill()


class Holders:
    """Asks the kernels of all namespaces in turn, as fast as it can, which of the addresses they have.

    That two had one at once is proven by three looks: here, there, and still here."""

    def __init__(self, addresses):
        self.addresses = {a: ipaddress.ip_address(a).packed for a in addresses}
        self.overlaps, self.moves = [], []  # (BOOTTIME in ns, address, name, ...)
        self.looks, self.longest_ns = 0, 0  # sweeps, and the longest one
        self._wanted, self._sockets, self._has = {}, {}, {}
        self._failed = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def watch(self, name, pid):
        """From now on this is the host's network, whatever it had before."""
        self._wanted[name] = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        wait_until(lambda: name not in self._wanted and self.looks and self._check(), 5,
                   f"a look at {name}", 0.002)

    def forget(self, name):
        """It is off."""
        self._wanted[name] = None
        wait_until(lambda: name not in self._wanted, 5, f"{name} to be forgotten", 0.002)

    def of(self, address):
        self._check()
        return {name for name, has in self._has.items() if address in has}

    def check_never_two(self):
        self._check()
        assert not self.overlaps, f"two hosts had one at once: {self.overlaps[:5]}"

    def _check(self):
        if self._failed:
            raise AssertionError(f"the look at addresses has failed: {self._failed!r}")
        return True

    # -- the thread ------------------------------------------------------------------------------

    def _run(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while True:
                self._take_wanted()
                began = time.monotonic_ns()
                for name in list(self._sockets):
                    self._look(name)
                self.looks += 1
                self.longest_ns = max(self.longest_ns, time.monotonic_ns() - began)
                time.sleep(0.0005)
        except BaseException as error:
            self._failed = error

    def _take_wanted(self):
        for name, namespace in list(self._wanted.items()):
            if name in self._sockets:
                self._sockets.pop(name).close()
            self._has[name] = {}
            if namespace is not None:
                self._enter(namespace)
                self._sockets[name] = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
                self._sockets[name].settimeout(5)
                self._enter(self._home)
                os.close(namespace)
            del self._wanted[name]

    def _enter(self, namespace):
        if self._libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def _look(self, name):
        """address -> names of who had it since this one has it without a break"""
        addresses = self._dump(self._sockets[name])
        now, before = time.clock_gettime_ns(time.CLOCK_BOOTTIME), self._has[name]
        has = {}
        for address, packed in self.addresses.items():
            if packed not in addresses:
                continue
            has[address] = set()
            for other, theirs in self._has.items():
                if other != name and address in theirs:
                    theirs[address].add(name)
            between = before.get(address, set())
            if between:
                self.overlaps.append((now, address, name, sorted(between)))
        for address in has.keys() ^ before.keys():
            self.moves.append((now, address, name, address in has))
        self._has[name] = has

    @staticmethod
    def _dump(netlink):
        netlink.send(struct.pack("=IHHIIBBBBI", 24, GETADDR, DUMP, 1, 0, 0, 0, 0, 0, 0))
        found = set()
        while True:
            data = netlink.recv(1 << 16)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise OSError("the kernel refuses to tell its addresses")
                at = 24
                while at + 4 <= size:
                    length, what = struct.unpack_from("=HH", data, at)
                    if what in (1, 2):  # IFA_ADDRESS, IFA_LOCAL
                        found.add(data[at + 4:at + length])
                    at += (length + 3) & ~3
                data = data[(size + 3) & ~3:]


# -- a host that claims one ------------------------------------------------------------------------

CLAIM = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(bytes.fromhex(sys.argv[1]))
"""


def checksum(source, target, message):
    data = source + target + struct.pack("!I3xB", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def claim_frame(address, mac):
    """ARP Announcement (RFC 5227), or unsolicited Neighbor Advertisement (RFC 4861)."""
    ip, mac = ipaddress.ip_address(address), bytes.fromhex(mac.replace(":", ""))
    if ip.version == 4:
        return (b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + ip.packed + bytes(6) + ip.packed)
    all_nodes = ipaddress.ip_address("ff02::1").packed
    message = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + ip.packed + bytes([2, 1]) + mac
    message = message[:2] + struct.pack("!H", checksum(ip.packed, all_nodes, message)) + message[4:]
    return (bytes.fromhex("333300000001") + mac + bytes.fromhex("86dd60000000")
            + struct.pack("!HBB", len(message), 58, 255) + ip.packed + all_nodes + message)


def claim(pid, address, mac):
    """A host in that namespace says that the address is its own."""
    run(in_network(pid, sys.executable, "-c", CLAIM, claim_frame(address, mac).hex()))


def neighbour(pid, address):
    """The hardware address at which that namespace believes it."""
    shown = run(in_network(pid, system("ip"), "-json", "neighbour", "show", address)).stdout
    return next((n.get("lladdr") for n in json.loads(shown or "[]")), None)
