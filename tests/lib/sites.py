"""Site: a host of its own on this machine, with libvirtd, guests, an agent and a power switch.

A site is a pid, mount, network and IPC namespace whose first process reaps (site-init). In it the folders
/run/libvirt, /var/lib/libvirt, /etc/libvirt, /var/cache/libvirt and /var/log/libvirt are the site's
own (kept in Site.host), so `qemu:///system` is the site's libvirtd and /var/lib/libvirt/images its
image store. The agent runs in the same namespaces except the network's: it reaches NATS on loopback.

    site = Site("site-a", folder, nats_url=server.url, failover={"hooks": witness.hooks(...)})
    site.power_on()            # init and libvirtd
    site.start_agent()
    site.boots("web")          # what the guest said on its console
    site.power_cut()           # agent, libvirtd and guests are gone at once
    site.power_on()            # same disks and state, empty /run
    site.close()

From outside libvirtd is reached at site.uri, from the inside at qemu:///system.
"""

import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from . import cgroups, guest
from .paths import TOOLS, Missing, built, system
from .processes import EnteredProcess, Process, environment, first_child, run
from .waiting import wait_until

LIB = Path(__file__).parent
IMAGES = "/var/lib/libvirt/images"  # as the site sees it; the test guest is in its folder guest/
PROBED = TOOLS / "libvirt-cache"  # what libvirt found out about QEMU: 3 s per site without

MEMORY = Path("/dev/shm")
RUNTIME_PREFIX = "harmony-run-"  # and the pid of its maker

QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
cgroup_controllers = []
namespaces = []
"""
LIBVIRTD_CONF = """\
auth_unix_rw = "none"
auth_unix_ro = "none"
"""


class Site:
    ran_guests = False  # any of them, as far as they are closed

    def __init__(self, name, directory, nats_url=None, accel="tcg", failover=None, nats=None,
                 config=None):
        """`directory`/`name` holds everything. `failover`, `nats` and `config` are merged into the
        agent's configuration (`config` last); without `nats_url` there is no agent to start."""
        check_host()
        sweep_memory()
        self.name = name
        self.directory = (Path(directory) / name).absolute()
        self.host = self.directory / "host"
        self.images = self.host / IMAGES[1:]
        self.state, self.runtime = self.directory / "state", self.directory / "run"
        self.logs = self.directory / "log"
        for folder in (self.host, self.state, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.cgroup = cgroups.make(f"{Path(directory).name}-{name}") if cgroups.hierarchy() else None
        self.config = {
            "site_id": name,
            "state_dir": str(self.state),
            "runtime_dir": str(self.runtime),
            "nats": {"servers": nats_url, **(nats or {})},
            "libvirt": {"uri": "qemu:///system", "image_dir": IMAGES,
                        "accel": accel},
            "log": {"level": "info", "format": "text"},
            "http": {"listen": "off"},  # sites share the host's loopback
            **({"guardian": {"cgroup": str(self.cgroup)}} if self.cgroup else {}),
            **({"failover": failover} if failover else {}),
            **(config or {}),
        }
        self.config_file = self.directory / "harmonyd.yaml"
        self.agent_environment = {}
        self._init = self._libvirtd = self._agent = None

    # -- power ---------------------------------------------------------------------------------

    def power_on(self, libvirtd=True):
        """Boot: namespaces with an empty /run, and libvirtd unless told otherwise."""
        assert not self.is_on(), f"{self.name} is on already"
        self._forget_runtime()
        shutil.rmtree(self.host / "run", ignore_errors=True)
        (self.host / "up").unlink(missing_ok=True)
        self._make_runtime()
        self._write_host()
        self._init = Process(f"{self.name} init", [
            system("unshare"), "--mount", "--pid", "--net", "--ipc", "--fork", "--mount-proc",
            "--kill-child=KILL", LIB / "site-init", self.host], self.logs / "init.log").start()
        wait_until(lambda: self._init.check_running() and (self.host / "up").exists(), 10,
                   f"{self.name} to come up", 0.005)
        if libvirtd:
            self.start_libvirtd()
        return self

    def _make_runtime(self):
        """In memory, as /run is: a disk that others keep busy would hold the guardian up."""
        if MEMORY.is_dir():
            self.runtime.symlink_to(tempfile.mkdtemp(prefix=f"{RUNTIME_PREFIX}{os.getpid()}-", dir=MEMORY))
        else:
            self.runtime.mkdir()

    def _forget_runtime(self):
        if self.guardian_log.exists():
            with open(self.logs / "guardian.log", "a") as kept:
                kept.write(self.guardian_log.read_text(errors="replace"))
        if self.runtime.is_symlink():
            shutil.rmtree(self.runtime.readlink(), ignore_errors=True)
            self.runtime.unlink()
        shutil.rmtree(self.runtime, ignore_errors=True)

    @property
    def init_pid(self):
        """Of what holds the site's namespaces open; its first child is in them."""
        return self._init.pid

    def is_on(self):
        return self._init is not None and self._init.is_running()

    def power_cut(self):
        """Everything in the site dies at once. Returns the CLOCK_BOOTTIME in ns just before."""
        init = first_child(self._init.pid)
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.kill(init, signal.SIGKILL)
        for process in (self._agent, self._libvirtd):
            if process and process.is_running():  # one that was frozen has stopped nsenter, which has to reap it
                process.popen.send_signal(signal.SIGCONT)
        self._init.popen.wait()  # the kernel has ended every process of the namespace before this
        for process in (self._agent, self._libvirtd):
            if process:
                process.popen.wait()
        self._init = self._libvirtd = self._agent = None
        return before

    def close(self):
        if self.is_on():
            self.power_cut()
        self._forget_runtime()
        Site.ran_guests |= any((self.host / "var/log/libvirt/qemu").glob("*.log"))
        if self.cgroup:  # they would not survive a reboot
            cgroups.drop(self.cgroup)

    def __enter__(self):
        return self.power_on()

    def __exit__(self, *_):
        self.close()

    def enter(self, *argv, net=True):
        """The command line that runs argv in the site (with net=False: in the host's network)."""
        spaces = ["--mount", "--pid", "--ipc", "--root"] + (["--net"] if net else [])  # root: in a chroot, too
        return [system("nsenter"), "--target", str(first_child(self._init.pid)), *spaces, "--",
                *map(str, argv)]

    def run(self, *argv, net=True, **options):
        """Run argv in the site to its end (see processes.run)."""
        return run(self.enter(*argv, net=net), **options)

    # -- libvirtd ------------------------------------------------------------------------------

    @property
    def uri(self):
        """libvirtd as reached from outside of the site."""
        return f"qemu:///system?socket={self.host}/run/libvirt/libvirt-sock"

    def start_libvirtd(self, **environ):
        """`environ` besides what there is. libvirtd passes LD_PRELOAD on to QEMU."""
        words = [f"{name}={value}" for name, value in environ.items()]
        self._libvirtd = EnteredProcess(f"{self.name} libvirtd", self.enter(
            *(["env", *words] if words else []), system("libvirtd"), "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirt/pid"),
            self.logs / "libvirtd.log").start()
        wait_until(lambda: self._libvirtd.check_running() and self.virsh("version"), 20,
                   f"libvirtd of {self.name} to answer", 0.05)
        self._share_probed()

    def kill_libvirtd(self):
        """kill -9. Guests run on."""
        self._libvirtd.kill()

    def keep_libvirtd(self):
        """Start it again if it has ended by itself, as systemd does: libvirt 9 may end with a client that dies while
        it registers for events."""
        if not self._libvirtd.is_running():
            self.start_libvirtd()

    def freeze_libvirtd(self):
        self._libvirtd.freeze()

    def thaw_libvirtd(self):
        self._libvirtd.thaw()

    def virsh(self, *args, **options):
        """What virsh says, without the space around it."""
        return self.run(system("virsh"), "--quiet", "--connect", "qemu:///system", *args,
                        **options).stdout.strip()

    # -- agent ---------------------------------------------------------------------------------

    def write_config(self):
        """JSON is YAML, too: the agent reads it as such."""
        self.config_file.write_text(json.dumps(self.config, indent=2) + "\n")

    def start_agent(self, wrapper=(), environ=None, program=None, net=False):
        """Start harmonyd (or another copy of it), under `wrapper` (an argv) if given; with net=True in the
        site's own network. Returns at once."""
        self.write_config()
        self._agent = EnteredProcess(f"{self.name} agent", self.enter(
            *wrapper, program or built("harmonyd"), "--config", self.config_file, net=net), self.agent_log,
            env=environment(**self.agent_environment, **(environ or {}))).start()
        return self._agent

    def check_agent(self):
        """What `harmonyd --check` says about this site's configuration and host."""
        self.write_config()
        return self.run(built("harmonyd"), "--check", "--config", self.config_file, net=False).stdout

    @property
    def agent(self):
        """The agent's process: signal(), is_running(), inner_pid(), log_end()."""
        return self._agent

    def pids(self, program):
        """Of the processes whose program has that name, in the site's own numbers."""
        home = Path(f"/proc/{first_child(self._init.pid)}/root/proc")
        return [int(p.name) for p in home.iterdir() if p.name.isdigit() and runs(p, program)]

    def kill_guardian(self, number="-KILL"):
        """What it holds is lost with it; an agent that runs starts another one."""
        pid = wait_until(lambda: self.pids("harmony-guardian"), 5, f"the guardian of {self.name}")[0]
        self.run("kill", number, pid)

    @property
    def guardian_log(self):
        return self.runtime / "guardian.log"

    @property
    def agent_log(self):
        return self.logs / "agent.log"

    def stop_agent(self, timeout=15):
        """SIGTERM; its exit code."""
        return self._agent.stop(timeout)

    def kill_agent(self):
        """kill -9. Guests and hooks' processes run on."""
        self._agent.kill()

    def freeze_agent(self):
        self._agent.freeze()

    def thaw_agent(self):
        self._agent.thaw()

    # -- guests --------------------------------------------------------------------------------

    def console(self, domain):
        """Everything that a guest wrote on its serial console, over all its boots."""
        log = self.images / f"console/{domain}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def boots(self, domain):
        """Each time the guest came up, as it said itself: list of guest.Boot."""
        return guest.boots(self.console(domain))

    def wait_boot(self, domain, count=1, timeout=30):
        """The guest's `count`-th boot as guest.Boot."""
        return wait_until(lambda: self.boots(domain)[count - 1:], timeout,
                          f"boot {count} of guest {domain} on {self.name}", 0.02)[0]

    def domains(self):
        """Name -> state in virsh's words ("running", "shut off")."""
        rows = (line.split(maxsplit=2) for line in self.virsh("list", "--all").splitlines())
        return {name: state for _, name, state in rows}

    def qemu_pid(self, domain):
        """The guest's process in the site's own numbers, or None."""
        try:
            pid = int((self.host / f"run/libvirt/qemu/{domain}.pid").read_text())
        except OSError:
            return None
        return pid if self.run("kill", "-0", pid, check=False).returncode == 0 else None

    # -- parts ---------------------------------------------------------------------------------

    def _write_host(self):
        etc = self.host / "etc/libvirt"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "qemu.conf").write_text(QEMU_CONF)
        (etc / "libvirtd.conf").write_text(LIBVIRTD_CONF)
        cache = self.host / "var/cache/libvirt/qemu"
        if PROBED.exists() and not cache.exists():
            shutil.copytree(PROBED, cache)
        store = self.images / "guest"
        if not store.exists():
            store.mkdir(parents=True)
            for file in guest.files():
                shutil.copy(file, store)
            if guest.AGENT.exists():
                (store / guest.AGENT.name).symlink_to(guest.AGENT)

    def _share_probed(self):
        """Keep what this libvirtd learnt about QEMU for the sites to come. It checks it itself."""
        if PROBED.exists():
            return
        self.virsh("domcapabilities", "--virttype", "qemu")
        with open(TOOLS / ".libvirt-cache.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not PROBED.exists():
                new = PROBED.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                shutil.copytree(self.host / "var/cache/libvirt/qemu", new)
                new.rename(PROBED)


def sweep_memory():
    """Remove what a killed run has left there."""
    for folder in MEMORY.glob(f"{RUNTIME_PREFIX}*"):
        maker = folder.name[len(RUNTIME_PREFIX):].split("-")[0]
        if not Path(f"/proc/{maker}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def runs(process, program):
    """Does this folder of /proc belong to a process of that program that has not ended?"""
    try:
        return (process / "cmdline").read_bytes().split(b"\0")[0].endswith(b"/" + program.encode())
    except OSError:
        return False


def check_host():
    """Raises Missing with a sentence if this host can't hold sites."""
    if os.geteuid() != 0:
        raise Missing("sites need root (namespaces, bridges): use ./run, which asks for sudo")
    if not os.path.ismount("/"):
        raise Missing("/ is not a mount point (a plain chroot?): on the outside, mount --bind the "
                      "root onto itself before chroot")
