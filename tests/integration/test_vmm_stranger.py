"""A VMM that harmony did not start is not adopted: what holds a VM's disk is named, left alone, and its end awaited."""

import re

import pytest

from lib.sites import IMAGES
from lib.vm_fixture import vm_host
from lib.vmm_process import Vmm

MIB = 1 << 20


@pytest.fixture(scope="module", params=["fake", "real"])
def host(request):
    with vm_host(request, request.param, "vmm-stranger") as host:
        yield host


@pytest.fixture(autouse=True)
def tidy(host):
    yield
    host.remove_all()


def test_a_vmm_by_hand_is_named_and_left_alone_until_somebody_ends_it(host):
    image = {"device": "root", "image": f"{IMAGES}/theirs.raw", "format": "raw"}
    (host.site.images / "theirs.raw").write_bytes(bytes(MIB))
    with Vmm(host.backend.program, host.site.runtime, "theirs", enter=host.site.enter) as theirs:
        theirs.start()
        theirs.do("vm.create", {
            "payload": {"kernel": f"{IMAGES}/tiny_guest"}, "memory": {"size": 128 * MIB}, "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
            "disks": [{"path": image["image"], "image_type": "Raw"}],
            "serial": {"mode": "File", "file": str(theirs.serial_file)}, "console": {"mode": "Off"}})
        theirs.do("vm.boot")
        host.put("theirs", disks=[image], adopt=True)
        error = host.wait("theirs", "Failed", where=lambda status: status.get("error"))["error"]
        assert error["code"] == "busy" and re.search(
            f"{image['image']} is open in process [0-9]+ [(][a-z_-]+[)], which harmony did not start and does not adopt while "
            "it runs; end it, and the VM starts from the same disks$", error["text"]), error
        assert theirs.do("vm.info")["state"] == "Running" and host.pid("theirs") is None
        theirs.do("vmm.shutdown")
    host.wait_up("theirs")
    host.wait("theirs", "Running", where=lambda status: not status.get("error"))


def test_a_disk_of_another_document_is_named_so(host):
    (host.site.images / "both.raw").write_bytes(bytes(MIB))
    image = {"device": "root", "image": f"{IMAGES}/both.raw", "format": "raw"}
    host.put("first", disks=[image])
    up = host.wait_up("first")
    host.put("second", disks=[image])
    error = host.wait("second", "Failed", where=lambda status: status.get("error"))["error"]
    assert error["text"].endswith(f"{image['image']} is open in process {up.pid}, a VM of another document"), error
    assert host.is_up_since("first", up)
