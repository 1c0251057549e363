"""Load: documents of every site are put all the time, so that the agents have work besides heartbeats."""

import itertools
import json
import threading

from lib.declared import DESIRED


class Load:
    """with Load(lab): 50 documents a second, of 20 VMs on each site (libvirt's test driver)."""

    PERIOD_S = 0.02
    VMS = 20

    def __init__(self, lab):
        self.lab, self.over = lab, threading.Event()
        self.thread = threading.Thread(target=self._put_all, daemon=True)

    def _put_all(self):
        for number in itertools.count():
            if self.over.wait(self.PERIOD_S):
                return
            for name in self.lab.sites:
                spec = {"vcpus": 1, "memory": f"{16 + number % 7}MiB", "kernel": "/boot/vmlinuz"}
                self._put(f"$KV.{DESIRED}.{name}.vm.vm{number % self.VMS}", spec)

    def _put(self, subject, spec):
        try:
            self.lab.store.wait_for(self.lab.store.client.publish(subject, json.dumps(spec).encode()))
        except Exception:  # a server that is down is the fault's business
            pass

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
