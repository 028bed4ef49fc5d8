"""BD-rates between the last validations of training runs: which options learn more in equal steps.

``python benchmarks/rd/validation_bd_rates.py BASE/log.jsonl OTHER/log.jsonl ...``

Rates are by the integer tables, on held-out training pictures (docs/training.md), never on those
that results are reported for. Negative: fewer bits than the first log's model at equal quality.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from samebits.evaluation.bd_rate import bd_rate
from samebits.evaluation.curves import Curve, RatePoint
from samebits.learn.training.curves import validation_rows

METRICS = {"psnr_db": "PSNR", "ms_ssim_db": "MS-SSIM", "ssimulacra2": "SSIMULACRA 2"}


def curve_of(row: dict) -> Curve:
    """The curve of a line of a log, one point per quality."""
    qualities = sorted(int(name[9:]) for name in row if name.startswith("bpp_real_"))
    points = tuple(
        RatePoint(
            quality=quality,
            bpp=row[f"bpp_real_{quality}"],
            psnr_db=row[f"psnr_{quality}"],
            ms_ssim=row.get(f"ms_ssim_{quality}", math.nan),
            ssimulacra2=row.get(f"ssimulacra2_{quality}", math.nan),
        )
        for quality in qualities
    )
    return Curve("validation", "validation", points)


def last_row(path: Path) -> dict:
    """The last validation of a log; ends the program if it has none."""
    rows = validation_rows(path)
    if not rows:
        raise SystemExit(f"{path} has no validation yet")
    return rows[-1]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", type=Path, nargs="+", metavar="LOG")
    paths = parser.parse_args().logs
    rows = [last_row(path) for path in paths]
    first = curve_of(rows[0])
    print(f"{'':<40}{'step':>7}" + "".join(f"{label:>14}" for label in METRICS.values()))
    for path, row in zip(paths, rows, strict=True):
        rates = [bd_rate(curve_of(row), first, metric=metric) for metric in METRICS]
        cells = "".join(
            f"{rate.pchip_percent:>+13.2f}%" if rate else f"{'n/a':>14}" for rate in rates
        )
        print(f"{path.parent.name:<40}{row['step']:>7}{cells}")


if __name__ == "__main__":
    main()
