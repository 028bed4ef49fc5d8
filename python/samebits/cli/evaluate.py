"""Measure rate, quality and time on a folder of pictures, beside JPEG, WebP, AVIF and JPEG XL.

Takes every picture in DIR through every codec at a range of qualities, by real files, and prints
averages and BD-rates. --report writes one page that needs nothing else, with curves, tables and
pictures side by side; --out writes that page, results.json and plots. On the 24 Kodak pictures,
recognized by their pixels, published curves are compared as well. --compare-model measures a
second weights file in the same run. Needs samebits[eval].

examples:
  samebits eval photos --report report.html
  samebits eval photos --out report --report-pictures 3
  samebits eval photos --codecs samebits,jpeg --qualities 20,50,80 jpeg=30,60,90
  samebits eval photos --codecs samebits,twin --checkpoint run/last.ckpt
  samebits eval photos --model new.safetensors --compare-model old.safetensors
"""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from samebits.cli.batch import positive
from samebits.errors import InvalidArgument
from samebits.evaluation.codecs import (
    COMPARED_CODEC,
    DEFAULT_CODECS,
    DEFAULT_QUALITIES,
    CodecOptions,
)
from samebits.evaluation.quality_metrics import METRICS, installed_metrics
from samebits.evaluation.results import Evaluation
from samebits.evaluation.ssimulacra2 import SSIMULACRA2_MIN_SIDE
from samebits.io.files import write_bytes

EXTRA_PACKAGES = ("matplotlib", "bjontegaard")
REPORT_PICTURES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits eval``."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder that holds the pictures")
    parser.add_argument(
        "--out", metavar="OUT", type=Path, help="folder for results.json, plots and index.html"
    )
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="one HTML page with everything on it"
    )
    parser.add_argument(
        "--report-pictures",
        metavar="N",
        type=not_negative,
        default=REPORT_PICTURES,
        help="pictures to see side by side on the page (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--codecs",
        default=",".join(DEFAULT_CODECS),
        help="which to measure, separated by commas (default: %(default)s; there is also twin)",
    )
    parser.add_argument(
        "--qualities",
        metavar="[CODEC=]Q,Q,...",
        nargs="+",
        default=[],
        help="qualities of Samebits, or of the codec named",
    )
    parser.add_argument(
        "--metrics",
        help=f"which to compute, of {','.join(m.option for m in METRICS.values())} "
        "(default: all that are installed; psnr always is)",
    )
    parser.add_argument(
        "--anchors", metavar="FILE", type=Path, help="published curves to compare with (JSON)"
    )
    parser.add_argument("--limit", metavar="N", type=positive, help="only the first N pictures")
    parser.add_argument(
        "--jobs", "-j", metavar="N", type=positive, default=1, help="pictures at once (default 1)"
    )
    parser.add_argument(
        "--threads", metavar="N", type=positive, default=1, help="threads a codec (default 1)"
    )
    add_weights_arguments(parser)


def add_weights_arguments(parser: argparse.ArgumentParser) -> None:
    """Which weights Samebits, the codec beside it and the float twin have."""
    parser.add_argument("--model", metavar="FILE", type=Path, help="weights file of Samebits")
    parser.add_argument(
        "--compare-model",
        metavar="FILE",
        type=Path,
        help=f"another weights file, measured as the codec {COMPARED_CODEC}",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path, help="checkpoint of the float twin"
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    require_eval_extra()
    from tqdm import tqdm

    from samebits.evaluation.measure import find_pictures
    from samebits.evaluation.results import evaluation_json
    from samebits.evaluation.run_evaluation import evaluate
    from samebits.evaluation.summary import summary_text

    codecs = with_compared(arguments.codecs, arguments.compare_model)
    qualities = parse_qualities(codecs, arguments.qualities)
    metrics = parse_metrics(arguments.metrics)
    if arguments.metrics is None and "ssimulacra2" not in metrics:
        print("SSIMULACRA 2 is left out: run pip install 'samebits[eval]'", file=sys.stderr)
    paths = find_pictures(arguments.folder)[: arguments.limit]
    prepare_outputs(arguments.out, arguments.report)
    options = CodecOptions(
        threads=arguments.threads,
        model=arguments.model,
        checkpoint=arguments.checkpoint,
        compare_model=arguments.compare_model,
    )
    # Read by the core, here and in other processes, when it starts its threads.
    os.environ["SAMEBITS_THREADS"] = str(arguments.threads)
    with tqdm(total=len(paths), unit="picture", disable=None, file=sys.stderr) as progress:
        evaluation = evaluate(
            paths,
            qualities,
            options,
            dataset=arguments.folder.resolve().name,
            anchors_file=arguments.anchors,
            jobs=arguments.jobs,
            metrics=metrics,
            on_picture=lambda picture: progress.update(),
        )
    note = small_pictures_note(evaluation) if "ssimulacra2" in metrics else None
    if note:
        print(note, file=sys.stderr)
    if arguments.out or arguments.report:
        evaluation = write_reports(evaluation, paths, options, arguments)
    print(json.dumps(evaluation_json(evaluation)) if arguments.json else summary_text(evaluation))
    return 0


def write_reports(
    evaluation: Evaluation,
    paths: Sequence[Path],
    options: CodecOptions,
    arguments: argparse.Namespace,
) -> Evaluation:
    """Write what --report and --out ask for; returns the evaluation with what they measured."""
    from tqdm import tqdm

    from samebits.evaluation.report_files import report_files
    from samebits.evaluation.report_page import report_page
    from samebits.evaluation.report_pictures import show_pictures
    from samebits.evaluation.run_evaluation import with_memory

    evaluation = with_memory(evaluation, paths, options)
    count = min(arguments.report_pictures, len(paths))
    with tqdm(
        total=count, desc="report", unit="picture", disable=None, file=sys.stderr
    ) as progress:
        pictures = show_pictures(
            paths,
            evaluation.pictures,
            options,
            count=count,
            on_picture=lambda picture: progress.update(),
        )
    page = report_page(evaluation, pictures)
    if arguments.out:
        for name, content in report_files(evaluation, page=page).items():
            write_bytes(str(arguments.out / name), content, overwrite=True)
        print(f"wrote {arguments.out / 'index.html'} and what goes with it", file=sys.stderr)
    if arguments.report:
        write_bytes(str(arguments.report), page.encode("utf-8"), overwrite=True)
        print(f"wrote {arguments.report}, {len(page) / 1e6:.1f} MB", file=sys.stderr)
    return evaluation


def prepare_outputs(out: Path | None, report: Path | None) -> None:
    """Make the folders to write to, or fail, before minutes of work."""
    if out:
        out.mkdir(parents=True, exist_ok=True)
    if report:
        if report.is_dir():
            raise InvalidArgument(f"--report {report} is a folder; give the name of an HTML file")
        report.parent.mkdir(parents=True, exist_ok=True)


def require_eval_extra() -> None:
    """A clear error, before any work, if the packages of the extra are missing."""
    missing = [name for name in EXTRA_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidArgument(
            f"samebits eval needs {' and '.join(missing)}: run pip install 'samebits[eval]'"
        )


def not_negative(word: str) -> int:
    """An argparse type: an integer of at least 0."""
    number = int(word)
    if number < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def with_compared(codecs: str, compare_model: Path | None) -> str:
    """The words of --codecs with the codec that --compare-model stands for, beside Samebits."""
    names = [name.strip() for name in codecs.split(",")]
    if compare_model is None or COMPARED_CODEC in names:
        return codecs
    names.insert(names.index("samebits") + 1 if "samebits" in names else len(names), COMPARED_CODEC)
    return ",".join(names)


def parse_metrics(words: str | None) -> frozenset[str]:
    """Names of the metrics to compute from the words of --metrics; None for all installed."""
    if words is None:
        return installed_metrics()
    names = {metric.option: name for name, metric in METRICS.items()}
    chosen = [word.strip() for word in words.split(",") if word.strip()]
    if not chosen or not set(chosen) <= set(names):
        raise InvalidArgument(
            f"--metrics {words!r}: there are {', '.join(names)}, separated by commas"
        )
    metrics = frozenset(names[word] for word in chosen)
    missing = metrics - installed_metrics()
    if missing:
        raise InvalidArgument(
            f"--metrics {words}: {' and '.join(METRICS[name].label for name in missing)} "
            f"needs a package: run pip install 'samebits[eval]'"
        )
    return metrics


def small_pictures_note(evaluation: Evaluation) -> str | None:
    """Why there is no mean of SSIMULACRA 2, if pictures are too small for it."""
    small = [
        picture.name
        for picture in evaluation.pictures
        if min(picture.width, picture.height) < SSIMULACRA2_MIN_SIDE
    ]
    if not small:
        return None
    return (
        f"SSIMULACRA 2 needs sides of {SSIMULACRA2_MIN_SIDE} pixels, and {len(small)} of "
        f"{len(evaluation.pictures)} pictures are smaller, {small[0]} first: there is no mean"
    )


def parse_qualities(codecs: str, qualities: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The qualities to measure by codec name, from the words of --codecs and --qualities."""
    names = [name.strip() for name in codecs.split(",") if name.strip()]
    unknown = [name for name in names if name not in DEFAULT_QUALITIES]
    if unknown or not names:
        raise InvalidArgument(
            f"--codecs {codecs!r}: there are {', '.join(DEFAULT_QUALITIES)}, separated by commas"
        )
    given: dict[str, tuple[int, ...]] = {}
    for word in qualities:
        codec, _, numbers = word.rpartition("=")
        codec = codec or "samebits"
        if codec not in names:
            raise InvalidArgument(f"--qualities {word}: {codec!r} is not among --codecs {codecs}")
        try:
            values = sorted({int(number) for number in numbers.split(",")})
        except ValueError:
            raise InvalidArgument(
                f"--qualities {word}: expected whole numbers separated by commas"
            ) from None
        if not all(0 <= value <= 100 for value in values):
            raise InvalidArgument(f"--qualities {word}: qualities go from 0 to 100")
        given[codec] = tuple(values)
    if "samebits" in given:
        given.setdefault(COMPARED_CODEC, given["samebits"])
    return {name: given.get(name, DEFAULT_QUALITIES[name]) for name in names}
