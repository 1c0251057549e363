"""A program that is talked to on a terminal, as harmonyctl console is."""

import contextlib
import os
import pty
import subprocess
import termios

from .waiting import wait_until


class Terminal:
    """A program in a terminal of its own; what that shows is in `text`."""

    def __init__(self, argv):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave, self.text = slave, ""
        os.set_blocking(self.master, False)
        self.process = subprocess.Popen([str(word) for word in argv], stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)

    def shows(self, words, timeout=20):
        def condition():
            with contextlib.suppress(BlockingIOError, OSError):
                self.text += os.read(self.master, 65536).decode(errors="replace")
            return words in self.text
        try:
            return wait_until(condition, timeout, f"{words!r} on the terminal", 0.02)
        except AssertionError as late:
            raise AssertionError(f"{late}; it shows {self.text!r}") from None

    def type(self, text):
        os.write(self.master, text.encode())

    def ends(self, code=0, timeout=20):
        def condition():
            with contextlib.suppress(BlockingIOError, OSError):
                self.text += os.read(self.master, 65536).decode(errors="replace")
            return self.process.poll() is not None
        wait_until(condition, timeout, f"it to end; it shows {self.text!r}", 0.02)
        assert self.process.returncode == code, self.text
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is as it was"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
