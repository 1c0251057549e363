"""The network that the chaos tests cut, the line that they make slow, and how an outage is counted."""

import asyncio
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

import evidence  # noqa: E402
from lib.delay_proxy import DelayProxy  # noqa: E402
from lib.network import Network, privately  # noqa: E402
from lib.processes import Process, run  # noqa: E402
from lib.waiting import wait_until  # noqa: E402

HUB, SITE = "10.77.0.11", "10.77.0.21"
ASK = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
s.sendto(b"?", ("{HUB}", 7))
print(s.recv(9).decode())
"""


class Answerer:
    """Counts datagrams at the hub and answers each."""

    def __init__(self):
        self.heard, self.socket = 0, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HUB, 7))
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        while True:
            _, sender = self.socket.recvfrom(9)
            self.heard += 1
            try:
                self.socket.sendto(b"!", sender)
            except OSError:
                pass  # an earlier one was not delivered


@pytest.mark.parametrize("way, arrives, answered", [
    (None, True, True), ("out", False, False), ("in", True, False), ("both", False, False)])
def test_a_cable_is_cut_one_way_or_both_and_mended(folder, way, arrives, answered):
    def check():
        network, answerer = Network(HUB), Answerer()
        site = Process("site", ["unshare", "--net", "sleep", "60"], folder / "site.log").start()
        wait_until(lambda: os.readlink(f"/proc/{site.pid}/ns/net") != os.readlink("/proc/self/ns/net"), 5,
                   "the site's network", 0.005)
        cable = network.plug(site.pid, SITE)

        def ask():
            before = answerer.heard
            answer = run(["nsenter", "--target", site.pid, "--net", sys.executable, "-c", ASK], check=False)
            return answerer.heard > before, answer.stdout == "!\n"

        wait_until(lambda: ask() == (True, True), 5, "the cable to carry")
        if way:
            cable.cut([HUB], way)
        assert ask() == (arrives, answered)
        if way:
            cable.mend()
            assert ask() == (True, True)
        cable.cut(["10.77.0.99"], "both")  # somebody else's
        assert ask() == (True, True)
        site.kill()

    privately(check)


def test_the_proxy_delays_each_way_and_keeps_the_order():
    def check():
        async def echo(reader, writer):
            while data := await reader.read(99):
                writer.write(data)

        async def serve():
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
            await server.serve_forever()

        ports = []
        threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
        wait_until(lambda: ports, 5, "the echo")
        proxy = DelayProxy("127.0.0.2", [("127.0.0.1", ports[0])])
        client = socket.create_connection(("127.0.0.2", ports[0]))
        client.settimeout(5)

        def round_trip(text):
            began = time.monotonic()
            client.sendall(text)
            seen = b""
            while len(seen) < len(text):
                seen += client.recv(99)
            assert seen == text
            return time.monotonic() - began

        assert round_trip(b"fast") < 0.2
        proxy.delay = 0.2
        assert 0.4 <= round_trip(b"slow") < 0.8
        client.sendall(b"slow, ")
        proxy.delay = 0
        client.sendall(b"then fast")
        seen = b""
        while len(seen) < 15:
            seen += client.recv(99)
        assert seen == b"slow, then fast"
        proxy.close()

    privately(check)


def interval(first_ms, last_ms):
    return {"first_ns": first_ms * 10**6, "last_ns": last_ms * 10**6}


@pytest.mark.parametrize("intervals, outage", [
    ([(0, 100)], 0),
    ([(0, 50), (80, 100)], 30),
    ([(0, 20), (22, 50), (60, 100)], 10),  # the first is over before the stretch begins
    ([(0, 90), (40, 60), (95, 100)], 5),  # nested
    ([(0, 50), (90, 95)], 40),
    ([(60, 100)], 30)])
def test_the_outage_is_the_longest_silence_of_the_stretch(intervals, outage):
    report = {"intervals": [interval(*v) for v in intervals]}
    assert evidence.outage_ms(report, 30 * 10**6, 100 * 10**6) == outage
