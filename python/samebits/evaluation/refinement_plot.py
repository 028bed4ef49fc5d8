"""Plot of one refinement: bits and PSNR by step (matplotlib, extra ``samebits[eval]``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from samebits.evaluation.metrics import psnr_db
from samebits.io.files import writing
from samebits.refinement import MS_SSIM_SCALE, RefineStep

RELAXED, ROUNDED = "#9a9a9a", "#d1495b"


def plot_refinement(
    steps: Sequence[RefineStep], path: Path, *, pixels: int, distortion: str = "mse"
) -> None:
    """Write a picture (by the suffix of ``path``: .png, .svg, .pdf) of what a search went through.

    Parameters
    ----------
    steps : as they were heard. pixels : of the picture, for bits per pixel.
    distortion : what the search weighed, of ``DISTORTIONS``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    rate, level = figure.subplots(2, 1, sharex=True)
    for rounded, color, label in ((False, RELAXED, "relaxed"), (True, ROUNDED, "rounded")):
        chosen = [step for step in steps if step.rounded == rounded]
        style = {"color": color, "linewidth": 1.8 if rounded else 0.9, "label": label}
        at = [step.step for step in chosen]
        rate.plot(at, [step.bits / pixels for step in chosen], **style)
        level.plot(at, [_level(step, distortion) for step in chosen], **style)
    rate.set_ylabel("bits per pixel, by the model")
    level.set_ylabel("PSNR, dB" if distortion == "mse" else "MS-SSIM")
    level.set_xlabel("gradient step")
    for axes in (rate, level):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    rate.legend(frameon=False)
    with writing(path, overwrite=True) as file:
        figure.savefig(file, format=path.suffix.lstrip(".") or "png", dpi=130)


def _level(step: RefineStep, distortion: str) -> float:
    if distortion == "mse":
        return psnr_db(step.distortion)
    return 1 - step.distortion / MS_SSIM_SCALE
