"""Learn groups of latent channels from pictures, and compare them in bits.

The channels of a trained model are clustered by one of six methods and laid out for a use: 'apart'
deals each cluster out over all groups (mode 2 and the diagonal order, where channels of a group
do not see each other), 'together' makes a group of it (mode 4, where they see nothing else).
Groups are found on the training share of DATA. Training never saw the rest, the validation share
(3 %, chosen by file name): --compare measures bits there, with the model as it is, nothing
retrained.

examples:
  samebits group --method spectral --data photos --checkpoint last.ckpt --out groups.json
  samebits group --compare --data photos --checkpoint last.ckpt --json table.json
  samebits group --compare --held kodak --groups groups.json --data photos --checkpoint last.ckpt
"""

import argparse
import sys
from pathlib import Path

METHODS = ("importance", "clustering", "correlation", "loss", "projection", "spectral")
USES = ("apart", "together")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits group``."""
    parser.add_argument("--method", choices=METHODS, help="with --compare: all, if not given")
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--checkpoint", type=Path, required=True, help="a trained model")
    parser.add_argument("--out", type=Path, metavar="JSON", help="group file to write")
    parser.add_argument(
        "--count", type=int, metavar="K", help="clusters (4; spectral: by its eigenvalues)"
    )
    parser.add_argument("--use", choices=USES, default="apart", help="layout of the clusters")
    parser.add_argument(
        "--sizes",
        metavar="N,N,...",
        help="sizes of the groups in coding order (together: the clusters'; apart: nearly equal)",
    )
    parser.add_argument("--crops", type=int, default=64, help="pictures to learn from")
    parser.add_argument("--crop", type=int, default=256, help="size of the crops, a multiple of 64")
    parser.add_argument("--quality", type=float, default=50.0, help="of the activations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument(
        "--loss-steps", type=int, default=100, help="length of the training of --method loss"
    )
    parser.add_argument(
        "--loss-weight", type=float, default=1.0, help="weight of its k-means distance"
    )
    _add_comparison_arguments(parser.add_argument_group("comparison"))


def _add_comparison_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--compare", action="store_true", help="bits of each method and order")
    parser.add_argument(
        "--qualities", default="20,50,80", metavar="Q,Q,...", help="qualities of the comparison"
    )
    parser.add_argument(
        "--held", type=Path, metavar="FOLDER", help="measure on these, not on the validation share"
    )
    parser.add_argument("--held-limit", type=int, metavar="N", help="measure on N pictures at most")
    parser.add_argument(
        "--groups", type=Path, nargs="+", default=[], metavar="JSON", help="compare these, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Find and compare groups; returns the exit code."""
    try:
        _check(arguments)
        return _run(arguments)
    except ValueError as error:
        print(f"samebits group: {error}", file=sys.stderr)
        return 1


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.compare and (arguments.method is None or arguments.out is None):
        raise ValueError("nothing to do: give --method and --out, or --compare")
    if arguments.out is not None and arguments.method is None:
        raise ValueError("--out writes the groups of one method: give --method")
    if arguments.count is not None and not 1 <= arguments.count <= 64:
        raise ValueError(f"--count is {arguments.count}, must be 1 to 64")
    if arguments.crop < 64 or arguments.crop % 64:
        raise ValueError(f"--crop is {arguments.crop}, must be a multiple of 64")


def _run(arguments: argparse.Namespace) -> int:
    from samebits.learn.grouping.find_groups import FindOptions, GroupFinder, use_threads
    from samebits.learn.grouping.group_file import write_groups
    from samebits.learn.grouping.held_pictures import center_crops_of
    from samebits.learn.training.checkpoint import model_from_checkpoint

    if arguments.threads is not None:
        use_threads(arguments.threads)
    model = model_from_checkpoint(arguments.checkpoint)
    crops = center_crops_of(
        arguments.data, share="training", size=arguments.crop, limit=arguments.crops
    )
    options = FindOptions(
        count=arguments.count,
        quality=arguments.quality,
        seed=arguments.seed,
        loss_steps=arguments.loss_steps,
        loss_weight=arguments.loss_weight,
    )
    finder = GroupFinder(model, crops, options)
    if arguments.out is not None:
        grouping = finder.grouping(arguments.method, use=arguments.use, sizes=_sizes(arguments))
        write_groups(arguments.out, grouping)
        print(f"{arguments.out}: {len(grouping.groups)} groups of {grouping.sizes} channels")
    return _compare(arguments, finder) if arguments.compare else 0


def _compare(arguments: argparse.Namespace, finder) -> int:
    from samebits.learn.grouping.coded_bits import held_latents, latents_of_pictures
    from samebits.learn.grouping.comparison import Comparison, Layout, table_text
    from samebits.learn.grouping.group_file import read_groups

    model = finder.model
    pictures = _held_pictures(arguments)
    y = latents_of_pictures(model, pictures)
    qualities = _numbers(arguments.qualities, "--qualities")
    held = [held_latents(model, y, quality=float(quality)) for quality in qualities]
    comparison = Comparison(model, held)
    layouts = [Layout.as_trained(model.config), Layout.at_random(model.config, seed=0)]
    for path in arguments.groups:
        layouts.append(Layout.learned(read_groups(path, channels=model.config.latent_channels)))
    for method in [arguments.method] if arguments.method else METHODS:
        groupings = [finder.grouping(method, use=use, sizes=_sizes(arguments)) for use in USES]
        layouts += [Layout.learned(grouping) for grouping in groupings]
    rows = []
    for layout in layouts:
        rows.append(comparison.measure(layout))
        print(f"{layout.method} {layout.use}: done", file=sys.stderr)
    print(f"bits beside one step, mean over qualities {arguments.qualities}; number of steps")
    print(table_text(rows))
    if arguments.json is not None:
        _write_json(arguments, comparison.one_step_bpp, rows, len(pictures))
    return 0


def _held_pictures(arguments: argparse.Namespace):
    from samebits.learn.grouping.held_pictures import center_crops_of

    return center_crops_of(
        arguments.held or arguments.data,
        share="validation" if arguments.held is None else "all",
        size=arguments.crop,
        limit=arguments.held_limit,
    )


def _sizes(arguments: argparse.Namespace) -> list[int] | None:
    return _numbers(arguments.sizes, "--sizes") if arguments.sizes else None


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}, must be numbers with commas between") from None


def _write_json(arguments: argparse.Namespace, one_step_bpp, rows, pictures: int) -> None:
    import json
    from dataclasses import asdict

    from samebits.evaluation.machine import this_command, this_commit, this_machine

    held = arguments.held or arguments.data
    values = {
        "format": 1,
        "kind": "groups",
        "command": this_command(),
        "commit": this_commit(),
        "machine": asdict(this_machine()),
        "pictures": f"{pictures} center crops of {arguments.crop} x {arguments.crop}, {held.name}",
        "qualities": _numbers(arguments.qualities, "--qualities"),
        "one_step_bpp": one_step_bpp,
        "groupings": [asdict(row) for row in rows],
    }
    arguments.json.write_text(json.dumps(values, indent=1) + "\n")
