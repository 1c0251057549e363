"""One run of one fault: the group as it was before, and what the fault's function may ask for."""

import json
import random

from lib.failover import boottime_ns
from lib.waiting import wait_until

import evidence


class Case:
    def __init__(self, fault, lab, seed):
        self.fault, self.lab, self.random = fault, lab, random.Random(seed)
        self.leader, self.epoch = lab.settle()
        self.pid = lab.workload_pid(self.leader)
        self.began_ns = boottime_ns()

    @property
    def site(self):
        """The leader's site."""
        return self.lab.sites[self.leader]

    @property
    def others(self):
        return self.lab.others(self.leader)

    @property
    def other(self):
        return self.others[0]

    def seconds(self, setting):
        return self.lab.config[setting] / 1000

    def lease_ms(self):
        """F: so long a lease lasts after a heartbeat."""
        return (self.lab.config["failure_threshold"] + 1) * self.lab.config["heartbeat_interval_ms"]

    def longest_lease_s(self):
        """From the last good heartbeat until its writer has stopped: F + fence_timeout."""
        return self.lease_ms() / 1000 + self.seconds("fence_timeout_ms")

    def wait_ms(self, ms):
        """Time that belongs to the fault: how long it lasts, at which instant it begins."""
        until = boottime_ns() + ms * 1e6
        wait_until(lambda: boottime_ns() >= until, ms / 1000 + 10, "time to pass", 0.001)

    def serving_now(self):
        return next(iter(self.lab.serving()), None)

    def check_same_term(self):
        """The leader serves in the epoch it had, and its workload is the same process."""
        now = self.lab.serving()
        assert now == {self.leader: self.epoch}, f"{now} serves, it was {self.leader} in epoch {self.epoch}"
        pid = self.lab.workload_pid(self.leader)
        assert pid == self.pid, f"the workload was restarted: pid {pid}, it was {self.pid}"

    def run(self, result):
        """Fills in outage_ms, overlap_ms, from, to and incident: the last is what the new leader recorded
        about the old one. Raises AssertionError on a wrong outcome, with overlap_ms filled in."""
        self.wait_ms(self.random.uniform(0, self.lab.config["heartbeat_interval_ms"]))
        self.began_ns = boottime_ns()
        result["from"] = [self.leader, self.epoch]
        try:
            with self.fault.act(self):
                self.fault.outcome.see(self)
            result["to"] = self.lab.settle()
        finally:
            report = self.lab.report()
            result["overlap_ms"] = report["overlap_ms"]
        assert result["overlap_ms"] == 0, f"two sites served at once for {result['overlap_ms']} ms"
        if self.fault.outcome.word == "stays":
            self.check_same_term()
        result["outage_ms"] = evidence.outage_ms(report, self.began_ns, boottime_ns())
        if result["to"][1] > self.epoch:
            result["incident"] = self.lab.store.get(f"incident.{result['to'][1]}")
        if self.fault.cause:
            result["cause"] = self.check_cause()

    def check_cause(self):
        """harmonyctl names it, from the bucket alone, for the first epoch after the one that ended. The old
        leader may still have to tell its part."""
        def named():
            shown = json.loads(self.lab.harmonyctl("incident", "show", str(self.epoch + 1), "-o", "json"))
            cause = shown["cause"]
            assert cause["id"] == self.fault.cause, f"{cause} is named, it was {self.fault.cause}"
            return f"{cause['id']} ({cause['confidence']})"
        return wait_until(named, 10, f"the cause {self.fault.cause} to be named", 0.1)
