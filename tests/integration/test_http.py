"""The endpoints of running agents, and a real haproxy that follows the primary by them."""

import json
import socket
import socketserver
import threading
import urllib.error
import urllib.request

import pytest

from lib.paths import system
from lib.processes import Process, free_port
from lib.waiting import wait_until

PROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 2s
    timeout client 10s
    timeout server 10s
frontend database
    bind 127.0.0.1:{port}
    default_backend sites
backend sites
    option httpchk GET /primary
    default-server inter 100ms fastinter 50ms fall 1 rise 1 on-marked-down shutdown-sessions
"""


class Database:
    """Stands in for a database that is up on every host, whoever leads: says its site and hangs up."""

    def __init__(self, site):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(f"{site}\n".encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def get(port, path):
    """(code, body)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def proxy(web_group, folder):
    """The port at which haproxy offers the database."""
    port = free_port()
    databases = {name: Database(name) for name in web_group.sites}
    servers = "".join(f"    server {name} 127.0.0.1:{databases[name].port} check port {site.http}\n"
                      for name, site in web_group.sites.items())
    (folder / "haproxy.cfg").write_text(PROXY.format(port=port) + servers)
    process = Process("haproxy", [system("haproxy"), "-db", "-f", folder / "haproxy.cfg"],
                      folder / "haproxy.log").start()
    yield port
    process.kill()
    for database in databases.values():
        database.close()


def reached(port):
    """Whom a client gets; None: nobody."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            return connection.recv(100).decode().strip() or None
        except ConnectionResetError:
            return None


def test_a_load_balancer_follows_the_primary(web_group, proxy):
    wait_until(lambda: reached(proxy) == "site-a", 10, "haproxy to find the primary")
    web_group.sites["site-a"].power_cut()
    web_group.wait_serving("site-b")
    wait_until(lambda: reached(proxy) == "site-b", 10, "haproxy to follow")


def test_an_agent_that_hangs_is_no_primary(web_group, proxy):
    """Its lease runs out while it can say nothing; haproxy's check is not answered, or answered with 503."""
    wait_until(lambda: reached(proxy) == "site-a", 10, "haproxy to find the primary")
    web_group.sites["site-a"].freeze_agent()
    web_group.wait_serving("site-b")
    wait_until(lambda: reached(proxy) == "site-b", 10, "haproxy to follow")
    web_group.sites["site-a"].thaw_agent()
    wait_until(lambda: get(web_group.sites["site-a"].http, "/primary")[0] == 503, 10, "site-a to know it")


def test_what_the_endpoints_say(web_group, nats):
    a, b = (web_group.sites[name].http for name in ("site-a", "site-b"))
    wait_until(lambda: get(a, "/primary")[0] == 200, 10, "site-a to know that its workload serves")
    assert json.loads(get(a, "/primary")[1]) == {"site": "site-a", "role": "leader", "epoch": 1, "serves": True}
    assert get(a, "/replica")[0] == 503 and get(b, "/primary")[0] == 503
    wait_until(lambda: get(b, "/replica")[0] == 200, 10, "site-b to be a fit replica")
    for port in (a, b):
        wait_until(lambda port=port: get(port, "/ready") == (200, "ready\n"), 10, "the agent to be ready")
        assert get(port, "/live")[0] == 200
    told = json.loads(get(a, "/status")[1])
    assert told["agent"]["site"] == "site-a" and told["agent"]["failover"]["role"] == "leader"
    assert 0 < told["lease_left_ms"] <= web_group.config["failover_timeout_ms"]
    nats.stop()
    wait_until(lambda: "not connected to NATS" in get(b, "/ready")[1], 10, "site-b to say what is missing")
    wait_until(lambda: get(a, "/primary")[0] == 503, 10, "site-a to stop serving")
