"""Pictures in and out: kinds of pictures, orientation, alpha, files."""

import io
import os
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from samebits.errors import CorruptStream, InvalidArgument
from samebits.io.alpha import pack_alpha, unpack_alpha
from samebits.io.files import write_bytes
from samebits.io.images import encode_image, read_image
from samebits.io.orientation import make_upright, orientation
from samebits.io.source import read_source

ORIENTATION = 0x0112


def colors(height: int = 5, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, channels), np.uint8)


# ---- arrays ----


def test_rgb_array():
    picture = colors()
    source = read_source(picture)
    assert np.array_equal(source.rgb, picture)
    assert not source.grey
    assert source.alpha is None


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_grey_array(shape):
    picture = colors(channels=1).reshape(shape)
    source = read_source(picture)
    assert source.grey
    assert source.rgb.shape == (5, 7, 3)
    for channel in range(3):
        assert np.array_equal(source.rgb[:, :, channel], picture.reshape(5, 7))


def test_rgba_array():
    picture = colors(channels=4)
    source = read_source(picture)
    assert np.array_equal(source.rgb, picture[:, :, :3])
    assert np.array_equal(source.alpha, picture[:, :, 3])


@pytest.mark.parametrize(
    "view",
    [
        lambda p: p[::2, ::-1],
        lambda p: p[:, :, ::-1],
        lambda p: np.asfortranarray(p),
        lambda p: p.transpose(1, 0, 2),
        lambda p: np.broadcast_to(p[:1], p.shape),
    ],
)
def test_arrays_that_are_not_contiguous(view):
    picture = view(colors())
    source = read_source(picture)
    assert source.rgb.flags.c_contiguous
    assert np.array_equal(source.rgb, picture)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((0, 5, 3), np.uint8), "5 x 0"),
        (np.zeros((5, 0), np.uint8), "0 x 5"),
        (np.zeros((5, 5, 0), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.array(5, np.uint8), "shape"),
        (np.zeros((1, 5, 5, 3), np.uint8), "shape"),
        (np.zeros((5, 5, 2), np.uint8), "shape"),
        (np.zeros((3, 5, 5), np.uint8), "channels come last"),
        (np.zeros((5, 5, 3), np.uint16), "uint16, only uint8"),
        (np.zeros((5, 5, 3), np.float32), "float32, only uint8"),
        (np.zeros((5, 5, 3), bool), "bool, only uint8"),
        (np.zeros((5, 5, 3), object), "object, only uint8"),
        ([[1, 2], [3, 4]], "not list"),
        ("photo.jpg", "PIL.Image.open"),
        (None, "not NoneType"),
    ],
)
def test_refused_pictures(picture, words):
    with pytest.raises(InvalidArgument, match=words):
        read_source(picture)


# ---- PIL images ----


@pytest.mark.parametrize(
    ("mode", "grey", "alpha"),
    [
        ("1", True, False),
        ("L", True, False),
        ("LA", True, True),
        ("P", False, False),
        ("PA", False, True),
        ("RGB", False, False),
        ("RGBA", False, True),
        ("RGBX", False, False),
    ],
)
def test_modes(mode, grey, alpha):
    image = Image.fromarray(colors(channels=4)).convert(mode)
    source = read_source(image)
    assert source.grey is grey
    assert (source.alpha is not None) is alpha
    if mode != "RGBX":
        expected = np.asarray(image.convert("RGBA"))
        assert np.array_equal(source.rgb, expected[:, :, :3])
        if alpha:
            assert np.array_equal(source.alpha, expected[:, :, 3])


def reopened(image: Image.Image, format: str, **options) -> Image.Image:
    out = io.BytesIO()
    image.save(out, format=format, **options)
    return read_image(out.getvalue())


def test_palette_with_transparency():
    image = Image.fromarray(colors()).convert("P")
    source = read_source(reopened(image, "PNG", transparency=image.getpixel((0, 0))))
    assert source.alpha is not None
    assert source.alpha[0, 0] == 0


def test_grey_with_transparency():
    image = Image.fromarray(colors()[:, :, 0])
    source = read_source(reopened(image, "PNG", transparency=image.getpixel((0, 0))))
    assert source.grey
    assert source.alpha[0, 0] == 0


def png_of_16_bits() -> bytes:
    """An RGB PNG of 16 bits a sample, by hand: PIL writes none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    size = (2).to_bytes(4, "big")
    rows = (b"\x00" + bytes(range(12))) * 2
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + size + bytes([16, 2, 0, 0, 0]))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: Image.new("CMYK", (4, 4)), "CMYK"),
        (lambda: Image.new("I;16", (4, 4)), "16-bit"),
        (lambda: Image.new("I", (4, 4)), "16-bit"),
        (lambda: Image.new("F", (4, 4)), "float"),
        (lambda: Image.new("LAB", (4, 4)), "LAB"),
        (lambda: read_image(png_of_16_bits()), "more than 8 bits"),
        (lambda: read_image(b"P6 2 1 65535\n" + bytes(12)), "more than 8 bits"),
        (lambda: Image.new("RGB", (0, 4)), "0 x 4"),
        (
            lambda: reopened(
                Image.new("L", (4, 4)),
                "GIF",
                save_all=True,
                append_images=[Image.new("L", (4, 4), 99)],
            ),
            "2 frames",
        ),
    ],
)
def test_refused_images(image, words):
    with pytest.raises(InvalidArgument, match=words):
        read_source(image())


def test_what_is_no_picture():
    with pytest.raises(InvalidArgument, match="not a picture"):
        read_image(b"hello")


# ---- metadata and orientation ----


def exif_bytes(value: int, *, byte_order: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F] = "A maker of cameras"
    exif[ORIENTATION] = value
    exif[0x0131] = "A program"
    return exif.tobytes()


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_applied_and_reset(value):
    # A PNG file of 3 x 2 pixels, with metadata.
    image = reopened(
        Image.fromarray(colors(2, 3)), "PNG", exif=exif_bytes(value), icc_profile=b"profile"
    )
    source = read_source(image)
    assert np.array_equal(source.rgb, np.asarray(ImageOps.exif_transpose(image)))
    assert source.icc_profile == b"profile"
    kept = Image.Exif()
    kept.load(source.exif)
    assert kept[ORIENTATION] == 1
    assert kept[0x010F] == "A maker of cameras"
    assert not source.exif.startswith(b"Exif")


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_only_the_orientation_changes(byte_order):
    before = exif_bytes(6, byte_order=byte_order)
    assert orientation(before) == 6
    after, _ = make_upright(before, b"")
    assert orientation(after) == 1
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(after, before, strict=True)) == 1


def test_orientation_in_xmp():
    xmp = b'<rdf:Description tiff:Orientation="8" a="8"/>'
    assert orientation(b"", xmp) == 8
    assert orientation(exif_bytes(3), xmp) == 3
    assert make_upright(b"", xmp) == (b"", b'<rdf:Description tiff:Orientation="1" a="8"/>')


@given(st.binary(max_size=60), st.integers(0, 30))
def test_damaged_exif_counts_as_none(noise, cut):
    exif = exif_bytes(6)
    for damaged in (noise, exif[:cut], b"II*\x00" + noise, exif[:10] + noise):
        assert 1 <= orientation(damaged) <= 8
        assert len(make_upright(damaged, b"")[0]) == len(damaged)


def test_a_photo_that_carries_a_preview():
    photo, preview = Image.fromarray(colors()), Image.new("RGB", (2, 2))
    image = reopened(photo, "MPO", save_all=True, append_images=[preview], quality=100)
    assert image.n_frames == 2
    assert read_source(image).rgb.shape == (5, 7, 3)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
def test_metadata_goes_along(suffix):
    image = Image.fromarray(colors(40, 30))
    xmp = b"<x:xmpmeta/>"
    image.info.update(icc_profile=b"profile" * 20, exif=exif_bytes(1), xmp=xmp)
    back = read_image(encode_image(image, suffix=suffix))
    assert back.info["icc_profile"] == b"profile" * 20
    assert back.getexif()[0x010F] == "A maker of cameras"
    if suffix != ".tif":
        assert (back.info.get("xmp") or back.info["XML:com.adobe.xmp"].encode()) == xmp
    if suffix != ".jpg":
        assert np.array_equal(np.asarray(back), np.asarray(image))


def test_formats_that_cannot():
    rgba = Image.fromarray(colors(channels=4))
    with pytest.raises(InvalidArgument, match="no alpha"):
        encode_image(rgba, suffix=".jpg")
    with pytest.raises(InvalidArgument, match=r"choose one of \.png"):
        encode_image(rgba, suffix=".xyz")
    assert np.load(io.BytesIO(encode_image(rgba, suffix=".npy"))).shape == (5, 7, 4)


# ---- alpha ----


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_alpha_round_trip(height, width, random):
    alpha = np.array(
        [[random.choice([0, 1, 127, 255]) for _ in range(width)] for _ in range(height)], np.uint8
    )
    assert np.array_equal(unpack_alpha(pack_alpha(alpha), width=width, height=height), alpha)


def test_alpha_layout():
    # bitstream.md 3: left neighbor, above in the first column, 255 before the first.
    alpha = np.array([[250, 3], [1, 1]], np.uint8)
    assert zlib.decompress(pack_alpha(alpha)) == bytes([251, 9, 7, 0])


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (b"", "has 0 samples"),
        (b"no zlib", "no valid zlib"),
        (zlib.compress(bytes(11)), "has 11 samples, a picture of 4 x 3 has 12"),
        (zlib.compress(bytes(13)), "more than 12"),
        (zlib.compress(bytes(12))[:-1], "samples"),
        (zlib.compress(bytes(12)) + b"!", "1 bytes after its end"),
    ],
)
def test_damaged_alpha(chunk, words):
    with pytest.raises(CorruptStream, match=words):
        unpack_alpha(chunk, width=4, height=3)


def test_an_alpha_bomb_is_not_inflated():
    bomb = zlib.compress(bytes(50_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptStream, match="more than 12"):
            unpack_alpha(bomb, width=4, height=3)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000


# ---- files ----


def test_write_and_overwrite(tmp_path):
    path = tmp_path / "a.same"
    write_bytes(str(path), b"one", overwrite=False)
    with pytest.raises(InvalidArgument, match="exists"):
        write_bytes(str(path), b"two", overwrite=False)
    assert path.read_bytes() == b"one"
    write_bytes(str(path), b"two", overwrite=True)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    write_bytes(str(tmp_path / "new"), b"", overwrite=False)
    assert (tmp_path / "new").stat().st_mode == ordinary.stat().st_mode


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_bytes(str(tmp_path / "a.same"), b"bytes", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(str(link), b"new", overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_devices_are_written_in_place():
    write_bytes("/dev/null", b"gone", overwrite=False)
    assert not os.path.isfile("/dev/null")
