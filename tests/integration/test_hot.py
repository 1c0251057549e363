"""What happens to a running guest without a stop, as the guest sees it."""

import pytest
from lib import guest
from lib.driven import Host, run_guest, vm
from lib.waiting import wait_until


@pytest.fixture
def host(make_site):
    return Host(make_site().power_on())


# -- paused, rebooted ----------------------------------------------------------------------------


def test_a_paused_guest_says_nothing_until_it_is_resumed(host):
    spec = vm(words=" beat=50")
    run_guest(host, spec)
    wait_until(lambda: "web beat" in host.site.console("web"), 10, "the guest's first beat")
    host.do("pause", "vm", "web")
    host.do("pause", "vm", "web")
    assert host.thing("vm", "web")["state"] == "paused"
    assert host.refuse("reboot", "vm", "web", spec)[0] == "refused"
    told = host.site.console("web")
    assert host.refuse("verify_stopped", "vm", "web")[0] == "refused"
    assert host.site.console("web") == told
    host.do("resume", "vm", "web")
    host.do("resume", "vm", "web")
    wait_until(lambda: host.site.console("web") != told, 10, "the guest to go on")
    host.do("pause", "vm", "web")
    host.do("stop", "vm", "web", spec)
    assert guest.STOPPING in host.site.console("web")
    for verb in ("pause", "resume", "reboot"):
        assert host.refuse(verb, "vm", "web", spec)[0] == "refused"


def test_a_reboot_keeps_the_process_and_is_done_when_the_guest_boots_again(host):
    run_guest(host)
    pid = host.site.qemu_pid("web")
    host.do("reboot", "vm", "web", vm())
    assert guest.STOPPING in host.site.console("web")
    host.site.wait_boot("web", 2)
    assert host.site.qemu_pid("web") == pid


def test_a_guest_that_does_not_hear_is_reset_after_its_grace(host):
    spec = vm(words=" deaf", stop_grace="1s")
    run_guest(host, spec)
    host.do("reboot", "vm", "web", spec)
    host.site.wait_boot("web", 2)
    assert guest.STOPPING not in host.site.console("web")
