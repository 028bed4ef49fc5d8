"""An evaluation's files: the page, results.json and the plots."""

from __future__ import annotations

import json

from samebits.evaluation.plot import draw
from samebits.evaluation.quality_metrics import metrics_of
from samebits.evaluation.results import Evaluation, evaluation_json


def report_files(evaluation: Evaluation, *, page: str) -> dict[str, bytes]:
    """File names and contents, the page (of `report_page`) first."""
    results = json.dumps(evaluation_json(evaluation), indent=1, allow_nan=False)
    return {
        "index.html": page.encode("utf-8"),
        "results.json": (results + "\n").encode("utf-8"),
        **{
            f"{metric.file_stem}.{kind}": draw(evaluation, metric=metric.name, image_format=kind)
            for metric in metrics_of(evaluation.curves)
            for kind in ("svg", "png")
        },
    }
