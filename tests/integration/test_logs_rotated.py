"""A console's log that virtlogd rotates: `logs --since` goes back into the files before."""

import time

import pytest
from lib.declared import Documents, vm
from lib.paths import built, system
from lib.processes import EnteredProcess, run
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

SOCKET = "run/libvirt/virtlogd-sock"


@pytest.fixture
def rotating(make_site, nats):
    """A site whose libvirtd lets a virtlogd write the logs, which rotates them at 100 bytes."""
    site = make_site(nats_url=nats.url).power_on(libvirtd=False)
    etc = site.host / "etc/libvirt"
    conf = (etc / "qemu.conf").read_text()
    (etc / "qemu.conf").write_text(conf.replace('stdio_handler = "file"', 'stdio_handler = "logd"'))
    (etc / "virtlogd.conf").write_text("max_size = 100\nmax_backups = 12\n")
    virtlogd = EnteredProcess("virtlogd", site.enter(
        system("virtlogd"), "-f", "/etc/libvirt/virtlogd.conf", "-p", "/run/libvirt/virtlogd.pid"),
        site.logs / "virtlogd.log").start()
    wait_until(lambda: virtlogd.check_running() and (site.host / SOCKET).exists(), 20, "virtlogd to listen", 0.02)
    site.start_libvirtd()
    yield site
    virtlogd.stop()


def test_logs_since_a_time_before_the_log_was_rotated(rotating, nats):
    site, docs = rotating, Documents(nats.url)
    console, times = site.images / "console/web.log", site.images / "console/web.log.times"

    def files():
        older = sorted(console.parent.glob("web.log.[0-9]*"), key=lambda f: -int(f.suffix[1:]))
        return [*older, console]

    def whole():
        return b"".join(f.read_bytes() for f in files())

    def ctl(*arguments):
        return run([built("harmonyctl"), "-s", nats.url, *arguments]).stdout

    def is_noted():
        _, inode, length = times.read_text().splitlines()[-1].split()
        return (int(inode), int(length)) == (console.stat().st_ino, console.stat().st_size)
    site.start_agent()
    docs.put("vm", "web", vm("web"))
    docs.wait("vm", "web", "Running")
    wait_until(lambda: whole().count(b"web up") == 1, 60, "the guest to boot", 0.05)
    wait_until(is_noted, 30, "the agent to have seen the whole log", 0.02)
    since, before = time.time(), whole()
    rotations = len(files())
    for boot in (2, 3):
        ctl("reboot", "vm", "web")
        wait_until(lambda: whole().count(b"web up") == boot, 60, "the guest to boot again", 0.05)
    assert len(files()) > rotations and whole().startswith(before), "it was not rotated, or too often"

    told = ctl("logs", "vm", "web", "--since", f"{int((time.time() - since) * 1000)}ms")
    assert told == whole()[len(before):].decode().replace("\r\n", "\n") and told.count("web up") == 2
    everything = ctl("logs", "vm", "web", "--since", "1d")
    assert everything == whole().decode().replace("\r\n", "\n")
    last = ctl("logs", "vm", "web", "--since", "1d", "--tail", "1")
    assert last and everything.endswith(last) and last.count("\n") <= 1
    docs.close()
