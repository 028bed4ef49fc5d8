"""Plot of a training log: ``python -m samebits.learn.training.curves LOG.jsonl OUT.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def plot_log(log: Path, out: Path) -> None:
    """Losses over minutes (training and validation), and the validation's rate-distortion curve."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in log.read_text().splitlines()]
    minutes = [row["minutes"] for row in rows]
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, curve = figure.subplots(1, 2)
    losses.plot(minutes, [row["train_loss"] for row in rows], label="training")
    losses.plot(minutes, [row["validation_loss"] for row in rows], label="validation")
    losses.set(xlabel="minutes", ylabel="weighted R + λD")
    losses.legend()
    qualities = [name[4:] for name in rows[-1] if name.startswith("bpp_")]
    names = [f"bpp_{quality}" for quality in sorted(filter(str.isdigit, qualities), key=int)]
    for row, label in ((rows[0], "start"), (rows[len(rows) // 2], "middle"), (rows[-1], "end")):
        curve.plot(
            [row[name] for name in names],
            [row[f"psnr_{name[4:]}"] for name in names],
            marker=".",
            label=f"{label} ({row['minutes']:.0f} min)",
        )
    curve.set(xlabel="bpp (estimate)", ylabel="PSNR (dB)")
    curve.legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    plot_log(Path(sys.argv[1]), Path(sys.argv[2]))
