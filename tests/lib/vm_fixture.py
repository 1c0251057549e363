"""A VmHost for the tests of a module:

    @pytest.fixture(scope="module", params=["fake", "real"])
    def host(request):
        with vm_host(request, request.param, "my-tests") as host:
            yield host
"""

import contextlib

import pytest

from .kept import keep_logs
from .processes import TemporaryFolder
from .vm_hosts import VmHost
from .vmm_process import Unavailable


@contextlib.contextmanager
def vm_host(request, which, label):
    """Skipped where that backend can't be had; its logs are kept when one has failed."""
    with TemporaryFolder() as folder:
        try:
            host = VmHost(which, folder)
        except Unavailable as reason:
            pytest.skip(str(reason))
        failed = request.session.testsfailed
        try:
            yield host
        finally:
            host.close()
            if request.session.testsfailed > failed:
                print(f"logs are kept in {keep_logs(folder, f'{label}-{which}')}")
