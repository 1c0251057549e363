"""The distribution's own nats-server. Debian 12's (2.9.10) is too old to carry a lease, Debian 13's is not:
the version decides what is expected."""

import pytest

from lib.failover import Group
from lib.nats_server import MINIMUM, NatsServer, version_of
from lib.paths import TOOLS
from lib.waiting import wait_until

PROGRAM = TOOLS / "debian/usr/sbin/nats-server"


@pytest.fixture
def group(folder, make_site):
    with NatsServer(folder, program=PROGRAM) as server, Group(folder, server.url, make_site) as group:
        group.init()
        group.start(in_turn=False)
        yield group


def test_it_leads_only_if_it_is_new_enough(group):
    version = version_of(PROGRAM)
    if version >= MINIMUM:
        assert group.wait_serving("site-a") == 1
        return
    refusal = f"nats-server {'.'.join(map(str, version))} is too old to carry a lease"
    for site in group.sites.values():
        wait_until(lambda site=site: refusal in site.agent.log_end(100), 20, f"the refusal of {site.name}")
        status = wait_until(lambda site=site: group.store.get(f"{site.name}.agent", "harmony_status"), 20,
                            f"the status of {site.name}")
        assert any(refusal in w for w in status["warnings"]), status
    lease = group.lease()
    assert lease["site_id"] is None and lease.get("counter", 0) == 0
    group.check_silent(0)
