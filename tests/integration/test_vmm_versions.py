"""cloud-hypervisor in older versions, by the fake of it: what is too old gets no guest, and what would end it is not done."""

import pytest

from lib.processes import TemporaryFolder
from lib.vm_hosts import VmHost

ROOT, DATA, RAW = ({"device": name, "size": "16MiB", "format": format} for name, format in (
    ("root", "qcow2"), ("data", "qcow2"), ("raw", "raw")))


@pytest.fixture
def host_with():
    """Of VMMs in that version."""
    with TemporaryFolder() as folder:
        made = []

        def make(which):
            made.append(VmHost(which, folder))
            return made[-1]
        yield make
        for host in made:
            host.close()


@pytest.mark.parametrize("which", ["fake v48"])
def test_one_that_guesses_formats_gets_no_guest(host_with, which):
    host = host_with(which)
    host.put("old")
    error = host.wait("old", "Failed", where=lambda status: status.get("error"))["error"]["text"]
    assert "vm old: cloud-hypervisor 48.0.0 guesses the format of a disk" in error and "install v50.1" in error
    assert not host.backend.vmms(host.site), "a VMM is left"


@pytest.mark.parametrize("which", ["fake v50"])
def test_a_qcow2_disk_stays_until_the_vm_is_off(host_with, which):
    host = host_with(which)
    host.put("parts", disks=[ROOT, DATA, RAW])
    up = host.wait_up("parts")
    revision = host.put("parts", disks=[ROOT, DATA])
    host.docs.wait_applied("vm", "parts", revision)
    assert host.is_up_since("parts", up) and not host.has_open("parts", "parts-raw.raw")

    host.put("parts", disks=[ROOT])
    error = host.wait("parts", "Failed", where=lambda status: status.get("error"))["error"]["text"]
    assert "cloud-hypervisor 50.1.0 ends when a qcow2 disk is unplugged" in error
    assert host.is_up_since("parts", up) and host.has_open("parts", "parts-data.qcow2")

    host.put("parts", disks=[ROOT], power="off")
    host.wait("parts", "Stopped")
    revision = host.put("parts", disks=[ROOT])
    host.wait_up("parts")
    host.docs.wait_applied("vm", "parts", revision)
    assert not host.has_open("parts", "parts-data.qcow2")
