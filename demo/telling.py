"""How the demo looks: short lines, state in colour on a terminal only, times on the right."""

import os
import sys

RIGHT = 104  # column at which times on the right end
GREEN, RED, BOLD, FAINT = "32", "31", "1", "2"


def is_coloured(stream):
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Teller:
    def __init__(self, stream=sys.stdout):
        self.stream, self.colour = stream, is_coloured(stream)
        self.steps = 0

    def line(self, text=""):
        print(text, file=self.stream, flush=True)

    def paint(self, text, code):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def step(self, title, text):
        """The next numbered step: "1  declare        text"."""
        self.steps += 1
        self.line(self.paint(f"{self.steps}  {title:<14}", BOLD) + f" {text}")

    def more(self, text):
        """A further line of the step."""
        self.line(" " * 18 + text)

    def ok(self, text, right=""):
        """Something that has been seen to be so; `right`: how long it took."""
        pad = " " * max(3, RIGHT - 7 - len(text) - len(right)) if right else ""
        self.line("  " + self.paint("ok", GREEN) + "   " + text + pad + self.paint(right, FAINT))

    def failed(self, text):
        self.line("  " + self.paint("failed", RED) + f" {text}")


def seconds(value):
    """1.04 -> "1.04 s"; from ten on without decimals."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
