"""What a newcomer sees first."""

import contextlib
import os
import re
import sys
from pathlib import Path

import pytest
from lib.paths import BUILD, ROOT
from lib.processes import environment, run

pytestmark = pytest.mark.boots_guests

STORY = [
    r"^harmony demo: two sites on this host, T 100 ms, failover_timeout 3\.4 s$",
    r"^  ok   nats-server \d+\.\d+\.\d+, JetStream, buckets ",
    r"^  ok   site-a  libvirt \d+\.\d+\.\d+ \(private\), ",
    r"^  ok   site-b  libvirt \d+\.\d+\.\d+ \(private\), ",
    r"^1  declare ",
    r'^  ok   web   running on site-a   guest says: "web up, 1 cpu, 128 MiB, 192\.168\.100\.12" ',
    r'^  ok   db    running on site-a \(leader, epoch 1\) ',
    r"^2  change         vm web: memory 128 MiB -> 192 MiB$",
    r"^ +plan: restart web \(memory 128MiB -> 192MiB",
    r'guest says: "web up, 1 cpu, 192 MiB, 192\.168\.100\.12"',
    r"^3  power cut ",
    r"^  ok   site-b leads, epoch 2 +witness silent for \d\.\d\d s, both at once: 0\.00 s$",
    r'^  ok   db    running on site-b   guest says: "db up, ',
    r"^4  return ",
    r"leads again \(epoch 3\) +pause \d\.\d\d s, both at once: 0\.00 s$",
    r"^  ok   incident 2: power cut \(confident\): site-a was heard again",
    r"^Summary  outage \d\.\d\d s, overlap 0\.00 s\.  Timeline: \S+/history\.txt, a picture of why: \S+/incident\.html$",
]


def test_the_demo_tells_its_story_and_leaves_nothing_running():
    settings = {k: v for k, v in os.environ.items() if k.startswith("HARMONY_")}
    settings["HARMONY_DEMO_FAILOVER_MS"] = "3400"  # F 2.8 s: its story is not about a machine that stands still
    done = run([sys.executable, ROOT / "demo/demo.py"], timeout=180, check=False,
               env=environment(**settings))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = iter(done.stdout.splitlines())
    for words in STORY:  # in this order, other lines between them
        assert any(re.search(words, line) for line in lines), f"{words} in:\n{done.stdout}"
    assert "\x1b" not in done.stdout
    assert "site-b" in (BUILD / "demo/history.txt").read_text()
    assert "<svg" in (BUILD / "demo/incident.html").read_text()
    assert not running_from(BUILD / "demo")


def running_from(folder):
    """Command lines of processes that name the folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended meanwhile
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(folder) in line]
