"""``samebits group`` and ``samebits export --groups``, from pictures to a weights file (E4)."""

import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from samebits import _core  # noqa: E402
from samebits.cli import main  # noqa: E402
from samebits.learn.training.checkpoint import save_checkpoint  # noqa: E402
from samebits.learn.training.pictures import is_validation  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_model  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint and pictures, some of them of the validation share."""
    folder = tmp_path_factory.mktemp("group")
    weights = tiny_model().state_dict()
    config = tiny_model().config.to_dict()
    state = {"config": config, "model": weights, "ema": weights, "steps_done": 1, "elapsed": 1.0}
    save_checkpoint(folder / "tiny.ckpt", state)
    names = [f"{n}.png" for n in range(200)]
    held = [name for name in names if is_validation(name, 0.03)][:2]
    trained = [name for name in names if not is_validation(name, 0.03)][:3]
    (folder / "photos").mkdir()
    for name, picture in zip(held + trained, smooth_pictures(count=5, size=256), strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / "photos" / name)
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
    return folder


def group(folder, *words):
    common = ["--data", folder / "photos", "--checkpoint", folder / "tiny.ckpt", "--crop", 64]
    return main(["group", *map(str, [*common, *words])])


def test_groups_are_learned_and_exported(folder, capsys):
    groups, weights = folder / "groups.json", folder / "grouped.safetensors"
    assert group(folder, "--method", "clustering", "--count", 3, "--out", groups) == 0
    sizes = [len(channels) for channels in json.loads(groups.read_text())["groups"]]
    assert sizes == [6, 5, 5]
    words = ["export", folder / "tiny.ckpt", "--data", folder / "photos", "--out", weights]
    assert main([*map(str, words), "--groups", str(groups), "--crops", "2"]) == 0
    model = _core.Model(weights.read_bytes())
    assert list(model.groups) == sizes
    assert list(model.phase_groups) == [4, 4, 4, 4]
    assert "groups.json: 3 groups" in capsys.readouterr().out


def test_the_comparison_is_a_table_and_json(folder, capsys):
    table = folder / "table.json"
    words = ["--compare", "--method", "importance", "--qualities", "30,70", "--json", table]
    assert group(folder, *words, "--sizes", "4,4,4,4") == 0
    printed = capsys.readouterr().out
    assert printed.count("importance") == 2
    values = json.loads(table.read_text())
    assert values["pictures"].startswith("2 center crops")
    methods = [(row["method"], row["use"]) for row in values["groupings"]]
    assert methods[2:] == [("importance", "apart"), ("importance", "together")]
    row = values["groupings"][2]
    assert row["sizes"] == [4, 4, 4, 4]
    assert [result["steps"] for result in row["results"]] == [4, 16, 4, 4]
    bpp = [result["bpp"] for result in row["results"]]
    assert np.all(np.array(bpp) > 0)
    mean = np.mean(np.array(bpp[2]) / values["one_step_bpp"]) - 1
    assert np.isclose(row["results"][2]["change"], mean)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nothing to do"),
        (["--compare", "--out", "x.json"], "--out writes the groups of one method"),
        (["--method", "loss", "--out", "x.json", "--count", "0"], "--count is 0"),
        (["--method", "loss", "--out", "x.json", "--crop", "100"], "--crop is 100"),
        (["--method", "importance", "--out", "x.json", "--sizes", "4,x"], "--sizes is '4,x'"),
        (["--method", "importance", "--out", "x.json", "--sizes", "4,4"], "add up to the 16"),
    ],
    ids=str,
)
def test_wrong_words_end_with_a_sentence(folder, capsys, words, sentence):
    assert group(folder, *words) == 1
    assert sentence in capsys.readouterr().err


def test_a_bad_group_file_is_refused_by_export(folder, capsys):
    bad = folder / "bad.json"
    bad.write_text(json.dumps({"format": "samebits-groups-1", "groups": [[*range(15)]]}))
    words = ["export", folder / "tiny.ckpt", "--data", folder / "photos", "--out", folder / "x"]
    assert main([*map(str, words), "--groups", str(bad)]) == 1
    assert "channel 15 is missing" in capsys.readouterr().err
