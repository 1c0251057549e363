"""The log of a VM's console on cloud-hypervisor has a bound, however much its guest says, and none of its newest bytes is lost."""

import re
import subprocess
from pathlib import Path

import pytest

from lib.processes import first_child
from lib.sites import IMAGES
from lib.terminal import Terminal
from lib.vm_fixture import vm_host
from lib.waiting import wait_until

MIB = 1 << 20
KEPT, STEP, LOOKS_EVERY = 16 * MIB, MIB, 10
LINE = re.compile(r"^tiny-guest: line (\d+)\.{100}$", re.M)


@pytest.fixture(scope="module", params=["fake", "real"])
def host(request):
    with vm_host(request, request.param, "console-log") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.remove_all()


def lines(first, count):
    """As the guests say them."""
    return "".join(f"tiny-guest: line {number}{'.' * 100}\r\n" for number in range(first, first + count))


def log_of(host, name):
    """As the site itself sees it, with what is mounted there."""
    return Path(f"/proc/{first_child(host.site.init_pid)}/root{IMAGES}/console/{name}.log")


def say(host, name, first, count):
    """So much that a guest on the real one would need minutes for it: the test appends it in its place."""
    with open(log_of(host, name), "a", newline="") as log:
        log.write(lines(first, count))


def taken(path):
    return path.stat().st_blocks * 512


def wait_bounded(path):
    wait_until(lambda: taken(path) < KEPT + 2 * STEP, 4 * LOOKS_EVERY, "the log to be bounded")


def hears(host, name, words):
    one = Terminal(host.argv("console", "vm", name))
    one.shows("Ctrl-] ends it")
    one.type(f"{words}\r")
    one.shows(f"heard {words}")
    one.close()


def test_what_is_old_goes_and_nothing_of_the_rest(host):
    host.put("speaks")
    up = host.wait_up("speaks")
    host.wait("speaks", "Running")
    log, count = log_of(host, "speaks"), 300000
    say(host, "speaks", 0, count)
    length = log.stat().st_size
    assert taken(log) > KEPT + 8 * STEP
    wait_bounded(log)
    assert log.stat().st_size == length and taken(log) >= KEPT
    hears(host, "speaks", "hello")
    assert host.pid("speaks") == up.pid

    for options in ((), ("--since", "1h")):
        told = host.ctl("logs", "vm", "speaks", *options)
        assert "\0" not in told and "heard hello" in told
        numbers = [int(number) for number in LINE.findall(told)]
        assert numbers == list(range(numbers[0], count)), "a line is missing"
        assert len(told) > KEPT * 9 // 10
    last = host.ctl("logs", "vm", "speaks", "--tail", "2").splitlines()
    assert last == [f"tiny-guest: line {count - 1}{'.' * 100}", "tiny-guest: heard hello"]

    host.ctl("reboot", "vm", "speaks")
    host.wait_up("speaks")
    assert taken(log.with_suffix(".log.1")) < KEPT + 2 * STEP and taken(log) < MIB


def test_who_follows_reads_on(host, tmp_path):
    host.put("followed")
    host.wait_up("followed")
    host.wait("followed", "Running")
    told, count = tmp_path / "told", 200000

    def shows(words):
        return words in told.read_text()
    with open(told, "w") as out, subprocess.Popen(host.argv("logs", "vm", "followed", "--follow"), stdout=out) as one:
        try:
            wait_until(lambda: shows("tiny-guest: up"), 20, "the follower to begin")
            say(host, "followed", 0, count)
            wait_until(lambda: shows(f"line {count - 1}."), 60, "the follower to have read it all")
            wait_bounded(log_of(host, "followed"))
            hears(host, "followed", "hello")
            wait_until(lambda: shows("heard hello"), 20, "the follower to read on")
        finally:
            one.terminate()
    assert "\0" not in told.read_text() and len(LINE.findall(told.read_text())) == count


def test_a_guest_that_says_more_than_that(host):
    if host.backend.program.name != "fake_vmm":
        pytest.skip("a guest on the real one would say 40 MiB in minutes")
    count = 350000
    host.put("floods", words=[f"tells={count}"])
    host.wait_up("floods")
    log = log_of(host, "floods")
    wait_until(lambda: log.stat().st_size > 40 * MIB, 60, "the guest to have said it all", 0.05)
    wait_bounded(log)
    assert LINE.findall(host.ctl("logs", "vm", "floods"))[-1] == str(count - 1)


def test_where_no_holes_can_be_made_it_is_cut_and_its_end_kept(host):
    folder = f"{IMAGES}/console"
    host.site.run("mkdir", "-p", folder)
    host.site.run("mount", "-t", "ramfs", "none", folder)
    try:
        host.put("cut")
        host.wait("cut", "Running")
        log = log_of(host, "cut")
        wait_until(lambda: "tiny-guest: up" in log.read_text(), 20, "the guest to be up")
        say(host, "cut", 0, 200000)
        wait_until(lambda: log.stat().st_size == 0, 4 * LOOKS_EVERY, "the log to be cut")
        hears(host, "cut", "hello")
        assert log.read_text() == "tiny-guest: heard hello\n"
        told = host.ctl("logs", "vm", "cut", "--since", "1h")
        assert LINE.findall(told)[-1] == "199999" and told.endswith("heard hello\n") and len(told) > STEP * 9 // 10
        host.ctl("reboot", "vm", "cut")
        wait_until(lambda: "tiny-guest: up" in log.read_text(), 20, "the guest to be up again")
        assert "line 199999" not in host.ctl("logs", "vm", "cut", "--since", "1h")
    finally:
        host.remove_all()
        host.site.run("umount", folder)
