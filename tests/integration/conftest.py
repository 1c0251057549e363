"""Fixtures: a temporary folder, a NATS server, sites. What a failed test leaves to read is kept in
BUILD/failed/<test>/. Prints the line "integration: N passed, N failed[, N skipped]"."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import paths  # noqa: E402

sys.path.insert(0, str(paths.TOOLS / "python"))

from lib.kept import keep_logs  # noqa: E402
from lib.nats_server import NatsServer  # noqa: E402
from lib.processes import TemporaryFolder  # noqa: E402
from lib.sites import Site  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
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


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    passed, skipped = len(stats.get("passed", [])), len(stats.get("skipped", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    for report in stats.get("skipped", []):
        terminalreporter.write_line(f"skipped {report.nodeid}: {report.longrepr[2]}")
    terminalreporter.write_line(
        f"integration: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
