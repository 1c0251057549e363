"""A failover group of sites (two by default) with the witness as workload, and the store seen from outside.

    with Group(folder, server.url, make_site) as group:
        group.init()                  # buckets, cluster_config, first record
        group.start()                 # power and agents of both sites
        group.wait_serving("site-a")
        cut = group.a.power_cut()
        group.wait_serving("site-b")
        group.report()                # outage and overlap, from the witness's records alone
"""

import asyncio
import calendar
import json
import os
import threading
import time
from pathlib import Path

import nats
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import KeyNotFoundError

from . import witness
from .standstill import Standstill
from .waiting import wait_until

BUCKET = "harmony_failover"
FRESH_NS = 50_000_000  # a witness writes every 2 ms: one that was silent for longer does not serve
GONE_NS = 300_000_000  # and this long, that it is not just a busy machine
SETTLES_S = 10  # what is so already is seen within this, however busy the machine is
RECORD_BYTES = 64
SUCCESS_THRESHOLD = 2  # unless cluster_config says otherwise
DRIFT = 1.001  # of a clock, and more than harmony allows for

# T 100 ms, n 24: F 2500; + fence 500 + guardian 250. A leader keeps its lease on a machine that stands still for 2 s.
CONFIG = {"primary_site_id": "site-a", "replica_site_id": "site-b", "heartbeat_interval_ms": 100,
          "failure_threshold": 24, "fence_timeout_ms": 500, "failover_timeout_ms": 3400,
          "yield_after_ms": 5000}


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wall_minus_boottime_ns():
    return time.time_ns() - boottime_ns()


def nanoseconds(text):
    """Of a time as harmony writes it (2026-11-30T01:02:03.456Z), since 1970."""
    whole, _, ms = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(ms or 0) * 10**6


class Store:
    """The bucket as an operator with the nats CLI sees it: plain puts and gets, in a thread."""

    def __init__(self, url, timeout=5):
        self.timeout = timeout
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.client = self.wait_for(nats.connect(
            url.split(","), reconnect_time_wait=0.05, max_reconnect_attempts=-1, ping_interval=1,
            error_cb=self._ignore))
        self.js = self.client.jetstream(timeout=timeout)

    @staticmethod
    async def _ignore(_):
        pass  # connection errors are what these tests make; calls report their own

    def wait_for(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(self.timeout + 1)

    def make_buckets(self):
        """What `harmonyctl failover init` makes, by hand."""
        for bucket in (BUCKET, "harmony_desired", "harmony_status"):
            self.make_bucket(bucket)

    def make_bucket(self, bucket):
        recorder = bucket == BUCKET
        self.wait_for(self.js.add_stream(StreamConfig(
            name=f"KV_{bucket}", subjects=[f"$KV.{bucket}.>"], storage=StorageType.FILE,
            max_msgs_per_subject=64 if recorder else 16, deny_delete=True,
            deny_purge=recorder, allow_rollup_hdrs=not recorder, allow_direct=not recorder)))

    def delete_bucket(self):
        self.wait_for(self.js.delete_stream(f"KV_{BUCKET}"))

    def streams(self):
        return [info.config.name for info in self.wait_for(self.js.streams_info())]

    def put(self, key, value, bucket=BUCKET):
        """Returns the revision. A text is put as it is."""
        text = value if isinstance(value, str) else json.dumps(value)
        return self.wait_for(self.js.publish(f"$KV.{bucket}.{key}", text.encode())).seq

    def get(self, key, bucket=BUCKET):
        """The value, as JSON if it is; None without one. Waits for an election of the stream that is under way."""
        def ask():
            try:
                return [self.wait_for(self.js.get_last_msg(f"KV_{bucket}", f"$KV.{bucket}.{key}", direct=False))]
            except (KeyNotFoundError, nats.js.errors.NotFoundError):
                return [None]
            except nats.js.errors.ServiceUnavailableError:
                return None
        message, = wait_until(ask, 20, "JetStream to be there", 0.1)
        return json.loads(message.data) if message else None

    def close(self):
        self.wait_for(self.client.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


class Group:
    def __init__(self, folder, url, make_site, hooks=None, agent_url=None,
                 names=("site-a", "site-b"), peer=None, **config):
        """`config` is put over CONFIG (None: left out); `hooks` (argv lists) over the witness's;
        `peer`, called with a site's name, gives its failover.peer."""
        self.config = {k: v for k, v in {**CONFIG, **config}.items() if v is not None}
        self.store = Store(url)
        self.still = Standstill(folder)
        self.records = {}
        self.sites = {}
        for name in names:
            self.records[name] = Path(folder) / "witness" / name
            self.records[name].mkdir(parents=True)
            self.sites[name] = make_site(
                name, nats_url=agent_url or url,
                failover={"hooks": {**witness.hooks(self.records[name]), **(hooks or {})},
                          **({"peer": peer(name)} if peer else {})},
                config={"libvirt": {"uri": "test:///default", "image_dir": str(folder)}})
        self.a, self.b = list(self.sites.values())[:2]

    def init(self):
        self.store.make_buckets()
        self.configure()
        self.store.put("primary_heartbeat", {"site_id": None, "status": "RELEASED", "epoch": 0,
                                             "next": "site-a"})

    def configure(self, **changes):
        self.config.update(changes)
        return self.store.put("cluster_config", self.config)

    def start(self, in_turn=True):
        """Power and agents of all sites. `in_turn`: the first one leads before the others come. A first record
        names it, but for 3 T only; on a busy machine that is less than two agents are apart."""
        for site in self.sites.values():
            site.power_on(libvirtd=False)
            site.start_agent()
            if in_turn and site is self.a:
                self.wait_claimed()

    def wait_claimed(self):
        """Until somebody has the lease for the first time, or had it."""
        wait_until(lambda: self.a.agent.check_running() and self.lease()["epoch"] >= 1, 30, f"{self.a.name} to take the lease",
                   0.02, self.describe)

    def close(self):
        for site in self.sites.values():
            site.close()
        self.store.close()
        self.still.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- who serves, by the evidence ------------------------------------------------------------

    def last_record(self, name):
        """(BOOTTIME in ns, epoch) of a site's last record, or None."""
        try:
            with open(self.records[name] / f"{name}.records", "rb") as file:
                whole = file.seek(0, os.SEEK_END) // RECORD_BYTES * RECORD_BYTES
                file.seek(whole - RECORD_BYTES)
                when, epoch, _ = file.read(RECORD_BYTES).split()
                return int(when), int(epoch)
        except (OSError, ValueError):
            return None

    def serving(self, within_ns=FRESH_NS):
        """Site -> epoch of all that serve right now. Who stood still with the machine is not silent."""
        last = {name: self.last_record(name) for name in self.sites}
        return {name: seen[1] for name, seen in last.items()
                if seen and self.still.lived_ns(seen[0]) < within_ns}

    def check_serving(self, epochs):
        """These sites serve, each in its epoch, and nobody else. A record may be late; an epoch does not return."""
        wait_until(lambda: self.serving() == epochs, SETTLES_S, f"{epochs} to serve", 0.005, self.describe)

    def check_silent(self, since):
        """Nobody has served after `since` (BOOTTIME in ns)."""
        last = {name: self.last_record(name) for name in self.sites}
        assert not {name: seen for name, seen in last.items() if seen and seen[0] > since}, self.describe()

    def wait_serving(self, name, epoch=None, timeout=15):
        """Until this site alone serves (in this epoch). Returns the epoch."""
        def condition():
            if self.sites[name].agent:
                self.sites[name].agent.check_running()
            now = self.serving()
            return list(now) == [name] and epoch in (None, now[name]) and now
        return wait_until(condition, timeout, f"{name} alone to serve{f' in epoch {epoch}' if epoch else ''}",
                          0.005, self.describe)[name]

    def wait_one_serves(self, above=0, timeout=30):
        """Until one site alone serves, in a later epoch than `above`. Returns (site, epoch)."""
        def condition():
            now = list(self.serving().items())
            return len(now) == 1 and now[0][1] > above and now[0]
        return wait_until(condition, timeout, f"one site to serve in an epoch above {above}", 0.005, self.describe)

    def wait_nobody_serves(self, timeout=10):
        wait_until(lambda: not self.serving(GONE_NS), timeout, "nobody to serve", 0.005, self.describe)

    def lived_ms(self, since_ns, until_ns):
        """Between these instants, without the time in which this machine stood still."""
        return self.still.lived_ns(since_ns, until_ns) / 1e6

    def outage_ms(self, handover):
        """What was lived of a handover's outage."""
        return self.lived_ms(handover["at_ns"] - int(handover["outage_ms"] * 1e6), handover["at_ns"])

    def longest_outage_ms(self):
        """What was lived of the longest time in which nobody served between two that did."""
        return max(map(self.outage_ms, self.report()["handovers"]), default=0)

    def report(self):
        return witness.report(*self.records.values())

    def terms(self):
        """(site, epoch) of all that ever served, in order. A busy machine may interrupt one."""
        seen = [(v["site"], v["epoch"]) for v in self.report()["intervals"]]
        return list(dict.fromkeys(seen))

    def handover(self, source, target):
        """The last handover in the report, which must be this one."""
        moves = [h for h in self.report()["handovers"] if h["from"] != h["to"]]
        assert (moves[-1]["from"], moves[-1]["to"]) == (source, target)
        return moves[-1]

    def last_of_epoch(self, epoch):
        """BOOTTIME in ns of the last record of this epoch, from the report."""
        return max(v["last_ns"] for v in self.report()["intervals"] if v["epoch"] == epoch)

    # -- what the store and the agents say --------------------------------------------------------

    def lease(self):
        return self.store.get("primary_heartbeat")

    def heartbeat(self, name):
        """The site's own (replica's) heartbeat."""
        return self.store.get(f"replica_heartbeat.{name}")

    def wait_heartbeats(self, name, count, timeout=20):
        """Until the replica `name` has written `count` more heartbeats."""
        def counter():
            return (self.heartbeat(name) or {"counter": 0})["counter"]
        start = counter()
        wait_until(lambda: counter() >= start + count, timeout,
                   f"{count} heartbeats of the replica {name}", 0.02, self.describe)

    def wait_silences(self, name, times=1.5):
        """Until the replica `name` has written heartbeats for so many times failover_timeout."""
        count = times * self.config["failover_timeout_ms"] / self.config["heartbeat_interval_ms"]
        self.wait_heartbeats(name, int(count), 60)

    def wait_leader_writes(self, count, timeout=20):
        """Until whoever leads has written `count` more heartbeats. Returns the lease."""
        start = self.lease()["counter"]
        wait_until(lambda: self.lease()["counter"] >= start + count, timeout, f"{count} more heartbeats of the leader",
                   0.02, self.describe)
        return self.lease()

    def wait_replica(self, name, timeout=15):
        """Until this site is a replica that could lead, and was heard often enough to be handed the role."""
        wait_until(lambda: (self.heartbeat(name) or {}).get("fit")
                   and self.store.get(f"{name}.agent", "harmony_status")["role"] == "replica",
                   timeout, f"{name} to be a fit replica", 0.02, self.describe)
        self.wait_heartbeats(name, self.config.get("success_threshold", SUCCESS_THRESHOLD))

    def describe(self):
        """For a wait that was given up: who served last, what the store has, and how the agents' logs end."""
        now = boottime_ns()
        longest = self.still.longest_ms(now - 60 * 10**9, now)
        lines = [f"the machine stood still for up to {longest:.0f} ms in the last minute", f"lease: {self._told_lease()}"]
        for name, site in self.sites.items():
            last = self.last_record(name)
            lines += [f"-- {name}, " + (f"last served {(now - last[0]) / 1e6:.0f} ms ago in epoch {last[1]}:" if last
                                        else "never served:"),
                      site.agent.log_end(10) if site.agent else "(no agent)"]
        return "\n".join(lines)

    def _told_lease(self):
        try:
            return self.lease()
        except Exception as error:  # the store may be what is missing
            return f"{type(error).__name__}: {error}"

    def status(self, name):
        """The failover part of the agent's status."""
        return self.store.get(f"{name}.agent", "harmony_status")["failover"]

    def wait_warning(self, name, part, timeout=10):
        """Until the agent's status has a warning with `part` in it. Returns the warning."""
        return wait_until(
            lambda: next((w for w in self.status(name)["warnings"] if part in w), None), timeout,
            f"a warning of {name} about {part!r}", 0.02)


def assert_taken_over_in_time(group, handover, slack_ms):
    """The outage is failover_timeout and what it takes to see that it is over. A replica that itself stood still
    may listen for another one: its own silence is not the leader's."""
    silence = DRIFT * group.config["failover_timeout_ms"] + group.config["heartbeat_interval_ms"]
    stood_still = group.still.longest_ms(handover["at_ns"] - int(handover["outage_ms"] * 1e6), handover["at_ns"])
    silences = 2 if stood_still > group.config["heartbeat_interval_ms"] else 1
    assert group.outage_ms(handover) <= silences * silence + slack_ms
