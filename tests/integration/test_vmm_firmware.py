"""Guests that boot from their disk on the real cloud-hypervisor, by a firmware: CLOUD_HYPERVISOR_FIRMWARE names
hypervisor-fw or CLOUDHV.fd."""

import os
import shutil

import pytest

from lib import efi_disk
from lib.paths import system
from lib.processes import TemporaryFolder, run
from lib.sites import IMAGES
from lib.vm_hosts import VmHost
from lib.vmm_process import Unavailable
from lib.waiting import wait_until

FIRMWARE = os.environ.get("CLOUD_HYPERVISOR_FIRMWARE")


@pytest.fixture(params=["real"])
def host(request):
    if not FIRMWARE:
        pytest.skip("CLOUD_HYPERVISOR_FIRMWARE names no firmware")
    with TemporaryFolder() as folder:
        try:
            host = VmHost(request.param, folder, firmware=f"{IMAGES}/firmware")
        except Unavailable as reason:
            pytest.skip(str(reason))
        shutil.copy(FIRMWARE, host.site.images / "firmware")
        yield host
        host.close()


def says(host, name, times=1):
    wait_until(lambda: host.backend.console(host.site, name).count(efi_disk.said(name).strip()) == times, 60,
               f"the program on the disk of {name} to run")


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_guest_boots_from_its_disk_and_again_after_a_reset(host, format):
    raw, image = (host.site.images / f"uefi.{end}" for end in ("img", format))
    efi_disk.write_disk(raw, "uefi")
    run([system("qemu-img"), "convert", "-O", format, raw, image])
    disk = {"device": "root", "image": f"{IMAGES}/uefi.{format}", "format": format}
    host.docs.put("vm", "uefi", {"backend": "cloud-hypervisor", "firmware": "uefi", "vcpus": 1, "memory": "256MiB",
                                 "stop_grace": "0s", "disks": [disk]})
    host.wait("uefi", "Running")
    says(host, "uefi")
    host.ctl("reboot", "vm", "uefi", "--grace", "0s")
    says(host, "uefi", times=2)
    host.remove("uefi")
