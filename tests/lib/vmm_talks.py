"""Conversations with a VMM, by which the fake is compared with the real cloud-hypervisor.

Each is a function that asks a VMM (and perhaps a second one beside it) for something after another; all
answers, codes and bodies, are noted down as `[call, status, body]`. What the real ones (v53.0, and v50.1)
answered is in fake_vmm/observed_v53.json and observed_v50.json. As root, with CLOUD_HYPERVISOR set, this writes that
of its version anew:

    PYTHONPATH=tests python3 -m lib.vmm_talks
"""

import json
import re
import tempfile
from pathlib import Path

from .netns import Machine
from .paths import ROOT, built, system
from .processes import TemporaryFolder, run
from .vmm_process import Vmm, real_vmm, version_of
from .waiting import wait_until

MIB = 1 << 20
MAC = "52:54:00:00:00:01"


def observed(version):
    """The record of that version of the real one."""
    return ROOT / f"tests/lib/fake_vmm/observed_v{version}.json"


class Talk:
    """What one VMM is asked. What differs from one run to the next is replaced in what is noted down."""

    def __init__(self, program, folder, machine, **environ):
        self.program, self.folder, self.machine, self.environ = program, folder, machine, environ
        self.noted, self.vmms = [], []
        self.vmm = self.another()

    def another(self):
        name = f"vm{len(self.vmms)}"
        self.vmms.append(Vmm(self.program, self.folder, name, self.machine.enter, **self.environ))
        return self.vmms[-1].start()

    def close(self):
        for vmm in self.vmms:
            vmm.kill()

    def __call__(self, call, body=None, vmm=None, **options):
        answer = (vmm or self.vmm).ask(call, body, **options)
        self.noted.append([call, answer.status, self.plain(answer.text, answer.body)])
        return answer

    def plain(self, text, body):
        if isinstance(body, dict):
            body.pop("device_tree", None)  # of parts that a fake does not have
            for unsteady in ("pid", "build_version"):
                if unsteady in body:
                    body[unsteady] = unsteady.upper()
            text = json.dumps(body)
        text = text.replace(str(self.folder), "FOLDER").replace(str(built("tiny_guest")), "TINY_GUEST")
        text = re.sub(r'mac": "[0-9a-f:]*"', 'mac": "MAC"', text)
        return json.loads(text) if body is not None else text

    # -- what it needs ---------------------------------------------------------------------------

    def config(self, **more):
        return self.vmm.config(**more)

    def disk(self, name, size=4 * MIB, **more):
        path = self.folder / name
        if not path.exists():
            path.write_bytes(b"")
            with open(path, "r+b") as file:
                file.truncate(size)
        return {"path": str(path), "image_type": "Raw", **more}

    def boot(self, vmm=None, **more):
        vmm = vmm or self.vmm
        self("vm.create", vmm.config(**more), vmm=vmm)
        if self("vm.boot", vmm=vmm).status == 204:
            vmm.wait_said("up")

    def state(self):
        answer = self.vmm.ask("vm.info")
        self.noted.append(["state", answer.status, answer.body.get("state") if answer.status == 200
                           else answer.body])

    def wait_gone(self, id):
        """The guest has let go of the device: nothing but the tree of devices says so."""
        wait_until(lambda: id not in self.vmm.do("vm.info").get("device_tree", {}), 10,
                   f"{id} to be gone")


# -- the life of a VM ----------------------------------------------------------------------------


NEEDS_VM = ("vm.info", "vm.counters", "vm.boot", "vm.pause", "vm.resume", "vm.shutdown", "vm.reboot",
            "vm.power-button", "vm.delete")


def nothing_is_created(talk):
    talk("vmm.ping")
    for call in NEEDS_VM:
        talk(call)
    talk("vm.resize", {"desired_vcpus": 2})
    talk("vm.add-disk", talk.disk("a"))
    talk("vm.add-net", {"tap": "tap0"})
    talk("vm.remove-device", {"id": "a"})
    talk("vm.resize-disk", {"id": "a", "desired_size": 8 * MIB})
    talk("vm.snapshot", {"destination_url": f"file://{talk.folder}"})


def created_and_not_booted(talk):
    talk("vm.create", talk.config())
    talk("vm.info")
    talk("vm.create", talk.config())
    for call in ("vm.counters", "vm.pause", "vm.resume", "vm.shutdown", "vm.power-button", "vm.reboot"):
        talk(call)
    talk("vm.snapshot", {"destination_url": f"file://{talk.folder}"})
    talk.state()
    talk("vm.delete")
    talk.state()
    talk("vm.delete")


def create_checks_nothing(talk):
    bad = {"empty": {},
           "unknown": {"colour": "red", "payload": {"kernel": "/nowhere"}},
           "no kernel": talk.config(payload={"kernel": str(talk.folder / "missing")}),
           "nothing to boot": talk.config(payload={"cmdline": "x"}),
           "more than most": talk.config(cpus={"boot_vcpus": 4, "max_vcpus": 2}),
           "no initramfs": talk.config(payload={"kernel": talk.config()["payload"]["kernel"],
                                                "initramfs": str(talk.folder / "missing")}),
           "no disk": talk.config(disks=[{"path": str(talk.folder / "missing"), "image_type": "Raw"}]),
           "not qcow2": talk.config(disks=[talk.disk("raw", image_type="Qcow2")]),
           "one queue": talk.config(net=[{"mac": MAC, "num_queues": 1}]),
           "many queues": talk.config(net=[{"mac": MAC, "num_queues": 4}]),
           "twice": talk.config(disks=[talk.disk("a", id="same"), talk.disk("b", id="same")])}
    for config in bad.values():
        talk("vm.create", config)
        talk("vm.boot")
        talk.state()
        talk("vm.delete")


def a_life(talk):
    talk.boot(cmdline="life")
    talk("vm.info")
    talk("vm.boot")
    talk("vm.resume")
    for _ in range(2):
        talk("vm.pause")
        talk.state()
    for _ in range(2):
        talk("vm.resume")
        talk.state()
    talk("vm.reboot")
    talk.state()
    talk("vm.shutdown")
    talk.state()
    talk("vm.shutdown")
    talk("vm.boot")
    talk.state()
    talk("vm.pause")
    talk("vm.shutdown")
    talk.state()
    talk("vm.delete")
    talk.state()


def the_vmm_is_shut_down(talk):
    talk.boot()
    talk("vmm.shutdown")
    talk.noted.append(["exit code", talk.vmm.wait_end(), talk.vmm.socket.exists()])


# -- bodies --------------------------------------------------------------------------------------


def wrong_types(talk):
    for bad in ({"cpus": {"boot_vcpus": "one", "max_vcpus": 1}}, {"cpus": {"boot_vcpus": 1}}, {"cpus": 3},
                {"cpus": {"boot_vcpus": -1, "max_vcpus": 1}}, {"memory": {"size": "1G"}}, {"disks": {}},
                {"disks": [{"path": 3}]}, {"disks": [{"path": "/x", "image_type": "Vmdk"}]},
                {"memory": {"size": 1 << 27, "hotplug_method": "Magic"}}, {"serial": {"mode": "Loud"}},
                {"net": [{"num_queues": "two"}]}, {"payload": {"kernel": 1}}, {"iommu": "yes"}, [], 3,
                {"cpus": {"boot_vcpus": 1 << 40, "max_vcpus": 1}}):
        talk("vm.create", json.dumps(bad))
        talk.state()
    talk("vm.create", '{"cpus":')
    talk("vm.create", "nonsense")
    talk("vm.resize", {"desired_vcpus": "two"})
    talk("vm.remove-device", {})
    talk("vm.snapshot", {})


def wrong_calls(talk):
    talk("vm.nothing", method="GET")
    talk("vm.create")
    talk("vm.info", method="PUT")
    talk("vm.boot", method="GET")
    talk("vm.boot", {"why": "so"})
    talk("vmm.ping", method="PUT")


def too_large(talk):
    padding = 52295 - len(json.dumps(talk.config(cmdline="")))  # its paths are as long as TMPDIR is
    talk("vm.create", json.dumps(talk.config(cmdline="x" * padding)))
    talk.state()


# -- devices -------------------------------------------------------------------------------------


def resizing(talk):
    talk.boot()
    for wanted in ({"desired_vcpus": 2}, {"desired_vcpus": 5}, {"desired_vcpus": 0},
                   {"desired_ram": 256 * MIB}, {"desired_ram": 300 * MIB}, {"desired_ram": 1024 * MIB},
                   {"desired_ram": 128 * MIB}, {}):
        talk("vm.resize", wanted)
        talk("vm.info")
    talk("vm.shutdown")
    talk("vm.resize", {"desired_vcpus": 1})
    talk("vm.info")


def disks_in_and_out(talk):
    talk.boot(disks=[talk.disk("root", id="root")])
    talk("vm.counters")
    talk("vm.add-disk", talk.disk("a", id="a"))
    talk("vm.add-disk", talk.disk("b", id="a"))
    talk("vm.add-disk", talk.disk("b"))
    talk("vm.add-disk", {"path": str(talk.folder / "missing"), "id": "c", "image_type": "Raw"})
    talk("vm.add-disk", talk.disk("a", id="d"))
    talk("vm.info")
    talk("vm.remove-device", {"id": "nobody"})
    talk("vm.remove-device", {"id": "a"})
    talk.wait_gone("a")
    talk("vm.info")
    talk("vm.remove-device", {"id": "a"})
    talk("vm.add-disk", talk.disk("a", id="a"))
    talk("vm.resize-disk", {"id": "a", "desired_size": 8 * MIB})
    talk("vm.resize-disk", {"id": "a", "desired_size": 4 * MIB})
    talk("vm.resize-disk", {"id": "a", "desired_size": 4 * MIB + 100})
    talk("vm.resize-disk", {"id": "nobody", "desired_size": 4 * MIB})
    talk.noted.append(["size of a", 0, (talk.folder / "a").stat().st_size])


def disks_before_the_boot(talk):
    talk("vm.create", talk.config())
    talk("vm.add-disk", talk.disk("a", id="a"))
    talk("vm.add-disk", talk.disk("b", id="a"))
    talk("vm.remove-device", {"id": "nobody"})
    talk("vm.info")
    talk("vm.resize-disk", {"id": "a", "desired_size": 8 * MIB})
    talk("vm.remove-device", {"id": "a"})
    talk("vm.add-disk", talk.disk("b", id="b"))
    talk("vm.boot")
    talk("vm.info")


def a_disk_is_open_elsewhere(talk):
    other = talk.another()
    talk.boot(disks=[talk.disk("a", id="a")])
    talk.boot(other, disks=[talk.disk("a", id="a")])
    talk("vm.delete", vmm=other)
    talk.boot(other)
    talk("vm.add-disk", talk.disk("a", id="a"), vmm=other)
    talk("vm.add-disk", talk.disk("a", id="a", readonly=True), vmm=other)
    talk("vm.shutdown")
    talk("vm.add-disk", talk.disk("a", id="a"), vmm=other)
    talk("vm.boot")


def cards(talk):
    other = talk.another()
    talk.machine.run("ip", "tuntap", "add", "ours", "mode", "tap")
    talk.boot(net=[{"tap": "ours", "mac": MAC, "id": "n0"}])
    talk("vm.counters")
    talk("vm.add-net", {"tap": "theirs", "mac": MAC, "id": "n1"})
    talk("vm.add-net", {"tap": "theirs", "mac": MAC, "id": "n1"})
    talk("vm.add-net", {"tap": "a-name-that-is-too-long", "mac": MAC, "id": "n2"})
    talk("vm.add-net", {"tap": "ours", "mac": MAC, "id": "n3"})
    talk("vm.info")
    talk.noted.append(["links", 0, links(talk.machine)])
    talk.boot(other, net=[{"tap": "ours", "mac": MAC, "id": "n0"}])
    talk("vm.remove-device", {"id": "n1"})
    talk.wait_gone("n1")
    talk.noted.append(["links", 0, links(talk.machine)])
    talk("vm.shutdown")
    talk.noted.append(["links", 0, links(talk.machine)])
    talk("vm.boot", vmm=other)
    talk.vmms[1].kill()
    talk.noted.append(["links", 0, links(talk.machine)])


def links(machine):
    return sorted(link["ifname"] for link in json.loads(machine.run("ip", "-json", "link").stdout)
                  if link["ifname"] in ("ours", "theirs"))


def qcow2_disks(talk):
    paths = {name: str(talk.folder / f"{name}.qcow2") for name in ("base", "over", "plain")}
    run([system("qemu-img"), "create", "-q", "-f", "qcow2", paths["base"], "4M"])
    run([system("qemu-img"), "create", "-q", "-f", "qcow2", "-b", paths["base"], "-F", "qcow2", paths["over"]])
    run([system("qemu-img"), "create", "-q", "-f", "qcow2", paths["plain"], "4M"])
    talk.boot()
    for name, path in paths.items():
        talk("vm.add-disk", {"path": path, "image_type": "Qcow2", "id": name})
        talk("vm.resize-disk", {"id": name, "desired_size": 64 * MIB})
        talk("vm.resize-disk", {"id": name, "desired_size": 2 * MIB})
    talk("vm.add-disk", {"path": paths["over"], "image_type": "Qcow2", "id": "files", "backing_files": True})
    talk("vm.resize-disk", {"id": "files", "desired_size": 64 * MIB})
    talk("vm.shutdown")
    for name, path in paths.items():
        seen = json.loads(run([system("qemu-img"), "info", "--output=json", path]).stdout)
        talk.noted.append(["virtual size", 0, seen["virtual-size"]])


def restore_of_nothing(talk):
    """A snapshot that succeeds is not compared: the real one can't take one on every host."""
    there = talk.folder / "nothing"
    talk.boot()
    talk("vm.snapshot", {"destination_url": f"file://{there}"})
    talk.state()
    talk("vm.restore", {"source_url": f"file://{there}"})
    other = talk.another()
    talk("vm.restore", {"source_url": f"file://{there}"}, vmm=other)
    talk("vm.restore", {"source_url": str(there)}, vmm=other)
    talk("vm.info", vmm=other)


TALKS = {function.__name__: function for function in (
    nothing_is_created, created_and_not_booted, create_checks_nothing, a_life, the_vmm_is_shut_down,
    wrong_types, wrong_calls, too_large, resizing, disks_in_and_out, disks_before_the_boot,
    a_disk_is_open_elsewhere, qcow2_disks, cards, restore_of_nothing)}


def noted(name, program, folder, **environ):
    """What that program answered in the conversation of this name."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    machine = Machine("machine", folder)
    talk = None
    try:
        talk = Talk(program, folder, machine, **environ)
        TALKS[name](talk)
        return talk.noted
    finally:
        if talk:
            talk.close()
        machine.close()


def record():
    answers_of = {}
    with TemporaryFolder() as folder:
        for name in TALKS:
            answers_of[name] = noted(name, real_vmm(), folder)
            print(f"{name}: {len(answers_of[name])} answers")
    lines = ",\n".join(f' {json.dumps(name)}: [\n' + ",\n".join(
        "  " + json.dumps(answer) for answer in answers) + "\n ]" for name, answers in answers_of.items())
    observed(version_of(real_vmm())).write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    print(run([real_vmm(), "--version"]).stdout.strip())
    record()
