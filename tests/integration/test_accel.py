"""Which accelerator guests get, with a real kernel, QEMU and agent, as far as this host's KVM goes."""

import json
import os
from pathlib import Path

import pytest
from lib.paths import TOOLS, built, system
from lib.processes import run
from lib.sites import Site
from lib.waiting import wait_until

pytestmark = pytest.mark.boots_guests

BOOT = TOOLS / "kernel/boot"
TRIAL_SECONDS = 30  # ACCEL_TRIAL_MS of vmm/accel_trial.h


def test_a_stock_kernel_reaches_our_userspace(folder):
    """The trial itself, under emulation, where every host can pass it."""
    said = json.loads(run([built("drive"), "--accel", "tcg", "trial", BOOT, folder], timeout=150).stdout)
    assert said["passed"], said["text"]
    assert f"a stock kernel ({BOOT}/vmlinuz-"[:60] in said["text"]
    assert list(folder.glob("*initramfs*")) == []


def accel_of(site):
    facts = dict(line.split(": ", 1) for line in site.check_agent().splitlines() if ": " in line)
    return {k.split()[-1]: v for k, v in facts.items()}["accel_reason"]


def has_kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def test_auto_is_decided_once_per_boot(folder, nats):
    """Paravirtual KVM gets a trial, plain KVM none; a second start of the agent tries nothing again."""
    paravirtual = has_kvm() and Path("/sys/module/kvm_pvm").exists()
    with Site("site-a", folder, nats_url=nats.url, accel="auto") as site:
        site.run(system("mount"), "--bind", BOOT, "/boot")
        before = accel_of(site)
        record = site.runtime / "accel-trial.json"
        site.start_agent()
        if not paravirtual:
            assert before.startswith("kvm because /dev/kvm answers" if has_kvm() else "tcg because /dev/kvm")
            wait_until(lambda: "connected" in site.agent_log.read_text(), 20, "the agent to connect")
            assert not record.exists()
            return
        assert before == "tcg because kvm_pvm is loaded, and no stock kernel was seen to boot under it yet"
        wait_until(record.exists, TRIAL_SECONDS + 15, "the end of the trial")
        outcome = json.loads(record.read_text())
        assert outcome["result"] in ("PASSED", "FAILED")
        assert accel_of(site).startswith("kvm because a" if outcome["result"] == "PASSED" else "tcg because kvm_pvm")
        assert outcome["text"] in accel_of(site)
        first = record.stat().st_mtime_ns
        site.stop_agent()
        site.start_agent()
        wait_until(lambda: site.agent_log.read_text().count("bus: connected") >= 2, 20, "the agent again")
        assert record.stat().st_mtime_ns == first
        assert site.agent_log.read_text().count("stock kernel") == 1
