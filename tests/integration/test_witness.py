"""The witness's evidence is what every failover test and the demo are judged by."""

import os
import signal
from pathlib import Path

import pytest

from lib import witness
from lib.paths import built
from lib.processes import run
from lib.waiting import wait_until


def record(ms, epoch, site):
    return f"{ms * 1000000:019d} {epoch:010d} {site:<32}\n"


def write(path, site, epoch, times_ms):
    with open(path / f"{site}.records", "a") as file:
        file.writelines(record(ms, epoch, site) for ms in times_ms)


def test_outage_is_the_gap_between_the_records_of_two_sites(folder):
    write(folder, "site-a", 1, range(1000, 2001, 2))
    write(folder, "site-b", 2, range(3040, 4001, 2))
    report = witness.report(folder)
    assert [(v["site"], v["epoch"], v["records"]) for v in report["intervals"]] == [
        ("site-a", 1, 501), ("site-b", 2, 481)]
    assert report["handovers"][0]["outage_ms"] == 1040
    assert report["longest_outage_ms"] == 1040
    assert report["overlap_ms"] == 0


def test_overlap_is_the_time_in_which_two_serve(folder):
    write(folder, "site-a", 1, range(1000, 2001, 2))
    write(folder, "site-b", 2, range(1900, 3001, 2))
    report = witness.report(folder)
    assert report["overlap_ms"] == 100
    assert report["longest_outage_ms"] == 0


def test_overlap_counts_once_what_three_share_and_all_of_what_is_nested(folder):
    write(folder, "site-a", 1, range(1000, 3001, 2))
    write(folder, "site-b", 2, range(1500, 2001, 2))
    write(folder, "site-c", 3, range(1800, 2501, 2))
    assert witness.report(folder)["overlap_ms"] == 1000


def test_a_silent_witness_does_not_serve(folder):
    """A site whose process was frozen shows an outage in its own epoch."""
    write(folder, "site-a", 1, [*range(1000, 2001, 2), *range(2500, 3001, 2)])
    report = witness.report(folder)
    assert len(report["intervals"]) == 2
    assert report["longest_outage_ms"] == 500


def test_damaged_records_are_refused(folder):
    (folder / "site-a.records").write_text("x" * 64)
    failed = run([built("witness"), "report", folder / "site-a.records"], check=False)
    assert failed.returncode == 1
    assert "record 1 is damaged" in failed.stderr


@pytest.fixture
def running(folder):
    """A witness that runs in `folder`, stopped in the end."""
    hooks = witness.hooks(folder)
    run(hooks["promote"], env={**os.environ, "HARMONY_SITE": "site-a", "HARMONY_EPOCH": "7"})
    yield hooks
    run(hooks["fence"])


def test_it_serves_when_the_promote_hook_returns(running, folder):
    interval = witness.report(folder)["intervals"][0]
    assert (interval["site"], interval["epoch"]) == ("site-a", 7)


def test_it_records_every_few_milliseconds(running, folder):
    wait_until(lambda: witness.report(folder)["intervals"][0]["records"] > 50, 5, "50 records")
    interval = witness.report(folder)["intervals"][0]
    span_ms = (interval["last_ns"] - interval["first_ns"]) / 1e6
    assert span_ms / interval["records"] < 5


def test_only_one_runs_in_a_folder(running, folder):
    second = run([built("witness"), "start", "--dir", folder, "--site", "site-a", "--epoch", "8"],
                 check=False)
    assert second.returncode == 1
    assert "one runs in" in second.stderr


def test_no_record_is_written_after_stop_returned(running, folder):
    run(running["fence"])
    before = (folder / "site-a.records").stat().st_size
    with pytest.raises(AssertionError, match="it to go on"):
        wait_until(lambda: (folder / "site-a.records").stat().st_size > before, 0.1, "it to go on")


def test_a_stopped_process_is_ended_too(running, folder):
    pid = holder(folder)
    os.kill(pid, signal.SIGSTOP)
    run(running["fence"])
    assert not os.path.exists(f"/proc/{pid}/exe")  # at most a zombie is left


def test_stop_without_a_witness_succeeds(folder):
    run(witness.hooks(folder)["fence"])


def holder(folder):
    """The pid of the witness that has its lock in `folder`. What lies on another disk may have the inode's number, too."""
    lock = folder / "lock"
    for line in open("/proc/locks"):
        fields = line.split()
        if fields[1] == "POSIX" and fields[5].endswith(f":{lock.stat().st_ino}") and has_open(fields[4], lock):
            return int(fields[4])
    raise AssertionError("no witness holds the lock")


def has_open(pid, file):
    return any(file.samefile(fd) for fd in Path(f"/proc/{pid}/fd").glob("*") if fd.exists())
