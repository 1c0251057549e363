"""harmony-guardian on real processes, cgroups and links; the agent's end is tests/lib/guardian.py."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import cgroups, rtnetlink
from lib import guardian as g
from lib.guardian import Guardian, in_ms, is_dead, start_time
from lib.paths import built
from lib.processes import run
from lib.waiting import GaveUp, wait_until

GENEROUS_NS = 5_000_000_000  # a lateness that only says: it was the deadline that fired
WORKLOAD = ["sleep", "1000"]
NAME = f"guardian-test-{os.getpid()}"  # a guardian looks at all processes of this machine, also those of other tests


@pytest.fixture
def cgroup(folder):
    """A cgroup that the guardian makes its own in; gone afterwards with all that runs there."""
    path = cgroups.make(folder.name)
    assert (path / "cgroup.kill").exists(), "these tests need cgroup v2"
    yield path
    (path / "cgroup.kill").write_text("1")
    wait_until(lambda: remove_cgroups(path), 10, f"{path} to be removed")


def remove_cgroups(path):
    cgroups.drop(path)
    return not path.exists()


@pytest.fixture
def guardian(folder, cgroup):
    process = Guardian(folder / "g", "--cgroup", cgroup).start()
    yield process
    process.kill()


@pytest.fixture
def agent(guardian):
    client = guardian.client()
    yield client
    client.close()


@pytest.fixture
def workload():
    """workload(argv...): processes that are ended in the end."""
    started = []

    def start(*argv):
        started.append(subprocess.Popen(argv or WORKLOAD, stdin=subprocess.DEVNULL, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):  # all of it is gone
            os.killpg(process.pid, signal.SIGKILL)  # a shell's child too, which its death leaves behind
        process.wait()


def pid_entry(process):
    return ("pid", process.pid, start_time(process.pid))


def started_in(state):
    """A workload that has joined the epoch's cgroup."""
    process = g.join_and_run(state.cgroup, *WORKLOAD)
    wait_until(lambda: open(f"/proc/{process.pid}/cmdline", "rb").read().startswith(b"sleep"), 5,
               "the workload to be executed")
    return process


def check_lateness(state):
    assert 0 <= state.fired_ns - state.lease.deadline_ns < GENEROUS_NS


# -- Firing --------------------------------------------------------------------

def test_the_workload_of_an_armed_epoch_is_killed_at_its_deadline(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    assert armed.error == g.OK and armed.holds & 1
    process = started_in(armed)
    deadline = in_ms(100)
    assert agent.set(g.SERVING, 1, deadline).error == g.OK
    end = agent.wait_verified(1)
    assert g.boot_ns() >= deadline
    assert (end.rung, end.verified, end.cgroup) == (g.KILL, 1, "")
    check_lateness(end)
    assert process.wait(5) == -signal.SIGKILL
    assert not os.path.exists(armed.cgroup)


def test_a_workload_lives_while_its_deadline_is_moved(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    process = started_in(armed)
    first = in_ms(300)
    agent.set(g.SERVING, 1, first)
    agent.set(g.SERVING, 1, in_ms(60_000))
    wait_until(lambda: g.boot_ns() > first, 5, "the first deadline to pass")
    assert agent.hello().fired_epoch == 0
    assert process.poll() is None


def test_a_paused_lease_has_no_deadline(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    process = started_in(armed)
    state = agent.set(g.SERVING, 1, g.NEVER, paused=1)
    assert (state.error, state.lease.paused) == (g.OK, 1)
    with pytest.raises(GaveUp):
        agent.wait_state(lambda s: s.fired_epoch, 0.3, "nothing")
    assert process.poll() is None


def test_the_death_of_the_agent_changes_nothing_but_its_successor_is_told(guardian, agent):
    armed = agent.set(g.ARMED, 4, in_ms(60_000))
    process = started_in(armed)
    told = agent.set(g.SERVING, 4, in_ms(1500), nonce=77, counter=9, revision=1234).lease
    agent.close()
    successor = guardian.client()
    assert successor.state.lease == told
    assert successor.state.cgroup == armed.cgroup
    assert process.poll() is None
    successor.close()
    assert process.wait(10) == -signal.SIGKILL
    assert guardian.client().state.fired_epoch == 4


def test_a_fired_epoch_is_never_armed_again(agent):
    agent.set(g.ARMED, 1, in_ms(60_000))
    fired = agent.set(g.SERVING, 1, in_ms(-1))
    assert fired.error == g.FIRED
    agent.wait_end(1)
    for phase in (g.ARMED, g.SERVING, g.FENCING):
        assert agent.set(phase, 1, in_ms(60_000)).error == g.FIRED
    assert agent.set(g.ARMED, 2, in_ms(60_000)).error == g.OK


def test_an_epoch_that_has_ended_or_is_lower_is_refused(agent):
    agent.set(g.ARMED, 5, in_ms(60_000))
    assert agent.set(g.SERVING, 4, in_ms(60_000)).error == g.PAST
    assert agent.set(g.NONE, 4).error == g.PAST
    assert agent.set(g.NONE, 5).error == g.OK
    assert agent.set(g.SERVING, 5, in_ms(60_000)).error == g.PAST
    assert agent.set(g.ARMED, 1, in_ms(60_000), generation=1).error == g.OK


def test_a_fence_that_has_begun_is_not_taken_back(agent):
    agent.set(g.ARMED, 1, in_ms(60_000))
    assert agent.set(g.FENCING, 1, in_ms(50_000)).error == g.OK
    assert agent.set(g.SERVING, 1, in_ms(60_000)).error == g.PAST
    assert agent.set(g.NONE, 1).error == g.OK


# -- Late comers ---------------------------------------------------------------

def test_a_start_that_was_held_up_finds_no_cgroup(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    agent.set(g.SERVING, 1, in_ms(-1))
    agent.wait_end(1)
    late = g.join_and_run(armed.cgroup, *WORKLOAD)
    assert late.wait(10) == 1
    assert b"cannot join" in late.stderr.read()


def test_a_cgroup_that_was_opened_before_takes_nobody_afterwards(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    with open(os.path.join(armed.cgroup, "cgroup.procs"), "wb", buffering=0) as procs:
        agent.set(g.NONE, 1)
        wait_until(lambda: not os.path.exists(armed.cgroup), 5, "the cgroup to go")
        with pytest.raises(OSError):
            procs.write(b"0")


def test_ending_an_epoch_ends_what_is_in_nested_cgroups(agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    nested = os.path.join(armed.cgroup, "a", "b")
    os.makedirs(nested)
    process = started_in(g.State(cgroup=nested))
    agent.set(g.NONE, 1)
    assert process.wait(5) == -signal.SIGKILL
    wait_until(lambda: not os.path.exists(armed.cgroup), 5, "the cgroup to go")


def test_what_comes_up_after_the_fire_is_killed_until_armed_anew(agent, workload):
    argv = ["sh", "-c", "sleep 1000; :", "-uuid", NAME]
    agent.plan(("process", "-uuid", NAME))
    agent.set(g.ARMED, 1, in_ms(60_000))
    agent.set(g.SERVING, 1, in_ms(-1))
    agent.wait_end(1)
    assert workload(*argv).wait(5) == -signal.SIGKILL
    assert workload(*argv).wait(5) == -signal.SIGKILL
    wait_until(lambda: agent.set(g.ARMED, 2, in_ms(60_000)).error == g.OK, 5, "epoch 2")
    lives = workload(*argv)
    with pytest.raises(subprocess.TimeoutExpired):
        lives.wait(0.4)


# -- What is killed ------------------------------------------------------------

def fire(agent, *entries, epoch=1, limits=(0, 30_000, 0, 0, 0), **more):
    assert agent.plan(*entries, limits=limits).error == g.OK
    assert agent.set(g.ARMED, epoch, in_ms(60_000), **more).error == g.OK
    assert agent.set(g.SERVING, epoch, in_ms(-1), **more).error == g.FIRED
    return agent.wait_end(epoch, 60)


def test_a_process_is_killed_by_pid_and_start_time(agent, workload):
    named, other = workload(), workload()
    assert fire(agent, pid_entry(named)).verified
    assert is_dead(named.pid) and not is_dead(other.pid)


def test_a_later_process_of_the_same_pid_is_left_alone(agent, workload):
    process = workload()
    assert fire(agent, ("pid", process.pid, start_time(process.pid) - 1)).verified
    assert not is_dead(process.pid)


def test_a_process_is_killed_by_option_and_value_one_after_the_other(agent, workload):
    def sleeper(*words):
        return workload("sh", "-c", "sleep 1000; :", *words)

    named = sleeper("x", "-uuid", NAME)
    others = [sleeper("x", "-uuid", f"{NAME}2"), sleeper("x", f"-uuid={NAME}"),
              sleeper(NAME, "-uuid"), sleeper("x", "-uuid", "", NAME)]
    assert fire(agent, ("process", "-uuid", NAME)).verified
    assert named.wait(5) == -signal.SIGKILL
    assert [p.poll() for p in others] == [None] * 4


def test_a_cgroup_of_somebody_else_is_emptied_and_stays(agent, cgroup):
    theirs = cgroup / "theirs" / "below"
    theirs.mkdir(parents=True)
    process = started_in(g.State(cgroup=str(theirs)))
    assert fire(agent, ("cgroup", cgroup / "theirs")).verified
    assert process.wait(5) == -signal.SIGKILL
    assert theirs.exists()


def test_a_stopped_process_is_killed(agent, workload):
    process = workload()
    process.send_signal(signal.SIGSTOP)
    assert fire(agent, pid_entry(process)).verified
    assert is_dead(process.pid)


def test_a_plan_that_names_the_guardians_own_cgroup_is_refused(agent):
    root = next(line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)
    own = root + open("/proc/self/cgroup").read().rpartition("0::")[2].strip().rstrip("/")
    state = agent.plan(("cgroup", own))
    assert state.error == g.MALFORMED and "itself" in state.text


# -- Higher rungs --------------------------------------------------------------

@pytest.fixture
def stuck(freezer, workload):
    """A process that SIGKILL does not end, like one that waits for a dead disk: v1's freezer holds it."""
    process = workload()
    (freezer / "cgroup.procs").write_text(str(process.pid))
    (freezer / "freezer.state").write_text("FROZEN")
    wait_until(lambda: "FROZEN" in (freezer / "freezer.state").read_text(), 5, "it to be frozen")
    process.thaw = lambda: (freezer / "freezer.state").write_text("THAWED")
    yield process
    process.thaw()


@pytest.fixture
def freezer(folder):
    """A cgroup of v1's freezer."""
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo")
              if " - cgroup " in line and "freezer" in line.rpartition(" - ")[2]]
    mine = folder / "freezer"
    if not mounts:
        mine.mkdir()
        run(["mount", "-t", "cgroup", "-o", "freezer", "none", mine])
    path = (mine if not mounts else Path(mounts[0])) / f"harmony-test-{os.getpid()}"
    path.mkdir()
    yield path
    wait_until(lambda: path.rmdir() is None, 10, f"{path} to be removed")
    if not mounts:
        run(["umount", mine])


@pytest.fixture
def network(workload):
    """A network namespace with a link `vip0` that is up and has two addresses."""
    holder = workload("unshare", "-n", *WORKLOAD)
    path = f"/proc/{holder.pid}/ns/net"
    wait_until(lambda: os.stat(path).st_ino != os.stat("/proc/self/ns/net").st_ino and
               b"sleep" in open(f"/proc/{holder.pid}/cmdline", "rb").read()[:6], 5, "the namespace")

    def ip(*words):
        return run(["nsenter", f"--net={path}", "ip", *words]).stdout

    ip("link", "add", "vip0", "type", "veth", "peer", "name", "vip1")
    ip("addr", "add", "10.99.0.1/24", "dev", "vip0")
    ip("addr", "add", "10.99.0.2/24", "dev", "vip0")
    ip("addr", "add", "fd00:99::1/64", "dev", "vip0", "nodad")
    ip("link", "set", "vip0", "up")
    ip.path = path
    return ip


@pytest.fixture
def network_agent(folder, cgroup, network):
    """The agent of a guardian that lives in `network`."""
    process = Guardian(folder / "n", "--cgroup", cgroup, netns=network.path).start()
    client = process.client()
    yield client
    client.close()
    process.kill()


def script(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_when_the_kill_is_not_verified_links_go_down(network_agent, network, stuck):
    end = fire(network_agent, pid_entry(stuck), ("link", "vip0"), limits=(0, 50, 30_000, 0, 0))
    assert (end.rung, end.verified) == (g.CUT, 1)
    assert "state DOWN" in network("link", "show", "vip0")


def test_addresses_are_removed_and_others_stay(network_agent, network, stuck):
    end = fire(network_agent, pid_entry(stuck), ("address", "vip0", "10.99.0.2/24"),
               ("address", "vip0", "fd00:99::1/64"), ("address", "vip0", "10.99.0.77/24"),
               ("link", "is-not-there"), limits=(0, 50, 30_000, 0, 0))
    assert (end.rung, end.verified) == (g.CUT, 1)
    shown = network("addr", "show", "vip0")
    assert "10.99.0.1/24" in shown
    assert "10.99.0.2/24" not in shown and "fd00:99::1" not in shown


def test_an_address_under_another_prefix_is_not_taken_for_gone(network_agent, network, stuck):
    network("addr", "add", "fd00:99::2/48", "dev", "vip0", "nodad")
    end = fire(network_agent, pid_entry(stuck), ("address", "vip0", "fd00:99::2/64"),
               limits=(0, 50, 200, 0, 0))
    assert (end.rung, end.verified) == (g.CUT, 0)


def give_vip(network, address, mark=rtnetlink.MARK):
    run(["nsenter", f"--net={network.path}", *rtnetlink.argv("add", "vip0", address, mark)])


def has(network, address):
    return f" {address}/" in network("addr", "show", "vip0")


VIPS = ("10.99.0.10/32", "fd00:99::10/128")


def test_virtual_ips_go_at_the_fire_and_the_kill_is_verified_with_them(network_agent, network):
    for address in VIPS:
        give_vip(network, address)
    end = fire(network_agent, *(("vip", address) for address in VIPS))
    assert (end.rung, end.verified) == (g.KILL, 1)
    assert not has(network, "10.99.0.10") and not has(network, "fd00:99::10")
    assert has(network, "10.99.0.1") and has(network, "fd00:99::1")


def test_an_address_of_somebody_else_stays_though_the_plan_has_it(network_agent, network):
    network("addr", "add", "10.99.0.10/32", "dev", "vip0")
    give_vip(network, "fd00:99::10/128", rtnetlink.MARK + 1)
    assert fire(network_agent, *(("vip", address) for address in VIPS)).verified
    assert has(network, "10.99.0.10") and has(network, "fd00:99::10")


def test_a_virtual_ip_goes_at_once_though_the_kill_hangs(network_agent, network, stuck):
    give_vip(network, VIPS[0])
    agent = network_agent
    assert agent.plan(pid_entry(stuck), ("vip", VIPS[0]), limits=(0, 30_000, 0, 0, 0)).error == g.OK
    assert agent.set(g.ARMED, 1, in_ms(60_000)).error == g.OK
    assert agent.set(g.SERVING, 1, in_ms(-1)).error == g.FIRED
    wait_until(lambda: not has(network, "10.99.0.10"), 10, "the address to go")
    state = agent.hello()
    assert (state.climbing, state.verified) == (1, 0)


def test_a_virtual_ip_that_comes_back_after_the_fire_goes_again(network_agent, network):
    assert fire(network_agent, ("vip", VIPS[0])).verified
    for _ in range(3):  # an agent that was stopped in the middle of it
        give_vip(network, VIPS[0])
        wait_until(lambda: not has(network, "10.99.0.10"), 10, "the address to go again")
    assert network_agent.set(g.ARMED, 2, in_ms(60_000)).error == g.OK
    give_vip(network, VIPS[0])
    assert network_agent.set(g.SERVING, 2, in_ms(60_000)).error == g.OK
    assert has(network, "10.99.0.10")


def test_a_plan_that_comes_after_the_fire_has_its_virtual_ips_withdrawn(network_agent, network):
    assert fire(network_agent).verified
    give_vip(network, VIPS[0])
    assert network_agent.plan(("vip", VIPS[0])).error == g.OK
    wait_until(lambda: not has(network, "10.99.0.10"), 10, "the address to go")


def test_the_next_guardian_withdraws_what_the_one_that_was_killed_held(folder, cgroup, network):
    first = Guardian(folder / "n", "--cgroup", cgroup, netns=network.path).start()
    agent = first.client()
    assert agent.plan(("vip", VIPS[0])).error == g.OK
    assert agent.set(g.ARMED, 1, in_ms(60_000)).error == g.OK
    give_vip(network, VIPS[0])
    first.kill()
    agent.close()
    second = Guardian(folder / "n", "--cgroup", cgroup, netns=network.path, name="second").start()
    wait_until(lambda: not has(network, "10.99.0.10"), 10, "the address to go")
    second.kill()


def test_then_the_operators_command_is_run(agent, folder, stuck):
    said = folder / "said"
    command = script(folder, "command", f'echo "$HARMONY_SITE $HARMONY_GROUP $HARMONY_EPOCH $1" >{said}')
    end = fire(agent, pid_entry(stuck), ("command", command, "off"), epoch=7, limits=(0, 50, 0, 60_000, 0))
    assert (end.rung, end.verified) == (g.COMMAND, 1)
    assert said.read_text() == "site-a default 7 off\n"


def test_commands_are_run_one_after_the_other_until_one_fails(agent, folder, stuck):
    said = folder / "said"
    say = script(folder, "say", f'echo "$1" >>{said}; exit "$2"')
    end = fire(agent, pid_entry(stuck), ("command", say, "one", 0), ("command", say, "two", 1),
               ("command", say, "three", 0), limits=(0, 50, 0, 0, 0))
    assert (end.rung, end.verified) == (g.COMMAND, 0)
    assert said.read_text() == "one\ntwo\n"


def test_a_command_that_hangs_is_killed_with_what_it_started(agent, folder, stuck):
    pids = folder / "pids"
    command = script(folder, "hangs", f"trap '' TERM\nsleep 1000 &\necho $$ $! >{pids}\nwait")
    end = fire(agent, pid_entry(stuck), ("command", command), limits=(0, 50, 0, 300, 0))
    assert (end.rung, end.verified) == (g.COMMAND, 0)
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: is_dead(int(pid)), 5, f"{pid} of the command to end")


def test_no_rung_is_climbed_when_the_kill_is_verified(agent, folder, workload):
    said = folder / "said"
    end = fire(agent, pid_entry(workload()), ("command", script(folder, "say", f"echo >{said}")))
    assert (end.rung, end.verified) == (g.KILL, 1)
    assert not said.exists()


def test_a_kill_that_succeeds_late_is_told(agent, stuck):
    end = fire(agent, pid_entry(stuck), limits=(0, 50, 0, 0, 0))
    assert (end.rung, end.verified) == (g.KILL, 0)
    assert "no rung" in end.text
    stuck.thaw()
    late = agent.wait_state(lambda s: s.verified, 5, "the late kill")
    assert late.rung == g.KILL


def test_while_the_ladder_is_climbed_it_answers_and_arms_nothing(agent, stuck):
    agent.plan(pid_entry(stuck), limits=(0, 60_000, 0, 0, 0))
    agent.set(g.ARMED, 1, in_ms(60_000))
    agent.set(g.SERVING, 1, in_ms(-1))
    assert agent.hello().climbing == 1
    assert agent.set(g.ARMED, 2, in_ms(60_000)).error == g.BUSY
    assert agent.plan(number=2).error == g.BUSY
    stuck.thaw()
    agent.wait_end(1)
    assert agent.plan(number=2).plan == 2
    wait_until(lambda: agent.set(g.ARMED, 2, in_ms(60_000)).error == g.OK, 5, "epoch 2")


def test_who_joins_while_the_cgroup_is_being_ended_never_runs(agent, folder, stuck):
    """The cgroup can't be removed while something in it can't be killed, and so can still be joined."""
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    Path(armed.cgroup, "cgroup.procs").write_text(str(stuck.pid))
    agent.set(g.SERVING, 1, in_ms(-1))
    wait_until(lambda: "frozen 1" in Path(armed.cgroup, "cgroup.events").read_text() or
               Path(armed.cgroup, "cgroup.freeze").read_text().strip() == "1", 5, "it to be frozen")
    ran = folder / "ran"
    late = g.join_and_run(armed.cgroup, "sh", "-c", f"echo >{ran}")
    assert late.wait(10) == -signal.SIGKILL
    assert not ran.exists()
    stuck.thaw()
    wait_until(lambda: not os.path.exists(armed.cgroup), 5, "the cgroup to go")


# -- The watchdog (a plain file stands in for the device) ----------------------

@pytest.fixture
def watchdog(folder):
    path = folder / "watchdog"
    path.touch()
    return path


def test_the_watchdog_is_fed_while_armed_and_closed_with_the_magic(agent, watchdog):
    agent.plan(("watchdog", watchdog))
    assert watchdog.read_bytes() == b""
    agent.set(g.ARMED, 1, in_ms(60_000))
    wait_until(lambda: watchdog.stat().st_size > 2, 10, "it to be fed again")
    agent.set(g.NONE, 1)
    assert watchdog.read_bytes().strip(b"\0") == b"V"


def test_a_verified_kill_closes_the_watchdog(agent, watchdog, workload):
    fire(agent, pid_entry(workload()), ("watchdog", watchdog))
    assert watchdog.read_bytes().endswith(b"V")


def test_when_nothing_works_the_watchdog_is_not_fed_any_more(agent, watchdog, stuck):
    end = fire(agent, pid_entry(stuck), ("watchdog", watchdog), limits=(0, 50, 0, 0, 2500))
    assert (end.rung, end.verified) == (g.WATCHDOG, 0)
    assert watchdog.read_bytes().strip(b"\0") == b""
    size = watchdog.stat().st_size
    with pytest.raises(GaveUp):
        wait_until(lambda: watchdog.stat().st_size > size, 1.5, "it to be fed")


def test_a_watchdog_that_is_not_there_arms_nothing(agent, folder):
    agent.plan(("watchdog", folder / "none"))
    state = agent.set(g.ARMED, 1, in_ms(60_000))
    assert state.error == g.SYSTEM and "watchdog" in state.text
    assert agent.hello().lease.phase == g.NONE


# -- Strangers -----------------------------------------------------------------

def test_an_agent_of_another_site_group_or_version_is_refused(guardian):
    for name in ({"site": "site-b"}, {"group": "other"}):
        client = guardian.client(**name)
        assert client.state.error == g.STRANGER
        assert client.receive() is None
    client = guardian.client(hello=False)
    assert client.hello(version=99).error == g.STRANGER


def test_nothing_is_taken_before_hello(guardian):
    client = guardian.client(hello=False)
    assert client.set(g.ARMED, 1, in_ms(60_000)).error == g.STRANGER
    assert client.receive() is None


def test_another_user_is_not_served(guardian, folder):
    """Even when the file's mode would let it in."""
    guardian.client().close()
    for path in (folder, guardian.folder):
        path.chmod(0o755)
    guardian.socket.chmod(0o666)
    stranger = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c",
         "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
         f"s.connect('{guardian.socket}'); s.settimeout(5); sys.exit(len(s.recv(10)))"])
    assert stranger.returncode == 0  # closed without a word
    assert "user 65534" in guardian.log.read_text()


def test_the_socket_is_for_its_owner_alone(guardian, agent):
    assert guardian.socket.stat().st_mode & 0o777 == 0o600


def test_a_second_agent_is_served_once_the_first_has_ended(guardian, agent):
    second = guardian.client(hello=False)
    seq = second.send(g.HELLO, b"site-a".ljust(64, b"\0") + b"default".ljust(64, b"\0"))
    assert agent.hello().error == g.OK
    with pytest.raises(GaveUp):
        second.receive(0.2)
    assert agent.hello().error == g.OK
    agent.close()
    assert second.answer(seq).error == g.OK


def test_what_is_no_message_is_refused_and_changes_nothing(agent):
    agent.set(g.ARMED, 3, in_ms(60_000))
    for data in (b"", b"x", b"x" * 16, b"\0" * 70_000):
        if data:
            agent.socket.send(data)
            assert agent.receive().error == g.MALFORMED
    assert agent.ask(17, b"").error == g.MALFORMED
    assert agent.ask(g.SET, b"short").error == g.MALFORMED
    assert agent.set(9, 3).error == g.MALFORMED
    assert agent.plan(("command", "relative")).error == g.MALFORMED
    state = agent.hello()
    assert (state.lease.epoch, state.lease.phase, state.plan) == (3, g.ARMED, 0)


def test_one_guardian_for_a_folder_and_a_socket(guardian, agent, folder, cgroup):
    second = Guardian(guardian.folder, "--cgroup", cgroup, name="second").start()
    assert second.popen.wait(5) == 1
    assert "another guardian has the folder" in second.log_end()
    third = Guardian(folder / "other", "--cgroup", cgroup, name="third")
    third.argv[third.argv.index("--socket") + 1] = str(guardian.socket)
    assert third.start().popen.wait(5) == 1
    assert "another guardian listens" in third.log_end()
    assert agent.hello().error == g.OK


# -- The guardian itself -------------------------------------------------------

def test_a_guardian_that_was_killed_leaves_a_plan_that_the_next_one_carries_out(guardian, workload):
    agent = guardian.client()
    mine = workload()
    agent.plan(pid_entry(mine), number=5)
    armed = agent.set(g.ARMED, 8, in_ms(60_000))
    process = started_in(armed)
    agent.set(g.SERVING, 8, in_ms(60_000))
    guardian.kill()
    assert agent.receive() is None
    assert mine.poll() is None and process.poll() is None
    guardian.start()
    successor = guardian.client()
    state = successor.state if successor.state.verified else successor.wait_verified(8)
    assert (state.fired_epoch, state.rung, state.verified, state.plan) == (8, g.KILL, 1, 5)
    assert state.instance != armed.instance
    assert is_dead(mine.pid) and process.wait(5) == -signal.SIGKILL
    assert successor.set(g.SERVING, 8, in_ms(60_000)).error == g.FIRED
    assert successor.set(g.ARMED, 9, in_ms(60_000)).error == g.OK


def test_the_next_guardian_closes_the_watchdog_of_the_one_that_was_killed(guardian, watchdog):
    agent = guardian.client()
    agent.plan(("watchdog", watchdog))
    agent.set(g.ARMED, 1, in_ms(60_000))
    guardian.kill()
    assert b"V" not in watchdog.read_bytes()
    guardian.start()
    wait_until(lambda: watchdog.read_bytes().endswith(b"V"), 5, "the magic V")


def test_a_plan_of_an_earlier_boot_is_nobodys(guardian, workload):
    mine = workload()
    agent = guardian.client()
    agent.plan(pid_entry(mine))
    agent.set(g.ARMED, 8, in_ms(60_000))
    guardian.kill()
    kept = guardian.folder / "guardian.plan"
    data = bytearray(kept.read_bytes())
    data[8:16] = b"01234567"  # the boot id
    kept.write_bytes(data)
    guardian.start()
    assert guardian.client().state.fired_epoch == 0
    assert mine.poll() is None


def test_sighup_keeps_everything_and_the_deadline(guardian, agent, watchdog):
    agent.plan(("watchdog", watchdog), number=3)
    armed = agent.set(g.ARMED, 2, in_ms(60_000))
    process = started_in(armed)
    before = agent.set(g.SERVING, 2, in_ms(1500), nonce=5)
    agent.news = []
    guardian.signal(signal.SIGHUP)
    after = agent.wait_state(lambda s: True, 5, "the upgraded guardian")
    assert "--resume" in open(f"/proc/{guardian.pid}/cmdline").read()
    for field in ("instance", "plan", "lease", "cgroup", "holds"):
        assert after[field] == before[field], field
    assert process.poll() is None
    assert b"V" not in watchdog.read_bytes()
    end = agent.wait_end(2)
    check_lateness(end)
    assert process.wait(5) == -signal.SIGKILL
    guardian.signal(signal.SIGHUP)
    agent.wait_state(lambda s: s is not end and s.fired_epoch == 2, 5, "the second upgrade")
    assert agent.set(g.ARMED, 2, in_ms(60_000)).error == g.FIRED


def test_an_upgrade_to_what_is_not_there_changes_nothing(folder, cgroup):
    program = folder / "harmony-guardian"
    shutil.copy(built("harmony-guardian"), program)
    process = Guardian(folder / "u", "--cgroup", cgroup)
    process.argv[0] = str(program)
    agent = process.start().client()
    try:
        armed = agent.set(g.ARMED, 1, in_ms(60_000))
        program.unlink()
        process.signal(signal.SIGHUP)
        wait_until(lambda: "this one goes on" in process.log.read_text(), 5, "the upgrade to fail")
        assert agent.hello().instance == armed.instance
        assert agent.set(g.SERVING, 1, in_ms(-1)).error == g.FIRED
        agent.wait_verified(1)
    finally:
        process.kill()


def test_a_resumption_that_cannot_be_read_ends_everything(guardian, workload):
    agent = guardian.client()
    mine = workload()
    agent.plan(pid_entry(mine))
    agent.set(g.ARMED, 2, in_ms(60_000))
    guardian.kill()
    guardian.argv += ["--resume", "9"]
    guardian.start()
    assert guardian.client().state.fired_epoch == 2
    assert mine.wait(5) == -signal.SIGKILL


def test_sigterm_while_nothing_is_armed_ends_it_at_once(guardian, agent, cgroup):
    agent.plan()
    assert guardian.stop(5) == 0
    assert not guardian.socket.exists()
    assert not (guardian.folder / "guardian.plan").exists()
    assert not [p for p in cgroup.iterdir() if p.is_dir()]


def test_sigterm_while_armed_waits_for_the_agent_to_disarm(guardian, agent):
    agent.set(g.ARMED, 1, in_ms(60_000))
    guardian.signal(signal.SIGTERM)
    agent.wait_state(lambda s: s.leaving, 5, "it to say that it leaves")
    assert agent.set(g.SERVING, 1, in_ms(60_000)).error == g.OK
    assert agent.set(g.ARMED, 2, in_ms(60_000)).error == g.LEAVING
    assert guardian.is_running()
    agent.set(g.NONE, 1)
    assert guardian.popen.wait(5) == 0


def test_sigterm_while_armed_fires_at_the_deadline_and_then_ends(guardian, agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    process = started_in(armed)
    deadline = in_ms(300)
    agent.set(g.SERVING, 1, deadline)
    guardian.signal(signal.SIGTERM)
    assert guardian.popen.wait(10) == 0
    assert g.boot_ns() >= deadline
    assert process.wait(5) == -signal.SIGKILL


def test_a_frozen_guardian_fires_first_though_it_was_told_to_wait_longer(guardian, agent):
    armed = agent.set(g.ARMED, 1, in_ms(60_000))
    process = started_in(armed)
    deadline = in_ms(200)
    agent.set(g.SERVING, 1, deadline)
    guardian.freeze()
    seq = agent.send(g.SET, g.encode_lease(phase=g.SERVING, epoch=1, deadline_ns=in_ms(60_000)))
    wait_until(lambda: g.boot_ns() > deadline, 5, "the deadline to pass")
    assert process.poll() is None
    guardian.thaw()
    assert agent.answer(seq).error == g.FIRED
    assert process.wait(5) == -signal.SIGKILL
    check_lateness(agent.wait_end(1))


def test_without_a_cgroup_it_still_kills_by_name(folder, workload):
    """--cgroup names a folder that is none."""
    process = Guardian(folder / "bare", "--cgroup", folder).start()
    try:
        agent = process.client()
        mine = workload()
        assert agent.state.holds == 0
        assert fire(agent, pid_entry(mine)).verified
        assert is_dead(mine.pid)
    finally:
        process.kill()


def test_the_freezer_of_v1_holds_what_v2_cannot(folder, freezer):
    process = Guardian(folder / "v1", "--cgroup", freezer).start()
    try:
        agent = process.client()
        armed = agent.set(g.ARMED, 1, in_ms(60_000))
        assert armed.holds == 2
        mine = started_in(armed)
        agent.set(g.SERVING, 1, in_ms(-1))
        agent.wait_verified(1)
        assert mine.wait(5) == -signal.SIGKILL
        assert not os.path.exists(armed.cgroup)
    finally:
        process.stop()
