"""make chaos: faults by name on real parts, and what the witness saw of each.

    chaos.py [--runs N] [--seed N] [--short] [--list] [FAULT...]

Each run begins with a settled group, makes the fault happen at a random instant, sees that its outcome
is the declared one, undoes it and waits until the group has settled again. Outage and overlap come from
the witness's records alone. One after another: they measure time. The table goes to BUILD/chaos.md, its
twin with every run to BUILD/chaos.json, logs of failed runs to BUILD/failed/chaos-FAULT-RUN/.
"""

import argparse
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
from lab import PROXY_ADDRESS, SERVER_ADDRESSES, Lab  # noqa: E402
from lib.kept import keep_logs  # noqa: E402
from lib.network import Network, enter_private_network  # noqa: E402
from lib.processes import TemporaryFolder  # noqa: E402


def say(text):
    print(text, flush=True)


class Runner:
    def __init__(self, network, seed, runs):
        self.network, self.seed, self.runs = network, seed, runs
        self.results = []

    def run_fault(self, fault):
        """All its runs, in one lab as long as all goes well and the fault leaves it as it was."""
        done = 0
        while done < self.runs:
            with TemporaryFolder() as folder:
                with Lab(folder, self.network, **fault.lab) as lab:
                    if fault.prepare:
                        fault.prepare(lab)
                    lab.begin()
                    while done < self.runs:
                        done += 1
                        good = self.run_once(fault, lab, folder, done)
                        if not good or fault.spoils:
                            break

    def run_once(self, fault, lab, folder, number):
        seed = f"{self.seed}/{fault.name}/{number}"
        result = {"fault": fault.name, "run": number, "seed": seed, "outage_ms": None, "overlap_ms": None}
        began, case = time.monotonic(), None
        try:
            case = Case(fault, lab, seed)
            result.update(case.run())
            result["error"] = None
        except Exception as error:  # whatever goes wrong in a run is that run's result
            result["error"] = f"{type(error).__name__}: {error}"
            result["overlap_ms"] = getattr(case, "overlap_ms", None)
            result["logs"] = str(keep_logs(folder, f"chaos-{fault.name}-{number}"))
        result["seconds"] = round(time.monotonic() - began, 1)
        self.results.append(result)
        say(table.line_of(result))
        return result["error"] is None


def chosen(arguments):
    unknown = [name for name in arguments.faults if name not in TABLE]
    if unknown:
        sys.exit(f"chaos: there is no fault {unknown[0]}; there are: {' '.join(TABLE)}")
    wanted = [TABLE[name] for name in arguments.faults] or [
        f for f in TABLE.values() if f.short or not arguments.short]
    for fault in wanted:
        if not fault.is_there():
            say(f"{fault.name}: not run, it needs the {fault.needs}")
    return [fault for fault in wanted if fault.is_there()]


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
    runner = Runner(Network(*SERVER_ADDRESSES, PROXY_ADDRESS), arguments.seed, arguments.runs)
    for fault in faults:
        runner.run_fault(fault)
    table.write(paths.BUILD, faults, runner.results, arguments.seed)
    say("\n" + table.of_results(faults, runner.results))
    failed = sum(r["error"] is not None for r in runner.results)
    say(f"chaos: {len(runner.results) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
