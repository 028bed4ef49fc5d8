"""Folders of tiny pictures through real codecs to JSON, plots and page; the command line."""

import io
import json
import math
import re
import sys

import numpy as np
import pytest
from PIL import Image

from samebits.cli import main
from samebits.cli.bench_codec import positives, width_x_height
from samebits.cli.evaluate import parse_qualities, with_compared
from samebits.errors import InvalidArgument, SamebitsError
from samebits.evaluation import machine, time_codec
from samebits.evaluation.benchmarks.codec_page import timing_line
from samebits.evaluation.codecs import CodecOptions, as_rgb, make_codec
from samebits.evaluation.measure import (
    find_pictures,
    load_rgb,
    measure_pictures,
    pixels_sha256,
)
from samebits.evaluation.metrics import mse
from samebits.evaluation.results import EstimateGap, to_json_value
from samebits.evaluation.time_child import load_enlarged, peak_memory_bytes
from samebits.model_store import default_path
from tiny_pictures import picture, two_pictures


@pytest.fixture
def folder(tmp_path):
    return two_pictures(tmp_path)


def test_pictures_are_found_by_suffix_in_order(folder):
    assert [path.name for path in find_pictures(folder)] == ["a.PNG", "b.png"]


def test_no_pictures_and_no_folder_are_clear_errors(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(InvalidArgument, match=r"no pictures in .*\.png"):
        find_pictures(tmp_path)
    with pytest.raises(InvalidArgument, match="not a folder"):
        find_pictures(tmp_path / "missing")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    with pytest.raises(InvalidArgument, match=r"broken\.png cannot be read"):
        load_rgb(broken)


def test_pictures_are_loaded_upright_and_in_color(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    grey = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    grey.save(tmp_path / "turned.png", exif=exif)
    rgb = load_rgb(tmp_path / "turned.png")
    assert rgb.shape == (4, 3, 3)
    assert rgb[0, :, 0].tolist() == [8, 4, 0]


def test_measurements_are_of_real_files(folder):
    measured = list(
        measure_pictures(find_pictures(folder), {"jpeg": (30, 90)}, CodecOptions(), jobs=1)
    )
    assert [m.name for m in measured] == ["a.PNG", "b.png"]
    x = np.asarray(Image.open(folder / "b.png"))
    buffer = io.BytesIO()
    Image.fromarray(x).save(buffer, "JPEG", quality=90, optimize=True, subsampling="4:2:0")
    x_hat = np.asarray(Image.open(buffer)).astype(float)
    result = measured[1].measurements[1]
    assert (result.codec, result.quality) == ("jpeg", 90)
    assert result.size_bytes == len(buffer.getvalue())
    assert result.bpp == pytest.approx(8 * len(buffer.getvalue()) / (67 * 45))
    assert result.mse == pytest.approx(np.mean((x - x_hat) ** 2))
    assert result.psnr_db == pytest.approx(10 * np.log10(255**2 / np.mean((x - x_hat) ** 2)))
    assert 0 < measured[1].measurements[0].ms_ssim < result.ms_ssim <= 1
    assert result.encode_s > 0
    assert result.decode_s > 0
    assert (measured[1].width, measured[1].height) == (67, 45)
    assert measured[1].sha256 == pixels_sha256(x)


def test_eval_writes_json_plots_and_the_page(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    out = tmp_path / "deep" / "report"
    arguments = ["eval", str(folder), "--out", str(out), "--codecs", "jpeg,webp"]
    arguments += ["--qualities", "jpeg=10,30,50,70,90", "webp=10,30,50,70,90"]
    arguments += ["--report-pictures", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^webp +10 ", printed, re.MULTILINE)
    assert "BD-rate of JPEG" in printed
    names = {path.name for path in out.iterdir()}
    assert names == {
        "index.html",
        "results.json",
        "psnr.png",
        "psnr.svg",
        "ms_ssim.png",
        "ms_ssim.svg",
    }
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "two &amp; two" in page
    text = (out / "results.json").read_text(encoding="utf-8")
    results = json.loads(text, parse_constant=pytest.fail)
    assert str(tmp_path) not in text
    assert [curve["name"] for curve in results["curves"]] == ["jpeg", "webp"]
    assert len(results["pictures"]) == 2
    assert results["anchors"] == []
    assert [m["operation"] for m in results["memory"]] == ["encode", "decode"] * 2
    assert {rate["metric"] for rate in results["bd_rates"]} == {"psnr_db", "ms_ssim_db"}
    assert Image.open(out / "psnr.png").size[0] > 1000


def test_eval_prints_json_alone(folder, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    arguments = ["eval", str(folder), "--json", "--limit", "1", "--codecs", "jpeg"]
    assert main([*arguments, "--qualities", "jpeg=50"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [picture["name"] for picture in results["pictures"]] == ["a.PNG"]
    assert results["bd_rates"] == []
    assert results["settings"]["jpeg"].endswith("optimize=True, 4:2:0")


def test_eval_without_its_extra_names_the_command(folder, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["eval", str(folder)]) == 1
    assert "pip install 'samebits[eval]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codecs", "qualities", "message"),
    [
        ("jpeg,gif", [], "separated by commas"),
        ("", [], "separated by commas"),
        ("jpeg", ["webp=10"], "not among"),
        ("jpeg", ["10"], "'samebits' is not among"),
        ("jpeg", ["jpeg=ten"], "whole numbers"),
        ("jpeg", ["jpeg="], "whole numbers"),
        ("jpeg", ["jpeg=101"], "0 to 100"),
    ],
)
def test_bad_codecs_and_qualities(codecs, qualities, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_qualities(codecs, qualities)


def test_qualities_are_sorted_and_of_the_codec_named():
    chosen = parse_qualities("samebits, jpeg", ["50,20,20", "jpeg=90,10"])
    assert chosen == {"samebits": (20, 50), "jpeg": (10, 90)}
    assert list(parse_qualities("webp,avif", [])) == ["webp", "avif"]


def test_a_second_weights_file_is_measured_at_the_same_qualities(folder, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    arguments = ["eval", str(folder), "--json", "--codecs", "samebits,jpeg", "--limit", "1"]
    arguments += ["--qualities", "30,60", "jpeg=50", "--compare-model", str(default_path())]
    assert main(arguments) == 0
    results = json.loads(capsys.readouterr().out)
    now, before, _ = results["curves"]
    assert (now["name"], before["name"]) == ("samebits", "samebits-before")
    for new, old in zip(now["points"], before["points"], strict=True):
        assert (new["quality"], new["bpp"], new["psnr_db"]) == (
            old["quality"],
            old["bpp"],
            old["psnr_db"],
        )
    assert results["settings"]["samebits-before"].endswith(f"weights {default_path().name}")


def test_qualities_of_the_second_weights_file():
    codecs = with_compared("jpeg,samebits,webp", default_path())
    assert codecs == "jpeg,samebits,samebits-before,webp"
    assert with_compared(codecs, default_path()) == codecs
    assert with_compared("jpeg", None) == "jpeg"
    assert parse_qualities(codecs, ["20"])["samebits-before"] == (20,)
    assert parse_qualities(codecs, ["samebits-before=9", "20"])["samebits-before"] == (9,)
    with pytest.raises(InvalidArgument, match="--compare-model"):
        make_codec("samebits-before", CodecOptions())


def test_unknown_codec_and_twin_without_checkpoint():
    with pytest.raises(InvalidArgument, match="unknown codec"):
        make_codec("gif", CodecOptions())
    with pytest.raises(InvalidArgument, match="twin needs"):
        make_codec("twin", CodecOptions())


def test_jpeg_xl_files_are_smaller_at_lower_quality_and_keep_all_chroma():
    pytest.importorskip(
        "pillow_jxl", reason="NOT TESTED: JPEG XL; pip install 'samebits[eval]' brings it"
    )
    codec = make_codec("jxl", CodecOptions())
    rgb = np.asarray(picture(67, 45, 3))
    small, large = (codec.encode(rgb, quality) for quality in (20, 90))
    assert large.data[:2] == b"\xff\x0a"
    assert small.size_bytes == len(small.data) < large.size_bytes
    x_hat = codec.decode(large.data)
    assert (x_hat.shape, x_hat.dtype) == (rgb.shape, np.uint8)
    assert mse(rgb, x_hat) < mse(rgb, codec.decode(small.data))
    # Columns of red and blue in turn: 4:2:0 would make one color of them.
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 255
    assert mse(stripes, codec.decode(codec.encode(stripes, 90).data)) < 1000


def test_jpeg_xl_without_its_package_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(InvalidArgument, match=r"pip install 'samebits\[eval\]'.*--codecs"):
        make_codec("jxl", CodecOptions())


def test_as_rgb_repeats_grey_and_drops_alpha():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert (as_rgb(grey) == grey[..., None]).all()
    assert as_rgb(np.zeros((2, 3, 4), np.uint8)).shape == (2, 3, 3)


def test_not_a_number_and_infinity_become_null():
    assert to_json_value({"a": (math.nan, 1.5), "b": [math.inf]}) == {"a": [None, 1.5], "b": [None]}


def test_estimate_gap_is_of_samebits_alone(folder):
    (measured, _) = measure_pictures(find_pictures(folder), {"jpeg": (50,)}, CodecOptions(), jobs=1)
    assert EstimateGap.of(measured.measurements) is None


def test_commands_keep_no_absolute_path(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["/x/samebits", "eval", str(tmp_path / "my set"), "--out", "r"])
    assert machine.this_command() == "samebits eval 'my set' --out r"
    assert machine.this_machine().logical_cores >= 1


def test_sizes_and_thread_lists_on_the_command_line():
    assert width_x_height("4000x3000") == (4000, 3000)
    assert positives("1,2") == (1, 2)
    for word in ("4000", "0x5", "5x", "-1x2"):
        with pytest.raises(Exception, match="is not a size"):
            width_x_height(word)


def test_pictures_are_enlarged_in_mirror_images(folder):
    larger = load_enlarged(str(folder / "b.png"), [150, 100])
    rgb = load_rgb(folder / "b.png")
    assert larger.shape == (100, 150, 3)
    assert (larger[:45, :67] == rgb).all()
    assert (larger[45, :67] == rgb[44]).all()
    assert load_enlarged(str(folder / "b.png"), [20, 10]).shape == (10, 20, 3)


def test_peak_memory_sees_an_allocation():
    before = peak_memory_bytes()
    block = np.ones(64 << 20, np.uint8)
    assert peak_memory_bytes() >= max(before, block.nbytes)


def test_timings_come_from_the_child_and_are_summarized(folder, monkeypatch):
    asked = []

    def answer(request):
        asked.append(request)
        return {
            "width": 67,
            "height": 45,
            "size_bytes": 99,
            "first_s": 9.0,
            "seconds": [0.3, 0.1, 0.2],
            "baseline_bytes": 10,
            "peak_bytes": 20,
        }

    monkeypatch.setattr(time_codec, "_ask_child", answer)
    plan = time_codec.TimingPlan(quality=50, targets=("scalar",), threads=(1, 2), repeats=3)
    timings = time_codec.time_codec(folder / "b.png", plan)
    assert [(t.operation, t.threads) for t in timings] == [
        ("encode", 1),
        ("decode", 1),
        ("encode", 2),
        ("decode", 2),
    ]
    assert (timings[0].fastest_s, timings[0].median_s, timings[0].first_s) == (0.1, 0.2, 9.0)
    assert "median 200.0 ms" in timing_line(timings[0])
    assert asked[3]["threads"] == 2


def test_a_child_that_fails_is_an_error_with_its_last_words(folder):
    plan = time_codec.TimingPlan(quality=50, targets=("nonsense",), threads=(1,), repeats=1)
    with pytest.raises(SamebitsError, match=r"encode of .* target nonsense"):
        time_codec.time_codec(folder / "b.png", plan)
