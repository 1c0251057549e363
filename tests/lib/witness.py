"""The witness as workload of a failover group (tests/lib/witness.c)."""

import json
from pathlib import Path

from .paths import built
from .processes import run


def hooks(directory):
    """The failover hooks (argv lists) that start and stop a witness with its records in `directory`."""
    program = str(built("witness"))
    return {"promote": [program, "start", "--dir", str(directory)],
            "fence": [program, "stop", "--dir", str(directory)]}


def report(*directories):
    """Intervals, handovers, longest_outage_ms and overlap_ms, from the records alone."""
    records = [f for d in directories for f in sorted(Path(d).glob("*.records"))]
    if not records:
        raise AssertionError(f"no witness has served yet: no records in {directories}")
    return json.loads(run([built("witness"), "report", *records]).stdout)
