"""SSIMULACRA 2: the package's own scores, and what `samebits eval` makes of them."""

import io
import json
import math
import re
import sys

import numpy as np
import pytest
from PIL import Image

from samebits.cli import main
from samebits.cli.evaluate import parse_metrics
from samebits.errors import InvalidArgument
from samebits.evaluation import quality_metrics
from samebits.evaluation.bd_rate import bd_rate
from samebits.evaluation.codecs import CodecOptions, make_codec
from samebits.evaluation.curves import Curve, RatePoint
from samebits.evaluation.quality_metrics import METRICS, installed_metrics, metrics_of
from samebits.evaluation.ssimulacra2 import (
    SSIMULACRA2_MIN_SIDE,
    Ssimulacra2Reference,
    ssimulacra2,
    ssimulacra2_installed,
)
from tiny_pictures import picture, two_pictures

needs_package = pytest.mark.skipif(
    not ssimulacra2_installed(),
    reason="NOT TESTED: SSIMULACRA 2; pip install 'samebits[eval]' brings it",
)


@pytest.fixture(scope="module")
def original():
    """The smallest picture that has a score, of odd sides, uint8 (H, W, 3)."""
    return np.asarray(picture(SSIMULACRA2_MIN_SIDE + 6, SSIMULACRA2_MIN_SIDE, 7))


def jpeg(x, quality):
    buffer = io.BytesIO()
    Image.fromarray(x).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def package_score(x, x_hat):
    """The score of the package's own function, which takes files."""
    from ssimulacra2 import compute_ssimulacra2

    files = [io.BytesIO(), io.BytesIO()]
    for pixels, file in zip((x, x_hat), files, strict=True):
        Image.fromarray(pixels).save(file, "PNG")
    return compute_ssimulacra2(*files)


@needs_package
def test_scores_are_those_of_the_package(original):
    reference = Ssimulacra2Reference.of(original)
    scores = [reference.compare(jpeg(original, quality)) for quality in (5, 90)]
    assert scores == [package_score(original, jpeg(original, quality)) for quality in (5, 90)]
    assert scores[0] < scores[1] < 100
    assert ssimulacra2(original, original) == 100
    assert ssimulacra2(original, 255 - original) < 0


@needs_package
def test_grey_is_three_equal_channels(original):
    grey = np.ascontiguousarray(original[..., 1])
    coded = jpeg(grey, 30)
    assert ssimulacra2(grey, coded) == package_score(grey, coded)


@needs_package
def test_the_smallest_side_has_all_six_scales():
    x = np.zeros((SSIMULACRA2_MIN_SIDE, SSIMULACRA2_MIN_SIDE, 3), np.uint8)
    scales = Ssimulacra2Reference.of(x).scales
    assert [min(scale.xyb.shape[:2]) for scale in scales] == [225, 113, 57, 29, 15, 8]


def test_small_pictures_have_no_score(original):
    small = original[: SSIMULACRA2_MIN_SIDE - 1]
    assert math.isnan(ssimulacra2(small, small))


def test_pictures_that_cannot_be_compared_are_refused(original):
    with pytest.raises(InvalidArgument, match="different shapes"):
        ssimulacra2(original, original[:-1])
    with pytest.raises(InvalidArgument, match="expected a uint8 picture"):
        Ssimulacra2Reference.of(original[:9]).compare(original)
    with pytest.raises(InvalidArgument, match="must be a uint8 picture"):
        Ssimulacra2Reference.of(original.astype(float))


def test_without_the_package_the_command_is_named(original, monkeypatch):
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(InvalidArgument, match=r"pip install 'samebits\[eval\]'"):
        ssimulacra2(original, original)


def test_bd_rates_hold_for_negative_scores():
    pytest.importorskip("bjontegaard")
    scores = (-31.5, -4.0, 22.0, 51.0, 70.5, 84.0)
    rates = (0.1, 0.2, 0.35, 0.6, 1.0, 1.8)

    def curve(name, factor):
        points = [
            RatePoint(quality=None, bpp=factor * rate, psnr_db=math.nan, ssimulacra2=score)
            for rate, score in zip(rates, scores, strict=True)
        ]
        return Curve(name, name, tuple(points))

    anchor, test = curve("anchor", 1.0), curve("test", 0.8)
    assert [metric.name for metric in metrics_of([test])] == ["ssimulacra2"]
    rate = bd_rate(test, anchor, metric="ssimulacra2")
    assert rate.pchip_percent == pytest.approx(-20.0, abs=1e-9)
    assert rate.akima_percent == pytest.approx(-20.0, abs=1e-9)
    assert (rate.low, rate.high) == (-31.5, 84.0)


@pytest.fixture
def folder(tmp_path, original):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    folder = tmp_path / "one"
    folder.mkdir()
    Image.fromarray(original).save(folder / "a.png")
    return folder


@needs_package
def test_eval_shows_the_score_everywhere(folder, tmp_path, capsys, original):
    out = tmp_path / "report"
    arguments = ["eval", str(folder), "--out", str(out), "--codecs", "jpeg,webp"]
    arguments += ["--qualities", "jpeg=10,30,60,90", "webp=10,30,60,90"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "by SSIMULACRA 2" in printed.out
    assert "needs sides" not in printed.err
    assert {"ssimulacra2.svg", "ssimulacra2.png"} <= {path.name for path in out.iterdir()}
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    codec = make_codec("jpeg", CodecOptions())
    expected = ssimulacra2(original, codec.decode(codec.encode(original, 60).data))
    measured = results["pictures"][0]["measurements"][2]
    assert measured["ssimulacra2"] == expected
    assert results["curves"][0]["points"][2]["ssimulacra2"] == measured["ssimulacra2"]
    assert {rate["metric"] for rate in results["bd_rates"]} == set(METRICS)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<figure data-metric=") == page.count("<h3>") == 3
    assert '<figure data-metric="ssimulacra2" data-unit="">' in page
    data = re.search(r'id="picture-0">(.*?)</script>', page)
    for version in json.loads(data.group(1))["versions"]:
        codec = make_codec(version["codec"], CodecOptions())
        x_hat = codec.decode(codec.encode(original, version["quality"]).data)
        assert version["ssimulacra2"] == ssimulacra2(original, x_hat)


def test_metrics_left_out_are_nowhere(folder, tmp_path, capsys):
    out = tmp_path / "report"
    arguments = ["eval", str(folder), "--out", str(out), "--codecs", "jpeg", "--metrics", "psnr"]
    assert main([*arguments, "--qualities", "jpeg=10,50"]) == 0
    assert "SSIMULACRA 2" not in capsys.readouterr().err
    assert {path.name for path in out.iterdir() if path.suffix == ".svg"} == {"psnr.svg"}
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for measured in results["pictures"][0]["measurements"]:
        assert (measured["ms_ssim"], measured["ssimulacra2"]) == (None, None)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<figure data-metric=") == 1


def test_eval_without_the_package_says_so_and_goes_on(folder, capsys, monkeypatch):
    monkeypatch.setattr(quality_metrics, "ssimulacra2_installed", lambda: False)
    arguments = ["eval", str(folder), "--codecs", "jpeg", "--qualities", "jpeg=10,50"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if "SSIMULACRA 2" in line]
    assert lines == ["SSIMULACRA 2 is left out: run pip install 'samebits[eval]'"]
    assert main([*arguments, "--metrics", "psnr,ssimulacra2"]) == 1
    assert "pip install 'samebits[eval]'" in capsys.readouterr().err


@needs_package
def test_eval_says_why_small_pictures_have_no_mean(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    arguments = ["eval", str(two_pictures(tmp_path)), "--codecs", "jpeg", "--qualities", "jpeg=50"]
    assert main(arguments) == 0
    assert "225 pixels, and 2 of 2 pictures are smaller, a.PNG first" in capsys.readouterr().err


def test_words_of_metrics():
    assert parse_metrics("psnr, ms-ssim") == {"psnr_db", "ms_ssim_db"}
    assert parse_metrics(None) == installed_metrics()
    for words in ("ssim", "", "psnr,vmaf"):
        with pytest.raises(InvalidArgument, match="there are psnr, ms-ssim, ssimulacra2"):
            parse_metrics(words)


@needs_package
def test_the_page_says_that_published_curves_have_no_score(folder, tmp_path):
    anchors = tmp_path / "anchors.json"
    anchors.write_text('{"old": {"bpp": [0.1, 0.5, 1, 9], "psnr": [10, 20, 30, 60]}}')
    page = tmp_path / "report.html"
    arguments = ["eval", str(folder), "--codecs", "jpeg,webp", "--report", str(page)]
    arguments += ["--qualities", "jpeg=10,30,60,90", "webp=10,30,60,90"]
    assert main([*arguments, "--report-pictures", "0", "--anchors", str(anchors)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "SSIMULACRA 2 <small>published curves do not have it</small>" in text
    # Only the table by PSNR has a part for them.
    assert text.count('<th scope="rowgroup">Published</th>') == 1
