"""What a GPU session brings home: few files, none of them large.

``FOLDER`` gets at most FILES files of PIECE_BYTES each, TOTAL_BYTES together: the summary, all logs
and timings in two files, the snapshot, and the whole checkpoint if it fits.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

from pieces import LIMIT_BYTES, MIB, piece_count, split_file
from plan import Options

FILES = 8
PIECE_BYTES = LIMIT_BYTES
TOTAL_BYTES = 64 * MIB
SUMMARY_FILES, SUMMARY_BYTES = 4, MIB
"""Kept free for summary.txt, summary.json, logs.tar.gz and timings.json."""


def bring_weights(options: Options) -> list[str]:
    """Put the snapshot and the whole checkpoint into the results, as far as they fit.

    Returns
    -------
    Sentences for the summary.
    """
    lines = []
    snapshot, whole = options.work / "hot.ckpt", options.run / "last.ckpt"
    for path in [*options.out.glob("hot.ckpt*"), *options.out.glob("last.ckpt.*")]:
        path.unlink()
    if snapshot.exists():
        lines.append(_bring(snapshot, options, "weights, 2 bytes each"))
    if whole.exists():
        lines.append(_bring(whole, options, "whole checkpoint with the optimizer's state"))
    return lines


def _bring(path: Path, options: Options, what: str) -> str:
    """Copy or split a file into the results; where it does not fit, into the work folder."""
    size = path.stat().st_size
    about = f"{path.name} ({what}, {size / MIB:.1f} MiB)"
    files, total = _taken(options.out)
    count = piece_count(size, limit=PIECE_BYTES)
    if files + count > FILES or total + size > TOTAL_BYTES:
        for old in (options.work / "pieces").glob(f"{path.name}.*"):
            old.unlink()
        pieces = split_file(path, options.work / "pieces", limit=PIECE_BYTES)
        return f"{about} does not fit here; {len(pieces)} pieces are in {options.work / 'pieces'}"
    if count == 1:
        shutil.copyfile(path, options.out / path.name)
        return f"{about} is complete"
    split_file(path, options.out, limit=PIECE_BYTES)
    return f"{about} is here in {count} pieces; join them with benchmarks/gpu/pieces.py"


def _taken(folder: Path) -> tuple[int, int]:
    """Files and bytes in the results, with what is kept free for the summary."""
    sizes = [path.stat().st_size for path in folder.glob("*.ckpt*")]
    return len(sizes) + SUMMARY_FILES, sum(sizes) + SUMMARY_BYTES


def bring_logs(options: Options, logs: Path) -> None:
    """All logs in one file, all timings in another."""
    with tarfile.open(options.out / "logs.tar.gz", "w:gz") as tar:
        for path in sorted(logs.glob("*.log")):
            tar.add(path, path.name)
        for name in ("log.jsonl", "skipped.txt"):
            if (options.run / name).exists():
                tar.add(options.run / name, name)
    timings = {}
    for path in sorted(options.timings.glob("*.json")):
        try:
            timings[path.stem] = json.loads(path.read_text())
        except ValueError:
            timings[path.stem] = "not a whole file: its part was ended while it wrote"
    if timings:
        (options.out / "timings.json").write_text(json.dumps(timings, indent=1) + "\n")
