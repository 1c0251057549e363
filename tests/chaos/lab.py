"""Lab: NATS servers and sites, each with an address of its own in a network whose cables can be cut.

    network = Network(*HUB_ADDRESSES)
    with memory_folder() as folder, Lab(folder, network, servers=3, sites=2) as lab:
        lab.begin()                    # buckets, group, power and agents
        leader, epoch = lab.settle()   # one site serves, the others could
        lab.sites[leader].power_cut()

Sites are namespaces as in lib/sites.py, without libvirtd. Each site and each server has a cable to the
bridge; the test is at the bridge itself.
"""

import contextlib
import json
import os
import shutil
import signal
import urllib.request
from pathlib import Path

from lib import cgroups
from lib.authority import Authority
from lib.delay_proxy import DelayProxy
from lib.failover import Group, boottime_ns
from lib.nats_server import NatsCluster, NatsServer
from lib.paths import built, system
from lib.processes import EnteredProcess, Process, TemporaryFolder, first_child, run
from lib.sites import Site
from lib.waiting import wait_until

HUB_ADDRESSES = ("10.77.0.1", "10.77.0.31")
PROXY_ADDRESS = HUB_ADDRESSES[1]
SERVER_ADDRESSES = ("10.77.0.11", "10.77.0.12", "10.77.0.13")
SITE_ADDRESSES = {"site-a": "10.77.0.21", "site-b": "10.77.0.22", "site-c": "10.77.0.23"}

PEER_PORT = 7422

# T 400 ms, n 3: F 1600; + fence 600 + guardian 250 = a promise of 2452 ms.
TIMES = {"heartbeat_interval_ms": 400, "failure_threshold": 3, "success_threshold": 2,
         "fence_timeout_ms": 600, "failover_timeout_ms": 2500, "yield_to_primary": False}


class NetworkedSite(Site):
    """A site without libvirtd whose network is its own, with one cable to the bridge."""

    def __init__(self, name, directory, network, supervised=False, **options):
        """supervised: the guardian is started by something like systemd, not by the agent."""
        super().__init__(name, directory, config={
            "host_paths": ["/boot"],
            "libvirt": {"uri": "test:///default", "image_dir": str(directory)}}, **options)
        self.network, self.address, self.cable = network, SITE_ADDRESSES[name], None
        self.supervised, self._supervisor = supervised, None
        self.config["guardian"]["start"] = "unit" if supervised else "agent"

    def _write_host(self):
        (self.host / "etc").mkdir(exist_ok=True)  # nothing of libvirt's runs here

    def enter(self, *argv, net=True):
        return super().enter(*argv, net=True)

    def power_on(self, libvirtd=False):
        cgroups.make(self.cgroup.name)  # they do not survive a reboot
        super().power_on(libvirtd=False)
        self.cable = self.network.plug(first_child(self._init.pid), self.address)
        if self.supervised:
            self._start_supervisor()
        return self

    def _start_supervisor(self):
        self._supervisor = EnteredProcess(f"{self.name} supervisor", self.enter(
            Path(__file__).with_name("supervise"), built("harmony-guardian"), "--site", self.name,
            "--group", "default", "--socket", self.runtime / "guardian.sock", "--state", self.runtime,
            "--cgroup", self.cgroup), self.logs / "guardian.log").start()

    def power_cut(self):
        """The network goes first: a host without power says no farewells."""
        before = boottime_ns()
        self.cable.unplug()
        super().power_cut()
        if self._supervisor:
            self._supervisor.popen.wait()
        return before

    def kill_guardian(self):
        """kill -9, if there is one just now."""
        for pid in self.find("harmony-guardian"):
            os.kill(pid, signal.SIGKILL)

    def freeze_guardian(self, number=signal.SIGSTOP):
        for pid in self.find("harmony-guardian"):
            os.kill(pid, number)

    def thaw_guardian(self):
        self.freeze_guardian(signal.SIGCONT)

    def find(self, program):
        """Pids, as seen from here, of what runs this program in the site."""
        home = os.readlink(f"/proc/{first_child(self._init.pid)}/ns/pid")
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()
                and _link(p / "ns/pid") == home and Path(_link(p / "exe")).name == program]

    # -- a small disk ------------------------------------------------------------------------------

    def give_small_disk(self, kib=512):
        """state_dir becomes a file system of its own, which can be filled. It survives power cuts."""
        run([system("mount"), "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", self.state])

    def fill_disk(self):
        with open(self.state / "ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass  # full

    def free_disk(self):
        (self.state / "ballast").unlink()

    def close(self):
        super().close()
        if os.path.ismount(self.state):
            run([system("umount"), self.state])


@contextlib.contextmanager
def memory_folder():
    """A temporary folder in memory: on a shared disk everything stands still for seconds at times, and
    what is measured then is the disk."""
    with TemporaryFolder() as folder:
        run([system("mount"), "-t", "tmpfs", "tmpfs", folder])
        try:
            yield folder
        finally:
            run([system("umount"), "--lazy", folder])


def _peer_address(name):
    return f"{SITE_ADDRESSES[name]}:{PEER_PORT}"


def _in_own_network(process):
    """Its pid, once unshare has done its work."""
    ours = os.readlink("/proc/self/ns/net")
    wait_until(lambda: process.check_running() and _link(f"/proc/{process.pid}/ns/net") not in ("", ours),
               5, f"{process.name} to be apart", 0.002)
    return process.pid


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""  # it has ended


class Lab(Group):
    def __init__(self, folder, network, servers=3, sites=2, small_disk=False, supervised=False,
                 hooks=None, failsafe=False, **config):
        """`config` is put over TIMES. hooks(site, folder) -> argv lists over the witness's. supervised:
        the guardians are restarted when they end. failsafe: the sites hear each other directly, too."""
        self.folder, self.network, self.supervised = folder, network, supervised
        self.proxy, self.parts = None, contextlib.ExitStack()
        with self.parts:  # ends what there is if the rest can't be made
            self._start_servers(SERVER_ADDRESSES[:servers])
            self.urls = [server.url for server in self.servers]
            names = list(SITE_ADDRESSES)[:sites]
            authority = Authority(folder) if failsafe else None
            config = {**TIMES, "replica_site_id": "site-b", "replica_site_ids": names[1:], **config}
            if failsafe:
                config.update(failsafe=True, addresses={name: _peer_address(name) for name in names})
            super().__init__(folder, ",".join(self.urls), self._make_site, names=names, peer=(
                lambda name: {"listen": _peer_address(name), "tls": authority.issue(name)})
                if failsafe else None, **config)
            self.parts.callback(super().close)
            for name, site in self.sites.items():
                site.config["failover"]["hooks"].update(hooks(name, folder) if hooks else {})
                if small_disk:
                    site.give_small_disk()
            self.parts = self.parts.pop_all()

    def _start_servers(self, addresses):
        """Each in a network namespace of its own, which a process that does nothing holds."""
        self.server_cables = {address: self._box(address) for address in addresses}
        wrappers = [[system("nsenter"), "--target", str(cable.pid), "--net", "--"]
                    for cable in self.server_cables.values()]
        self.servers = ([NatsServer(self.folder, "nats-1", address=addresses[0], wrapper=wrappers[0])]
                        if len(addresses) == 1 else
                        NatsCluster(self.folder, len(addresses), addresses, wrappers).servers)
        for server in self.servers:
            if "cluster" in server.config:  # else agents go around the proxy
                server.config["cluster"]["no_advertise"] = True
            self.parts.callback(server.close)
        self.start_servers()

    def _box(self, address):
        """The cable of a new network namespace."""
        box = Process(f"box {address}", [system("unshare"), "--net", "sleep", "infinity"],
                      self.folder / "boxes.log").start()
        self.parts.callback(box.kill)
        cable = self.network.plug(_in_own_network(box), address)
        self.parts.callback(cable.unplug)
        return cable

    def _make_site(self, name, nats_url, failover, config):
        del nats_url, config  # a list, and libvirt's, are given by the site itself
        return NetworkedSite(name, self.folder, self.network, self.supervised, failover=failover,
                             nats={"servers": self.urls})

    def slow_lane(self, name):
        """This site's way to NATS goes through a proxy that can be made slow. Before begin()."""
        servers = [(server.address, server.port) for server in self.servers]
        self.proxy = DelayProxy(PROXY_ADDRESS, servers)
        self.parts.callback(self.proxy.close)
        self.sites[name].config["nats"]["servers"] = [
            f"nats://{PROXY_ADDRESS}:{port}" for _, port in servers]

    def begin(self):
        wait_until(self.init, 20, "the buckets to be made", 0.2)
        self.start()

    def init(self):
        self.failover_init()
        self.configure()
        return True

    def repair(self):
        """What an operator does when the sites hold."""
        config = self.folder / "cluster_config.json"
        config.write_text(json.dumps(self.config))
        self.harmonyctl("failover", "repair", "--yes", "--config", config, "--bucket-replicas",
                        len(self.servers))

    def failover_init(self):
        replicas = [word for name in self.config["replica_site_ids"] for word in ("--replica", name)]
        self.harmonyctl("failover", "init", "--primary", self.config["primary_site_id"], *replicas,
                        "--bucket-replicas", len(self.servers))

    def harmonyctl(self, *args, **options):
        return run([built("harmonyctl"), "--server", ",".join(self.urls), *args], **options).stdout

    def close(self):
        self.parts.close()

    # -- who serves -----------------------------------------------------------------------------------

    def wait_leader(self, timeout):
        """Until one site serves, by the lease as it is stored. Returns (site, epoch)."""
        def one_leads():
            serving, lease = self.serving(), self.lease()
            if len(serving) == 1 and lease["role"] == "leader" and serving == {
                    lease["site_id"]: lease["epoch"]}:
                return next(iter(serving.items()))
            raise AssertionError(f"serving: {serving}, lease: {lease}")
        return wait_until(one_leads, timeout, "one site to lead", 0.02)

    def settle(self, timeout=40):
        """Until one site leads and every other one is a replica that could. Returns (leader, epoch)."""
        leader, epoch = self.wait_leader(timeout)
        for name in self.others(leader):
            self.wait_replica(name, timeout)
        if self.config.get("failsafe"):
            wait_until(lambda: all(link["connected"] for name in self.sites
                                   for link in self.status(name)["failsafe"]["links"]), timeout,
                       "the sites to hear each other", 0.1)
        return leader, epoch

    def workload_pid(self, name):
        """The witness that serves on this site, as seen from here."""
        pids = self.sites[name].find("witness")
        assert len(pids) == 1, f"{len(pids)} witnesses run on {name}"
        return pids[0]

    def others(self, name):
        return [other for other in self.sites if other != name]

    # -- the servers ----------------------------------------------------------------------------------

    def stream_leader(self):
        """The server that leads the stream of the lease."""
        def leader():
            info = self.store.wait_for(self.store.js.stream_info("KV_harmony_failover"))
            return next((s for s in self.servers if s.name == info.cluster.leader), None)
        return wait_until(leader, 20, "a leader of the stream", 0.05)

    def server_of(self, name):
        """The server that this site's agent is connected to."""
        def clients(server):
            url = f"http://{server.address}:{server.monitor_port}/connz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return [c.get("name") for c in json.load(answer)["connections"]]
        return wait_until(lambda: next((s for s in self.servers if f"harmonyd {name}" in clients(s)), None),
                          10, f"a server with a connection of {name}", 0.05)

    def move_stream_leader(self, away_from):
        """Another server than this one leads the stream."""
        if self.stream_leader() is away_from:
            self.store.wait_for(self.store.client.request(
                "$JS.API.STREAM.LEADER.STEPDOWN.KV_harmony_failover", b"", timeout=5))
            wait_until(lambda: self.stream_leader() is not away_from, 10, "another stream leader", 0.05)

    def start_servers(self):
        for server in self.servers:
            if not server.process.is_running():
                server.start(wait=False)
        for server in self.servers:
            server.wait_healthy(60)

    def kill_servers(self):
        for server in self.servers:
            server.kill()

    def copy_store(self):
        """What a snapshot of all the servers' disks at this instant has."""
        for server in self.servers:
            server.freeze()
        for server in self.servers:
            shutil.rmtree(self._copy_of(server), ignore_errors=True)
            shutil.copytree(server.directory / "jetstream", self._copy_of(server))
        for server in self.servers:
            server.thaw()

    def roll_back_store(self):
        """Every server starts anew with the disk that it had then."""
        self.kill_servers()
        for server in self.servers:
            shutil.rmtree(server.directory / "jetstream")
            shutil.copytree(self._copy_of(server), server.directory / "jetstream")
        self.start_servers()

    def _copy_of(self, server):
        return server.directory / "copy"

    def server_addresses(self):
        return [s.address for s in self.servers] + ([PROXY_ADDRESS] if self.proxy else [])

    def cut_server(self, server, addresses):
        self.server_cables[server.address].cut(addresses)

    def mend_server(self, server):
        self.server_cables[server.address].mend()

    def peer_addresses(self, name):
        return [SITE_ADDRESSES[other] for other in self.others(name)]
