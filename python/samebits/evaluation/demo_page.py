"""The demo as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from samebits.evaluation.demo import CodedPhoto, Pair, png_bytes

TEMPLATE = Path(__file__).parent / "assets" / "demo_page.html"


def demo_page(
    rgb: np.ndarray, pairs: Sequence[Pair], *, name: str, credit: str, version: str, place: str
) -> str:
    """The page's text.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (H, W, 3)
        The original.
    pairs : sequence of Pair
        From the smallest file to the largest.
    name, credit : str
        The photo's file name, and who made it ("" if unknown).
    version, place : str
        The program's version; target and machine the decoder ran on.
    """
    height, width = rgb.shape[:2]
    original_png = png_bytes(rgb)
    data = {
        "original": {"image": _data_uri(original_png, "png"), "label": "Original"},
        "pairs": [
            {
                "samebits": _shown(p.samebits, _data_uri(png_bytes(p.samebits.pixels), "png")),
                # A browser reads JPEG itself, and the file is far smaller than its pixels.
                "jpeg": _shown(p.jpeg, _data_uri(p.jpeg.data, "jpeg")),
            }
            for p in pairs
        ],
    }
    # "</" would end the script element that holds the data.
    script_data = json.dumps(data).replace("</", "<\\/")
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=html.escape(name),
        credit=html.escape(credit),
        width=width,
        height=height,
        megapixels=f"{width * height / 1e6:.2f}",
        png_size=_kilobytes(len(original_png)),
        raw_size=_kilobytes(rgb.size),
        qualities="\n".join(_quality_button(i, p.samebits) for i, p in enumerate(pairs)),
        rows="\n".join(_row(p.samebits, raw_bytes=rgb.size) for p in pairs),
        version=html.escape(version),
        place=html.escape(place),
        data=script_data,
    )


def _shown(photo: CodedPhoto, image: str) -> dict[str, object]:
    return {
        "image": image,
        "size": _kilobytes(len(photo.data)),
        "bpp": f"{photo.bpp:.3f}",
        "psnr": _decibels(photo.psnr_db),
    }


def _quality_button(index: int, photo: CodedPhoto) -> str:
    return (
        f'<label><input type="radio" name="quality" value="{index}">'
        f"<span>Quality {photo.quality}<small>{_kilobytes(len(photo.data))}</small></span></label>"
    )


def _row(photo: CodedPhoto, *, raw_bytes: int) -> str:
    cells = [
        f'<th scope="row">{photo.quality}</th>',
        f"<td>{len(photo.data):,}</td>",
        f"<td>1 : {raw_bytes / len(photo.data):.0f}</td>",
        f"<td>{photo.bpp:.3f}</td>",
        f"<td>{_decibels(photo.psnr_db)}</td>",
        f'<td class="hash"><code>{photo.sha256}</code></td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _decibels(value: float) -> str:
    return f"{value:.2f} dB" if math.isfinite(value) else "lossless"


def _kilobytes(size_bytes: int) -> str:
    return f"{size_bytes / 1000:.1f} kB"


def _data_uri(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(image).decode("ascii")
