"""Snapshots of VMs with their memory, as a test asks for them on a VmHost. What a guest holds in memory is how many lines it
has heard on its console since its boot."""

import re

import pytest

from .processes import run
from .terminal import Terminal

ROOT = {"device": "root", "size": "16MiB"}


def put_up(host, name, **fields):
    host.put(name, disks=[ROOT], **fields)
    up = host.wait_up(name)
    host.wait(name, "Running")
    return up


def say(host, name, *lines):
    one = Terminal(host.argv("console", "vm", name))
    try:
        one.shows("Ctrl-] ends it")
        for line in lines:
            one.type(f"{line}\r")
            one.shows(f"heard {line}")
        if lines[-1] == "lines":
            one.shows("lines so far")
        one.type("\x1d")
        one.ends()
    finally:
        one.close()
    return one.text


def lines(host, name):
    """That it has heard, this question among them."""
    return int(re.search(r"(\d+) lines so far", say(host, name, "lines"))[1])


def snapshot(host, *words):
    """Run to its end: (exit code, what it said)."""
    done = run(host.argv("snapshot", *words), check=False)
    return done.returncode, done.stdout + done.stderr


def save(host, name, which):
    """A snapshot with memory, which must succeed; the test is skipped where this host's KVM can't give one."""
    code, said = snapshot(host, "create", "vm", name, which, "--memory")
    if "GetNestedState" in said or "nested guest state" in said:
        assert lines(host, name), "it runs on"
        pytest.skip("cloud-hypervisor can't save memory on this host: GetNestedState")
    assert code == 0, said
    assert f"vm/{name} has snapshot {which}, with its memory; it stood still for" in said
    return said


def notes(host, name):
    """Snapshot -> NOTE, as `harmonyctl snapshot list` shows them."""
    rows = snapshot(host, "list", "vm", name)[1].splitlines()[1:]
    return {row.split()[0]: re.split(r"\s{2,}", row.strip())[3:] for row in rows}


def switch_off(host, name, **fields):
    host.put(name, disks=[ROOT], power="off", **fields)
    host.wait(name, "Stopped")


def saved(host, name):
    """Names of the memories that are kept of it."""
    return sorted(folder.name for folder in host.site.images.glob(f"harmony-memory/{name}/*"))
