"""From a folder of pictures to an `Evaluation`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from samebits.evaluation.anchors import AnchorSet, load_anchors, matching_anchors, stored_anchors
from samebits.evaluation.bd_rate import all_bd_rates
from samebits.evaluation.codecs import CodecOptions, make_codec
from samebits.evaluation.curves import average
from samebits.evaluation.machine import this_command, this_commit, this_machine
from samebits.evaluation.measure import MeasuredPicture, measure_pictures
from samebits.evaluation.peak_memory import measure_peak_memory
from samebits.evaluation.report_pictures import quality_near
from samebits.evaluation.results import EstimateGap, Evaluation

MEMORY_BPP = 0.5


def evaluate(
    paths: Sequence[Path],
    qualities: Mapping[str, Sequence[int]],
    options: CodecOptions,
    *,
    dataset: str,
    anchors_file: Path | None = None,
    jobs: int = 1,
    metrics: Collection[str] | None = None,
    on_picture: Callable[[MeasuredPicture], object] = lambda picture: None,
) -> Evaluation:
    """Measure, average and compare.

    Parameters
    ----------
    paths : sequence of Path
        Picture files.
    qualities : mapping
        Codec name to qualities.
    options : CodecOptions
    dataset : str
        Name for titles.
    anchors_file : Path, optional
        Published curves to compare with; without it, stored ones are taken if the pictures are
        exactly theirs.
    jobs, metrics
        As for `measure_pictures`.
    on_picture : callable
        Called after each picture, for a progress bar.
    """
    # Made here first so that a codec that is missing fails before minutes of work.
    codecs = [make_codec(name, options) for name in qualities]
    pictures = []
    for picture in measure_pictures(paths, qualities, options, jobs=jobs, metrics=metrics):
        pictures.append(picture)
        on_picture(picture)
    measurements = [measurement for picture in pictures for measurement in picture.measurements]
    curves = [average(codec.name, codec.label, measurements) for codec in codecs]
    anchors = _anchors(anchors_file, pictures)
    return Evaluation(
        dataset=dataset,
        command=this_command(),
        commit=this_commit(),
        machine=this_machine(),
        jobs=jobs,
        threads=options.threads,
        settings={codec.name: codec.settings for codec in codecs},
        pictures=tuple(pictures),
        curves=tuple(curves),
        anchor_set=anchors.name if anchors else None,
        anchors=anchors.curves if anchors else (),
        bd_rates=tuple(all_bd_rates(curves, list(anchors.curves) if anchors else [])),
        estimate_gap=EstimateGap.of(measurements),
    )


def _anchors(anchors_file: Path | None, pictures: Sequence[MeasuredPicture]) -> AnchorSet | None:
    if anchors_file is not None:
        return load_anchors(anchors_file)
    return matching_anchors([picture.sha256 for picture in pictures], stored_anchors())


def with_memory(evaluation: Evaluation, paths: Sequence[Path], options: CodecOptions) -> Evaluation:
    """The evaluation with every codec's peak memory on the largest picture, near `MEMORY_BPP`."""
    largest = max(
        range(len(paths)),
        key=lambda i: evaluation.pictures[i].width * evaluation.pictures[i].height,
    )
    measurements = evaluation.pictures[largest].measurements
    qualities = {
        curve.name: quality_near([m for m in measurements if m.codec == curve.name], MEMORY_BPP)
        for curve in evaluation.curves
    }
    memory = measure_peak_memory(paths[largest], qualities, options)
    return dataclasses.replace(evaluation, memory=memory)
