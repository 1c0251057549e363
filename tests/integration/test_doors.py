"""Who is let in, and what comes in: TLS, credentials, secrets; hostile documents, requests, records."""

import json
from pathlib import Path

import pytest
from lib.declared import Documents
from lib.failover import Group
from lib.nats_server import NatsServer
from lib.nkeys import Realm
from lib.paths import built
from lib.processes import environment, run
from lib.waiting import wait_until

LAN = {"kind": "network", "name": "lan", "site": "site-a", "subnet": "192.168.79.1/24"}
ON_TEST_DRIVER = {"libvirt": {"uri": "test:///default", "image_dir": "/var/lib/libvirt/images"}}
DOCUMENT_MAX = 512 * 1024


@pytest.fixture
def enter(make_site):
    """enter(url, nats part of the configuration): site-a with an agent that was just started."""
    def start(url, **nats):
        site = make_site(nats_url=url, nats=nats, config=ON_TEST_DRIVER).power_on(libvirtd=False)
        site.start_agent()
        return site
    return start


def ctl(*words, check=True, **environ):
    return run([built("harmonyctl"), *words], check=check, env=environment(**environ))


def check_works(folder, site, *flags, **environ):
    """The buckets are made, a document goes in by harmonyctl, and the agent's report comes back."""
    ctl(*flags, "failover", "init", "--primary", "site-a", "--replica", "site-b", **environ)
    (folder / "lan.json").write_text(json.dumps(LAN))
    ctl(*flags, "apply", "-f", folder / "lan.json", **environ)
    wait_until(lambda: site.agent.check_running() and "Running" in ctl(
        *flags, "get", "network", "lan", **environ).stdout, 30, "the network to run")


def wait_refused(site, words):
    """Until the agent has logged one sentence with all of these words. Returns that line."""
    def condition():
        site.agent.check_running()
        lines = site.agent_log.read_text().splitlines()
        return next((line for line in lines if all(w.lower() in line.lower() for w in words)), None)
    return wait_until(condition, 20, f"a line with {words}", 0.02)


# -- TLS ---------------------------------------------------------------------------------------------

def make_certificates(folder, authority):
    """A CA and a certificate for localhost, signed by it. Returns {"ca", "cert", "key"}."""
    home = folder / authority
    home.mkdir()
    names = {part: home / f"{part}.pem" for part in ("ca", "cert", "key")}
    ca_key, request = home / "ca-key.pem", home / "request.pem"
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run([*new, "-x509", "-subj", f"/CN={authority}", "-days", "2", "-keyout", ca_key,
         "-out", names["ca"]])
    run([*new, "-subj", "/CN=localhost", "-keyout", names["key"], "-out", request])
    (home / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(["openssl", "x509", "-req", "-in", request, "-CA", names["ca"], "-CAkey", ca_key, "-days", "2",
         "-CAcreateserial", "-extfile", home / "extensions", "-out", names["cert"]])
    return {part: str(path) for part, path in names.items()}


@pytest.fixture
def certificates(folder):
    return make_certificates(folder, "good")


@pytest.fixture
def tls_server(folder, certificates):
    with NatsServer(folder, tls=certificates) as server:
        yield server


def flags_for(url, tls):
    return ["--server", url, *(f"--tls-{part}={path}" for part, path in tls.items())]


def test_tls_with_client_certificates(folder, enter, tls_server, certificates):
    site = enter(tls_server.url, tls=certificates)
    check_works(folder, site, *flags_for(tls_server.url, certificates))


def test_wrong_authority_is_refused(folder, enter, tls_server, certificates):
    """Both ways: a server that we must not trust, and a certificate that it does not."""
    other = make_certificates(folder, "other")
    site = enter(tls_server.url, tls={**certificates, "ca": other["ca"]})
    assert "connected" not in wait_refused(site, ["certificate"]).split()
    for wrong in ({**certificates, "ca": other["ca"]}, {**other, "ca": certificates["ca"]}):
        done = ctl(*flags_for(tls_server.url, wrong), "get", check=False)
        assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "certificate" in done.stderr.lower(), done.stderr


def test_missing_certificate_is_refused(enter, tls_server, certificates):
    site = enter(tls_server.url, tls={"ca": certificates["ca"]})
    wait_refused(site, ["certificate"])


# -- names and passwords -------------------------------------------------------------------------------

def command_lines():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().decode(errors="replace")
        except OSError:
            continue  # ended meanwhile


def check_nowhere(secret, site, said):
    """Not in the agent's log and what it keeps, not in `said`, and on no command line."""
    kept = [p for p in site.state.rglob("*") if p.is_file()] + [site.agent_log]
    places = {str(path): path.read_text(errors="replace") for path in kept}
    assert not [where for where, text in places.items() if secret in text]
    assert secret not in said
    assert not [line for line in command_lines() if secret in line]


def status_of_agent(*flags, **environ):
    status = ctl(*flags, "failover", "status", "-o", "json", **environ)
    return status.stdout + ctl(*flags, "get", "-o", "yaml", **environ).stdout


def test_user_and_password_in_the_address(folder, enter):
    with NatsServer(folder, users=[{"user": "ops", "password": "s3cretword"}]) as server:
        address = server.url.replace("nats://", "nats://ops:s3cretword@")
        site = enter(address)
        check_works(folder, site, NATS_URL=address)
        check_nowhere("s3cretword", site, status_of_agent(NATS_URL=address))


def test_wrong_password_is_told_without_it(folder, enter):
    with NatsServer(folder, users=[{"user": "ops", "password": "s3cretword"}]) as server:
        address = server.url.replace("nats://", "nats://ops:wr0ngword@")
        site = enter(address)
        wait_refused(site, ["authorization"])
        done = ctl("get", check=False, NATS_URL=address)
        assert done.returncode != 0 and "authorization" in done.stderr.lower()
        check_nowhere("wr0ngword", site, done.stdout + done.stderr)


@pytest.fixture
def realm():
    return Realm()


@pytest.fixture
def jwt_server(folder, realm):
    with NatsServer(folder, extra=realm.server) as server:
        yield server


def test_credentials_file(folder, enter, realm, jwt_server):
    seed = realm.credentials(folder / "agent.creds")
    site = enter(jwt_server.url, credentials=str(folder / "agent.creds"))
    flags = ["--server", jwt_server.url, "--creds", str(folder / "agent.creds")]
    check_works(folder, site, *flags)
    check_nowhere(seed, site, status_of_agent(*flags))


def test_credentials_of_somebody_else_are_refused(folder, enter, jwt_server):
    seed = Realm().credentials(folder / "other.creds")
    site = enter(jwt_server.url, credentials=str(folder / "other.creds"))
    wait_refused(site, ["authorization"])
    done = ctl("--server", jwt_server.url, "--creds", str(folder / "other.creds"), "get", check=False)
    assert done.returncode != 0 and "authorization" in done.stderr.lower()
    check_nowhere(seed, site, done.stdout + done.stderr)


@pytest.mark.parametrize("content", ["", "nothing of the kind\n", None])
def test_credentials_that_cannot_be_read(folder, jwt_server, content):
    path = folder / "bad.creds"
    if content is not None:
        path.write_text(content)
    done = ctl("--server", jwt_server.url, "--creds", str(path), "get", check=False)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "credentials" in done.stderr.lower(), done.stderr


# -- documents, requests, records ------------------------------------------------------------------------

def test_document_of_the_largest_size_and_one_byte_more(nats, enter):
    docs = Documents(nats.url)
    site = enter(nats.url)
    text = json.dumps({"subnet": LAN["subnet"]})
    docs.put("network", "lan", text + " " * (DOCUMENT_MAX - len(text)))
    docs.wait("network", "lan", "Running")
    docs.put("network", "lan", text + " " * (DOCUMENT_MAX - len(text) + 1))
    sentence = docs.wait_error("network", "lan", "512 KiB")
    assert "\n" not in sentence
    assert docs.status("network", "lan")["phase"] == "Running"
    site.agent.check_running()
    docs.close()


ONE = {"where": "site-a", "kind": "network", "name": "lan", "spec": {"subnet": "192.168.79.1/24"}}
HOSTILE_REQUESTS = {
    "garbage": b"\x00\xff garbage \xc3\x28",
    "half of JSON": b"{\"documents\":[",
    "deep lists": b"[" * 200000,
    "deep objects": b"{\"a\":" * 100000,
    "a deep spec": json.dumps({"documents": [ONE]}).replace(
        '"192.168.79.1/24"', "[" * 1000 + "]" * 1000).encode(),
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "documents are no list": b"{\"documents\":7}",
    "documents are numbers": b"{\"documents\":[1,2,3]}",
    "deletes are no list": b"{\"deletes\":\"site-a.vm.web\"}",
    "deletes are numbers": b"{\"deletes\":[1]}",
    "an unknown field": b"{\"documnets\":[]}",
    "names twice": b"{\"documents\":[],\"documents\":[]}",
    "a spec that is no object": json.dumps({"documents": [{**ONE, "spec": 7}]}).encode(),
    "a hostile name": json.dumps({"documents": [{**ONE, "name": "../../etc/passwd\n"}]}).encode(),
    "a long name": json.dumps({"documents": [{**ONE, "name": "\N{SNOWMAN}" * 100000}]}).encode(),
    "an unknown kind": json.dumps({"documents": [{**ONE, "kind": "rocket"}]}).encode(),
    "a NUL": b"{\"documents\":[{\"where\":\"site-a\\u0000\"}]}",
    "a large string": b"{\"documents\":\"" + b"x" * 1000000 + b"\"}",
}


def test_hostile_plan_requests_get_an_error_and_stop_nothing(nats, enter):
    docs = Documents(nats.url)
    site = enter(nats.url)
    wait_until(lambda: site.agent.check_running() and docs.status("agent", "") or ask(docs, b"{}"), 20,
               "the agent to answer")
    pid = site.agent.inner_pid()
    wrong = {}
    for what, payload in HOSTILE_REQUESTS.items():
        docs.store.wait_for(docs.store.client.publish("harmony.plan.site-a", payload))  # no reply to
        text = ask(docs, payload).get("error", {}).get("text", "")
        if len(text) < 20 or len(text) > 2000 or "\n" in text:
            wrong[what] = text
    assert not wrong
    steps = ask(docs, json.dumps({"documents": [ONE]}).encode())
    assert "error" not in steps and "site-a.network.lan" in json.dumps(steps)
    assert site.agent.inner_pid() == pid
    docs.close()


def ask(docs, payload):
    reply = docs.store.wait_for(docs.store.client.request("harmony.plan.site-a", payload, timeout=4))
    return json.loads(reply.data)


HOSTILE_RECORDS = ["", "\x00", "{", "[" * 100000, "7", "null", "[]", "{}", "{\"site_id\":\"site-a\"}",
                   "{\"site_id\":\"../x\",\"epoch\":-1,\"counter\":1e400}", "x" * 600000,
                   "{\"site_id\":\"site-a\",\"status\":\"HEALTHY\",\"epoch\":18446744073709551616}"]
OTHER_KEYS = ["replica_heartbeat.site-b", "replica_heartbeat.site-z", "replica_heartbeat.",
              "replica_heartbeat." + "x" * 300, "cluster_state", "incident.1", "incident.none", "nonsense"]


@pytest.fixture
def group(folder, nats, make_site):
    with Group(folder, nats.url, make_site, max_promise_ms=4000) as group:
        group.init()
        group.start()
        group.wait_serving("site-a", epoch=1)
        group.wait_replica("site-b")
        yield group


def test_garbage_beside_the_lease_changes_nothing(group):
    pids = [site.agent.inner_pid() for site in group.sites.values()]
    for key in OTHER_KEYS:
        for record in HOSTILE_RECORDS:
            try:
                group.store.put(key, record)
            except Exception as error:  # the server itself takes no such key
                assert key.endswith("."), error
    group.wait_replica("site-b")
    group.wait_heartbeats("site-b", 10)
    group.check_serving({"site-a": 1})
    assert group.terms() == [("site-a", 1)]
    assert [site.agent.inner_pid() for site in group.sites.values()] == pids


def test_garbage_in_place_of_the_lease_is_outlived(group):
    """An unknown holder has the longest promise; after that there is one leader again."""
    pids = [site.agent.inner_pid() for site in group.sites.values()]
    for record in HOSTILE_RECORDS:
        group.store.put("primary_heartbeat", record)
    group.wait_one_serves(above=1)
    assert group.report()["overlap_ms"] == 0
    assert [site.agent.inner_pid() for site in group.sites.values()] == pids
