"""VMs, for make bench: from a document to the guest's first line beside virsh, and one change among many."""

import asyncio
import json
import os
import re
import statistics
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import bench
import nats
from lib.declared import DESIRED, STATUS, vm
from lib.nats_server import NatsServer
from lib.paths import built, system
from lib.processes import environment
from lib.sites import Site
from lib.waiting import wait_until

RUNS = int(os.environ.get("BENCH_RUNS", "10"))
CHANGES = 50


# -- document to first line --------------------------------------------------------------------------

def document(name):
    return json.dumps(vm(name, disks=[{"device": "vda", "size": "16MiB"}])).encode()


def times_after(site, name, begin):
    """Seconds from the call of `begin` until QEMU runs, and to the guest's first line on its serial console."""
    log, pid = site.images / f"console/{name}.log", site.host / f"run/libvirt/qemu/{name}.pid"
    began = time.monotonic()
    begin()
    wait_until(pid.exists, 60, f"QEMU of {name}", 0.001)
    runs = time.monotonic() - began
    wait_until(lambda: b"\n" in log.read_bytes(), 60, f"the first line of {name}", 0.001)
    line = time.monotonic() - began
    site.wait_boot(name, timeout=60)
    return runs, line


def bare_definition(site, name, model):
    """What the agent wrote for `model`, as an operator would have written it for `name`."""
    text = site.virsh("dumpxml", "--inactive", model)
    text = re.sub(r"<metadata>.*?</metadata>|<uuid>.*?</uuid>", "", text, flags=re.S)
    file = site.directory / f"{name}.xml"
    file.write_text(text.replace(f"name={model}", f"name={name}").replace(f"/{model}.log", f"/{name}.log").replace(
        f"{model}-vda", f"{name}-vda").replace(f"<name>{model}</name>", f"<name>{name}</name>"))
    assert ElementTree.parse(file).findtext("name") == name
    return file


def virsh(site, name, xml):
    """All in one virsh, which connects once."""
    words = f"vol-create-as default {name}-vda.qcow2 16M --format qcow2; define {xml}; start {name}"
    subprocess.run(site.enter(system("virsh"), "--quiet", words), check=True, stdout=subprocess.DEVNULL)


async def boot_in_turns(site, client):
    """times_after() of ours and of virsh's, RUNS times each, one after the other."""
    bucket = await client.jetstream().key_value(DESIRED)
    loop, ours, bare = asyncio.get_running_loop(), [], []

    def put(name):
        asyncio.run_coroutine_threadsafe(bucket.put(f"site-a.vm.{name}", document(name)), loop).result()

    def one(run):
        name, other = f"ours{run}", f"bare{run}"
        took = times_after(site, name, lambda: put(name))
        xml = bare_definition(site, other, name)
        site.virsh("destroy", name)  # the agent starts it again: it is off in the end
        asyncio.run_coroutine_threadsafe(bucket.delete(f"site-a.vm.{name}"), loop).result()
        wait_until(lambda: name not in site.domains(), 60, f"{name} to be gone", 0.05)
        ours.append(took)
        bare.append(times_after(site, other, lambda: virsh(site, other, xml)))
        site.virsh("destroy", other)

    for run in range(RUNS + 1):
        await asyncio.to_thread(one, run)
    return ours[1:], bare[1:]  # the first of each warmed the caches


def bench_boot(folder):
    async def connected(site, url):
        client = await nats.connect(url)
        try:
            return await boot_in_turns(site, client)
        finally:
            await client.close()

    with NatsServer(folder) as server, Site("site-a", folder, nats_url=server.url) as site:
        bench.init_group(server.url)
        site.start_agent()
        ours, bare = asyncio.run(connected(site, server.url))
        site.stop_agent()
    for i, what in enumerate(("QEMU runs", "guest's first line")):
        show(f"document put -> {what}, median of {RUNS}", [t[i] for t in ours], [t[i] for t in bare])


def show(what, ours, bare):
    a, b = statistics.median(ours), statistics.median(bare)
    bench.row(what, f"{a * 1000:.0f} ms", f"virsh {b * 1000:.0f} ms", f"{a / b:.2f}", "aim 1.1")
    bench.row("  least / most", f"{min(ours) * 1000:.0f} / {max(ours) * 1000:.0f}",
              f"{min(bare) * 1000:.0f} / {max(bare) * 1000:.0f}")


# -- one change among many ---------------------------------------------------------------------------

async def is_applied(status, name, revision):
    said = json.loads((await status.get(f"site-a.vm.{name}")).value)
    return said.get("applied_revision") == revision and said["phase"] == "Running"


async def change_one_by_one(url, calls, count):
    """Milliseconds from each put to the call that defines the domain anew. The next one waits until the agent
    has said that all of this one is done."""
    client = await nats.connect(url)
    bucket, status = [await client.jetstream().key_value(name) for name in (DESIRED, STATUS)]
    took = []
    for i in range(CHANGES):
        number = i * (count // CHANGES)
        changed = {**bench.spec(number), "labels": {"number": f"{number} again"}}
        before = calls.stat().st_size
        sent = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        revision = await bucket.put(f"site-a.vm.vm{number}", json.dumps(changed).encode())
        while not await is_applied(status, f"vm{number}", revision):
            await asyncio.sleep(0.02)
        took.append((int(calls.read_bytes()[before:].split()[0]) - sent) / 1e6)
    await client.close()
    return took


def bench_change(folder):
    for count in (1000, 10000):
        place = folder / str(count)
        place.mkdir()
        calls = place / "calls"
        with NatsServer(place) as server:
            bench.init_group(server.url)
            preload = environment(LD_PRELOAD=str(built("bench/first_call.so")), HARMONY_BENCH_CALLS=str(calls))
            with bench.running_agent(place, server.url, env=preload) as agent:
                asyncio.run(bench.put_documents(server.url, count))
                wait_until(lambda: agent.check_running() and len(calls.read_bytes().split()) >= count, 300,
                           f"{count} definitions", 0.5)
                bench.wait_running(server.url, count)
                took = asyncio.run(change_one_by_one(server.url, calls, count))
        bench.row(f"one change among {count} VMs -> define call, p50", f"{bench.percentile(took, 50):.2f} ms")
        bench.row(f"one change among {count} VMs -> define call, p99", f"{bench.percentile(took, 99):.2f} ms")


PARTS = {"boot": bench_boot, "change": bench_change}
