"""Virtual IPs: two hosts on a bridge, and a third one with TCP clients on the addresses.

Who has an address is asked of the hosts' own kernels, all the time; who answers on it, of the clients. The third
host never looks for a neighbour again by itself: it follows the address because it was told.
"""

import json
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

from lab import HUB_ADDRESSES, Lab  # noqa: E402
from lib import rtnetlink, vip  # noqa: E402
from lib.failover import boottime_ns  # noqa: E402
from lib.network import Network, privately  # noqa: E402
from lib.paths import built  # noqa: E402
from lib.processes import first_child  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

V4, V6 = "10.77.0.100", "fd00:77::100"
VIPS = [{"address": f"{V4}/24", "link": "eth0"}, {"address": f"{V6}/64", "link": "eth0"}]
OWN_V6 = {"site-a": "fd00:77::21", "site-b": "fd00:77::22"}
CLIENT_ADDRESS = "10.77.0.50"
STRANGER = "02:00:00:00:00:99"
PATIENT = {"failure_threshold": 6, "failover_timeout_ms": 3700}  # F 2.8 s: for a machine that stands still


class Hosts(Lab):
    """Two sites whose agents have the virtual IPs, each with a server on all of its addresses, and a client."""

    def __init__(self, folder, network, **config):
        super().__init__(folder, network, servers=1, sites=2, **{**PATIENT, **config})
        for site in self.sites.values():
            site.config["failover"]["vip"] = VIPS
        self.holders = vip.Holders([V4, V6])
        self.network_servers = {}

    def start(self):
        for name in self.sites:
            self.boot(name)
            self.wait_claimed()
        self._start_clients()

    def boot(self, name, agent=True):
        site = self.sites[name]
        site.power_on()
        site.cable.inside("ip", "address", "add", f"{OWN_V6[name]}/64", "dev", "eth0", "nodad")
        self.network_servers[name] = vip.serve(self.pid(name), name, self.folder / f"server-{name}.log")
        self.holders.watch(name, self.pid(name))
        if agent:
            site.start_agent()

    def cut_power(self, name):
        site = self.sites[name]
        when = site.power_cut()
        self.holders.forget(name)
        self.network_servers.pop(name).kill()
        return when

    def pid(self, name):
        return first_child(self.sites[name].init_pid)

    def mac(self, name):
        """lib/network.py gives it by the address."""
        return "02:00:" + ":".join(f"{int(part):02x}" for part in self.sites[name].address.split("."))

    def _start_clients(self):
        cable = self._box(CLIENT_ADDRESS)
        self.client_pid = cable.pid
        cable.inside("ip", "address", "add", "fd00:77::50/64", "dev", "eth0", "nodad")
        for family in ("ipv4", "ipv6"):  # what it believes of a neighbour it believes for an hour
            cable.inside("sysctl", "-qw", f"net.{family}.neigh.eth0.base_reachable_time_ms=3600000")
        self.clients = [vip.Client(cable.pid, self.folder, address) for address in (V4, V6)]

    def wait_hears(self, name, since=0):
        return [client.wait_hears(name, since) for client in self.clients]

    def moved_to(self, name, since, what):
        """Both addresses are at that site alone, never were at two, and the clients follow."""
        wait_until(lambda: self.holders.of(V4) == self.holders.of(V6) == {name}, 30, f"the addresses on {name}",
                   tell=self.describe)
        heard = self.wait_hears(name, since)
        self.holders.check_never_two()
        print(f"{what}: IPv4 answers after {(heard[0] - since) / 1e6:.0f} ms, IPv6 after "
              f"{(heard[1] - since) / 1e6:.0f} ms; {self.holders.looks} looks, the longest "
              f"{self.holders.longest_ns / 1e6:.1f} ms; overlaps {len(self.holders.overlaps)}")

    def failover(self, name):
        return self.status(name)["vip"]

    def close(self):
        for process in list(self.network_servers.values()):
            process.kill()
        for client in getattr(self, "clients", []):
            client.close()
        super().close()


@pytest.fixture
def hosts(folder):
    """hosts(check, **config): check(hosts) in a network of its own; site-a leads and its addresses answer."""
    def run(check, **config):
        def inside():
            network = Network(*HUB_ADDRESSES)
            with Hosts(folder, network, **config) as group:
                try:
                    group.begin()
                    assert group.settle()[0] == "site-a"
                    group.moved_to("site-a", 0, "at first")
                    check(group)
                    group.holders.check_never_two()
                except BaseException:
                    for site in group.sites.values():
                        print(site.name, site.agent_log.read_text()[-4000:])
                    raise

        privately(inside)

    return run


# -- the leader goes -------------------------------------------------------------------------------

def test_power_cut(hosts):
    def check(group):
        cut = group.cut_power("site-a")
        group.moved_to("site-b", cut, "power cut")
        wait_until(lambda: f"{V4}/24 at site-b\n" in group.harmonyctl("failover", "status"), 10,
                   "harmonyctl to say so")
        group.boot("site-a")
        group.settle()
        assert group.holders.of(V4) == {"site-b"}
        assert [v["state"] for v in group.failover("site-a")] == ["down", "down"]

    hosts(check)


def test_agent_is_killed(hosts):
    """Its guardian takes them away."""
    def check(group):
        killed = boottime_ns()
        group.sites["site-a"].kill_agent()
        group.moved_to("site-b", killed, "kill -9 of the agent")

    hosts(check)


def test_agent_is_stopped_and_goes_on(hosts):
    """What a thawed agent still believes moves nothing back, not even for a moment."""
    def check(group):
        stopped = boottime_ns()
        group.sites["site-a"].freeze_agent()
        group.moved_to("site-b", stopped, "SIGSTOP of the agent")
        group.sites["site-a"].thaw_agent()
        group.wait_replica("site-a")
        assert group.holders.of(V4) == group.holders.of(V6) == {"site-b"}
        moves = [m for m in group.holders.moves if m[0] > stopped and m[2] == "site-a" and m[3]]
        assert not moves, f"site-a had one again: {moves}"
        assert vip.neighbour(group.client_pid, V4) == group.mac("site-b")

    hosts(check)


def test_leader_is_cut_off_from_nats(hosts):
    """Its clients would reach it as before: it has to go by itself."""
    def check(group):
        cut = boottime_ns()
        group.sites["site-a"].cable.cut(group.server_addresses())
        group.moved_to("site-b", cut, "cut off from NATS")
        group.sites["site-a"].cable.mend()

    hosts(check)


def test_planned_stop_and_return_of_the_preferred_primary(hosts):
    def check(group):
        asked = boottime_ns()
        assert group.sites["site-a"].stop_agent() == 0
        group.moved_to("site-b", asked, "planned stop")
        group.sites["site-a"].start_agent()
        back = group.wait_hears("site-a", boottime_ns())
        group.moved_to("site-a", asked, "return")
        gaps = [client.longest_gap_ms(min(back) - 2_000_000_000) for client in group.clients]
        for site in group.sites.values():  # neither takes the other's announcement for a stranger's claim
            assert "another host" not in site.agent_log.read_text()
        print(f"return: longest gap of the clients {gaps[0]:.0f} ms (IPv4), {gaps[1]:.0f} ms (IPv6)")

    hosts(check, yield_to_primary=True, yield_after_ms=1000)


def test_restart_in_place_moves_nothing(hosts):
    def check(group):
        site = group.sites["site-a"]
        before = boottime_ns()
        site.agent.signal(signal.SIGHUP)
        wait_until(lambda: site.agent_log.read_text().count(", site site-a\n") > 1, 20, "the restart")
        counter = group.lease()["counter"]
        wait_until(lambda: group.lease()["counter"] > counter + 3, 20, "more heartbeats")
        assert not [move for move in group.holders.moves if move[0] > before]
        assert [v["state"] for v in group.failover("site-a")] == ["up", "up"]
        assert group.lease()["epoch"] == 1
        take_away_by_hand(group, "site-a")  # and it holds them, it does not only find them there

    hosts(check)


def take_away_by_hand(group, name):
    """It is put up again."""
    moves = len(group.holders.moves)
    group.sites[name].cable.inside("ip", "address", "flush", "to", f"{V4}/32", "dev", "eth0")
    wait_until(lambda: any(not has for *_, has in group.holders.moves[moves:]), 5, f"{V4} to go")
    wait_until(lambda: group.holders.of(V4) == {name}, 10, f"{V4} to be there again")


# -- others ----------------------------------------------------------------------------------------

def test_a_contested_claim_is_answered(hosts):
    """A third host, that believes what it heard last, is told again."""
    def check(group):
        witness = group.pid("site-b")
        for address in (V4, V6):
            assert vip.ask(witness, address) == "site-a"
            assert vip.neighbour(witness, address) == group.mac("site-a")
            vip.claim(group.client_pid, address, STRANGER)
            wait_until(lambda a=address: claims(group, a) >= 1, 10, f"the claim of {address} to be heard")
            wait_until(lambda a=address: vip.neighbour(witness, a) == group.mac("site-a"), 20,
                       f"{address} to be believed at site-a again")
        assert group.wait_warning("site-a", STRANGER)
        assert STRANGER in group.sites["site-a"].agent_log.read_text()

    hosts(check)


def claims(group, address):
    return next(v["claims"] for v in group.failover("site-a") if v["address"].startswith(f"{address}/"))


def test_somebody_elses_address_is_left_alone(hosts):
    """A replica that could not put it up is not fit, and says so."""
    def check(group):
        cable = group.sites["site-b"].cable
        cable.inside("ip", "address", "add", f"{V4}/32", "dev", "eth0")
        wait_until(lambda: group.holders.overlaps, 5, "two holders to be noticed")  # so the look has eyes
        group.holders.forget("site-b")  # what happens now is not ours
        group.holders.overlaps.clear()
        wait_until(lambda: f"{V4}/32 is on eth0 already" in group.status("site-b")["unfit"], 20,
                   "site-b to say why it is unfit")
        wait_until(lambda: not group.heartbeat("site-b")["fit"], 20, "site-b to be unfit")
        site = group.sites["site-b"]
        checked = site.run(built("harmonyd"), "--check", "--config", site.config_file, check=False)
        assert checked.returncode != 0 and "it is left alone" in checked.stdout
        cable.inside("ip", "address", "del", f"{V4}/32", "dev", "eth0")
        group.wait_replica("site-b")

    hosts(check)


def test_one_that_was_taken_away_is_put_up_again(hosts):
    def check(group):
        take_away_by_hand(group, "site-a")
        assert group.lease()["epoch"] == 1

    hosts(check)


def test_what_an_agent_left_behind_is_taken_away_when_the_next_one_does_not_lead(hosts):
    def check(group):
        site = group.sites["site-b"]
        site.stop_agent()
        group.holders.forget("site-b")
        site.run(*rtnetlink.argv("add", "eth0", f"{V4}/24", rtnetlink.MARK))
        site.run(*rtnetlink.argv("add", "eth0", "10.77.0.101/24", rtnetlink.MARK + 1))
        site.start_agent()

        def addresses():
            return {a["address"] for a in json.loads(site.run(*rtnetlink.argv("show")).stdout)}

        wait_until(lambda: V4 not in addresses(), 10, "what was left to go")
        assert "10.77.0.101" in addresses()

    hosts(check)
