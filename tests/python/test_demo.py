"""The demo: what the page shows is what was decoded, and it needs nothing else."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from samebits.evaluation import demo
from samebits.evaluation.codecs import Codec, CodecOptions, make_codec
from samebits.evaluation.demo import DEMO_CREDIT, DEMO_PHOTO, MAX_SIDE, make_demo, shrink_to_fit
from samebits.evaluation.demo_page import demo_page
from samebits.evaluation.measure import load_rgb


@pytest.fixture
def photo():
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((128, 96), Image.Resampling.BICUBIC))


@pytest.fixture
def stand_in(monkeypatch):
    """WebP in the place of Samebits: the page must not depend on an installed model."""
    webp = make_codec("webp", CodecOptions())

    def stand_in_codec(name, options):
        if name == "samebits":
            return Codec("samebits", "Samebits", "", webp.encode, webp.decode)
        return make_codec(name, options)

    monkeypatch.setattr(demo, "make_codec", stand_in_codec)


def make_page(rgb, pairs, **changes):
    words = {"name": "p.png", "credit": "me", "version": "Samebits 0", "place": "here", **changes}
    return demo_page(rgb, pairs, **words)


def page_data(page):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1]
    )


def pixels_of(uri):
    kind, _, content = uri.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content, validate=True))))


def test_the_packaged_photo_is_small_and_credited():
    assert load_rgb(DEMO_PHOTO).shape == (576, 576, 3)
    assert DEMO_PHOTO.stat().st_size <= 600_000
    assert "CC0 1.0" in DEMO_PHOTO.with_suffix(".txt").read_text(encoding="utf-8")
    assert "CC0 1.0" in DEMO_CREDIT


@pytest.mark.usefixtures("stand_in")
def test_the_page_holds_the_decoded_pixels_and_their_hash(photo):
    pairs = make_demo(photo, qualities=(10, 50, 90))
    page = make_page(photo, pairs)
    data = page_data(page)
    assert (pixels_of(data["original"]["image"]) == photo).all()
    assert len(data["pairs"]) == 3
    for pair, shown in zip(pairs, data["pairs"], strict=True):
        pixels = pixels_of(shown["samebits"]["image"])
        assert (pixels == pair.samebits.pixels).all()
        assert pair.samebits.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert pair.samebits.sha256 in page
        assert f"{len(pair.samebits.data):,}" in page
        assert shown["samebits"]["psnr"] == f"{pair.samebits.psnr_db:.2f} dB"
    sizes = [len(pair.samebits.data) for pair in pairs]
    assert sizes == sorted(sizes)


@pytest.mark.usefixtures("stand_in")
def test_jpeg_is_the_best_that_is_not_larger(photo):
    (pair,) = make_demo(photo, qualities=(90,))
    assert len(pair.jpeg.data) <= len(pair.samebits.data)
    jpeg = make_codec("jpeg", CodecOptions())
    assert len(jpeg.encode(photo, pair.jpeg.quality + 1).data) > len(pair.samebits.data)


@pytest.mark.usefixtures("stand_in")
def test_the_page_loads_nothing_and_works_with_the_keyboard(photo):
    page = make_page(photo, make_demo(photo, qualities=(50,)))
    without_data = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page)
    assert "http" not in without_data
    assert not re.search(r"\b(src|href)=", without_data)
    assert "@import" not in without_data
    assert "url(" not in without_data
    assert re.search(r'<input type="range"[^>]* aria-label="', page)
    assert page.count('<input type="radio"') == 1 + 2
    assert "$" not in without_data


@pytest.mark.usefixtures("stand_in")
def test_names_are_escaped(photo):
    page = make_page(photo, make_demo(photo, qualities=(50,)), name="</script><b>&.png")
    assert "</script><b>" not in page
    assert "&lt;/script&gt;&lt;b&gt;&amp;.png" in page


def test_only_large_photos_are_scaled(photo):
    assert (shrink_to_fit(photo) == photo).all()
    large = np.zeros((40, 2 * MAX_SIDE, 3), np.uint8)
    assert shrink_to_fit(large).shape == (20, MAX_SIDE, 3)
