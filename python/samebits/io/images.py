"""Decoded pictures as PIL images, and as bytes of the usual formats."""

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, PngImagePlugin

from samebits.errors import InvalidArgument
from samebits.io.orientation import EXIF_PREFIX

if TYPE_CHECKING:
    from samebits.api import Decoded

# Suffix -> PIL's name and how to save. What can be lossless is: decoding should not lose twice.
FORMATS = {
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
    ".pgm": ("PPM", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}
WITHOUT_ALPHA = ("PPM", "JPEG", "BMP")
WITHOUT_METADATA = ("PPM", "BMP")
WITHOUT_XMP = ("TIFF", "PPM", "BMP")
MAX_JPEG_EXIF = 65533


def read_image(content: bytes) -> Image.Image:
    """Open a picture file; its samples are not decoded yet.

    Raises
    ------
    InvalidArgument
        No known picture format, or more pixels than PIL's limit allows.
    """
    try:
        return Image.open(io.BytesIO(content))
    except Image.UnidentifiedImageError as error:
        raise InvalidArgument("not a picture in any format that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise InvalidArgument(f"the picture is too large: {error}") from error


def to_image(decoded: "Decoded") -> Image.Image:
    """A PIL image of mode L, LA, RGB or RGBA with its metadata in ``info``."""
    image = Image.fromarray(decoded.samples)
    if decoded.alpha is not None:
        image.putalpha(Image.fromarray(decoded.alpha))
    if decoded.icc_profile:
        image.info["icc_profile"] = decoded.icc_profile
    if decoded.exif:
        image.info["exif"] = EXIF_PREFIX + decoded.exif
    if decoded.xmp:
        image.info["xmp"] = decoded.xmp
    return image


def encode_image(image: Image.Image, *, suffix: str) -> bytes:
    """The image as a file of the format that the suffix names, metadata kept where it can be.

    Parameters
    ----------
    image : PIL image, from :func:`to_image`
    suffix : str
        One of ``FORMATS``, or ``.npy`` for the samples as an array.
    """
    suffix = suffix.lower()
    out = io.BytesIO()
    if suffix == ".npy":
        np.save(out, np.asarray(image))
        return out.getvalue()
    if suffix not in FORMATS:
        raise InvalidArgument(
            f"cannot write {suffix or 'a file without a suffix'}; choose one of "
            + ", ".join([*FORMATS, ".npy"])
        )
    name, options = FORMATS[suffix]
    if name in WITHOUT_ALPHA and "A" in image.getbands():
        raise InvalidArgument(f"{suffix} has no alpha, this picture has; choose .png")
    image.save(out, format=name, **options, **_metadata_options(image, name=name))
    return out.getvalue()


def _metadata_options(image: Image.Image, *, name: str) -> dict:
    if name in WITHOUT_METADATA:
        return {}
    info = image.info
    options = {key: info[key] for key in ("icc_profile", "exif") if key in info}
    if name == "JPEG" and len(options.get("exif", b"")) > MAX_JPEG_EXIF:
        raise InvalidArgument("the Exif data is too long for a JPEG file; choose .png")
    if "xmp" not in info or name in WITHOUT_XMP:
        return options
    if name != "PNG":
        return {**options, "xmp": info["xmp"]}
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", info["xmp"].decode("utf-8", errors="replace"))
    return {**options, "pnginfo": text}
