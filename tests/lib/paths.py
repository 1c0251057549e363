"""Where things are. HARMONY_BUILD and HARMONY_TOOLS (set by make) move the build and the downloads."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("HARMONY_BUILD", "build")
TOOLS = ROOT / os.environ.get("HARMONY_TOOLS", "build/tools")
GUEST = TOOLS / "guest"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Missing(Exception):
    """Something that set-up should have made is not there; the message says how to get it."""


def built(name):
    """A program of this build ("harmonyd")."""
    path = BUILD / name
    if not path.exists():
        raise Missing(f"{path} is missing: run make")
    return path


def system(name):
    """A program of the system, also from the sbin folders."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if not found:
        raise Missing(f"{name} is not installed: ./run demo or ./run test installs it")
    return found
