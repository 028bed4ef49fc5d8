"""The report: what the page shows is what was measured and decoded, and it needs nothing else."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from samebits.cli import main
from samebits.evaluation import report_pictures
from samebits.evaluation.codecs import DEFAULT_QUALITIES, CodecOptions, make_codec
from samebits.evaluation.measure import find_pictures, load_rgb, measure_pictures
from samebits.evaluation.peak_memory import measure_peak_memory
from samebits.evaluation.report_page import ASSETS
from samebits.evaluation.report_pictures import choose_evenly, quality_near, show_pictures
from tiny_pictures import two_pictures

QUALITIES = ("jpeg=10,30,50,70,90", "webp=10,30,50,70,90")
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """A page's parts; fails where elements are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open = text, []
        self.loaded, self.ids, self.data, self.without_label = [], [], {}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.loaded += [known[name] for name in ("src", "href", "srcset") if name in known]
        self.ids += [known["id"]] if "id" in known else []
        in_label = any(name == "label" for name, _ in self.open)
        if tag in ("input", "select", "canvas") and not (in_label or "aria-label" in known):
            self.without_label.append(known)
        if tag not in VOID:
            self.open.append((tag, known))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, known = self.open[-1] if self.open else ("", {})
        if tag == "script" and known.get("type") == "application/json":
            self.data[known["id"]] = json.loads(data, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return two_pictures(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(folder):
    """The report of the command line on two pictures."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    file = folder.parent / "new folder" / "report.html"
    arguments = ["eval", str(folder), "--report", str(file), "--codecs", "jpeg,webp"]
    assert main([*arguments, "--qualities", *QUALITIES]) == 0
    assert [path.name for path in file.parent.iterdir()] == ["report.html"]
    return Page(file.read_text(encoding="utf-8"))


def pixels_of(uri):
    kind, _, content = uri.partition(";base64,")
    assert kind == "data:image/webp"
    data = base64.b64decode(content, validate=True)
    assert data[12:16] == b"VP8L"  # lossless
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_page_loads_nothing(page):
    assert page.loaded == []
    without_data = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page.text)
    for word in ("@import", "fetch(", "import(", "XMLHttpRequest", "url(http"):
        assert word not in without_data
    # A name space is no address; nothing else may look like one.
    assert set(re.findall(r"https?://[^\s\"]+", without_data)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\$[a-z_]+\b", without_data)


def test_all_parts_are_there_and_labeled(page):
    for part in ("curves", "bd-rates", "compare", "times", "numbers"):
        assert part in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert page.without_label == []
    assert "two &amp; two" in page.text
    assert page.text.count("<h3>") == 2
    assert "prefers-color-scheme: dark" in page.text


def test_scripts_use_ids_that_are_there(page):
    for name in ("report_curves.js", "report_viewer.js"):
        script = (ASSETS / name).read_text(encoding="utf-8")
        assert "</script" not in script
        for used in re.findall(r"(?:\bat|getElementById)\(\"([\w-]+)\"\)", script):
            assert used in page.ids, f"{name}: {used}"


def test_every_codec_has_a_color_in_light_and_dark():
    style = (ASSETS / "report_page.css").read_text(encoding="utf-8")
    for name in DEFAULT_QUALITIES:
        assert style.count(f"--codec-{name}:") == 2, name


def test_curves_are_those_measured(page, folder):
    curves = page.data["curves-data"]["curves"]
    assert [(curve["name"], curve["measured"]) for curve in curves] == [
        ("jpeg", True),
        ("webp", True),
    ]
    measured = measure_pictures(find_pictures(folder), {"jpeg": (10, 90)}, CodecOptions(), jobs=1)
    per_picture = [picture.measurements for picture in measured]
    for i, quality in enumerate((10, 90)):
        point = curves[0]["psnr_db"][-i]
        assert point[2] == quality
        assert point[0] == pytest.approx(np.mean([m[i].bpp for m in per_picture]), abs=1e-5)
        assert point[1] == pytest.approx(np.mean([m[i].psnr_db for m in per_picture]), abs=1e-4)


def test_pictures_are_the_decoded_pixels(page, folder):
    for i, path in enumerate(find_pictures(folder)):
        shown, rgb = page.data[f"picture-{i}"], load_rgb(path)
        assert (shown["name"], shown["part"]) == (path.name, None)
        assert (pixels_of(shown["original"]) == rgb).all()
        assert {version["codec"] for version in shown["versions"]} == {"jpeg", "webp"}
        for version in shown["versions"]:
            codec = make_codec(version["codec"], CodecOptions())
            file = codec.encode(rgb, version["quality"])
            assert (pixels_of(version["image"]) == codec.decode(file.data)).all()
            assert version["bpp"] == pytest.approx(8 * len(file.data) / (rgb.size / 3))


def test_a_report_without_pictures_has_no_viewer(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    file = tmp_path / "report.html"
    arguments = ["eval", str(folder), "--report", str(file), "--report-pictures", "0", "--json"]
    assert main([*arguments, "--codecs", "jpeg", "--limit", "1", "--qualities", "jpeg=50"]) == 0
    small = Page(file.read_text(encoding="utf-8"))
    assert list(small.data) == ["curves-data"]
    assert "compare" not in small.ids
    memory = json.loads(capsys.readouterr().out)["memory"]
    assert [(m["codec"], m["picture"]) for m in memory] == [("jpeg", "a.PNG")] * 2


def test_a_folder_in_the_place_of_the_report_is_refused_at_once(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("bjontegaard")
    assert main(["eval", str(folder), "--report", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err


def test_large_pictures_are_cut_to_their_middle(folder, monkeypatch):
    monkeypatch.setattr(report_pictures, "MAX_SIDE", 50)
    path = folder / "b.png"  # 67 x 45
    measured = list(measure_pictures([path], {"jpeg": (50,)}, CodecOptions(), jobs=1))
    (shown,) = show_pictures([path], measured, CodecOptions(), count=1)
    assert (shown.width, shown.height) == (67, 45)
    assert (shown.original == load_rgb(path)[:, 8:58]).all()
    assert [version.pixels.shape for version in shown.versions] == [(45, 50, 3)]


def test_pictures_are_evenly_chosen():
    assert choose_evenly(24, 4) == [3, 9, 15, 21]
    assert choose_evenly(2, 6) == [0, 1]
    assert choose_evenly(5, 1) == [2]
    assert choose_evenly(5, 0) == []


def test_quality_near_a_rate_is_between_those_measured(folder):
    (measured,) = measure_pictures(
        [folder / "b.png"], {"jpeg": (10, 50, 90)}, CodecOptions(), jobs=1
    )
    low, middle, high = measured.measurements
    assert quality_near(measured.measurements, low.bpp / 2) == 10
    assert quality_near(measured.measurements, low.bpp) == 10
    assert quality_near(measured.measurements, (low.bpp * middle.bpp) ** 0.5) == 30
    assert quality_near(measured.measurements, high.bpp * 2) == 90


def test_peak_memory_is_of_each_codec_and_operation(folder):
    peaks = measure_peak_memory(folder / "b.png", {"jpeg": 50}, CodecOptions())
    assert [(m.codec, m.operation, m.quality) for m in peaks] == [
        ("jpeg", "encode", 50),
        ("jpeg", "decode", 50),
    ]
    for peak in peaks:
        assert 10 << 20 < peak.baseline_bytes <= peak.peak_bytes < 1 << 30
