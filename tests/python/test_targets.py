"""Files of a wanted size or PSNR."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import samebits
from samebits.errors import InvalidArgument
from samebits.evaluation.metrics import mse, psnr_db
from samebits.targets import Target, Trial, meet_target, target_of
from tiny_model import wavy_picture

PICTURE = wavy_picture(120, 150, seed=3)
PIXELS = 120 * 150


def size(quality: int, **options) -> int:
    return len(samebits.encode(PICTURE, quality=quality, **options))


def psnr(stream: bytes) -> float:
    return psnr_db(mse(PICTURE, samebits.decode(stream)))


@pytest.mark.parametrize("refine", [None, "fast"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_bytes_are_met_from_below(share, refine):
    low, high = size(0), size(100)
    wanted = round(low + share * (high - low))
    stream = samebits.encode(PICTURE, target_bytes=wanted, refine=refine)
    assert 0.99 * wanted <= len(stream) <= wanted


def test_bits_per_pixel_are_those_of_the_file():
    wanted = 8 * (size(0) + size(100)) / 2 / PIXELS
    stream = samebits.encode(PICTURE, target_bpp=wanted)
    assert 0.99 * wanted <= 8 * len(stream) / PIXELS <= wanted


def test_psnr_is_met():
    ends = [psnr(samebits.encode(PICTURE, quality=q)) for q in (0, 100)]
    wanted = sum(ends) / 2
    assert ends[1] > ends[0] + 2
    stream = samebits.encode(PICTURE, target_psnr=wanted)
    assert abs(psnr(stream) - wanted) <= 0.05


def test_out_of_reach():
    with pytest.warns(UserWarning, match="20 bytes are out of reach"):
        tiny = samebits.encode(PICTURE, target_bytes=20)
    assert len(tiny) <= size(0)
    with pytest.warns(UserWarning, match="out of reach, the nearest file has"):
        large = samebits.encode(PICTURE, target_bytes=10**7)
    assert len(large) == size(100)
    with pytest.warns(UserWarning, match="99 dB are out of reach"):
        samebits.encode(PICTURE, target_psnr=99)


@pytest.mark.parametrize(
    "options",
    [
        {"target_bytes": 0},
        {"target_bytes": True},
        {"target_bpp": float("nan")},
        {"target_psnr": "30"},
        {"target_bytes": 1000, "target_psnr": 30},
        {"target_bytes": 1000, "quality": 50},
    ],
)
def test_what_is_refused(options):
    with pytest.raises(InvalidArgument):
        samebits.encode(PICTURE, **options)


@pytest.mark.parametrize("wanted", range(30, 3000, 97))
def test_search_over_sizes_that_are_not_smooth(wanted):
    def trial(quality: int, share: float) -> Trial:
        exact = 100 + 25 * (quality - 1 + share) + (3 if quality % 7 == 0 else 0)
        return Trial(None, round(exact), 0.0)

    if 75 <= wanted <= 2620:
        best = meet_target(Target("bytes", wanted), trial, trial)
        assert 0.99 * wanted - 1 <= best.bytes <= wanted
    else:
        with pytest.warns(UserWarning, match="out of reach"):
            meet_target(Target("bytes", wanted), trial, trial)


def test_one_target_at_most():
    none = {"target_bytes": None, "target_bpp": None, "target_psnr": None}
    assert target_of(**none, pixels=10) is None
    assert target_of(**none | {"target_bpp": 0.8}, pixels=1000) == Target("bytes", 100)


def test_cli(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "samebits", "encode", "a.png", "-f", "--refine", "fast"]
    done = subprocess.run(
        [*command, "--target-bytes", "900"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.same").stat().st_size <= 900
    done = subprocess.run(
        [*command, "--target-psnr", "90"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr.startswith("samebits: 90 dB are out of reach, the nearest file has ")
    done = subprocess.run(
        [*command, "--series", "--target-bpp", "1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "series" in done.stderr
    done = subprocess.run(
        [*command, "-q", "3", "--target-bpp", "1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2


def test_grey_and_alpha():
    grey = np.ascontiguousarray(PICTURE[:, :, 1])
    stream = samebits.encode(grey, target_psnr=30)
    assert abs(psnr_db(mse(grey, samebits.decode(stream))) - 30) <= 0.05
