"""A cgroup folder for each site of a test, since all sites share this host's cgroups.

Folders are <hierarchy>/harmony-test-<pid>/<site>, version 2 where the host has it, else the freezer's.
They hold nothing but what ended with its site, and go with the test; those of a killed test are swept
by the next one.
"""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OURS = "harmony-test-"


def hierarchy():
    """The folder of the hierarchy in which groups can be killed or frozen; None: there is none."""
    for path in (ROOT, ROOT / "unified"):
        if (path / "cgroup.controllers").exists():
            return path
    freezer = ROOT / "freezer"
    return freezer if freezer.is_dir() else None


def make(name):
    """This test's folder of that name, empty."""
    sweep()
    folder = hierarchy() / f"{OURS}{os.getpid()}" / name
    remove(folder)
    folder.mkdir(parents=True)
    return folder


def remove(folder):
    """It and those below; what still has processes stays."""
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass


def drop(folder):
    """What make() has made; with the last one goes this test's own."""
    remove(folder)
    try:
        folder.parent.rmdir()
    except OSError:
        pass


def sweep():
    """Remove those of tests that are dead."""
    for folder in hierarchy().glob(OURS + "*"):
        if not Path("/proc", folder.name.removeprefix(OURS)).exists():
            remove(folder)
