"""What a failed test leaves to read: its logs, configurations and records, in BUILD/failed/NAME/."""

import shutil

from . import paths

KEPT = ("*.log", "*.yaml", "*.conf", "*.records")


def keep_logs(folder, name):
    """Copies them there. Returns the folder."""
    kept = paths.BUILD / "failed" / name
    shutil.rmtree(kept, ignore_errors=True)
    for pattern in KEPT:
        for file in folder.rglob(pattern):
            target = kept / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return kept
