"""Child processes, temporary folders and ports that leave nothing behind.

A child gets SIGKILL from the kernel when we die, however we die (PR_SET_PDEATHSIG by setpriv). The
signal is tied to the thread that started it: start processes from the main thread.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import deque
from pathlib import Path

from .paths import SYSTEM_PATH
from .waiting import Dead, wait_until

PREFIX = "harmony-"

# They hold the ports that this process was given last, more than one test asks for, and end with us.
holders = deque(maxlen=100)


def environment(**more):
    """A plain environment: nothing of the caller's own settings for harmony, NATS or libvirt."""
    kept = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "TERM", "TMPDIR", "USER")
            or k.startswith(("ASAN_", "LSAN_", "UBSAN_"))}
    return {"LC_ALL": "C.UTF-8", "PATH": SYSTEM_PATH, **kept, **more}


class Process:
    """One child with its output in a log file. `name` is for messages."""

    def __init__(self, name, argv, log, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.name, self.argv, self.log, self.stdin = name, [str(a) for a in argv], Path(log), stdin
        self.env, self.cwd = env or environment(), cwd
        self.popen = None

    def start(self):
        assert not self.is_running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv], env=self.env, cwd=self.cwd,
                stdin=self.stdin, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)  # Ctrl-C is for us: we end them in order
        return self

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def check_running(self):
        """Raises Dead with the log's end if it has ended. For use in conditions."""
        if not self.is_running():
            code = self.popen.returncode if self.popen else "never started"
            raise Dead(f"{self.name} ended ({code}); its log {self.log} ends:\n{self.log_end()}")
        return True

    def log_end(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def kill(self):
        """SIGKILL, and gone on return."""
        self.signal(signal.SIGKILL)
        if self.popen:
            self.popen.wait()

    def stop(self, timeout=10):
        """SIGTERM; SIGKILL when it is still there after `timeout` seconds. Returns the exit code."""
        self.signal(signal.SIGTERM)
        if self.popen is None:
            return None
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Dead(f"{self.name} did not stop within {timeout} s of SIGTERM and was killed; "
                       f"its log {self.log} ends:\n{self.log_end()}") from None

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)


class EnteredProcess(Process):
    """A process that nsenter started in other namespaces: signals go to it, not to nsenter."""

    def inner_pid(self):
        """Its pid as seen from here."""
        return wait_until(lambda: self.check_running() and first_child(self.pid), 5,
                          f"{self.name} to be started by nsenter", 0.002)

    def signal(self, number):
        if not self.is_running():
            return
        try:
            os.kill(self.inner_pid(), number)
        except (ProcessLookupError, Dead):
            return
        if number == signal.SIGCONT:
            self.popen.send_signal(number)  # nsenter stops and continues with its child


def first_child(pid):
    """The pid of a child of `pid`, or None."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def run(argv, timeout=60, env=None, check=True, **options):
    """Run to the end and return the CompletedProcess (text). A failure tells what it said."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, env=env or environment(), timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)} exited with {done.returncode}:\n"
                             f"{done.stdout}{done.stderr}")
    return done


def free_port():
    """A TCP port of loopback that is nobody else's, also before its server listens there and while that is down: a
    socket that never listens is bound to it. Servers bind beside it, since they set SO_REUSEADDR."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    holders.append(holder)
    return holder.getsockname()[1]


class TemporaryFolder:
    """A folder under TMPDIR with a short path (unix sockets live in it), gone after close().

    It holds a lock while its maker lives; the next maker removes folders without one, so a killed
    test run leaves nothing for long.
    """

    def __init__(self):
        sweep()
        made = Path(tempfile.mkdtemp(prefix="." + PREFIX))  # a name that nobody sweeps, until it is locked
        self._lock = open(made / ".maker", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = made.rename(made.with_name(made.name[1:]))

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.close()


def sweep():
    """Remove temporary folders whose maker is dead."""
    for lock in Path(tempfile.gettempdir()).glob(PREFIX + "*/.maker"):
        try:
            with open(lock) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # in use, or another one sweeps it
