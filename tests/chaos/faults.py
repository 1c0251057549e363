"""The table of faults. Each is a function with one `yield`: what is before it makes the fault happen to
a group that is settled, what is after it undoes it. In between the driver sees that the outcome is the
one that is declared here. Whatever happens, two sites never serve at once.

    @fault("name", "what it does", undone="how", outcome=Moves())
    def name(case): ...; yield; ...
"""

import contextlib
import os
import signal
from dataclasses import dataclass, field

from lab import HUB_ADDRESSES
from lib import witness
from lib.failover import boottime_ns
from load import Load
from outcomes import Moves, Returns, Stays, Stops

TABLE = {}


@dataclass
class Fault:
    name: str
    what: str
    undone: str
    outcome: object
    act: object
    short: bool = False  # one of those that run with every `make test`
    lab: dict = field(default_factory=dict)  # for Lab(...)
    prepare: object = None  # called with the lab before begin()
    spoils: bool = False  # the next run needs a lab of its own
    cause: str = None  # what `harmonyctl incident show` names afterwards (ctl/cause.h); None: not asked


def fault(what, undone, outcome, **options):
    def add(act):
        name = act.__name__
        TABLE[name] = Fault(name, what, undone, outcome, contextlib.contextmanager(act), **options)
        return act
    return add


def gated(hook, gate):
    """A hook that first asks another command, and fails if that does."""
    return ["/bin/sh", "-c", f'{gate} || exit 1; exec "$@"', "-", *hook]


# -- a host ----------------------------------------------------------------------------------------------

@fault("the leader's site loses its power", "it boots", Moves(), short=True, cause="POWER_CUT")
def power_cut(case):
    case.site.power_cut()
    yield
    case.site.power_on()
    case.site.start_agent()


@fault("the same with two replicas", "it boots", Moves(), lab={"sites": 3}, cause="POWER_CUT")
def power_cut_of_three(case):
    case.site.power_cut()
    yield
    case.site.power_on()
    case.site.start_agent()


@fault("a replica's site loses its power", "it boots", Stays(seconds=5))
def power_cut_of_replica(case):
    replica = case.lab.sites[case.other]
    replica.power_cut()
    yield
    replica.power_on()
    replica.start_agent()


@fault("state_dir of the leader is full", "there is room again", Stays(seconds=5), lab={"small_disk": True})
def disk_full(case):
    case.site.fill_disk()
    yield
    case.site.free_disk()


@fault("state_dir of the replica is full, and the leader's site loses its power", "there is room again",
       Stops(seconds=8), lab={"small_disk": True})
def disk_full_takeover(case):
    case.lab.sites[case.other].fill_disk()
    case.site.power_cut()
    yield
    case.lab.sites[case.other].free_disk()
    case.site.power_on()
    case.site.start_agent()


# -- the agent -------------------------------------------------------------------------------------------

@fault("kill -9 of the leader's agent, under load; started again within T / 4", "nothing is left to undo",
       Stays(seconds=3), short=True)
def kill_agent(case):
    with Load(case.lab):
        case.wait_ms(case.random.uniform(0, 1000))
        case.site.kill_agent()
        case.wait_ms(case.random.uniform(0, 250) * case.seconds("heartbeat_interval_ms"))
        case.site.start_agent()
        yield


@fault("SIGHUP to the leader's agent, under load: it executes itself anew", "nothing is left to undo",
       Stays(seconds=3))
def reload_agent(case):
    with Load(case.lab):
        case.site.agent.signal(signal.SIGHUP)
        yield


@fault("the leader's site loses its power, and the agent of the site that takes over is killed at that time, "
       "and started again", "the power is back", Returns(within=30), lab={"sites": 3})
def kill_agent_in_promotion(case):
    heir = case.lab.sites[case.other]
    case.site.power_cut()
    around = case.lab.config["failover_timeout_ms"]
    case.wait_ms(case.random.uniform(around - case.lab.config["heartbeat_interval_ms"], around + 200))
    heir.kill_agent()
    heir.start_agent()
    yield
    case.site.power_on()
    case.site.start_agent()


@fault("kill -9 of the leader's agent, which stays dead", "it is started", Moves(), short=True, cause="AGENT_DIED")
def kill_agent_for_good(case):
    case.site.kill_agent()
    yield
    case.site.start_agent()


@fault("SIGSTOP of the leader's agent for twice failover_timeout", "SIGCONT", Moves(),
       short=True, cause="STALLED_AGENT")
def sigstop_agent(case):
    case.site.freeze_agent()
    yield
    case.wait_ms(2 * case.lab.config["failover_timeout_ms"])
    case.site.thaw_agent()


@fault("everything on the leader's host stands still for twice failover_timeout; the workload is continued "
       "last", "it goes on", Moves(), short=True, cause="FROZEN_HOST")
def freeze_host(case):
    witness_pid = case.pid
    os.kill(witness_pid, signal.SIGSTOP)
    case.site.freeze_guardian()
    case.site.freeze_agent()
    yield
    case.wait_ms(2 * case.lab.config["failover_timeout_ms"])
    case.site.thaw_guardian()
    case.site.thaw_agent()
    with contextlib.suppress(ProcessLookupError):  # it was killed as it stood
        os.kill(witness_pid, signal.SIGCONT)


@fault("the leader's agent is asked to end (SIGTERM)", "it is started", Moves(), short=True, cause="OPERATOR")
def stop_agent(case):
    case.site.stop_agent()
    yield
    case.site.start_agent()


@fault("kill -9 of the leader's agent, and of its guardian within F; a supervisor restarts the guardian",
       "the agent is started", Moves(), lab={"supervised": True})
def kill_agent_and_guardian(case):
    kills = [case.site.kill_agent, case.site.kill_guardian]
    case.random.shuffle(kills)
    kills[0]()
    case.wait_ms(case.random.uniform(0, case.lease_ms()))
    kills[1]()
    yield
    if not case.site.agent.is_running():
        case.site.start_agent()


@fault("kill -9 of the leader's guardian; a supervisor restarts it", "nothing is left to undo",
       Returns(within=15), lab={"supervised": True}, short=True, cause="GUARDIAN_GONE")
def kill_guardian(case):
    case.site.kill_guardian()
    yield


@fault("SIGSTOP of the leader's guardian, and the site is cut off from NATS", "both are undone", Moves(), lab={"supervised": True})
def sigstop_guardian(case):
    case.site.freeze_guardian()
    cut(case, "both")
    yield
    case.site.thaw_guardian()
    case.site.cable.mend()


@fault("the leader's agent is stopped and continued, 40 times, 100 to 240 ms each", "it is left alone",
       Stays(seconds=1))
def late_loop(case):
    for _ in range(40):
        case.site.freeze_agent()
        case.wait_ms(case.random.uniform(100, 240))
        case.site.thaw_agent()
        case.wait_ms(case.random.uniform(50, 150))
    yield


# -- the servers -----------------------------------------------------------------------------------------

@fault("kill -9 of the server that leads the stream", "it is started", Returns(within=30), short=True, cause="NATS_DOWN")
def kill_nats_leader(case):
    server = case.lab.stream_leader()
    server.kill()
    yield
    case.lab.start_servers()


@fault("kill -9 of another server of the three", "it is started", Stays(seconds=6))
def kill_nats_follower(case):
    leader = case.lab.stream_leader()
    next(s for s in case.lab.servers if s is not leader).kill()
    yield
    case.lab.start_servers()


@fault("the server that the leader is connected to loses its network; another one leads the stream",
       "its cable is mended", Stays(seconds=4), spoils=True)
def silent_server(case):
    server = case.lab.server_of(case.leader)
    case.lab.move_stream_leader(server)
    case.wait_ms(1000)
    assert case.lab.stream_leader() is not server is case.lab.server_of(case.leader), "it has moved back"
    case.lab.cut_server(server, everybody(case, server))
    yield
    case.lab.mend_server(server)


def everybody(case, server):
    return [*HUB_ADDRESSES, *(s.address for s in case.lab.servers if s is not server),
            *(site.address for site in case.lab.sites.values())]


@fault("all servers are stopped for 60 s", "they are started", Stops(seconds=60), cause="NATS_DOWN")
def stop_all_nats(case):
    for server in case.lab.servers:
        server.stop()
    yield
    case.lab.start_servers()


# -- the network -----------------------------------------------------------------------------------------

def cut(case, way, nats=True, peers=False):
    addresses = (case.lab.server_addresses() if nats else []) + (
        case.lab.peer_addresses(case.leader) if peers else [])
    case.site.cable.cut(addresses, way)


@fault("the leader's site and NATS do not reach each other", "the cable is mended", Moves(), short=True, cause="ISOLATION")
def cut_from_nats(case):
    cut(case, "both")
    yield
    case.site.cable.mend()


@fault("the leader's site and the other sites do not reach each other", "the cable is mended",
       Stays(seconds=5), lab={"sites": 3})
def cut_from_peers(case):
    cut(case, "both", nats=False, peers=True)
    yield
    case.site.cable.mend()


@fault("the leader's site reaches nobody", "the cable is mended", Moves(), lab={"sites": 3}, cause="ISOLATION")
def cut_from_both(case):
    cut(case, "both", peers=True)
    yield
    case.site.cable.mend()


@fault("the leader's heartbeats are stored, and no answer comes back", "the cable is mended", Moves(),
       short=True, cause="ISOLATION")
def one_way_hears_nothing(case):
    cut(case, "in")
    yield
    case.site.cable.mend()


@fault("the leader hears NATS, and nothing it sends arrives", "the cable is mended", Moves(), cause="ISOLATION")
def one_way_says_nothing(case):
    cut(case, "out")
    yield
    case.site.cable.mend()


def part(case, server):
    """The leader's site and this server are on one side, everybody else on the other. Afterwards NATS needs
    up to a minute to be whole again, so each run has servers of its own."""
    servers = [s.address for s in case.lab.servers if s is not server]
    sites = case.lab.peer_addresses(case.leader)
    case.site.cable.cut(servers + sites)
    case.lab.cut_server(server, [*HUB_ADDRESSES, *servers, *sites])


@fault("the leader's site and the server that leads the stream are cut off together from all others",
       "both cables are mended", Moves(within=30), spoils=True)
def minority_with_stream_leader(case):
    server = case.lab.stream_leader()
    part(case, server)
    yield
    case.site.cable.mend()
    case.lab.mend_server(server)


@fault("the leader's site and a server that does not lead the stream are cut off together from all others",
       "both cables are mended", Moves(within=30), spoils=True)
def minority_with_stream_follower(case):
    leader = case.lab.stream_leader()
    server = case.random.choice([s for s in case.lab.servers if s is not leader])
    part(case, server)
    yield
    case.site.cable.mend()
    case.lab.mend_server(server)


def use_slow_lane(lab):
    lab.slow_lane("site-a")


@fault("each way between site-a, which leads, and NATS takes 0.75 T: an answer takes 1.5 T",
       "the line is fast again", Moves(), prepare=use_slow_lane, spoils=True, short=True, cause="SLOW_LINK")
def slow_link(case):
    case.lab.proxy.delay = 0.75 * case.seconds("heartbeat_interval_ms")
    yield
    case.lab.proxy.delay = 0


@fault("the latency of site-a's line alternates: 3 s at 1.5 T, 2 s at none", "the line is fast again",
       Returns(within=30), prepare=use_slow_lane, spoils=True)
def flapping_link(case):
    for _ in range(5):
        case.lab.proxy.delay = 0.75 * case.seconds("heartbeat_interval_ms")
        case.wait_ms(3000)
        case.lab.proxy.delay = 0
        case.wait_ms(2000)
    yield


@fault("what the leader's site sends passes at 4 kbit/s (tc tbf): a queue builds up", "at full speed again",
       Moves(within=30))
def thin_link(case):
    case.site.cable.narrow(4000, waiting_ms=20000)
    yield
    case.site.cable.widen()


# -- the bucket ------------------------------------------------------------------------------------------

@fault("harmony_failover is deleted", "`failover repair --yes`", Stops(seconds=8), spoils=True)
def bucket_deleted(case):
    case.lab.store.delete_bucket()
    yield
    case.lab.repair()


@fault("harmony_failover is deleted, and made anew at once with a first record",
       "`failover repair --yes`", Stops(seconds=8), spoils=True)
def bucket_recreated(case):
    case.lab.store.delete_bucket()
    case.lab.init()
    yield
    case.lab.repair()


@fault("every server is killed, and its disk goes back by 5 s, in the same epoch",
       "nothing is left to undo", Returns(within=60), spoils=True)
def bucket_rolled_back(case):
    case.lab.copy_store()
    case.wait_ms(5000)
    case.lab.roll_back_store()
    yield


@fault("the one server's disk goes back by 5 s within half a second, in the same epoch",
       "nothing is left to undo", Stays(seconds=6), lab={"servers": 1}, short=True)
def bucket_rolled_back_fast(case):
    case.lab.copy_store()
    case.wait_ms(5000)
    case.lab.roll_back_store()
    yield


@fault("every server's disk goes back to before the last change of the leader", "`failover repair --yes`",
       Stops(seconds=10), spoils=True)
def bucket_rolled_back_epoch(case):
    case.lab.copy_store()
    case.site.power_cut()
    case.lab.wait_serving(case.other)
    case.site.power_on()
    case.site.start_agent()
    case.lab.settle()
    case.lab.roll_back_store()
    case.began_ns = boottime_ns()
    yield
    case.lab.repair()


# -- failsafe by consent -------------------------------------------------------------------------------

FAILSAFE = {"failsafe": True}


@fault("failsafe: all servers are stopped for 60 s", "they are started", Stays(seconds=60), lab=FAILSAFE)
def failsafe_stop_all_nats(case):
    for server in case.lab.servers:
        server.stop()
    yield
    case.lab.start_servers()


@fault("failsafe: kill -9 of the server that leads the stream; three sites", "it is started",
       Stays(seconds=12), lab={"failsafe": True, "sites": 3}, short=True)
def failsafe_kill_nats_leader(case):
    server = case.lab.stream_leader()
    server.kill()
    yield
    case.lab.start_servers()


@fault("failsafe: the leader's site and NATS do not reach each other", "the cable is mended",
       Stays(seconds=8), lab=FAILSAFE)
def failsafe_cut_from_nats(case):
    cut(case, "both")
    yield
    case.site.cable.mend()


@fault("failsafe: the leader's site and the other sites do not reach each other", "the cable is mended",
       Stays(seconds=6), lab=FAILSAFE)
def failsafe_cut_from_peers(case):
    cut(case, "both", nats=False, peers=True)
    yield
    case.site.cable.mend()


@fault("failsafe: the leader's site reaches nobody", "the cable is mended", Moves(), lab=FAILSAFE, cause="ISOLATION")
def failsafe_cut_from_both(case):
    cut(case, "both", peers=True)
    yield
    case.site.cable.mend()


@fault("failsafe: the leader's site loses its power", "it boots", Moves(), lab=FAILSAFE, cause="POWER_CUT")
def failsafe_power_cut(case):
    case.site.power_cut()
    yield
    case.site.power_on()
    case.site.start_agent()


@fault("failsafe: all servers are stopped, and then a replica loses its power: a voter is missing",
       "both are back", Stops(seconds=10), lab=FAILSAFE)
def failsafe_voter_dies(case):
    for server in case.lab.servers:
        server.kill()
    case.wait_ms(5000)
    replica = case.lab.sites[case.other]
    replica.power_cut()
    case.began_ns = boottime_ns()
    yield
    case.lab.start_servers()
    replica.power_on()
    replica.start_agent()


# -- hooks -----------------------------------------------------------------------------------------------

def failing_promotion(name, folder):
    promote = witness.hooks(folder / "witness" / name)["promote"]
    return {"promote": gated(promote, f"! test -e {folder}/broken-{name}")}


@fault("the first replica's promote hook fails, and the leader's site loses its power",
       "both are mended", Moves(within=20), lab={"sites": 3, "hooks": failing_promotion})
def promote_hook_fails(case):
    first = case.others[0]
    broken = case.lab.folder / f"broken-{first}"
    broken.touch()
    case.site.power_cut()
    yield
    assert case.serving_now() != first, f"{first} serves, though its hook failed"
    broken.unlink()
    case.site.power_on()
    case.site.start_agent()


def hanging_fence(name, folder):
    fence = witness.hooks(folder / "witness" / name)["fence"]
    return {"fence": ["/bin/sh", "-c", f'test -e {folder}/stuck && exec sleep 600; exec "$@"', "-", *fence]}


@fault("the leader's fence hook hangs, and its site is cut off from NATS", "both are mended", Moves(), lab={"hooks": hanging_fence})
def stop_hook_hangs(case):
    stuck = case.lab.folder / "stuck"
    stuck.touch()
    cut(case, "both")
    yield
    stuck.unlink()
    case.site.cable.mend()


def probed(name, folder):
    return {"probe": ["/bin/sh", "-c", f"! test -e {folder}/ill-{name}"]}


@fault("the probe of the leader's workload fails", "it succeeds again", Moves(within=20), lab={"hooks": probed},
       short=True, cause="WORKLOAD_DOWN")
def probe_fails(case):
    ill = case.lab.folder / f"ill-{case.leader}"
    ill.touch()
    yield
    ill.unlink()
