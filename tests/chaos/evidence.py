"""What the witness's records say about a stretch of time, and nothing else does."""


def silences(report, since_ns, until_ns):
    """[(from, to)] in ns within the stretch in which nobody served, in order."""
    gaps, served_until = [], since_ns
    for interval in sorted(report["intervals"], key=lambda v: v["first_ns"]):
        if interval["last_ns"] < since_ns:
            continue
        if interval["first_ns"] > min(served_until, until_ns):
            gaps.append((served_until, min(interval["first_ns"], until_ns)))
        served_until = max(served_until, interval["last_ns"])
    return [gap for gap in gaps if gap[0] < until_ns]


def outage_ms(report, since_ns, until_ns):
    """The longest of them; 0 without any. A fault in time for which somebody serves again is over then."""
    return max((to - start for start, to in silences(report, since_ns, until_ns)), default=0) / 1e6
