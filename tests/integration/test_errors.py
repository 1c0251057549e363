"""Each kind of failure of the libvirt driver, provoked on a real libvirtd: its code, which thing, and what to do."""

import json

import pytest
from lib.processes import TemporaryFolder
from lib.sites import Site
from test_driver_libvirt import Host, vm

pytestmark = pytest.mark.boots_guests


@pytest.fixture(scope="module")
def host():
    with TemporaryFolder() as folder, Site("site-a", folder) as site:
        yield Host(site)


def define(host, what, xml):
    file = host.site.directory / "by-hand.xml"
    file.write_text(xml)
    host.site.virsh(what, file)


def expect(said, code, *words):
    assert said[0] == code, said
    for word in words:
        assert word in said[1], said
    assert "\n" not in said[1] and len(said[1]) < 400


def refused(host, *argv):
    code, said = host.drive(*argv)
    assert code == 1, f"{argv} succeeded"
    return said["code"], said["error"]


@pytest.mark.parametrize("uri, words", [
    ("qemu:///system?socket=/nowhere/sock", ["/nowhere/sock", "No such file", "is libvirtd running there?"]),
    ("qemu+tcp://127.0.0.1:1/system", ["127.0.0.1:1", "refused", "is libvirtd running there?"]),
])
def test_connection_failed(host, uri, words):
    expect(refused(host, "--uri", uri, "probe"), "connection-failed", f"libvirt connection failed: {uri}", *words)


def test_connection_lost(host):
    with host.session() as session:
        assert session.ask("probe")["result"] == 0
        host.site.kill_libvirtd()
        said = session.ask("create", "network", "lost", "{}")
        host.site.start_libvirtd()
    expect((said["code"], said["error"]), "connection-failed", "libvirt connection failed")


@pytest.mark.parametrize("uri, words", [
    ("qemu+ssh:///system", ["needs a host", "qemu+ssh://user@host/system"]),
    ("libvirt", ["libvirt"]),
])
def test_invalid_uri(host, uri, words):
    expect(refused(host, "--uri", uri, "probe"), "invalid-uri", uri, *words)


def test_vm_exists(host):
    define(host, "define", "<domain type='qemu'><name>theirs</name><memory unit='MiB'>64</memory>"
                           "<os><type arch='x86_64'>hvm</type></os></domain>")
    expect(host.refuse("create", "vm", "theirs", vm("theirs")), "vm-exists", "theirs", "rename the document", "adopt: true")


def test_vm_exists_under_another_name(host):
    spec = vm("db", disks=[])
    host.do("create", "vm", "db", spec, "--primary")
    uuid = host.site.virsh("domuuid", "db")
    host.site.virsh("domrename", "db", "db-old")
    code, said = host.drive("--primary", "create", "vm", "db", json.dumps(spec))
    assert code == 1
    expect((said["code"], said["error"]), "vm-exists", "vm db", uuid, "db-old", "virsh domrename")


def test_vm_not_found(host):
    expect(host.refuse("start", "vm", "nobody", vm("nobody")), "vm-not-found", "vm nobody", "the status of its document")


def test_network_exists(host):
    define(host, "net-define", "<network><name>theirs</name><bridge name='br-theirs'/></network>")
    expect(host.refuse("create", "network", "theirs", {}), "network-exists", "theirs", "adopt: true")
    expect(host.refuse("create", "network", "mine", {"bridge": "br-theirs"}), "network-exists", "network mine", "br-theirs",
           "network theirs", "another bridge")


def test_network_not_found(host):
    expect(host.refuse("start", "network", "nowhere", {}), "network-not-found", "network nowhere")
    spec = vm("lost", networks=[{"network": "nowhere"}])
    host.do("create", "vm", "lost", spec)
    expect(host.refuse("start", "vm", "lost", spec), "network-not-found", "vm lost", "'nowhere'", "declare that network")


def test_pool_not_found(host):
    expect(host.refuse("create", "disk", "data", {"size": "8MiB", "pool": "nowhere"}), "pool-not-found", "pool nowhere",
           "virsh pool-define-as")


def test_volume_exists(host):
    host.do("create", "disk", "first", {"size": "8MiB"})
    (host.site.images / "data.qcow2").write_bytes(b"precious")
    expect(host.refuse("create", "disk", "data", {"size": "8MiB"}), "disk-exists", "volume data.qcow2", "pool default",
           "adopt: true")


def test_io_error(host):
    spec = vm("disc", cdroms=[{"path": "/var/lib/libvirt/images/missing.iso"}])
    host.do("create", "vm", "disc", spec)
    expect(host.refuse("start", "vm", "disc", spec), "io-error", "vm disc", "missing.iso", "No such file")


def test_libvirt_error(host):
    for name in ("one", "two"):
        spec = {"bridge": f"br-{name}", "subnet": "10.99.0.1/24"}
        host.do("create", "network", name, spec)
        if name == "one":
            host.do("start", "network", name, spec)
    expect(host.refuse("start", "network", "two", spec), "libvirt-error", "network two", "br-one")
