"""Time Samebits on this machine, beside other libraries.

  kernels  integer convolutions, beside torch (float32, bfloat16, int8) and ONNX Runtime
  coding   the range coder, beside constriction, torchac and CompressAI's rANS
  codec    encode and decode of pictures, beside CompressAI's models and the float twin in torch
  orders   coding orders of one model: size and time against one step
  series   clips coded as series, against every frame on its own
  model    multiplications, parameters and time of models, trained or only designed
  stability  float networks in other environments: what still decodes, by which method

Contenders take turns in one run, medians and quartiles are shown. What is not installed is named
and left out: pip install 'samebits[bench]' for most of it. --out FILE.json writes the results, and
a page with bars beside them.

examples:
  samebits bench kernels --quick
  samebits bench coding --out benchmarks/results/coding.json
  samebits bench codec photo.jpg --size 4000x3000 --peers none
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samebits.cli import (
    bench_codec,
    bench_coding,
    bench_kernels,
    bench_model,
    bench_orders,
    bench_series,
    bench_stability,
)
from samebits.io.files import write_bytes

PARTS = {
    "kernels": bench_kernels,
    "coding": bench_coding,
    "codec": bench_codec,
    "orders": bench_orders,
    "series": bench_series,
    "model": bench_model,
    "stability": bench_stability,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits bench``."""
    parts = parser.add_subparsers(dest="what", metavar="WHAT", title="what to time", required=True)
    for name, module in PARTS.items():
        part = parts.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(part)
        part.add_argument("--quick", action="store_true", help="about a minute, less certain")
        part.add_argument("--json", action="store_true", help="print the results as JSON")
        part.add_argument(
            "--out", "-o", metavar="FILE.json", type=Path, help="write results, and FILE.html"
        )


def run(arguments: argparse.Namespace) -> int:
    """Time; returns the exit code."""
    from samebits.evaluation.results import to_json_value

    if isinstance(arguments.threads, int):  # others time several counts
        # Read by the core when it begins its first work.
        os.environ["SAMEBITS_THREADS"] = str(arguments.threads)
    module = PARTS[arguments.what]
    with _stdout_to_stderr():
        benchmark = module.measure(arguments)
    for missing in benchmark.missing:
        print(f"NOT MEASURED: {missing}", file=sys.stderr)
    value = {"format": 1, "kind": arguments.what, **to_json_value(benchmark)}
    if arguments.json:
        print(json.dumps(value, indent=1))
    else:
        for line in module.lines(benchmark):
            print(line)
    if arguments.out:
        _write(arguments.out, value, module.page(benchmark))
    return 0


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Compilers that other libraries start write to stdout, which is for the results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _write(path: Path, value: dict[str, Any], page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(str(path), f"{json.dumps(value, indent=1)}\n".encode(), overwrite=True)
    page_path = path.with_suffix(".html")
    write_bytes(str(page_path), page.encode(), overwrite=True)
    print(f"wrote {path} and {page_path}", file=sys.stderr)
