"""``samebits bench series``: real files of clips, both ways, and a page."""

import json

import numpy as np
import pytest
from PIL import Image

from samebits.cli import main
from tiny_model import tiny_model, wavy_picture

pytest.importorskip("bjontegaard")


def test_series_beside_single_frames(tmp_path, capsys):
    (tmp_path / "model").write_bytes(tiny_model(time=True))
    large = wavy_picture(40, 60, seed=1)
    frames = [Image.fromarray(np.ascontiguousarray(large[n:, n : n + 50])) for n in range(3)]
    frames = [frame.crop((0, 0, 48, 32)) for frame in frames]
    frames[0].save(tmp_path / "clip.png", save_all=True, append_images=frames[1:])
    words = ["bench", "series", str(tmp_path / "clip.png"), "--model", str(tmp_path / "model")]
    assert main([*words, "--frames", "3", "--out", str(tmp_path / "out.json")]) == 0
    assert "clip.png, 3 frames of 48 × 32: BD-rate" in capsys.readouterr().out
    result = json.loads((tmp_path / "out.json").read_text())
    (clip,) = result["clips"]
    assert [point["quality"] for point in clip["points"]] == [10, 30, 50, 70, 90]
    for point in clip["points"]:
        expected = 100 * (1 - point["series"]["size_bytes"] / point["alone"]["size_bytes"])
        assert point["saved_percent"] == pytest.approx(expected, abs=0.01)
    assert "<html" in (tmp_path / "out.html").read_text()
