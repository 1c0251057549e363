"""Two sites with real libvirtds that are one failover group, and who really runs a VM.

    with Pair(folder, server.url, make_site) as pair:
        pair.start()                        # buckets, configuration, power and agents of both
        pair.docs.put("vm", "db", vm("db"))
        pair.wait_runs("site-a")
        with Watch(pair, "db") as watch:    # looks every few ms, from outside of the agents
            pair.a.power_cut()
            ...
        watch.check_never_twice()
"""

import itertools
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from nats.js.errors import NotFoundError

from .declared import Documents
from .failover import BUCKET, CONFIG, Store, boottime_ns
from .processes import first_child
from .standstill import Standstill
from .waiting import wait_until

# A real virDomainDestroy takes some time: fence_timeout is larger than where a process is killed.
PAIR_CONFIG = {**CONFIG, "fence_timeout_ms": 2000, "failover_timeout_ms": 5000,
               "yield_after_ms": 60000}


class Pair:
    def __init__(self, folder, url, make_site, **config):
        """`config` is put over PAIR_CONFIG."""
        self.config = {**PAIR_CONFIG, **config}
        self.still = Standstill(folder)
        self.docs = Documents(url, where="primary")
        self.store = self.docs.store
        self.a, self.b = (make_site(name, nats_url=url, failover={"group": "default"})
                          for name in ("site-a", "site-b"))
        self.sites = {site.name: site for site in (self.a, self.b)}
        self.pinned = Documents(url, "site-a")

    def start(self, *sites):
        """Power and agents of these sites (without arguments: of both). The first one leads before the other comes."""
        self.store.put("cluster_config", self.config)
        self.store.put("primary_heartbeat",
                       {"site_id": None, "status": "RELEASED", "epoch": 0, "next": "site-a"})
        for site in sites or self.sites.values():
            site.power_on()
            site.start_agent()
            wait_until(lambda: self.lease()["epoch"] >= 1, 30, "a site to take the lease", 0.02,
                       tell=lambda site=site: site.agent.log_end())

    def close(self):
        for site in self.sites.values():
            site.close()
        self.pinned.close()
        self.docs.close()
        self.still.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def lease(self):
        return self.store.get("primary_heartbeat")

    def leases(self):
        """Every record of the lease that the bucket still has, oldest first."""
        js, stream = self.store.js, f"KV_{BUCKET}"
        last = self.store.wait_for(js.stream_info(stream)).state.last_seq
        return [m for m in (self._message(stream, seq) for seq in range(1, last + 1)) if m]

    def _message(self, stream, seq):
        try:
            message = self.store.wait_for(self.store.js.get_msg(stream, seq))
        except NotFoundError:
            return None  # older than the history
        return json.loads(message.data) if message.subject.endswith(".primary_heartbeat") else None

    def status(self, site, kind="vm", name="db"):
        return self.store.get(f"{site}.{kind}.{name}", "harmony_status")

    def wait_phase(self, site, phase, name="db", revision=None, timeout=40, kind="vm"):
        """Until this site reports that phase (and that revision as applied) about a document."""
        def condition():
            status = self.status(site, kind, name)
            good = status["phase"] == phase and revision in (None, status.get("applied_revision"))
            if not good:
                raise ValueError(str(status))
            return status
        return wait_until(condition, timeout, f"{name} on {site} to be {phase}", 0.02)

    def wait_runs(self, site, boots=1, name="db", timeout=40):
        """Until the VM runs there, as the agent says and the guest's boot of that number."""
        self.wait_phase(site, "Running", name, timeout=timeout)
        self.sites[site].wait_boot(name, boots, timeout)

    def wait_gone(self, site, pid, timeout=30):
        """Until this QEMU has ended. Returns the BOOTTIME in ns at which that was seen."""
        wait_until(lambda: pid not in guests(self.sites[site], "db"), timeout,
                   f"the VM on {site} to be stopped", 0.005)
        return boottime_ns()


# -- what the kernel says ------------------------------------------------------------------------

def _processes(site):
    """The site's own /proc, seen from outside. It has nothing but the site's processes."""
    return Path(f"/proc/{first_child(site._init.pid)}/root/proc")


def _is_guest(process, name):
    """A QEMU of that VM that is not dead, which libvirt names on its command line; or a VMM, which has its record there."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(f"guest={name},".encode()) or word.endswith(f"/cloud-hypervisor/{name}/events".encode())
               for word in words)


def guests(site, name):
    """Pids of the QEMUs, or VMMs, of this VM in this site, in its own numbers."""
    if not site.is_on() or not (site.host / "up").exists():
        return []  # until it is up it may still have this machine's /proc, with the guests of others
    home = _processes(site)
    return [int(pid) for pid in os.listdir(home) if pid.isdigit() and _is_guest(home / pid, name)]


@dataclass
class Sight:
    """One look at both sites."""
    at_ns: int         # BOOTTIME when it began
    running: tuple     # sites in which a QEMU of the VM lives
    speaking: tuple    # sites whose guest has written on its console since the last look


class Watch:
    """Looks all the time, in a thread, at which site has a QEMU of the VM, and whose guest speaks.

    A QEMU that lives counts as running, even when it is paused or about to die. Give the guest
    beat=MS, so that it always has something to say; or `speaks` is False.
    """

    def __init__(self, pair, name="db", speaks=True):
        self.pair, self.name, self.speaks = pair, name, speaks
        self.sights, self.ended = [], threading.Event()
        self.sizes = {}
        self.thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: any(s.speaking if self.speaks else s.running for s in self.sights), 10,
                   "the guest to be heard")
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _look_on(self):
        while not self.ended.wait(0.003):
            self.sights.append(self._look())

    def _look(self):
        began = boottime_ns()
        running = self._running()
        if len(running) > 1:  # both, or one after the other? That they still live tells.
            running = [site for site in running if site in self._running()]
        return Sight(began, tuple(running), tuple(self._speaking()))

    def _running(self):
        """Names of the sites with a living QEMU of the VM."""
        return [name for name, site in self.pair.sites.items() if self._lives_in(site)]

    def _lives_in(self, site):
        try:
            return bool(guests(site, self.name))
        except (OSError, AttributeError, TypeError):
            return False  # its power is being cut

    def _speaking(self):
        for name, site in self.pair.sites.items():
            try:
                size = (site.images / f"console/{self.name}.log").stat().st_size
            except OSError:
                continue
            if size > self.sizes.setdefault(name, size):
                yield name
            self.sizes[name] = size

    def check_never_twice(self):
        """Neither two QEMUs at once, nor two guests speaking in turns."""
        assert len(self.sights) > 50, f"only {len(self.sights)} looks"
        twice = [s for s in self.sights if len(s.running) > 1]
        assert not twice, f"{self.name} ran on both sites: {len(twice)} looks, first {twice[0]}"

    def speakers(self):
        """The sites whose guest spoke, in order, each turn once."""
        spoke = itertools.chain.from_iterable(s.speaking for s in self.sights)
        return [site for site, _ in itertools.groupby(spoke)]
