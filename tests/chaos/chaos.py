"""make chaos: faults by name on real parts, and what the witness saw of each.

    chaos.py [--runs N] [--seed N] [--short] [--list] [FAULT...]

Each run begins with a settled group, makes the fault happen at a random instant, sees that its outcome
is the declared one, undoes it and waits until the group has settled again. Outage and overlap come from
the witness's records alone. One after another: they measure time. The table goes to BUILD/chaos.md, its
twin with every run to BUILD/chaos.json, logs of failed runs to BUILD/failed/chaos-FAULT-RUN/.
"""

import argparse
import contextlib
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import paths  # noqa: E402

sys.path.insert(0, str(paths.TOOLS / "python"))
import table  # noqa: E402
from case import Case  # noqa: E402
from faults import TABLE  # noqa: E402
from lab import HUB_ADDRESSES, Lab, memory_folder  # noqa: E402
from lib.kept import keep_logs  # noqa: E402
from lib.network import Network, enter_private_network  # noqa: E402


def say(text):
    print(text, flush=True)


class Runner:
    def __init__(self, network, seed, runs):
        self.network, self.seed, self.runs = network, seed, runs
        self.results = []

    def run_fault(self, fault):
        done = 0
        while done < self.runs:
            with memory_folder() as folder, contextlib.ExitStack() as parts:
                done = self.run_in_one_lab(fault, folder, parts, done)

    def run_in_one_lab(self, fault, folder, parts, done):
        """As long as all goes well and the fault leaves the lab as it was. Returns how many are done."""
        lab = None
        while done < self.runs:
            done += 1
            with self.recorded(fault, done, folder) as result:
                lab = lab or parts.enter_context(self.begun_lab(fault, folder))
                Case(fault, lab, result["seed"]).run(result)
            if result["error"] or fault.spoils:
                break
        return done

    @contextlib.contextmanager
    def begun_lab(self, fault, folder):
        with Lab(folder, self.network, **fault.lab) as lab:
            if fault.prepare:
                fault.prepare(lab)
            lab.begin()
            yield lab

    @contextlib.contextmanager
    def recorded(self, fault, number, folder):
        """Whatever goes wrong in a run is that run's result, with its logs."""
        result = {"fault": fault.name, "run": number, "seed": f"{self.seed}/{fault.name}/{number}",
                  "error": None, "outage_ms": None, "overlap_ms": None}
        began = time.monotonic()
        try:
            yield result
        except Exception as error:
            result["error"] = f"{type(error).__name__}: {error}"
            result["logs"] = str(keep_logs(folder, f"chaos-{fault.name}-{number}"))
        result["seconds"] = round(time.monotonic() - began, 1)
        self.results.append(result)
        say(table.line_of(result))


def chosen(arguments):
    unknown = [name for name in arguments.faults if name not in TABLE]
    if unknown:
        sys.exit(f"chaos: there is no fault {unknown[0]}; there are: {' '.join(TABLE)}")
    return [TABLE[name] for name in arguments.faults] or [
        f for f in TABLE.values() if f.short or not arguments.short]


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", default=str(random.randrange(10**6)))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("faults", nargs="*")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if arguments.list:
        say(table.of_faults(TABLE.values()))
        return 0
    faults = chosen(arguments)
    say(f"chaos: {len(faults)} faults, {arguments.runs} runs each, SEED={arguments.seed}")
    enter_private_network()
    runner = Runner(Network(*HUB_ADDRESSES), arguments.seed, arguments.runs)
    for fault in faults:
        runner.run_fault(fault)
    table.write(paths.BUILD, faults, runner.results, arguments.seed)
    say("\n" + table.of_results(faults, runner.results))
    failed = sum(r["error"] is not None for r in runner.results)
    say(f"chaos: {len(runner.results) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
