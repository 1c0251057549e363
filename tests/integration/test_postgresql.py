"""examples/postgresql on real parts: two hosts with Debian's PostgreSQL, a NATS server, and clients that write all
the time. Whatever happens, no acknowledged row is lost, and never do two servers take writes.

Each test is in a network of its own, in which cables can be cut. What serves is what acknowledges writes.
"""

import functools
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

from lab import HUB_ADDRESSES, SITE_ADDRESSES, Lab, memory_folder  # noqa: E402
from lib import postgresql  # noqa: E402
from lib.failover import boottime_ns  # noqa: E402
from lib.kept import keep_logs  # noqa: E402
from lib.network import Network, privately  # noqa: E402
from lib.paths import ROOT, built  # noqa: E402
from lib.processes import run  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

HOOKS = ROOT / "examples/postgresql/harmony-postgresql"
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda p: float(p.parts[4]))

# F 4 s + fence 3 s + guardian 0.25 s: a takeover within 8 s. A machine that is shared may need T for a probe.
TIMES = {"heartbeat_interval_ms": 1000, "failure_threshold": 3, "fence_timeout_ms": 3000,
         "failover_timeout_ms": 8000, "promote_timeout_ms": 30000, "yield_after_ms": 2000}

pytestmark = pytest.mark.skipif(not SERVERS, reason="no PostgreSQL: apt install postgresql")


class Databases(Lab):
    """Two hosts. PostgreSQL's data are made on site-a, as docs/postgresql.md says; site-b has nothing."""

    def __init__(self, folder, network, settings="", **config):
        self.settings = settings
        super().__init__(folder, network, servers=1, hooks=self._hooks, **{**TIMES, **config})
        for site in self.sites.values():
            site.config["failover"].update(hook_timeout="30s", follow_timeout="5m")
        self.writers = postgresql.Writers({name: SITE_ADDRESSES[name] for name in self.sites}, str(SERVERS[-1]))
        self.parts.enter_context(self.writers)

    def home(self, name):
        return self.folder / name / "pg"

    def _hooks(self, name, folder):
        home, file = self.home(name), folder / name / "postgresql.toml"
        file.write_text(f'directory = "{home}"\nport = {postgresql.PORT}\n{self.settings}\n[sites]\n' + "".join(
            f'{site} = "{address}"\n' for site, address in SITE_ADDRESSES.items() if site in ("site-a", "site-b")))
        return {hook: [str(HOOKS), "--config", str(file), hook]
                for hook in ("probe", "promote", "fence", "follow", "resync")}

    def start(self):
        for site in self.sites.values():
            site.power_on()
        a, b = (self.home(name) for name in ("site-a", "site-b"))
        self.do("site-a", "init")
        with open(a / "pg_hba.conf", "a") as file:
            file.write(f"host all {postgresql.USER} {HUB_ADDRESSES[0]}/24 trust\n")
        with open(a / "data/postgresql.conf", "a") as file:
            file.write("dynamic_shared_memory_type = sysv  # a power cut ends it; what is in /dev/shm is this machine's\n")
        b.mkdir(mode=0o700)
        shutil.chown(b, "postgres", "postgres")
        for name in ("passfile", "pg_hba.conf"):
            shutil.copy(a / name, b / name)
            shutil.chown(b / name, "postgres", "postgres")
            (b / name).chmod(0o600)
        for site in self.sites.values():
            site.start_agent()
        wait_until(lambda: self.lease()["role"] == "leader", 60, "site-a to lead", 0.1)
        self.sql("site-a", f"CREATE ROLE {postgresql.USER} LOGIN; {postgresql.TABLE}; "
                           f"GRANT ALL ON written TO {postgresql.USER}")

    def do(self, name, command):
        return self.sites[name].run(HOOKS, "--config", self.folder / name / "postgresql.toml", command).stdout

    def sql(self, name, statement):
        return self.sites[name].run(
            "runuser", "-u", "postgres", "--", SERVERS[-1], "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
            f"host={self.home(name)} port={postgresql.PORT} dbname=postgres", "-c", statement).stdout.strip()

    def as_client(self, statement):
        """By both addresses: libpq finds the one that takes writes."""
        return run([SERVERS[-1], "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, "-d", (
            f"host={','.join(self.writers.hosts.values())} port={postgresql.PORT} dbname=postgres "
            f"user={postgresql.USER} connect_timeout=2 target_session_attrs=read-write")]).stdout

    def harmonyctl_fails(self, *args):
        """What it says."""
        done = run([built("harmonyctl"), "--server", ",".join(self.urls), *args], check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr

    # -- who serves: whose server takes writes ---------------------------------------------------------

    def serving(self, within_ns=1_000_000_000):
        lease = self.lease()
        return {name: lease["epoch"] if lease["site_id"] == name else None
                for name in self.writers.serving(within_ns)}

    def postgres_pids(self, name):
        return self.sites[name].find("postgres")

    def wait_pair(self, leader):
        """Until the other site's disk is waited for, and that site says that it could lead."""
        def complete():
            told = self.do(other, "tell").strip()
            assert told == f"epoch {self.lease()['epoch']}, standby", told
            return True

        other, = self.others(leader)
        self.wait_leader(90)
        wait_until(complete, 90, f"{other} to have all of {leader}'s", 0.2)
        self.wait_heartbeats(other, 2)  # the last one may be of a time before
        assert self.settle(90)[0] == leader

    def lose_standby(self, name):
        """Its primary goes on alone, in a new epoch, which it lacks, and can't catch up with: it is back, and reaches
        NATS, but not the primary."""
        site, (leader, epoch) = self.sites[name], self.settle()
        run_before = self.heartbeat(name)["nonce"]
        site.power_cut()
        wait_until(lambda: self.lease()["epoch"] > epoch and self.lease()["role"] == "leader", 60, "a new epoch", 0.1)
        self.writers.wait_acknowledged(leader)
        site.power_on()
        site.cable.cut([SITE_ADDRESSES[leader]])
        site.start_agent()
        wait_until(lambda: self.heartbeat(name)["nonce"] != run_before, 20, f"{name} to be heard again", 0.1)
        self.wait_heartbeats(name, 5)
        assert not self.heartbeat(name)["fit"]

    def check(self):
        """On whichever leads now: everything that was acknowledged is there, and there were never two."""
        self.wait_leader(30)
        self.writers.check_never_two()
        acknowledged = self.writers.acknowledged()
        there = set(map(int, self.as_client("SELECT n FROM written").split()))
        lost = sorted(acknowledged - there)
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged rows are lost: {lost[:5]}"
        print(f"{len(acknowledged)} acknowledged rows, terms {self.writers.terms()}")


def on_two_hosts(test=None, **config):
    """Run it in a network of its own, with site-a leading and site-b ready."""
    if test is None:
        return functools.partial(on_two_hosts, **config)

    def body():
        network = Network(*HUB_ADDRESSES)
        with memory_folder() as folder:
            try:
                with Databases(folder, network, **config) as lab:
                    lab.begin()
                    lab.wait_pair("site-a")
                    test(lab)
                    lab.check()
            except BaseException:
                print(f"logs are kept in {keep_logs(folder, test.__name__)}")
                raise

    def apart():
        privately(body)

    apart.__name__, apart.__doc__ = test.__name__, test.__doc__  # not wraps(): pytest would ask for a lab
    return apart


@on_two_hosts(yield_to_primary=True)
def test_power_cut_and_return_of_the_old_primary(lab):
    """The standby has every row. The old primary's tail is taken back by pg_rewind, it follows, and gets the role
    back by a handshake once its disk is waited for."""
    cut = lab.a.power_cut()
    lab.writers.wait_acknowledged("site-b")
    print(f"power cut: no writes for {lab.writers.outage_ms(cut):.0f} ms")
    lab.a.power_on()
    lab.a.start_agent()
    lab.writers.wait_acknowledged("site-a", timeout=120)
    lab.wait_pair("site-a")
    assert "resync hook ended well" in lab.a.agent_log.read_text()
    assert [site for site, _ in lab.writers.terms()] == ["site-a", "site-b", "site-a"]


@on_two_hosts()
def test_agent_that_hangs_on_either_host(lab):
    """The guardian ends the server, also one that was a standby before and was moved into the epoch's cgroup."""
    for old, new in ((lab.a, "site-b"), (lab.b, "site-a")):
        pids = lab.postgres_pids(old.name)
        assert pids
        old.freeze_agent()
        frozen = boottime_ns()
        lab.writers.wait_acknowledged(new)
        assert not lab.postgres_pids(old.name), f"PostgreSQL still runs on {old.name}"
        print(f"SIGSTOP of {old.name}'s agent: no writes for {lab.writers.outage_ms(frozen):.0f} ms")
        old.thaw_agent()
        lab.wait_pair(new)


@on_two_hosts()
def test_cut_from_nats_while_clients_and_standby_still_reach_it(lab):
    lab.a.cable.cut(lab.server_addresses())
    cut = boottime_ns()
    lab.writers.wait_acknowledged("site-b")
    print(f"cut from NATS: no writes for {lab.writers.outage_ms(cut):.0f} ms")
    assert not lab.postgres_pids("site-a")
    lab.a.cable.mend()
    lab.wait_pair("site-b")
    assert "resync hook ended well" in lab.a.agent_log.read_text()


@on_two_hosts()
def test_cut_from_nats_and_from_the_standby(lab):
    """Commits wait for a standby that can't answer: nothing is acknowledged that it lacks."""
    lab.a.cable.cut(lab.server_addresses() + [SITE_ADDRESSES["site-b"]])
    lab.writers.wait_acknowledged("site-b")
    lab.a.cable.mend()
    lab.wait_pair("site-b")


@on_two_hosts()
def test_standby_that_lacks_rows_does_not_take_over(lab):
    """Its primary went on alone, in an epoch of its own, and died before the standby had caught up."""
    lost = boottime_ns()
    lab.lose_standby("site-b")
    print(f"standby lost: no writes for {lab.writers.outage_ms(lost):.0f} ms")
    lab.a.power_cut()
    lab.wait_heartbeats("site-b", 15)  # T is 1 s, failover_timeout 8 s
    assert lab.lease()["site_id"] == "site-a", "site-b took over with data that lack rows"
    assert "they may lack rows" in lab.b.agent_log.read_text()
    lab.a.power_on()
    lab.a.start_agent()
    lab.writers.wait_acknowledged("site-a", timeout=90)
    lab.b.cable.mend()
    lab.wait_pair("site-a")


@on_two_hosts(maximum_lag=1 << 20)
def test_standby_that_does_not_keep_up_is_not_fit(lab):
    """It has everything on disk, and would be long in applying it."""
    lab.sql("site-b", "SELECT pg_wal_replay_pause()")
    lab.sql("site-a", "CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
    wait_until(lambda: not lab.heartbeat("site-b")["fit"], 20, "site-b to be unfit", 0.1)
    assert lab.heartbeat("site-b")["lag"] > 1 << 20, lab.heartbeat("site-b")
    lab.sql("site-b", "SELECT pg_wal_replay_resume()")
    lab.wait_pair("site-a")


@on_two_hosts()
def test_taking_over_by_hand_what_lacks_rows(lab):
    """As docs/postgresql.md says. The one that was lost comes back with rows that the other one never had, on a timeline
    of the same number: it is not rewound."""
    lab.a.power_cut()
    lab.writers.wait_acknowledged("site-b")
    lab.b.power_cut()
    lab.a.power_on()
    lab.a.config["failover"]["hooks"].pop("resync")
    lab.a.start_agent()
    wait_until(lambda: "epoch 2 was the last that served" in lab.a.agent_log.read_text(), 20, "the reason", 0.1)
    (lab.home("site-a") / "epoch").write_text("2\n")
    lab.writers.wait_acknowledged("site-a")
    lab.b.power_on()
    lab.b.start_agent()
    wait_until(lambda: "have nothing of epoch 2, which this site served" in lab.b.agent_log.read_text(), 30,
               "site-b to see it", 0.1)
    (lab.home("site-b") / "data").rename(lab.home("site-b") / "kept")
    lab.wait_pair("site-a")
    lab.writers.forget("site-b")  # what only it had is lost: that is what was decided


@on_two_hosts(settings="synchronous = false")
def test_planned_handover_without_synchronous_replication_loses_nothing(lab):
    """The clean stop waits until the standby has everything."""
    asked = boottime_ns()
    lab.a.stop_agent()
    lab.writers.wait_acknowledged("site-b")
    print(f"handover: no writes for {lab.writers.outage_ms(asked):.0f} ms")
    lab.a.start_agent()
    lab.wait_pair("site-b")
    assert lab.sql("site-b", "SHOW synchronous_standby_names") == ""


@on_two_hosts()
def test_switchover_there_and_back(lab):
    """The clean stop brings the standby everything, so the old primary has nothing to take back. Refused to a site that
    lacks rows."""
    for target in ("site-b", "site-a"):
        asked = boottime_ns()
        lab.harmonyctl("failover", "switchover", "--to", target)
        lab.writers.wait_acknowledged(target)
        print(f"switchover to {target}: no writes for {lab.writers.outage_ms(asked):.0f} ms")
        lab.wait_pair(target)
    lab.lose_standby("site-b")
    refusal = lab.harmonyctl_fails("failover", "switchover", "--to", "site-b")
    assert "site-b" in refusal and "fit" in refusal, refusal
    lab.b.cable.mend()
    lab.wait_pair("site-a")
