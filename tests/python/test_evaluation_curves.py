"""Averaged curves, BD-rates and published anchors."""

import json
import math

import pytest

from samebits.errors import InvalidArgument
from samebits.evaluation.anchors import load_anchors, matching_anchors, stored_anchors
from samebits.evaluation.bd_rate import all_bd_rates, bd_rate, rising_points
from samebits.evaluation.curves import Curve, RatePoint, average
from samebits.evaluation.measure import Measurement


def curve(name, rates, levels, similarities=None):
    similarities = similarities or [math.nan] * len(rates)
    points = [
        RatePoint(quality=None, bpp=rate, psnr_db=level, ms_ssim=similarity)
        for rate, level, similarity in zip(rates, levels, similarities, strict=True)
    ]
    return Curve(name, name.upper(), tuple(points))


def measurement(picture, quality, *, bpp, mse, psnr_db, codec="jpeg"):
    return Measurement(
        picture=picture,
        codec=codec,
        quality=quality,
        size_bytes=1,
        estimated_bytes=math.nan,
        bpp=bpp,
        mse=mse,
        psnr_db=psnr_db,
        ms_ssim=0.9,
        encode_s=1.0,
        decode_s=2.0,
    )


RATES = [0.1, 0.3, 0.6, 1.0, 1.5]
LEVELS = [27.0, 31.0, 34.0, 36.5, 38.5]


def test_average_keeps_both_means_of_psnr():
    measured = [
        measurement("a", 50, bpp=1.0, mse=65.025, psnr_db=30.0),
        measurement("b", 50, bpp=2.0, mse=6.5025, psnr_db=40.0),
        measurement("a", 20, bpp=0.5, mse=650.25, psnr_db=20.0),
        measurement("a", 50, bpp=9.0, mse=1.0, psnr_db=9.0, codec="webp"),
    ]
    low, high = average("jpeg", "JPEG", measured).points
    assert (low.quality, high.quality) == (20, 50)
    assert high.bpp == 1.5
    assert high.psnr_db == 35.0
    assert high.psnr_of_mean_mse_db == pytest.approx(10 * math.log10(65025 / 35.76375))
    assert high.psnr_of_mean_mse_db < high.psnr_db


@pytest.mark.parametrize("metric", ["psnr_db", "ms_ssim_db"])
def test_a_fifth_fewer_bits_is_minus_twenty_percent(metric):
    pytest.importorskip("bjontegaard")
    similarities = [1 - 10 ** (-level / 20) for level in LEVELS]
    anchor = curve("anchor", RATES, LEVELS, similarities)
    test = curve("test", [0.8 * rate for rate in RATES], LEVELS, similarities)
    rate = bd_rate(test, anchor, metric=metric)
    assert rate.pchip_percent == pytest.approx(-20.0, abs=1e-9)
    assert rate.akima_percent == pytest.approx(-20.0, abs=1e-9)
    back = bd_rate(anchor, test, metric=metric)
    assert back.pchip_percent == pytest.approx(25.0, abs=1e-9)


def test_the_range_of_a_bd_rate_is_what_both_curves_cover():
    pytest.importorskip("bjontegaard")
    anchor = curve("anchor", RATES, LEVELS)
    test = curve("test", RATES, [level + 2 for level in LEVELS])
    rate = bd_rate(test, anchor, metric="psnr_db")
    assert (rate.low, rate.high) == (29.0, 38.5)
    assert rate.pchip_percent < -15


def test_curves_that_cannot_be_compared_give_none():
    pytest.importorskip("bjontegaard")
    whole = curve("whole", RATES, LEVELS)
    assert bd_rate(whole, curve("few", RATES[:3], LEVELS[:3]), metric="psnr_db") is None
    above = curve("above", RATES, [level + 50 for level in LEVELS])
    assert bd_rate(whole, above, metric="psnr_db") is None
    assert bd_rate(whole, curve("b", RATES, LEVELS), metric="ms_ssim_db") is None
    assert all_bd_rates([whole], [above]) == []


def test_dominated_and_infinite_points_are_left_out():
    rates, levels = rising_points(
        curve("c", [0.1, 0.2, 0.3, 0.3, 0.4, 0.5], [30, 29, 31, 32, math.inf, 33]), "psnr_db"
    )
    assert rates.tolist() == [0.1, 0.3, 0.5]
    assert levels.tolist() == [30, 32, 33]


def test_stored_anchors_are_complete():
    (kodak,) = stored_anchors()
    assert kodak.name == "Kodak"
    assert len(kodak.digests) == 24
    names = [curve.name for curve in kodak.curves]
    assert {"vtm", "bpg", "jpeg-2020", "webp-2020", "cheng2020-anchor", "elic"} <= set(names)
    for anchor in kodak.curves:
        assert anchor.source
        assert anchor.label
        rates, levels = rising_points(anchor, "psnr_db")
        assert len(rates) >= 4, anchor.name
        assert 20 < levels[0] < levels[-1] < 60


def test_anchors_match_exactly_their_pictures():
    sets = stored_anchors()
    digests = sorted(sets[0].digests)
    assert matching_anchors(digests, sets) is sets[0]
    assert matching_anchors(digests[:23], sets) is None
    assert matching_anchors([*digests, "0" * 64], sets) is None
    assert matching_anchors([], sets) is None


def test_a_bare_object_of_curves_is_an_anchors_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps(
            {
                "a": {"bpp": [1, 0.5], "psnr": [33, 30], "ms_ssim": [0.98, 0.95], "source": "here"},
                "b": {"bpp": [1], "psnr": [30], "ms_ssim": None},
                "c": {"bpp": [1], "psnr": [30], "ms_ssim": [None], "label": "See"},
            }
        )
    )
    anchors = load_anchors(path)
    assert (anchors.name, anchors.digests) == ("mine", frozenset())
    first, second, third = anchors.curves
    assert [point.bpp for point in first.points] == [0.5, 1]
    assert first.points[0].ms_ssim == 0.95
    assert math.isnan(second.points[0].ms_ssim)
    assert (third.label, second.label) == ("See", "b")


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"curves": []}',
        '{"a": 1}',
        '{"a": {"bpp": [1]}}',
        '{"a": {"bpp": [], "psnr": []}}',
        '{"a": {"bpp": [1, 2], "psnr": [1]}}',
        '{"a": {"bpp": ["1"], "psnr": [1]}}',
    ],
)
def test_bad_anchors_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=r"bad\.json"):
        load_anchors(path)
    with pytest.raises(InvalidArgument, match="cannot read"):
        load_anchors(tmp_path / "missing.json")
