"""A host whose agent runs VMs by one of the backends, as a test of their behaviour sees it:

    host = VmHost("fake", folder)        # or "libvirt", "real": cloud-hypervisor; "fake v50": an older one
    host.put("web", vcpus=2)             # a document, with a guest that says what it is
    host.wait_up("web")                  # Up(pid, cpus, mib)
    host.close()

A guest is the test guest on libvirt and the tiny guest on cloud-hypervisor; `words` of its command line are
"deaf", and "off" for one that powers itself off after a second. The agent is in the site's own network,
where bridges and TAPs are made. libvirtd is there in any case: no VM is made while it can't be seen (ADR 23).
"""

import json
import os
import re
import shutil
from dataclasses import dataclass

from . import guest
from .crossing import Crossing
from .declared import Documents
from .nats_server import NatsServer
from .paths import built
from .processes import environment, first_child, run
from .sites import IMAGES, Site
from .vmm_process import version_of, vmm_program
from .waiting import wait_until

TINY_UP = re.compile(r"^tiny-guest: up, (\d+) cpu, (\d+) MiB, .*?\r?$", re.M)


@dataclass
class Up:
    """A guest that came up: the process that runs it, and what the guest said of itself."""
    pid: int
    cpus: int
    mib: int


class Libvirt:
    keeps_console = True  # of the runs before
    unplugs_qcow2 = True
    last_words = guest.STOPPING  # when it heard the power button

    def configure(self, site):
        pass

    def spec(self, name, words, fields):
        ends = ["end=off:1" if word == "off" else word for word in words]
        return {"kernel": f"{IMAGES}/guest/kernel", "initramfs": f"{IMAGES}/guest/initramfs",
                "cmdline": " ".join((guest.CMDLINE.format(name=name), *ends)), **fields}

    def ups(self, site, name):
        return [(boot.cpus, boot.mib) for boot in site.boots(name)]

    def boots(self, site, name):
        return len(self.ups(site, name))

    def pid(self, site, name):
        return site.qemu_pid(name)

    def hears(self, site, name):
        return self.last_words in site.console(name)


class CloudHypervisor:
    """The fake, or the real one."""
    keeps_console = False
    last_words = "tiny-guest: power button"

    def __init__(self, program, firmware=None):
        self.program, self.firmware = program, firmware
        self.unplugs_qcow2 = version_of(program) >= 53

    def configure(self, site):
        site.config["cloud_hypervisor"] = {"program": str(self.program)}
        if self.firmware:
            site.config["cloud_hypervisor"]["firmware"] = self.firmware
        site.images.mkdir(parents=True, exist_ok=True)
        shutil.copy(built("tiny_guest"), site.images)

    def spec(self, name, words, fields):
        more = ["off=1000" if word == "off" else word for word in words]
        return {"backend": "cloud-hypervisor", "kernel": f"{IMAGES}/tiny_guest",
                "cmdline": " ".join((f"name={name}", *more)), **fields}

    def ups(self, site, name):
        return [(int(cpus), int(mib)) for cpus, mib in TINY_UP.findall(self.console(site, name))]

    def boots(self, site, name):
        """Of its process."""
        return len(self.ups(site, name))

    def console(self, site, name):
        """Of its process: a reset goes on behind what was said before."""
        log = site.images / f"console/{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def pid(self, site, name):
        """Of the process that its record names, if that is alive."""
        try:
            record = json.loads((self.record(site, name) / "process.json").read_text())
            pid = record["pid"]
        except (OSError, ValueError, KeyError):
            return None
        return pid if pid in self.vmms(site) else None

    def vmms(self, site):
        """pid -> socket of each VMM on the site."""
        home, found = f"/proc/{first_child(site.init_pid)}/root/proc", {}
        for entry in os.listdir(home):
            try:
                words = open(f"{home}/{entry}/cmdline").read().split("\0") if entry.isdigit() else []
                if words and words[0].endswith(self.program.name):
                    found[int(entry)] = words[words.index("--api-socket") + 1].removeprefix("path=")
            except (OSError, ValueError):
                continue  # it has ended
        return found

    def hears(self, site, name):
        return self.last_words in self.console(site, name)

    def sockets(self, site):
        """Folder of the sockets of its VMMs."""
        return site.runtime / "vmm"

    def record(self, site, name):
        """Folder of what is kept about that VM."""
        return site.state / "cloud-hypervisor" / name


def fake_of(version, folder):
    """The fake as that version: the agent gives a VMM no environment of its own."""
    program = folder / "older" / built("fake_vmm").name
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nFAKE_VMM_VERSION={version} exec {built("fake_vmm")} "$@"\n')
    program.chmod(0o755)
    return program


def backend_of(which, folder, firmware):
    if which == "libvirt":
        return Libvirt()
    which, _, version = which.partition(" v")
    return CloudHypervisor(fake_of(version, folder) if version else vmm_program(which), firmware)


class VmHost:
    def __init__(self, which, folder, firmware=None):
        """Raises vmm_process.Unavailable where that backend can't be had."""
        self.backend = backend_of(which, folder, firmware)
        self.nats = NatsServer(folder).start()
        self.site = Site("site-a", folder)
        self.backend.configure(self.site)
        self.docs = Documents(self.nats.url)
        self.crossing = None
        self.declared = set()
        self.told = {}  # name -> (process, its boots) that wait_up() has told of
        self.power_on()

    def close(self):
        self.docs.close()
        self.site.close()
        if self.crossing:
            self.crossing.close()
        self.nats.stop()

    # -- the host --------------------------------------------------------------------------------

    def power_on(self):
        self.site.power_on()
        for path in (self.site.directory.parent, self.site.runtime):
            path.chmod(0o711)  # dnsmasq gives up root
        self.crossing = Crossing(self.site, lambda: ("127.0.0.1", self.nats.port)).start()
        self.site.config["nats"]["servers"] = f"nats://{self.crossing.address}"
        self.start_agent()

    def power_cut(self):
        self.site.power_cut()
        self.crossing.close()

    def start_agent(self):
        self.site.start_agent(net=True)

    def taps(self):
        """TAP -> its bridge, or None."""
        shown = json.loads(self.site.run("ip", "-json", "-details", "link").stdout)
        return {link["ifname"]: link.get("master") for link in shown
                if link.get("linkinfo", {}).get("info_kind") == "tun"}

    def ctl(self, *arguments):
        return run(self.argv(*arguments),
                   env=environment(XDG_CONFIG_HOME=str(self.site.directory / "config"))).stdout

    def argv(self, *arguments):
        return [built("harmonyctl"), "-s", self.nats.url, *arguments]

    # -- VMs -------------------------------------------------------------------------------------

    def put(self, name, words=(), **fields):
        """A VM document; its revision."""
        self.declared.add(name)
        plain = {"vcpus": 1, "memory": "128MiB", "stop_grace": "20s"}
        return self.docs.put("vm", name, self.backend.spec(name, words, {**plain, **fields}))

    def remove(self, *names, timeout=60):
        """Their documents, and them."""
        for name in names:
            self.docs.delete("vm", name)
        for name in names:
            self.wait(name, "Deleted", timeout=timeout)
            self.declared.discard(name)

    def remove_all(self):
        self.remove(*sorted(self.declared))

    def wait(self, name, phase, **options):
        return self.docs.wait("vm", name, phase, **options)

    def pid(self, name):
        """Of the process that runs it, as the site numbers them; None: it does not run."""
        return self.backend.pid(self.site, name)

    def wait_up(self, name, timeout=90):
        """The next boot that this has not told of yet."""
        def look():
            pid, boots = self.pid(name), self.backend.boots(self.site, name)
            ups = self.backend.ups(self.site, name)
            before, count = self.told.get(name, (None, 0))
            if pid != before and not self.backend.keeps_console:
                count = 0
            if not pid or not ups or boots <= count:
                raise ValueError(f"pid {pid}, {boots} boots, of which {count} are known: {ups}")
            self.told[name] = (pid, boots)
            return Up(pid, *ups[-1])
        return wait_until(look, timeout, f"{name} to come up", 0.02)

    def is_up_since(self, name, up):
        """In the same process, and without another boot."""
        pid, count = self.told[name]
        return self.pid(name) == up.pid == pid and self.backend.boots(self.site, name) == count

    def wait_gone(self, name, up):
        """Its process is. The agent's next look, which may have to find that out, can be 30 s away."""
        wait_until(lambda: self.site.run("kill", "-0", up.pid, check=False).returncode != 0, 60,
                   f"the process of {name} to be gone", 0.02)

    def crash(self, name):
        self.site.run("kill", "-KILL", self.pid(name))

    def hears(self, name):
        """Whether the guest said that it heard the power button."""
        return self.backend.hears(self.site, name)

    def has_open(self, name, file):
        """Whether its process has that file of the image folder open."""
        home = f"/proc/{first_child(self.site.init_pid)}/root/proc/{self.pid(name)}/fd"
        wanted = self.site.images / file  # its process may know it by another name
        return wanted.exists() and any(wanted.samefile(f"{home}/{fd}") for fd in os.listdir(home)
                                       if os.readlink(f"{home}/{fd}").startswith("/"))

    # -- faults, which only the fake has -----------------------------------------------------------

    def strike(self, *faults, name=None):
        """Of all VMMs that are asked from now on, or of that of one VM."""
        sockets = self.backend.sockets(self.site)
        sockets.mkdir(parents=True, exist_ok=True)
        of_one = self.backend.vmms(self.site)[self.pid(name)].rsplit("/", 1)[-1] if name else None
        file = sockets / (f"{of_one}.fault" if of_one else "faults")
        file.write_text("".join(f"{fault}\n" for fault in faults))

    def mend(self):
        sockets = self.backend.sockets(self.site)
        for file in (sockets / "faults", *sockets.glob("*.fault")):
            file.unlink(missing_ok=True)
