"""What goes into the encoder: any accepted picture as RGB samples, alpha and metadata."""

import sys
from dataclasses import dataclass

import numpy as np

from samebits.errors import InvalidArgument
from samebits.io.orientation import EXIF_PREFIX, make_upright, orientation

MAX_SIDE = 2**28


@dataclass(frozen=True)
class SourcePicture:
    """A picture ready for the encoder.

    Attributes
    ----------
    rgb : uint8 array (H, W, 3), C-contiguous
        Three equal channels if ``grey``.
    grey : bool
        The picture has one channel.
    alpha : uint8 array (H, W) or None
    icc_profile, exif, xmp : bytes
        Metadata for the chunks, empty where there is none; Exif without its "Exif\\0\\0".
    """

    rgb: np.ndarray
    grey: bool
    alpha: np.ndarray | None = None
    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""


def read_source(picture) -> SourcePicture:
    """Take an array or a PIL image apart; refuse by a sentence what cannot be coded.

    Parameters
    ----------
    picture : uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or PIL image
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    # An image exists only if PIL is loaded: no need to load it for a look.
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(picture, pil.Image):
        return _from_image(picture)
    hint = "open it first: samebits.encode(PIL.Image.open(path))"
    if not isinstance(picture, str) and not hasattr(picture, "__fspath__"):
        hint = "make it one by numpy.asarray(picture)"
    raise InvalidArgument(
        f"a picture is a NumPy array or a PIL image, not {type(picture).__name__}; {hint}"
    )


def _from_array(array: np.ndarray) -> SourcePicture:
    if array.dtype != np.uint8:
        raise InvalidArgument(
            f"the picture's samples are {array.dtype}, only uint8 (8 bits a sample) is supported; "
            "scale them to 0 ... 255 and convert by .astype(numpy.uint8)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; the channels come last: numpy.moveaxis(picture, 0, -1)"
        raise InvalidArgument(
            f"the picture has shape {array.shape}, must be (H, W), (H, W, 1), (H, W, 3) or "
            f"(H, W, 4){hint}"
        )
    height, width = array.shape[:2]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InvalidArgument(
            f"the picture is {width} x {height}, each side must be 1 to {MAX_SIDE} pixels"
        )
    channels = 1 if array.ndim == 2 else array.shape[2]
    if channels == 1:
        plane = array.reshape(height, width, 1)
        return SourcePicture(rgb=np.repeat(plane, 3, axis=2), grey=True)
    alpha = np.ascontiguousarray(array[:, :, 3]) if channels == 4 else None
    return SourcePicture(rgb=np.ascontiguousarray(array[:, :, :3]), grey=False, alpha=alpha)


def _from_image(image) -> SourcePicture:
    check_image(image)
    image.load()
    icc_profile = image.info.get("icc_profile") or b""
    exif = image.info.get("exif") or b""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if isinstance(xmp, str):
        xmp = xmp.encode()

    samples = np.asarray(_turned(image.convert(_coded_mode(image)), orientation(exif, xmp)))
    exif, xmp = make_upright(exif, xmp)
    alpha = None
    if samples.ndim == 3 and samples.shape[2] == 2:
        samples, alpha = samples[:, :, 0], np.ascontiguousarray(samples[:, :, 1])
    parts = _from_array(samples)
    return SourcePicture(
        rgb=parts.rgb,
        grey=parts.grey,
        alpha=parts.alpha if alpha is None else alpha,
        icc_profile=icc_profile,
        exif=exif.removeprefix(EXIF_PREFIX),
        xmp=xmp,
    )


# What a PIL image is coded as, by its mode.
_CODED_MODE = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


def _coded_mode(image) -> str:
    mode = _CODED_MODE[image.mode]
    return _WITH_ALPHA.get(mode, mode) if "transparency" in image.info else mode


def check_image(image) -> None:
    """Refuse what Samebits does not code yet. Call before the samples are loaded: PIL drops the
    low bits of some 16-bit files then, and forgets that there were any."""
    frames = getattr(image, "n_frames", 1)
    # Phones put previews and depth beside the photo (MPO); the photo comes first.
    if frames > 1 and image.format != "MPO":
        raise InvalidArgument(
            f"the picture has {frames} frames; animations and several pages are not supported "
            "yet, pass one frame: image.seek(n), then image.copy()"
        )
    if image.mode[0] in "IF" or any(map(_drops_bits, getattr(image, "tile", []))):
        raise InvalidArgument(
            f"the picture has more than 8 bits a sample (mode {image.mode}); 16-bit, 32-bit and "
            "float pictures are not supported yet, convert it to 8 bits first"
        )
    if image.mode == "CMYK":
        raise InvalidArgument(
            "the picture is CMYK, which is not supported yet; convert it with its ICC profile "
            "to RGB first"
        )
    if image.mode not in _CODED_MODE:
        raise InvalidArgument(
            f"the picture has mode {image.mode}, which is not supported yet; convert it first: "
            'image.convert("RGB")'
        )


def _drops_bits(tile) -> bool:
    """Whether PIL will shorten the samples while it loads this part of a file."""
    codec, arguments = tile[0], tile[3]
    if codec in ("ppm", "ppm_plain"):
        return max((size for size in arguments if isinstance(size, int)), default=0) > 255
    return ";16" in str(arguments)


def _turned(image, value: int):
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[value]) if value in turns else image
