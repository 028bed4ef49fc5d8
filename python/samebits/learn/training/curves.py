"""Plot of a training log: ``python -m samebits.learn.training.curves LOG.jsonl OUT.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {"psnr": "PSNR (dB)", "ssimulacra2": "SSIMULACRA 2"}


def validation_rows(log: Path) -> list[dict]:
    """The lines of a log that have losses; the others say what a run was computed on.

    A line that a killed run has not finished is left out.
    """
    rows = []
    for line in log.read_text().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "validation_loss" in row:
            rows.append(row)
    return rows


def plot_log(log: Path, out: Path) -> None:
    """Losses over what was seen (training and validation), and the validation's curves.

    Raises
    ------
    ValueError
        The log has no line with losses yet.
    """
    from matplotlib.figure import Figure

    rows = validation_rows(log)
    if not rows:
        raise ValueError(f"{log} has no validation yet")
    metrics = [name for name in METRICS if f"{name}_50" in rows[-1]]
    figure = Figure(figsize=(5 + 5 * len(metrics), 4), layout="constrained")
    losses, *curves = figure.subplots(1, 1 + len(metrics))
    _plot_losses(losses, rows)
    for axes, metric in zip(curves, metrics, strict=True):
        _plot_curve(axes, rows, metric)
    figure.savefig(out, dpi=110)


def _plot_losses(axes: Axes, rows: list[dict]) -> None:
    unit, label = ("gpx", "10⁹ pixels seen") if "gpx" in rows[0] else ("minutes", "minutes")
    place = [row[unit] for row in rows]
    axes.plot(place, [row["train_loss"] for row in rows], label="training")
    axes.plot(place, [row["validation_loss"] for row in rows], label="validation")
    axes.set(xlabel=label, ylabel="weighted R + λD")
    axes.legend()


def _plot_curve(axes: Axes, rows: list[dict], metric: str) -> None:
    """The first, middle and last line with this metric."""
    rows = [row for row in rows if f"{metric}_50" in row]
    qualities = sorted(int(name[9:]) for name in rows[-1] if name.startswith("bpp_real_"))
    for row, label in ((rows[0], "start"), (rows[len(rows) // 2], "middle"), (rows[-1], "end")):
        axes.plot(
            [row[f"bpp_real_{q}"] for q in qualities],
            [row[f"{metric}_{q}"] for q in qualities],
            marker=".",
            label=f"{label} ({row['minutes']:.0f} min)",
        )
    axes.set(xlabel="bits per pixel", ylabel=METRICS[metric])
    axes.legend()


def main() -> None:
    """The command line."""
    try:
        plot_log(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, ValueError) as error:
        raise SystemExit(f"curves: {error}") from error


if __name__ == "__main__":
    main()
