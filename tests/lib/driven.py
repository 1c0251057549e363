"""The driver's verbs on a site without an agent, as tests call them (tests/lib/drive.c)."""

import json
import select
import signal
import subprocess

from . import guest
from .paths import built
from .sites import IMAGES
from .waiting import wait_until

KERNEL, INITRAMFS = f"{IMAGES}/guest/kernel", f"{IMAGES}/guest/initramfs"


def interposed(**environ):
    """Environment of a drive that the interposer watches. The address sanitizer wants to be loaded
    first; behind the interposer it works as well."""
    return {"LD_PRELOAD": built("interpose_libvirt.so"),
            "ASAN_OPTIONS": "verify_asan_link_order=0", **environ}


def failing_writes(at, error=False):
    """Environment of a drive whose qemu-img is killed at its write number `at`, or fails from there on with EIO."""
    return {"LD_PRELOAD": built("interpose_writes.so"), "ASAN_OPTIONS": "verify_asan_link_order=0",
            "HARMONY_TEST_WRITE_AT": at, **({"HARMONY_TEST_WRITE_ERROR": 1} if error else {})}


def vm(name="web", words="", **fields):
    return {"vcpus": 1, "memory": "128MiB", "kernel": KERNEL, "initramfs": INITRAMFS,
            "cmdline": guest.CMDLINE.format(name=name) + words, "stop_grace": "20s",
            "disks": [{"device": "root", "size": "16MiB"}], **fields}


class Host:
    """A site without an agent, and the driver's verbs on it."""

    def __init__(self, site):
        self.site = site

    def drive(self, *argv, environ=None):
        """(exit code, what drive printed as JSON or None)."""
        env = [f"{name}={value}" for name, value in (environ or {}).items()]
        done = self.site.run("env", *env, built("drive"), *argv, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    def do(self, verb, kind, name, spec=None, *options):
        """The verb, which must succeed; its result."""
        argv = [*options, verb, kind, name] + ([json.dumps(spec)] if spec is not None else [])
        code, said = self.drive(*argv)
        assert code == 0, f"{verb} {kind} {name}: {said['error']}"
        return said["result"]

    def ask(self, operation, kind, name, **args):
        """An operation, which must succeed; its answer."""
        code, said = self.drive(operation, kind, name, json.dumps(args))
        assert code == 0, f"{operation} {kind} {name}: {said['error']}"
        return said["value"]

    def refuse(self, verb, kind, name, spec=None):
        """The verb, which must fail; (code, sentence)."""
        code, said = self.drive(verb, kind, name, *([json.dumps(spec)] if spec is not None else []))
        assert code == 1, f"{verb} {kind} {name} succeeded"
        return said["code"], said["error"]

    def things(self):
        """(kind, name) -> thing, as observed."""
        code, said = self.drive("observe")
        assert code == 0, said["error"]
        return {(t["kind"], t["name"]): t for t in said["things"]}

    def session(self, *options):
        return Session(self.site.enter(built("drive"), *options, "session"))

    def thing(self, kind, name):
        return self.things().get((kind, name))

    def volumes(self):
        rows = self.site.virsh("vol-list", "default").splitlines()
        return sorted(row.split()[0] for row in rows if row.split()[0].endswith((".qcow2", ".raw")))

    def killed(self, at, *argv):
        """Run drive to its death at step `at` of libvirt's changing calls. False: it ended before. A qemu-img that
        it had begun outlives it and holds its image for a moment: an agent would try again later."""
        code, _ = self.drive(*argv, environ=interposed(HARMONY_TEST_KILL_AT=at))
        assert code in (0, 137, -signal.SIGKILL), code
        wait_until(lambda: not self.site.run("pgrep", "-x", "qemu-img", check=False).stdout, 20,
                   "a qemu-img that was left behind to end")
        return code != 0

    def steps(self, *argv):
        """How many steps the same command has, from the interposer's log."""
        log = self.site.directory / "steps"
        log.unlink(missing_ok=True)
        code, said = self.drive(*argv, environ=interposed(HARMONY_TEST_KILL_LOG=log))
        assert code == 0, said
        return len(log.read_text().splitlines()) if log.exists() else 0


class Session:
    """A drive that stays connected and hears events."""

    def __init__(self, argv):
        self.process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def ask(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, f"no answer to {words} in 60 s"
        return json.loads(self.process.stdout.readline())

    def thing(self, kind, name):
        things = self.ask("observe")["things"]
        return next((t for t in things if (t["kind"], t["name"]) == (kind, name)), None)

    def wait_until(self, kind, name, condition):
        """Observe whenever the driver tells of a change, until the thing is as wanted."""
        for _ in range(100):
            seen = self.thing(kind, name)
            if condition(seen):
                return seen
            assert self.ask("wait")["result"] == 0
        raise AssertionError(f"{kind} {name} is {seen}")


def run_guest(host, spec=None, name="web", boot=1):
    host.do("create", "vm", name, spec or vm(name))
    host.do("start", "vm", name, spec or vm(name))
    return host.site.wait_boot(name, boot)
