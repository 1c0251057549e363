"""Results as lines, as a table in Markdown and as JSON."""

import json
import os
import platform
import statistics
import time


def line_of(result):
    where = f"{result['fault']} {result['run']}"
    if result["error"]:
        return f"  {where:<28} FAILED after {result['seconds']} s: {result['error']}\n    logs: {result['logs']}"
    before, after = (f"{site} ({epoch})" for site, epoch in (result["from"], result["to"]))
    return (f"  {where:<28} outage {result['outage_ms']:6.0f} ms, overlap {result['overlap_ms']:.0f} ms, "
            f"{before} -> {after}, {result['seconds']} s")


def rows(header, lines):
    return "\n".join("| " + " | ".join(map(str, line)) + " |"
                     for line in [header, ["---"] * len(header), *lines])


def of_faults(faults):
    return rows(["fault", "what it does", "undone", "outcome"],
                [[f"`{f.name}`", f.what, f.undone, f.outcome.word] for f in faults])


def _row(fault, results):
    mine = [r for r in results if r["fault"] == fault.name]
    outages = [r["outage_ms"] for r in mine if r["outage_ms"] is not None]
    overlaps = [r["overlap_ms"] for r in mine if r["overlap_ms"] is not None]
    failed = sum(r["error"] is not None for r in mine)
    spread = (f"{min(outages):.0f} / {statistics.median(outages):.0f} / {max(outages):.0f}"
              if outages else "")
    return [f"`{fault.name}`", fault.what, fault.outcome.word, f"{len(mine)}", spread,
            f"{max(overlaps):.0f}" if overlaps else "", failed or ""]


def of_results(faults, results):
    return rows(["fault", "what happens", "outcome", "runs", "outage ms, min / median / max", "overlap ms",
                 "failed"], [_row(fault, results) for fault in faults])


def write(folder, faults, results, seed):
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    host = f"{os.cpu_count()} cores, Linux {platform.release()}"
    (folder / "chaos.md").write_text(f"{when}, {host}, SEED={seed}\n\n{of_results(faults, results)}\n")
    (folder / "chaos.json").write_text(json.dumps(
        {"when": when, "host": host, "seed": seed, "runs": results}, indent=1) + "\n")
