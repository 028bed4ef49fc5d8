"""Show the codec at work: one photo at three qualities, on one HTML page.

Takes the photo in the package (or PHOTO) through the encoder and the decoder and writes a page that
works offline: original and result side by side under a slider, sizes, bits per pixel, PSNR, and the
SHA-256 of the decoded pixels, which is the same on every machine.
"""

import argparse
import sys
from pathlib import Path

from samebits.io.files import write_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``samebits demo``."""
    parser.add_argument("photo", metavar="PHOTO", type=Path, nargs="?", help="your own photo")
    parser.add_argument("--model", metavar="FILE", type=Path, help="weights file")
    parser.add_argument(
        "--out", "-o", metavar="FILE", default="demo.html", help="the page (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the page; returns the exit code."""
    import samebits
    from samebits.evaluation.demo import DEMO_CREDIT, DEMO_PHOTO, make_demo, shrink_to_fit
    from samebits.evaluation.demo_page import demo_page
    from samebits.evaluation.machine import this_machine
    from samebits.evaluation.measure import load_rgb

    photo = arguments.photo or DEMO_PHOTO
    original = load_rgb(photo)
    rgb = shrink_to_fit(original)
    if rgb.shape != original.shape:
        print(f"{photo} is scaled down to {rgb.shape[1]} x {rgb.shape[0]} for the page")
    pairs = make_demo(rgb, model=arguments.model)
    for pair in pairs:
        coded = pair.samebits
        print(
            f"quality {coded.quality:3d}: {len(coded.data):7d} bytes, {coded.bpp:.3f} bpp, "
            f"PSNR {coded.psnr_db:.2f} dB, pixels sha256 {coded.sha256}"
        )
    machine = this_machine()
    page = demo_page(
        rgb,
        pairs,
        name=photo.name,
        credit=DEMO_CREDIT if arguments.photo is None else "",
        version=f"Samebits {samebits.__version__}",
        place=f"{machine.cpu} ({machine.system}), target {samebits.kernels.target()}",
    )
    write_bytes(arguments.out, page.encode("utf-8"), overwrite=True)
    print(f"wrote {arguments.out}; open it in a browser", file=sys.stderr)
    return 0
