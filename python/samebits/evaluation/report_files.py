"""An evaluation's files: the page, results.json and the plots."""

from __future__ import annotations

import json

from samebits.evaluation.plot import draw
from samebits.evaluation.results import Evaluation, evaluation_json


def report_files(evaluation: Evaluation, *, page: str) -> dict[str, bytes]:
    """File names and contents, the page (of `report_page`) first."""
    results = json.dumps(evaluation_json(evaluation), indent=1, allow_nan=False)
    return {
        "index.html": page.encode("utf-8"),
        "results.json": (results + "\n").encode("utf-8"),
        "psnr.svg": draw(evaluation, metric="psnr_db", image_format="svg"),
        "ms_ssim.svg": draw(evaluation, metric="ms_ssim_db", image_format="svg"),
        "psnr.png": draw(evaluation, metric="psnr_db", image_format="png"),
        "ms_ssim.png": draw(evaluation, metric="ms_ssim_db", image_format="png"),
    }
