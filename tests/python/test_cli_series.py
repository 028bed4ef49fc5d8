"""The command line with series: encode, decode, info, verify, and no half file ever."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import samebits
from samebits.cli import main
from samebits.io.files import writing
from tiny_model import tiny_model, wavy_picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with three frames and a model, which has learned nothing: earlier
    pictures make no picture much smaller, so some become key pictures."""
    monkeypatch.chdir(tmp_path)
    Path("model").write_bytes(tiny_model(time=True))
    for n in range(3):
        Image.fromarray(wavy_picture(24, 40, seed=n)).save(f"frame{n}.png")
    return tmp_path


def run(*words: str) -> int:
    return main([words[0], "--model", "model", *words[1:]])


FRAMES = ("frame0.png", "frame1.png", "frame2.png")


def names() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"model", *FRAMES}


def test_there_and_back(folder, capsys):
    assert run("encode", "--series", *FRAMES, "-o", "clip.sames", "-q", "70") == 0
    assert "clip.sames: 3 pictures, 2 of them key pictures, " in capsys.readouterr().out
    assert run("decode", "clip.sames", "-o", "out/") == 0
    assert "out/clip_00000.png to clip_00002.png: 40 x 24, 3 pictures" in capsys.readouterr().out
    expected = list(samebits.decode_series(Path("clip.sames").read_bytes(), model="model"))
    for n, picture in enumerate(expected):
        assert np.array_equal(np.asarray(Image.open(f"out/clip_{n:05}.png")), picture)


def test_a_part_of_a_series(folder):
    assert run("encode", "--series", *FRAMES, "-o", "clip.sames") == 0
    words = ("decode", "clip.sames", "-o", "part.bmp", "--start", "1", "--count", "1")
    assert run(*words) == 0
    assert names() == {"clip.sames", "part_00001.bmp"}
    assert run(*words) == 1, "files that exist are not overwritten"
    assert run(*words, "--force") == 0
    assert run("decode", "clip.sames", "--start", "3") == 1


def test_info_and_verify(folder, capsys):
    frames = [np.asarray(Image.open(name)) for name in FRAMES]
    options = {"model": "model", "key_every": 2, "keys": "regular"}
    Path("clip.sames").write_bytes(samebits.encode_series(frames, **options))
    assert run("encode", "frame0.png", "--quiet") == 0
    capsys.readouterr()
    assert run("info", "clip.sames") == 0
    text = capsys.readouterr().out
    assert "series    3 pictures, 40 x 24" in text
    assert "keys      2, pictures that need no other: 0, 2\n" in text
    assert run("info", "--json", "clip.sames", "frame0.same") == 0
    series, picture = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [entry["time"] for entry in series["pictures"]] == [False, True, False]
    assert picture["time"] is False
    assert run("verify", "clip.sames", "frame0.same") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["clip.sames: ok, 40 x 24, 3 pictures", "frame0.same: ok, 40 x 24"]


def test_clips_and_names(folder, capsys):
    images = [Image.open(name) for name in FRAMES]
    images[0].save("moving.gif", save_all=True, append_images=images[1:])
    assert run("encode", "--series", "moving.gif", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 3
    assert names() == {"moving.gif", "moving.sames"}
    assert run("encode", "--series", *FRAMES) == 2
    assert run("encode", "--series", *FRAMES, "-o", ".") == 2
    assert "name it by -o" in capsys.readouterr().err


def test_a_bad_frame_leaves_no_file(folder, capsys):
    Path("broken.png").write_bytes(b"no picture")
    assert run("encode", "--series", "frame0.png", "broken.png", "-o", "clip.sames") == 1
    assert "broken.png: not a picture in any format" in capsys.readouterr().err
    assert names() == {"broken.png"}


def test_a_full_disk_leaves_no_file(folder):
    def half_a_file():
        with writing("clip.sames", overwrite=False) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        half_a_file()
    assert names() == set()


def test_damage_is_found_where_it_is(folder, capsys):
    assert run("encode", "--series", *FRAMES, "-o", "clip.sames") == 0
    Path("cut.sames").write_bytes(Path("clip.sames").read_bytes()[:-30])
    capsys.readouterr()
    assert run("verify", "cut.sames") == 1
    assert "the series ends inside of picture 2" in capsys.readouterr().err
    assert run("decode", "cut.sames") == 1
    assert names() == {"clip.sames", "cut.sames", "cut_00000.png", "cut_00001.png"}
    assert run("decode", "clip.sames", "-o", "-") == 1
