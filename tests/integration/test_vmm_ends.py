"""What a VMM of cloud-hypervisor that ends says of its guest, where QEMU says it otherwise."""

import pytest

from lib.vm_fixture import vm_host


@pytest.fixture(scope="module", params=["fake", "real"])
def host(request):
    with vm_host(request, request.param, "vmm-ends") as host:
        yield host


def test_a_guest_that_cannot_be_run_any_further_is_a_crash(host):
    """Its VMM ends as for a guest that has shut down."""
    host.put("broken", words=["breaks=200"], restart_policy="on-failure")
    host.wait_up("broken")
    host.wait("broken", "Running", where=lambda status: status.get("restarts"))
    host.remove_all()
