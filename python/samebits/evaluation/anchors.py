"""Published rate-distortion curves; the pictures they belong to are recognized by their pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits.errors import InvalidArgument
from samebits.evaluation.curves import Curve, RatePoint

ANCHOR_FOLDER = Path(__file__).parent / "anchors"


@dataclass(frozen=True)
class AnchorSet:
    """Curves measured on one set of pictures.

    Attributes
    ----------
    name : str
    digests : frozenset of str
        `pixels_sha256` of every picture in the set; empty if unknown.
    curves : tuple of Curve
    """

    name: str
    digests: frozenset[str]
    curves: tuple[Curve, ...]


def load_anchors(path: Path) -> AnchorSet:
    """Read an anchors file.

    JSON, either ``{curve name: curve, ...}`` or ``{"name": ..., "pictures": {picture: digest, ...},
    "curves": {curve name: curve, ...}}``; a curve is ``{"bpp": [...], "psnr": [...]}`` with
    optional "ms_ssim", "label" and "source".
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgument(f"cannot read the anchors file {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidArgument(f"the anchors file {path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidArgument(
            f"the anchors file {path} must hold a JSON object, not a {type(content).__name__}"
        )
    curves = content.get("curves", content)
    if not isinstance(curves, dict) or not curves:
        raise InvalidArgument(f"the anchors file {path} holds no curves")
    pictures = content.get("pictures", {}) if "curves" in content else {}
    return AnchorSet(
        name=str(content["name"]) if "curves" in content and "name" in content else path.stem,
        digests=frozenset(pictures.values()),
        curves=tuple(_curve(path, name, fields) for name, fields in curves.items()),
    )


def stored_anchors() -> list[AnchorSet]:
    """The anchor sets inside the package."""
    return [load_anchors(path) for path in sorted(ANCHOR_FOLDER.glob("*.json"))]


def matching_anchors(digests: Iterable[str], sets: Sequence[AnchorSet]) -> AnchorSet | None:
    """The set whose pictures are exactly these; averages over other pictures would not compare."""
    wanted = frozenset(digests)
    return next((anchors for anchors in sets if anchors.digests == wanted), None)


def _curve(path: Path, name: str, fields: Any) -> Curve:
    where = f"curve {name!r} in {path}"
    if not isinstance(fields, dict):
        raise InvalidArgument(f"{where} must be an object with lists bpp and psnr")
    bpp = _numbers(where, fields, "bpp")
    psnr = _numbers(where, fields, "psnr")
    # Some published curves have no MS-SSIM: the key is missing, null, or holds nulls.
    known = all(isinstance(value, (int, float)) for value in fields.get("ms_ssim") or [None])
    ms_ssim = _numbers(where, fields, "ms_ssim") if known else [math.nan] * len(bpp)
    if not len(bpp) == len(psnr) == len(ms_ssim):
        raise InvalidArgument(f"{where} has lists of different lengths")
    points = [
        RatePoint(quality=None, bpp=rate, psnr_db=quality, ms_ssim=similarity)
        for rate, quality, similarity in sorted(zip(bpp, psnr, ms_ssim, strict=True))
    ]
    return Curve(
        name, str(fields.get("label", name)), tuple(points), source=str(fields.get("source", ""))
    )


def _numbers(where: str, fields: dict[str, Any], key: str) -> list[float]:
    values = fields.get(key)
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(v, (int, float)) for v in values)
    ):
        raise InvalidArgument(f"{where} needs {key!r}: a list of numbers, not empty")
    return [float(value) for value in values]
