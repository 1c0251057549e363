"""Hosts, guests and an outside as network namespaces, joined by veth cables.

    host = NativeHost("host", folder)        # a network, pid and mount namespace with the native driver
    host.do("create", "lan", spec)
    guest = Machine("guest", folder)         # a network namespace
    guest.plug_into(host, "br-lan", mac)     # a port of that bridge
    guest.ask_for_address()                  # DHCP
    guest.fetch("http://10.100.0.3:8000")    # what the server there says who it was asked by

All of it ends with the process that made it.
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

from .paths import built, system
from .processes import Process, environment, first_child, run
from .waiting import wait_until

SERVER = """
import http.server, socket, sys
class Who(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
Server((sys.argv[1], int(sys.argv[2])), Who).serve_forever()
"""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read().decode())"
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route add default via "$router"
"""
numbers = itertools.count()


class Machine:
    """A network namespace that a process holds."""

    SPACES = ["--net"]

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.servers = []
        self.holder = Process(name, [system("unshare"), *self.SPACES, "--fork", "--kill-child=KILL",
                                     "sleep", "3600"], folder / f"{name}.log").start()
        self.pid = wait_until(lambda: self.holder.check_running() and first_child(self.holder.pid), 5,
                              f"the namespace {name}", 0.002)
        self.run("ip", "link", "set", "lo", "up")

    def enter(self, *argv):
        spaces = [space for space in self.SPACES if space in ("--net", "--pid", "--mount")]
        root = ["--root"] if "--mount" in spaces else []  # in a chroot, too
        return [system("nsenter"), "--target", str(self.pid), *spaces, *root, "--", *map(str, argv)]

    def run(self, *argv, **options):
        return run(self.enter(*argv), **options)

    def close(self):
        for server in self.servers:
            server.kill()
        self.holder.kill()

    # -- cables ----------------------------------------------------------------------------------

    def join(self, other, here, there, address=None, mac=None):
        """A cable: `here` in this machine, `there` in the other."""
        ours = ["address", mac] if mac else []
        run([system("ip"), "link", "add", here, *ours, "netns", str(self.pid), "type", "veth", "peer", "name", there,
             "netns", str(other.pid)])  # never in this network, which other tests have, too
        self.run("ip", "link", "set", here, "up")
        other.run("ip", "link", "set", there, "up")
        if address:
            self.run("ip", "address", "add", address, "dev", here)

    def plug_into(self, host, bridge, mac=None):
        """eth0 of this machine becomes a port of the host's bridge."""
        port = f"port{next(numbers)}"
        self.join(host, "eth0", port, mac=mac)
        host.run("ip", "link", "set", port, "master", bridge)

    # -- what it does ----------------------------------------------------------------------------

    def ask_for_address(self, device="eth0", check=True):
        """DHCP. The address with its prefix, or None."""
        script = self.folder / "leased"
        script.write_text(LEASED)
        script.chmod(0o755)
        done = self.run(system("busybox"), "udhcpc", "-i", device, "-n", "-q", "-f", "-t", "10", "-T", "1",
                        "-s", script, check=check)
        return self.address(device) if done.returncode == 0 else None

    def ask_for_address6(self, who, device="eth0"):
        """DHCPv6, by the id that `who` got at its installation. The address that it is given, or None."""
        return self.run(sys.executable, Path(__file__).parent / "dhcpv6.py", device, who).stdout.strip() or None

    def address(self, device="eth0"):
        shown = json.loads(self.run("ip", "-json", "-4", "address", "show", "dev", device).stdout)
        found = [f"{a['local']}/{a['prefixlen']}" for link in shown for a in link.get("addr_info", [])]
        return found[0] if found else None

    def serve(self, port, address="0.0.0.0"):
        """An HTTP server that tells who asked."""
        server = Process(f"{self.name} http", self.enter(sys.executable, "-c", SERVER, address, port),
                         self.folder / f"{self.name}-http.log").start()
        self.servers.append(server)
        local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)
        wait_until(lambda: server.check_running() and self.fetch(f"http://{local}:{port}"), 10,
                   f"the server of {self.name}", 0.05)

    def fetch(self, url, timeout=5):
        """What it says, or None when it can't be reached."""
        done = self.run(sys.executable, "-c", FETCH, url, timeout, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def is_cut_off(self, url):
        """Nothing came back in a second."""
        return self.fetch(url, timeout=1) is None

    def resolve(self, name, server):
        done = self.run(system("busybox"), "nslookup", name, server, check=False)
        return [line.split()[-1] for line in done.stdout.splitlines()[2:] if line.startswith("Address")]


class NativeHost(Machine):
    """A host with the native driver and no agent; files are kept in `folder`/`name` over a power cut."""

    SPACES = ["--net", "--pid", "--mount", "--mount-proc"]

    def __init__(self, name, folder, site="site-a"):
        self.site = site
        self.home = folder / name
        self.home.mkdir(exist_ok=True)
        for path in (folder, self.home):
            path.chmod(0o755)  # dnsmasq gives up root
        super().__init__(name, folder)
        self.run("ip", "link", "add", "sink", "type", "dummy", check=False)

    def argv(self, *words):
        return self.enter(built("native"), "--site", self.site, "--state", self.home / "state", "--runtime",
                          self.home / "run", *words)

    def call(self, *words):
        """(exit code, what it said); `words` may hold options first."""
        words = [json.dumps(w) if isinstance(w, dict) else w for w in words]
        done = run(self.argv(*words), check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def do(self, *words):
        code, said = self.call(*words)
        assert code == 0, f"{words}: {said}"
        return said

    def refuse(self, *words):
        """(code, sentence) of what must fail."""
        code, said = self.call(*words)
        assert code == 1, f"{words} succeeded"
        return said["code"], said["error"]

    def up(self, name, **spec):
        """A native network, defined and started."""
        spec = {"backend": "native", **spec}
        self.do("create", name, spec)
        self.do("start", name, spec)

    def networks(self):
        return {thing["name"]: thing for thing in self.do("observe")["things"]}

    def addresses(self, network="lan"):
        """Owner, without the site -> address."""
        held = self.networks()[network]["details"]["addresses"]
        return {owner.split(".vm.")[1]: address for owner, address in held.items()}

    def links(self):
        """Name -> link, as `ip -json -details link` tells."""
        return {link["ifname"]: link for link in
                json.loads(self.run("ip", "-json", "-details", "link").stdout)}

    def hold_tap(self, name):
        """A process that has the TAP open; end it by close()."""
        holder = subprocess.Popen(self.argv("hold", name), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, env=environment())
        assert holder.stdout.readline() == "held\n"
        return holder

    def dnsmasqs(self):
        """Pids, as the host numbers them, of its dnsmasq processes."""
        return self.run("pgrep", "-x", "-r", "R,S,D", "dnsmasq", check=False).stdout.split()
