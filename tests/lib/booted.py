"""A host with systemd as its first process, in systemd-nspawn: this machine's /usr, read-only, below an /etc of its own.

Nothing is installed into it and nothing of this machine's configuration is in it. It shares the network of
this machine, so it reaches NATS on loopback, and ends with the process that started it.
"""

import os
import shlex
import shutil
import uuid
from pathlib import Path

from . import cgroups, paths
from .processes import Process, environment, first_child, run
from .waiting import wait_until

COPIED = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "os-release")
LINKS = ("bin", "sbin", "lib", "lib64")  # into /usr, as on every Debian since 12
PROGRAMS = {"harmonyd": "sbin", "harmony-guardian": "sbin", "harmonyctl": "bin"}
# In namespaces of its own: all of it dies with the first process in them, however that dies. nspawn takes the
# cgroups for its host's: version 2 alone.
START = """set -e
umount --recursive /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"
shift
exec "$@"
"""
UNITS = ("harmonyd.service", "harmony-guardian.service")


class Booted:
    """It has cgroup v2 alone, as every Debian since 11, whatever this machine has."""

    def __init__(self, folder):
        self.folder = Path(folder) / "booted"
        self.root, self.local = self.folder / "root", self.folder / "local"
        self._make_root()
        self._install()
        self.cgroup = cgroups.make("booted")
        self.process = Process("systemd-nspawn", [
            "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child=KILL",
            "sh", "-c", START, "sh", self.cgroup.relative_to(cgroups.hierarchy()),
            paths.system("systemd-nspawn"), "--quiet", "--boot", "--keep-unit", "--register=no", "--console=pipe",
            "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--capability=CAP_IPC_LOCK",
            "--system-call-filter=pidfd_getfd",  # as on a host: nspawn's own filter of 252 lacks it
            "--directory", self.root, "--bind-ro=/usr", f"--bind-ro={self.local}:/usr/local"],
            self.folder / "console.log", environment(SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1"))

    def _make_root(self):
        for name in ("usr", "etc/harmony", "etc/systemd/system/multi-user.target.wants", "var/log/journal",
                     "run", "tmp", "proc", "sys", "dev", "root"):
            (self.root / name).mkdir(parents=True)
        for name in filter(lambda n: Path("/", n).exists(), LINKS):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in COPIED:
            shutil.copy(Path("/etc", name), self.root / "etc" / name)
        # Without a machine id it would be a first boot, which enables every unit there is.
        (self.root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        (self.root / "etc/fstab").touch()

    def _install(self):
        """As `make install` does."""
        for name, place in PROGRAMS.items():
            (self.local / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.built(name), self.local / place / name)
        for unit in UNITS:
            shutil.copy(paths.ROOT / "systemd" / unit, self.root / "etc/systemd/system" / unit)

    def enable(self, unit):
        """From the next boot on, as `systemctl enable` does."""
        (self.root / "etc/systemd/system/multi-user.target.wants" / unit).symlink_to(f"../{unit}")

    def boot(self):
        self.process.start()
        wait_until(lambda: self.process.check_running() and self.run("systemctl is-system-running --wait", check=False)
                   .stdout.strip() in ("running", "degraded"), 40, "the host to be booted", 0.1)
        return self

    def run(self, command, check=True, timeout=60):
        """In the host; the words of `command` are split as a shell would, without being one."""
        first = first_child(first_child(self.process.pid))
        inside = ["nsenter", "--target", str(first), "--mount", "--uts", "--ipc", "--pid",
                  "--cgroup", "--root", "--wd"]
        return run([*inside, *shlex.split(command)], timeout=timeout, check=check)

    def property(self, unit, name):
        return self.run(f"systemctl show --property={name} --value {unit}").stdout.strip()

    def pid(self, unit):
        """Of its main process, as the host numbers it."""
        return int(self.property(unit, "MainPID"))

    def journal(self, unit):
        """What systemd says about the unit, and what it says itself, oldest first."""
        return self.run(f"journalctl --quiet --no-pager --output=cat --unit={unit}").stdout

    def power_off(self, timeout=60):
        """In order. Returns once it is off."""
        self.run("systemctl poweroff --no-block")
        self.process.popen.wait(timeout)

    def close(self):
        self.process.kill()
        (self.folder / "journal.log").write_text(self.journal_afterwards())
        wait_until(self._drop_cgroup, 10, f"{self.cgroup} to be removed")

    def _drop_cgroup(self):
        cgroups.drop(self.cgroup)
        return not self.cgroup.exists()

    def journal_afterwards(self):
        """All of it, read when the host is off."""
        return run(["journalctl", "--quiet", "--no-pager", "--output=short-precise", "--directory",
                    self.root / "var/log/journal"], check=False).stdout


def is_possible():
    """Not everywhere: the packages systemd, systemd-container and dbus, and root."""
    wanted = ("/usr/bin/systemd-nspawn", "/usr/lib/systemd/systemd", "/usr/bin/dbus-daemon")
    return os.geteuid() == 0 and all(Path(w).exists() for w in wanted)
