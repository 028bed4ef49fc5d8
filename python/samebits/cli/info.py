"""Show what .same and .sames files say about themselves; the picture is not decoded.

examples:
  samebits info photo.same
  samebits info --json *.same | jq .bytes
  samebits info --fields photo.same     every field of the header and where it stands
  samebits info --system                version, processor targets, threads, models
"""

import argparse
import json
from itertools import groupby

from samebits.cli.batch import add_batch_arguments, run_batch
from samebits.cli.exit_codes import EXIT_OK, EXIT_USAGE
from samebits.cli.outputs import print_usage_error
from samebits.errors import InvalidArgument
from samebits.io.files import is_series, open_binary
from samebits.orders import PHASES
from samebits.series import SeriesInfo
from samebits.stream_info import FloatInfo, Rectangle, StreamInfo

MOST_KEYS_SHOWN = 12
MOST_STEPS_SHOWN = 16
ALL_PHASES = 4
SYMBOL_TEXTS = {"parametric": "mean and scale", "values": "a probability per value"}
CHANNEL_NAMES = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "streams", nargs="*", metavar="FILE", help=".same or .sames files, or - for stdin"
    )
    parser.add_argument("--fields", action="store_true", help="every header field and its byte")
    parser.add_argument("--system", action="store_true", help="about this machine and installation")
    parser.add_argument("--model", metavar="FILE", help="weights file; default: the installed ones")
    add_batch_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.system:
        return _print_system(as_json=arguments.json)
    if not arguments.streams:
        print_usage_error(InvalidArgument("info needs a FILE, or --system"))
        return EXIT_USAGE

    def read_info(index: int):
        import samebits
        from samebits import _core

        name = arguments.streams[index]
        with open_binary(name) as file:
            if is_series(file):
                return name, samebits.series_info(file, model=arguments.model), []
            stream = file.read()
        info = samebits.info(stream, model=arguments.model)
        fields = _core.parse_stream(stream).header.describe() if arguments.fields else []
        return name, info, fields

    return run_batch(
        arguments.streams,
        read_info,
        arguments=arguments,
        to_dict=_as_dict,
        to_text=_as_text,
    )


def _as_dict(result) -> dict:
    _, info, fields = result
    listed = [{"name": name, "byte": byte, "value": value} for name, byte, value in fields]
    return {**info.to_dict(), **({"fields": listed} if listed else {})}


def _as_text(result) -> str:
    name, info, fields = result
    if isinstance(info, SeriesInfo):
        return _series_text(name, info)
    lines = [
        name,
        f"  picture   {info.width} x {info.height}, {CHANNEL_NAMES[info.channels]}",
        f"  quality   {info.quality}",
        f"  bytes     {info.bytes:,} ({info.bpp:.3f} bpp): header {info.header_bytes}, "
        f"payload {info.payload_bytes:,}",
        f"  model     {info.model}{'' if info.groups is not None else ' (not installed)'}",
        f"  order     {order_text(info)}",
        *step_lines(info),
        f"  symbols   {SYMBOL_TEXTS[info.distribution]}",
    ]
    if info.chunks:
        chunks = ", ".join(f"{chunk.name} {chunk.bytes:,} bytes" for chunk in info.chunks)
        lines.append(f"  chunks    {chunks}")
    if info.float_synthesis is not None:
        lines.append(f"  float     {float_text(info.float_synthesis)}")
    lines += [f"  byte {byte:3}  {field:16} {value}" for field, byte, value in fields]
    return "\n".join(lines)


def float_text(info: FloatInfo) -> str:
    """What fixes the pixels of a float synthesis, in words."""
    slope = f" + {info.precision_slope:.2g} of each" if info.precision_slope else ""
    return (
        f"synthesis {info.synthesis}, precision {info.precision:.2g}{slope}, adjustment "
        f"{info.adjustment}, code {info.code_bytes:,} bytes"
    )


def order_text(info: StreamInfo) -> str:
    """The order of a stream in words, but for its steps."""
    text = f"mode {info.mode}, phases {PHASES[info.phases]}"
    if info.groups is None:
        return text
    if info.mode:
        counts = [f"{len(list(run))} x {size}" for size, run in groupby(info.groups)]
        text += f", groups {', '.join(counts)}"
    if info.first:
        text += f", the first {info.first} apart"
    return f"{text}: {info.steps} step{'s' if info.steps != 1 else ''}"


def step_lines(info: StreamInfo) -> list[str]:
    """A line for each step, of many only the first and the last."""
    if info.order is None or len(info.order) == 1:
        return []
    lines = [
        f"    step {number:4}  {', '.join(rectangle_text(rectangle) for rectangle in step)}"
        for number, step in enumerate(info.order, start=1)
    ]
    if len(lines) <= MOST_STEPS_SHOWN:
        return lines
    left_out = f"    ... {len(lines) - MOST_STEPS_SHOWN} more (all of them: --json)"
    return [*lines[: MOST_STEPS_SHOWN - 1], left_out, lines[-1]]


def rectangle_text(rectangle: Rectangle) -> str:
    """Channels and positions that a step codes together."""
    begin, end = rectangle.channels
    text = f"{begin}-{end - 1}" if end - begin > 1 else str(begin)
    if len(rectangle.phases) < ALL_PHASES:
        text += f" at {'+'.join(str(phase) for phase in rectangle.phases)}"
    return text


def _series_text(name: str, series: SeriesInfo) -> str:
    first = series.pictures[0]
    keys = ", ".join(map(str, series.key_pictures[:MOST_KEYS_SHOWN]))
    more = ", ..." if len(series.key_pictures) > MOST_KEYS_SHOWN else ""
    sizes = sorted({(picture.width, picture.height) for picture in series.pictures})
    lines = [
        name,
        f"  series    {len(series.pictures)} pictures, "
        + ", ".join(f"{width} x {height}" for width, height in sizes),
        f"  keys      {len(series.key_pictures)}, pictures that need no other: {keys}{more}",
        f"  quality   {first.quality}",
        f"  bytes     {series.bytes:,} ({series.bpp:.3f} bpp)",
        f"  model     {first.model}{'' if first.groups is not None else ' (not installed)'}",
    ]
    return "\n".join(lines)


def _print_system(*, as_json: bool) -> int:
    from samebits.cli.system import describe_system

    system = describe_system()
    if as_json:
        print(json.dumps(system))
        return EXIT_OK
    for key, value in system.items():
        if key != "models":
            text = ", ".join(value) if isinstance(value, list) else value
            print(f"{key:10} {text}")
    for model in system["models"] or [None]:
        text = f"{model['id']}  {model['file']}, {model['bytes']:,} bytes" if model else "none"
        print(f"{'model':10} {text}")
    return EXIT_OK
