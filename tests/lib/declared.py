"""Documents of a site, as an operator puts them, and what the agent says about them."""

import json

from . import guest
from .failover import Store
from .sites import IMAGES
from .waiting import wait_until

DESIRED, STATUS = "harmony_desired", "harmony_status"


def vm(name, memory="96MiB", network=None, mac=None, **fields):
    """A VM document that boots the test guest."""
    spec = {"vcpus": 1, "memory": memory, "kernel": f"{IMAGES}/guest/kernel",
            "initramfs": f"{IMAGES}/guest/initramfs", "cmdline": guest.CMDLINE.format(name=name),
            "stop_grace": "20s", **fields}
    if network:
        spec["networks"] = [{"network": network, **({"mac": mac} if mac else {})}]
    return spec


class Documents:
    """Puts documents under `where` (a site, or "primary") and waits for what `site` reports."""

    def __init__(self, url, site="site-a", where=None):
        self.store, self.site, self.where = Store(url), site, where or site
        self.store.make_buckets()

    def put(self, kind, name, spec):
        return self.store.put(f"{self.where}.{kind}.{name}", spec, DESIRED)

    def delete(self, kind, name):
        """An explicit delete marker, as `nats kv del` leaves it."""
        self.store.wait_for(self.store.js.publish(
            f"$KV.{DESIRED}.{self.where}.{kind}.{name}", b"", headers={"KV-Operation": "DEL"}))

    def status(self, kind, name):
        return self.store.get(f"{self.site}.{kind}.{name}", STATUS)

    def wait(self, kind, name, phase, timeout=60, revision=None, where=lambda status: True):
        """Until the agent reports this phase (for this revision). Returns the status."""
        def condition():
            status = self.status(kind, name)
            good = status["phase"] == phase and where(status) and (
                revision is None or status.get("applied_revision") == revision)
            if not good:
                raise ValueError(json.dumps(status))
            return status
        return wait_until(condition, timeout, f"{kind} {name} to be {phase}", 0.02)

    def wait_applied(self, kind, name, revision, phase="Running", timeout=60):
        return self.wait(kind, name, phase, timeout, revision)

    def wait_error(self, kind, name, part, timeout=20):
        """Until the status has an error with `part` in its sentence. Returns the sentence."""
        def condition():
            text = self.status(kind, name)["error"]["text"]
            return text if part in text else None
        return wait_until(condition, timeout, f"{kind} {name}: an error with \"{part}\"", 0.02)

    def close(self):
        self.store.close()
