"""An evaluation's files: results.json, the plots and index.html."""

from __future__ import annotations

import json

from samebits.evaluation.eval_page import eval_page
from samebits.evaluation.plot import draw
from samebits.evaluation.results import Evaluation, evaluation_json


def report_files(evaluation: Evaluation) -> dict[str, bytes]:
    """File names and contents, the page first."""
    psnr_svg = draw(evaluation, metric="psnr_db", image_format="svg")
    ms_ssim_svg = draw(evaluation, metric="ms_ssim_db", image_format="svg")
    page = eval_page(evaluation, psnr_svg=psnr_svg, ms_ssim_svg=ms_ssim_svg)
    results = json.dumps(evaluation_json(evaluation), indent=1, allow_nan=False)
    return {
        "index.html": page.encode("utf-8"),
        "results.json": (results + "\n").encode("utf-8"),
        "psnr.svg": psnr_svg,
        "ms_ssim.svg": ms_ssim_svg,
        "psnr.png": draw(evaluation, metric="psnr_db", image_format="png"),
        "ms_ssim.png": draw(evaluation, metric="ms_ssim_db", image_format="png"),
    }
