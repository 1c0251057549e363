"""NATS servers with JetStream, on loopback unless told another address of this machine."""

import functools
import json
import re
import shutil
import urllib.request
from pathlib import Path

from .paths import Missing, SYSTEM_PATH, TOOLS
from .processes import Process, free_port, run
from .waiting import wait_until

MINIMUM = (2, 10, 0)


def version_of(program):
    """(2, 10, 0)"""
    text = run([program, "--version"]).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)\.(\d+)", text).groups()))


@functools.lru_cache(None)
def server_program():
    """(path, version text) of the pinned server, else of the system's if it is new enough."""
    candidates = [TOOLS / "python/bin/nats-server", shutil.which("nats-server", path=SYSTEM_PATH)]
    for path in filter(lambda p: p and Path(p).exists(), candidates):
        version = version_of(path)
        if version >= MINIMUM:
            return str(path), ".".join(map(str, version))
    raise Missing("no nats-server from 2.10 on: ./run demo or ./run test downloads one")


class NatsServer:
    """One server. Its port stays the same over restarts; its store is in `directory`/jetstream.

    `address` is what it listens on. tls={"ca","cert","key"} makes clients show a certificate of that CA;
    users=[{"user","password"}] makes them log in; extra is merged into the configuration; program is
    another nats-server; wrapper (an argv) runs it, in other namespaces say.
    """

    def __init__(self, directory, name="nats", tls=None, users=None, extra=None,
                 address="127.0.0.1", program=None, wrapper=()):
        self.directory = Path(directory) / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name, self.address = name, address
        self.port, self.monitor_port = free_port(), free_port()
        self.host = "localhost" if tls else address
        self.url = f"{'tls' if tls else 'nats'}://{self.host}:{self.port}"
        self.config = {
            "server_name": name,
            "listen": f"{address}:{self.port}",
            "http": f"{address}:{self.monitor_port}",
            "jetstream": {"store_dir": str(self.directory / "jetstream")},
            "max_payload": 1048576,
        }
        if tls:
            self.config["tls"] = {"ca_file": str(tls["ca"]), "cert_file": str(tls["cert"]),
                                  "key_file": str(tls["key"]), "verify": True}
        if users:
            self.config["authorization"] = {"users": users}
        self.config.update(extra or {})
        self.process = Process(
            name, [*wrapper, program or server_program()[0], "-c", self.directory / "nats.conf"],
            self.directory / "nats.log")

    def start(self, wait=True):
        (self.directory / "nats.conf").write_text(json.dumps(self.config, indent=2))
        self.process.start()
        if wait:
            self.wait_healthy()
        return self

    def is_healthy(self):
        """JetStream is up and caught up."""
        self.process.check_running()
        with urllib.request.urlopen(
                f"http://{self.address}:{self.monitor_port}/healthz", timeout=1) as answer:
            return json.load(answer)["status"] == "ok"

    def wait_healthy(self, timeout=20):
        wait_until(self.is_healthy, timeout, f"{self.name} to be healthy", 0.02)

    def stop(self):
        """Orderly: it hands over what it leads. nats-server exits with 1 on SIGTERM."""
        self.process.stop()

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        """SIGSTOP: connections stay open, nothing is answered."""
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def close(self):
        self.process.kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


class NatsCluster:
    """Servers nats-1 .. nats-N that form one JetStream cluster, one on each address, each run by one
    of the wrappers."""

    def __init__(self, directory, size=3, addresses=None, wrappers=None):
        addresses, wrappers = addresses or ["127.0.0.1"] * size, wrappers or [()] * size
        routes = [f"{address}:{free_port()}" for address in addresses]
        clusters = [{"name": "harmony-test", "listen": route,
                     "routes": [f"nats://{other}" for other in routes]} for route in routes]
        self.servers = [
            NatsServer(directory, f"nats-{i + 1}", address=address, wrapper=wrappers[i],
                       extra={"cluster": clusters[i]}) for i, address in enumerate(addresses)]
        self.url = ",".join(s.url for s in self.servers)

    def start(self):
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait_healthy()
        return self

    def by_name(self, name):
        return next(s for s in self.servers if s.name == name)

    def close(self):
        for server in self.servers:
            server.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
