"""Native networks in network namespaces: traffic, NAT, forwarded ports, addresses that last, and what is
left alone."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from lib.netns import Machine, NativeHost
from lib.processes import environment
from lib.waiting import wait_until

LAN = {"backend": "native"}


def vm(*nics):
    return {"kernel": "/k", "networks": [{"network": "lan"}] if not nics else list(nics)}


def mac(number):
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def machines(folder):
    made = []

    def make(kind, name, **options):
        made.append(kind(name, folder, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


@pytest.fixture
def host(machines):
    return machines(NativeHost, "host")


def connect_outside(host, machines):
    """A machine beyond the host, which knows no way to the host's networks."""
    outside = machines(Machine, "outside")
    outside.join(host, "eth0", "uplink", address="203.0.113.1/24")
    host.run("ip", "address", "add", "203.0.113.2/24", "dev", "uplink")
    host.run("ip", "route", "add", "default", "via", "203.0.113.1")
    return outside


def guest_on(host, machines, name, number, network="lan", **nic):
    """A machine with the card of a VM of that name; its address was asked for by DHCP."""
    card = {"network": network, "mac": mac(number), **nic}
    host.do("attach", name, vm(card))
    guest = machines(Machine, name)
    guest.plug_into(host, host.networks()[network]["details"]["bridge"], mac(number))
    return guest


# -- traffic -------------------------------------------------------------------------------------


def test_guests_get_their_addresses_talk_and_reach_outside_by_nat(host, machines):
    outside = connect_outside(host, machines)
    host.up("lan", forwards=[{"port": 8080, "to": "10.100.0.2", "to_port": 80}])
    web, db = guest_on(host, machines, "web", 1), guest_on(host, machines, "db", 2)
    assert (web.ask_for_address(), db.ask_for_address()) == ("10.100.0.2/16", "10.100.0.3/16")
    assert host.addresses() == {"web#0": "10.100.0.2", "db#0": "10.100.0.3"}

    web.serve(80)
    outside.serve(81)
    assert db.fetch("http://10.100.0.2") == "10.100.0.3"
    assert host.fetch("http://10.100.0.2") == "10.100.0.1"
    assert db.fetch("http://203.0.113.1:81") == "203.0.113.2"  # under the host's address

    assert outside.fetch("http://203.0.113.2:8080") == "203.0.113.1"  # the forwarded port
    assert host.fetch("http://203.0.113.2:8080") is not None  # from the host itself
    assert db.fetch("http://203.0.113.2:8080") == "10.100.0.1"  # from a neighbour, and back the same way
    outside.run("ip", "route", "add", "10.100.0.0/16", "via", "203.0.113.2")
    assert outside.is_cut_off("http://10.100.0.2")  # and no other way in

    assert web.resolve("db", "10.100.0.1") == ["10.100.0.3"]


def test_isolated_guests_reach_each_other_and_the_host_alone(host, machines):
    outside = connect_outside(host, machines)
    host.up("lan")
    host.up("iso", mode="isolated", subnet="10.200.0.1/24")
    one, two = (guest_on(host, machines, name, n, "iso") for n, name in enumerate(("one", "two"), 1))
    third = guest_on(host, machines, "third", 3)
    for guest in (one, two, third):
        assert guest.ask_for_address()
        guest.serve(80)
    outside.serve(81)
    assert one.run("ip", "route", "show", "default").stdout == ""
    for gateway, guest in (("10.200.0.1", one), ("10.200.0.1", two)):
        guest.run("ip", "route", "add", "default", "via", gateway)
    assert one.fetch("http://10.200.0.3") == "10.200.0.2"
    assert host.fetch("http://10.200.0.2") == "10.200.0.1"
    assert one.is_cut_off("http://203.0.113.1:81")
    assert one.is_cut_off("http://10.100.0.2")  # the other network
    assert third.fetch("http://203.0.113.1:81") == "203.0.113.2"
    assert third.is_cut_off("http://10.200.0.2")


def test_a_routed_network_is_reached_under_its_own_addresses(host, machines):
    outside = connect_outside(host, machines)
    host.up("lan", mode="route", subnet="10.50.0.1/24", mtu=1400)
    guest = guest_on(host, machines, "web", 1)
    assert guest.ask_for_address() == "10.50.0.2/24"
    assert host.links()["br-lan"]["mtu"] == 1400
    outside.run("ip", "route", "add", "10.50.0.0/24", "via", "203.0.113.2")
    guest.serve(80)
    outside.serve(81)
    assert outside.fetch("http://10.50.0.2") == "203.0.113.1"
    assert guest.fetch("http://203.0.113.1:81") == "10.50.0.2"


def test_only_declared_cards_are_given_addresses(host, machines):
    host.up("lan", dhcp={"hosts": [{"mac": mac(7), "ip": "10.100.0.77", "name": "printer"}]})
    printer, stranger = machines(Machine, "printer"), machines(Machine, "stranger")
    printer.plug_into(host, "br-lan", mac(7))
    stranger.plug_into(host, "br-lan", mac(8))
    assert printer.ask_for_address() == "10.100.0.77/16"
    assert stranger.run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s",
                        "/bin/true", check=False).returncode != 0


# -- addresses -----------------------------------------------------------------------------------


def test_addresses_survive_a_power_cut(machines):
    host = machines(NativeHost, "host")
    host.up("lan")
    for name in ("a", "b", "c"):
        host.do("boot", name, vm())
    host.do("detach", "b", vm())
    before = host.addresses()
    assert before == {"a#0": "10.100.0.2", "c#0": "10.100.0.4"}
    host.close()

    host = machines(NativeHost, "host")
    assert host.networks()["lan"]["state"] == "off"  # a reboot: defined, and down
    host.do("start", "lan", LAN)
    assert host.networks()["lan"]["state"] == "running"
    assert host.addresses() == before
    host.do("boot", "d", vm())
    assert host.addresses()["d#0"] == "10.100.0.5"  # what was given back is reused late
    host.do("boot", "b", vm())
    assert host.addresses()["b#0"] == "10.100.0.3"  # and by its own holder before


def test_a_lost_record_is_made_up_for_by_what_dnsmasq_was_told(host):
    host.up("lan")
    for name in ("a", "b", "c"):
        host.do("boot", name, vm())
    (host.home / "state/native/lan.addresses.json").unlink()
    host.do("boot", "c", vm())
    assert host.addresses() == {"c#0": "10.100.0.4"}


def test_a_record_that_can_not_be_read_gives_no_addresses_and_stops_nothing(host):
    host.up("lan")
    record = host.home / "state/native/lan.addresses.json"
    record.write_text('{"version": 1, "leases"')
    code, said = host.refuse("boot", "a", vm())
    assert code == "invalid" and str(record) in said and "move the file away" in said
    assert host.networks()["lan"]["state"] == "running"
    record.unlink()
    host.do("boot", "a", vm())


def test_wanted_addresses_are_given_or_refused_by_name(host):
    host.up("lan")
    host.do("boot", "web", vm({"network": "lan", "ip": "10.100.7.7"}))
    assert host.addresses() == {"web#0": "10.100.7.7"}
    code, said = host.refuse("boot", "db", vm({"network": "lan", "ip": "10.100.7.7"}))
    assert code == "conflict" and "held by site-a.vm.web#0" in said
    assert host.refuse("boot", "db", vm({"network": "lan", "ip": "10.101.0.2"}))[0] == "invalid"
    assert host.refuse("boot", "db", vm({"network": "lan", "ip": "10.100.0.1"}))[0] == "conflict"


def test_killed_at_any_instant_no_address_is_given_twice(host):
    """kill -9 while VMs are attached and detached: what is on disk always has one holder for each address,
    nobody who was told an address has another, and the next call finishes what was begun."""
    host.up("lan", subnet="10.60.0.1/28")
    begun = time.monotonic()
    host.do("--tap", "boot", "v0", vm())
    whole = time.monotonic() - begun  # as long as a call takes here
    chance, told, killed = random.Random(1), {"v0#0": host.addresses()["v0#0"]}, 0
    for step in range(40):
        name = f"v{chance.randrange(16)}"
        words = ("--tap", "boot" if chance.random() < 0.7 else "detach", name, json.dumps(vm()))
        process = subprocess.Popen(host.argv(*words), stdout=subprocess.PIPE, env=environment())
        try:
            process.wait(chance.uniform(0, whole))
        except subprocess.TimeoutExpired:
            for pid in host.run("pgrep", "-x", "native", check=False).stdout.split():
                host.run("kill", "-KILL", pid, check=False)
                killed += 1
        process.communicate()
        held = host.addresses()
        assert len(set(held.values())) == len(held), held
        for owner, address in told.items():
            assert owner == f"{name}#0" or held[owner] == address
        if words[1] == "boot" and process.returncode == 0:
            told[f"{name}#0"] = held[f"{name}#0"]
        elif words[1] == "detach":
            told.pop(f"{name}#0", None)
            if process.returncode != 0:
                host.do("detach", name, vm())
    assert killed > 5
    for owner in sorted(told):
        host.do("--tap", "boot", owner.split("#")[0], vm())
    held = host.addresses()
    assert {owner: held[owner] for owner in told} == told
    taps = [link["ifalias"].split(".")[-1] for link in host.links().values()
            if link.get("ifalias", "").startswith("harmony:") and link.get("linkinfo", {}).get("info_kind") == "tun"]
    assert len(set(taps)) == len(taps), "two TAPs of one card"
    assert set(told) <= set(taps) <= set(held)
    assert "drift" not in host.networks()["lan"]


# -- what is left alone --------------------------------------------------------------------------


def test_two_agents_on_one_host_do_not_collide(machines, folder):
    a = machines(NativeHost, "host")
    b = machines(NativeHost, "other", site="site-b")
    b.pid = a.pid  # on the same host
    a.up("lan")
    code, said = b.refuse("create", "lan", LAN)
    assert code == "conflict" and "belongs to site site-a" in said
    b.do("remove", "lan", LAN)
    assert a.links()["br-lan"]["ifalias"] == "harmony:site-a:site-a.network.lan"
    spec = {**LAN, "bridge": "br-b"}
    code, said = b.refuse("create", "lan", spec)
    assert code == "conflict" and "br-lan of this host has an address in its subnet 10.100.0.0/16" in said
    b.do("update", "lan", {**spec, "subnet": "10.101.0.1/16"})
    b.do("start", "lan", {**spec, "subnet": "10.101.0.1/16"})
    for host in (a, b):
        host.do("--tap", "boot", "web", vm())
    assert (a.addresses(), b.addresses()) == ({"web#0": "10.100.0.2"}, {"web#0": "10.101.0.2"})
    tables = a.run("nft", "list", "tables").stdout
    assert "harmony_site_a" in tables and "harmony_site_b" in tables
    b.do("detach", "web", vm())
    b.do("remove", "lan", spec)
    assert "drift" not in a.networks()["lan"] and a.networks()["lan"]["state"] == "running"
    assert len(a.dnsmasqs()) == 1 and "br-b" not in a.links()
    assert [link["ifalias"] for link in a.links().values() if link["ifname"].startswith("hm")] == [
        "harmony:site-a:site-a.vm.web#0"]


def test_a_foreign_bridge_of_that_name_is_a_conflict_and_untouched(host):
    host.run("ip", "link", "add", "br-lan", "type", "bridge")
    before = host.links()["br-lan"]
    code, said = host.refuse("create", "lan", LAN)
    assert code == "conflict" and "br-lan exists on this host that harmony did not make" in said
    assert host.refuse("start", "lan", LAN)[0] == "conflict"
    host.do("remove", "lan", LAN)
    assert host.links()["br-lan"] == before
    assert host.run("nft", "list", "ruleset").stdout == ""


def test_a_vm_that_is_off_has_no_tap_but_its_address(host):
    def taps():
        return {link["ifalias"].split(".")[-1] for name, link in host.links().items() if name.startswith("hm")}

    host.up("lan")
    for name in ("web", "db"):
        host.do("--tap", "boot", name, vm())
    before = host.addresses()
    host.do("unplug", "web", vm())
    assert taps() == {"db#0"} and host.addresses() == before
    host.do("--tap", "boot", "db", vm())
    host.do("update", "lan", {**LAN, "mtu": 1400})
    assert taps() == {"db#0"}, "another one's start, or the network's update, brought it back"
    host.do("--tap", "boot", "web", vm())
    assert taps() == {"web#0", "db#0"} and host.addresses() == before
    holder = host.hold_tap(next(name for name, link in host.links().items()
                                if link.get("ifalias", "").endswith("web#0")))
    host.do("unplug", "web", vm())
    assert taps() == {"web#0", "db#0"}, "one that a process has open was taken away"
    holder.communicate()


def test_leaked_taps_are_swept_and_foreign_ones_left(host):
    host.up("lan")
    host.do("--tap", "boot", "web", vm())
    kept = {name for name in host.links() if name.startswith("hm")}
    for name, alias in (("leak", "harmony:site-a:site-a.vm.gone#0"), ("busy", "harmony:site-a:site-a.vm.gone#1"),
                        ("b-tap", "harmony:site-b:site-b.vm.gone#0"), ("plain", "")):
        host.run("ip", "tuntap", "add", name, "mode", "tap", "vnet_hdr")
        host.run("ip", "link", "set", name, "alias", alias)
    holder = host.hold_tap("busy")
    host.do("start", "lan", LAN)
    left = set(host.links())
    assert "leak" not in left and {"busy", "b-tap", "plain"} | kept <= left
    holder.communicate()
    host.do("start", "lan", LAN)
    assert "busy" not in host.links()


def test_what_others_changed_is_seen_and_put_right(host):
    host.up("lan")
    damage = {
        "the firewall's rules": ("nft", "add", "rule", "inet", "harmony_site_a", "forward", "accept"),
        "the bridge br-lan": ("ip", "address", "flush", "dev", "br-lan"),
        "does not forward": ("sysctl", "-q", "-w", "net.ipv4.ip_forward=0"),
        "its dnsmasq": ("pkill", "-x", "dnsmasq"),
    }
    for said, argv in damage.items():
        host.run(*argv)
        wait_until(lambda: said in host.networks()["lan"].get("drift", ""), 5, said)
        host.do("update", "lan", LAN)
        assert "drift" not in host.networks()["lan"]
    host.run("ip", "link", "delete", "br-lan")
    assert host.networks()["lan"]["state"] == "off"
    host.do("start", "lan", LAN)
    assert "drift" not in host.networks()["lan"] and len(host.dnsmasqs()) == 1


def test_a_change_of_the_document_restarts_dnsmasq_only_if_it_must(host):
    host.up("lan")
    before = host.dnsmasqs()
    named = {**LAN, "dhcp": {"hosts": [{"mac": mac(1), "ip": "10.100.0.9", "name": "x"}]}}
    host.do("update", "lan", named)
    assert host.dnsmasqs() == before  # read again by SIGHUP
    host.do("update", "lan", {**named, "dns": {"domain": "example.net"}})
    after = host.dnsmasqs()
    assert len(after) == 1 and after != before
    host.do("update", "lan", {**LAN, "dhcp": {"enabled": False}, "dns": {"enabled": False}})
    assert host.dnsmasqs() == []
    assert "drift" not in host.networks()["lan"]


def test_a_pid_file_that_names_somebody_else_harms_nobody(host):
    host.up("lan")
    stranger = subprocess.Popen(host.enter("sleep", "600"), env=environment())
    pid = wait_until(lambda: host.run("pgrep", "-x", "-f", "sleep 600").stdout.split(), 5, "it")[0]
    (host.home / "run/native/lan/dnsmasq.pid").write_text(pid + "\n")
    assert host.networks()["lan"]["drift"] == "its dnsmasq does not run"
    host.do("update", "lan", LAN)  # the one that runs is found by its command line
    host.do("remove", "lan", LAN)
    assert stranger.poll() is None and host.dnsmasqs() == []
    stranger.send_signal(signal.SIGKILL)
    stranger.wait()


def test_a_pid_file_that_is_lost_is_written_anew(host, machines):
    host.up("lan")
    before = host.dnsmasqs()
    (host.home / "run/native/lan/dnsmasq.pid").unlink()
    assert host.networks()["lan"]["drift"] == "its dnsmasq does not run"
    host.do("update", "lan", LAN)
    assert "drift" not in host.networks()["lan"] and host.dnsmasqs() == before
    assert guest_on(host, machines, "web", 1).ask_for_address() == "10.100.0.2/16"


@contextmanager
def somebody_who_flushes_all_rules(host):
    """Again and again, many times while the agent sets its table once; what to call to have them stop."""
    flusher = subprocess.Popen(host.enter("sh", "-c", "yes 'flush ruleset' | nft -i"), env=environment(),
                               stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield lambda: os.killpg(flusher.pid, signal.SIGKILL)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(flusher.pid, signal.SIGKILL)
        flusher.wait()


def test_rules_that_are_taken_away_as_soon_as_they_are_set_are_missed(host):
    """A restart of nftables.service does so."""
    host.up("lan")
    for _ in range(5):
        with somebody_who_flushes_all_rules(host) as stop:
            host.call("update", "lan", LAN)
            stop()
        is_set = "harmony_site_a" in host.run("nft", "list", "tables").stdout
        assert is_set or "the firewall's rules" in host.networks()["lan"].get("drift", "")
    host.do("update", "lan", LAN)
    assert "drift" not in host.networks()["lan"]
