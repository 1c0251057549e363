"""Fixtures: a temporary folder, a NATS server, sites. What a failed test leaves to read is kept in
BUILD/failed/<test>/. Says which files may run at the same time. Prints the line "integration: N passed, N failed[, N skipped]", and before it a line for
each of the backends that tests name in their parameters."""

import functools
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import paths  # noqa: E402

sys.path.insert(0, str(paths.TOOLS / "python"))

from lib.failover import Group  # noqa: E402
from lib.kept import keep_logs  # noqa: E402
from lib.nats_server import NatsServer  # noqa: E402
from lib.processes import TemporaryFolder, free_port  # noqa: E402
from lib.sites import Site  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "boots_guests: its file boots guests under emulation; one such file runs at a time")


@functools.lru_cache(None)
def boots_guests(file):
    """Whether a file says so of itself, with a line of its own: who hands out the files has not imported them."""
    return re.search(r"^pytestmark = pytest\.mark\.boots_guests$", Path(file).read_text(), re.M) is not None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file is run as a whole, and those that boot guests one after another, by one worker: an emulated guest keeps
    a processor busy, and a second one beside it would boot later than some tests wait. All others mostly wait; so
    does what such a file tests on a backend that emulates nothing."""
    from xdist.scheduler import LoadFileScheduling

    class OneFileWithGuests(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            if not boots_guests(config.rootpath / file):
                return file
            emulates_nothing = {"fake", "real"} & set(nodeid.partition("[")[2].rstrip("]").split("-"))
            return f"{file} {emulates_nothing.pop()}" if emulates_nothing else "guests"

    return OneFileWithGuests(config, log)


@pytest.fixture(scope="module", autouse=True)
def nothing_boots_unsaid(request):
    """Fails the file whose sites ran guests and which does not say so."""
    Site.ran_guests = False
    yield
    assert not Site.ran_guests or boots_guests(request.path), (
        f"{request.path.name} boots guests and may run beside another that does: "
        "let it say pytestmark = pytest.mark.boots_guests")


BACKENDS = {"libvirt": "libvirt", "fake": "the fake of cloud-hypervisor", "real": "the real cloud-hypervisor"}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    report.backend = next((p for p in parameters if isinstance(p, str) and p in BACKENDS), None)
    if report.failed:
        item.has_failed = True


@pytest.fixture
def folder(request):
    """A temporary folder with a short path."""
    with TemporaryFolder() as path:
        yield path
        if getattr(request.node, "has_failed", False):
            print(f"logs are kept in {keep_logs(path, request.node.name)}")


@pytest.fixture
def nats(folder):
    """A NATS server that runs."""
    with NatsServer(folder) as server:
        yield server


@pytest.fixture
def make_site(folder):
    """make_site("site-a", ...): a Site, not yet powered on. All are switched off in the end."""
    sites = []

    def make(name="site-a", **options):
        sites.append(Site(name, folder, **options))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site, nats):
    """site-a with libvirtd, on and without an agent yet."""
    return make_site(nats_url=nats.url).power_on()


@pytest.fixture
def web_group(folder, nats, make_site):
    """site-a leads, site-b follows; `http` of each is the port of its endpoints."""
    group = Group(folder, nats.url, make_site)
    for site in group.sites.values():
        site.http = free_port()
        site.config["http"] = {"listen": f"127.0.0.1:{site.http}"}
    group.init()
    group.start()
    assert group.wait_serving("site-a") == 1
    group.wait_replica("site-b")
    yield group
    group.close()


@pytest.fixture(scope="module")
def module_site(request):
    """One for all tests of a module: each leaves it as it found it."""
    with TemporaryFolder() as path:
        site = Site("site-a", path)
        yield site.power_on()
        site.close()
        if request.session.testsfailed:
            print(f"logs are kept in {keep_logs(path, request.node.name)}")


@pytest.fixture
def lan(host):
    """A network that the agent makes itself; its name. For files with a `host` that runs VMs."""
    host.docs.put("network", "lan", {"backend": "native"})
    host.docs.wait("network", "lan", "Running")
    return "lan"


@pytest.fixture
def each_step():
    """each_step(host, prepare, argv): yields after drive was killed at step 1, 2, ... of `argv()`, each time
    after `prepare()`, until it was not reached."""
    def steps(host, prepare, argv):
        at = 1
        while True:
            prepare()
            if not host.killed(at, *argv()):
                return
            yield at
            at += 1
    return steps


def totals(stats, backend=None):
    """"N passed, N failed[, N skipped]": of all tests, or of those on this backend."""
    def count(*outcomes):
        reports = [report for outcome in outcomes for report in stats.get(outcome, [])]
        return len([r for r in reports if backend is None or getattr(r, "backend", None) == backend])

    skipped = count("skipped")
    return (f"{count('passed')} passed, {count('failed', 'error')} failed"
            + (f", {skipped} skipped" if skipped else ""))


def pytest_terminal_summary(terminalreporter):
    stats, say = terminalreporter.stats, terminalreporter.write_line
    reasons = {}
    for report in stats.get("skipped", []):
        reasons.setdefault(report.longrepr[2], []).append(report.nodeid)
    for reason, tests in reasons.items():
        say(f"skipped {tests[0]}{f' and {len(tests) - 1} more' if len(tests) > 1 else ''}: {reason}")
    reports = [report for outcome in stats.values() for report in outcome]
    for backend, name in BACKENDS.items():
        if any(getattr(report, "backend", None) == backend for report in reports):
            say(f"VMs on {name}: {totals(stats, backend)}")
    say(f"integration: {totals(stats)}")
