"""``samebits bench model``: counts against numbers made by hand, times against a budget, errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import samebits
from samebits import _core
from samebits.cli import main
from samebits.evaluation import time_codec
from samebits.evaluation.benchmarks import models
from samebits.evaluation.benchmarks.model_cost import Kmac, PartCost, count_model
from test_bench import check_page, fake_child, needs
from tiny_model import TinySizes, tiny_model

# Of the tiny model, by hand from tests/python/tiny_model.py: multiplications and the pixels of the
# picture for one position of the layer's output.
G_A = Kmac(
    pointwise=(192 * 16 + 16 * 16) / 64 / 1000,
    depthwise=16 * 9 / 64 / 1000,
    strided=16 * 8 * 9 / 256 / 1000,
)
H_A = Kmac(dense=8 * 8 * 9 / 256 / 1000, strided=(8 * 8 * 9 / 1024 + 8 * 4 * 9 / 4096) / 1000)
H_S = Kmac(dense=4 * 32 * 9 / 4096 / 1000, pointwise=8 * 64 / 1024 / 1000)
G_S = Kmac(
    dense=8 * 32 * 9 / 256 / 1000, depthwise=8 * 9 / 64 / 1000, pointwise=8 * 192 / 64 / 1000
)
FIRST_LAYER = 9 * (8 + 8) * 16 / 256 / 1000
SUMS = 9 * 8 * 16 / 256 / 1000 * 3 / 4  # what the last of four steps codes, nobody reads
HIDDEN, LAST = 16 * 24 / 256 / 1000, 24 * 16 / 256 / 1000


@pytest.fixture
def tiny_file(tmp_path):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(tiny_model())
    return path


def assert_cost(part: PartCost, kmac: Kmac, parameters: int):
    for kind in ("pointwise", "depthwise", "dense", "strided"):
        assert getattr(part.by_kind, kind) == pytest.approx(getattr(kmac, kind)), kind
    assert part.kmac_per_pixel == pytest.approx(kmac.total)
    assert part.parameters == parameters


def test_networks_by_hand(tiny_file):
    cost = count_model(tiny_file)
    g_a, h_a, h_s, g_s = cost.networks
    assert [part.name for part in cost.networks] == ["g_a", "h_a", "h_s", "g_s"]
    assert_cost(g_a, G_A, (192 * 16 + 16) + (16 * 9 + 16) + (16 * 16 + 16) + (16 * 8 * 9 + 8))
    assert_cost(h_a, H_A, 2 * (8 * 8 * 9 + 8) + (8 * 4 * 9 + 4))
    assert_cost(h_s, H_S, (4 * 32 * 9 + 32) + (8 * 64 + 64))
    assert_cost(g_s, G_S, (8 * 32 * 9 + 32) + (8 * 9 + 8) + (8 * 192 + 192))


def test_entropy_model_by_hand(tiny_file):
    default, one_step = count_model(tiny_file).orders
    assert (default.order, default.steps) == ("diagonal, 4 steps", 4)
    assert (one_step.order, one_step.steps) == ("one step", 1)
    context, head = 9 * (8 + 8 + 8) * 16 + 16, (16 * 24 + 24) + (24 * 16 + 16)
    for order in (default, one_step):
        assert_cost(order.first_layer, Kmac(dense=FIRST_LAYER), context)
    assert_cost(default.sums, Kmac(pointwise=SUMS), 0)
    assert_cost(one_step.sums, Kmac(), 0)
    # Every step has a group at each phase: hidden layers everywhere, the last one in parts.
    assert_cost(default.head, Kmac(pointwise=4 * HIDDEN + LAST), head)
    assert_cost(one_step.head, Kmac(pointwise=HIDDEN + LAST), head)


def test_sums_of_a_model(tiny_file):
    cost = count_model(tiny_file, name="mine")
    entropy = FIRST_LAYER + SUMS + 4 * HIDDEN + LAST
    assert cost.encoder.kmac_per_pixel == pytest.approx(G_A.total + H_A.total + H_S.total + entropy)
    assert cost.decoder.kmac_per_pixel == pytest.approx(H_S.total + entropy + G_S.total)
    own = [*cost.networks, *cost.orders[0].parts]
    assert cost.parameters == sum(part.parameters for part in own)
    assert cost.optional == ()
    assert cost.name == "mine"
    assert cost.model == _core.Model(tiny_file.read_bytes()).id.hex()
    assert cost.size_bytes == tiny_file.stat().st_size > cost.deflated_bytes


def test_optional_parts(tmp_path):
    path = tmp_path / "more.safetensors"
    path.write_bytes(tiny_model(sizes=TinySizes(value_radius=3), time=True))
    cost = count_model(path)
    time, values = cost.optional
    assert [time.name, values.name] == ["time", "values"]
    # 8 features, 3 x 8 latents and 3 planes; 12 coefficients hidden, 8 x 4 given.
    time_kmac = Kmac(
        dense=35 * 12 * 9 / 256 / 1000, depthwise=12 * 9 / 256 / 1000, pointwise=12 * 16 / 256e3
    )
    assert_cost(time, time_kmac, (35 * 12 * 9 + 12) + (12 * 9 + 12) + (12 * 16 + 16))
    assert values.kmac_per_pixel == pytest.approx((4 * 16 * 12 + 12 * 32) / 256 / 1000)
    assert values.parameters == (16 * 12 + 12) + (12 * 32 + 32) + (50 - 6) * 8 + 8 * 4
    assert cost.parameters == count_without_options(cost) + time.parameters + values.parameters


def count_without_options(cost):
    return sum(part.parameters for part in (*cost.networks, *cost.orders[0].parts))


def test_counts_as_text_and_json(tiny_file, capsys):
    words = ["bench", "model", "--model", str(tiny_file), "--counts"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "entropy, diagonal, 4 steps" in text
    assert "entropy, one step" in text
    assert main([*words, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["format"], value["kind"]) == (1, "model")
    assert {"command", "commit", "machine", "versions", "missing", "budgets"} <= set(value)
    (model,) = value["models"]
    assert model["times"] == value["budgets"] == []
    assert model["cost"]["networks"][0]["by_kind"]["depthwise"] == pytest.approx(G_A.depthwise)


def test_default_weights(capsys):
    assert main(["bench", "model", "--counts"]) == 0
    assert "default.safetensors" in capsys.readouterr().out


def test_a_row_for_each_model_and_a_page(tiny_file, tmp_path, capsys, monkeypatch, restore_machine):
    monkeypatch.setattr(time_codec, "_ask_child", fake_child)
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_model(seed=2))
    out = tmp_path / "model.json"
    words = ["bench", "model", "--model", str(tiny_file), str(other), "--size", "64x48"]
    assert main([*words, "--repeats", "4", "--threads", "1,2", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "decode ms, 2 threads" in text
    assert sum(line.startswith(("tiny.", "other.")) for line in text.splitlines()) == 2
    value = json.loads(out.read_text())
    assert [m["cost"]["name"] for m in value["models"]] == [tiny_file.name, other.name]
    for model in value["models"]:
        assert [t["threads"] for t in model["times"]] == [1, 2]
        for times, budget in zip(model["times"], value["budgets"], strict=True):
            assert times["decode"]["operation"] == "decode"
            assert times["encode"]["repeats"] == budget["repeats"] == 4
            ratio = times["decode"]["median_s"] / budget["median_s"]
            assert times["decode_to_budget"] == pytest.approx(ratio)
    names = [tiny_file.name, other.name, models.BUDGET]
    check_page(out.with_suffix(".html").read_text(encoding="utf-8"), names)


def test_the_budget_is_50_kmac_a_pixel(restore_machine):
    plan = time_codec.TimingPlan(50, (_core.target(),), (1,), 1, (256, 128))
    (budget,) = models._budgets(plan)
    assert budget.picture == "195 layers of 128 channels"  # of 128 x 128 / 64 a pixel
    measured = budget.measure(2)
    assert (measured.width, measured.height, len(measured.seconds)) == (256, 128, 2)
    assert len(measured.cpu_seconds) == 2


@pytest.mark.parametrize("option", ["--model", "--config"])
def test_a_file_that_is_not_there(tmp_path, capsys, option):
    if option == "--config":
        pytest.importorskip("torch")
    assert main(["bench", "model", option, str(tmp_path / "none"), "--counts"]) == 1
    error = capsys.readouterr().err
    assert "No such file" in error
    assert "none" in error


def test_a_file_that_is_no_model(tmp_path, capsys):
    (tmp_path / "text").write_text("hello, this is no weights file")
    assert main(["bench", "model", "--model", str(tmp_path / "text"), "--counts"]) == 1
    assert capsys.readouterr().err.startswith("samebits: ")


def test_weights_files_need_no_torch(tiny_file):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "from samebits.cli import main\n"
        f"sys.exit(main(['bench', 'model', '--model', {str(tiny_file)!r}, '--counts']))"
    )
    environment = {"PYTHONPATH": str(Path(samebits.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)


def test_a_config_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "samebits.learn.export.untrained", None)
    (tmp_path / "a.json").write_text("{}")
    assert main(["bench", "model", "--config", str(tmp_path / "a.json")]) == 1
    error = capsys.readouterr().err
    assert "needs torch" in error
    assert "samebits[torch]" in error


TINY_CONFIG = {
    "width": 16,
    "analysis_blocks": 1,
    "synthesis_blocks": 1,
    "latent_channels": 16,
    "hyper_channels": 8,
    "hyper_features": 8,
    "context_channels": 16,
    "entropy_width": 16,
    "groups": [2, 6, 8],
    "phase_groups": [4, 4, 4, 4],
}


@needs("torch", "safetensors")
def test_configs_are_compared(tmp_path, capsys):
    for name, more in (("one", {}), ("two", {"synthesis_blocks": 2, "time_width": 16})):
        (tmp_path / f"{name}.json").write_text(json.dumps(TINY_CONFIG | more))
    files = [str(tmp_path / name) for name in ("one.json", "two.json")]
    words = ["bench", "model", "--config", *files, "--size", "64x48", "--quick", "--json"]
    assert main([*words, "--repeats", "1"]) == 0
    value = json.loads(capsys.readouterr().out)
    one, two = value["models"]
    assert (one["cost"]["name"], two["cost"]["name"]) == ("one", "two")
    # A block: 16² + 9 · 16 + 16² and 2 · 16² twice, at 1/8 resolution.
    block = (6 * 16**2 + 9 * 16) / 64 / 1000
    more = two["cost"]["decoder"]["kmac_per_pixel"] - one["cost"]["decoder"]["kmac_per_pixel"]
    assert more == pytest.approx(block)
    assert one["times"][0]["decode"]["size_bytes"] > 0
    assert one["times"][0]["cpu_decode_to_budget"] > 0
    assert "untrained" in one["note"]


@needs("torch", "safetensors")
def test_a_deep_network_has_registers_enough(tmp_path, capsys):
    (tmp_path / "deep.json").write_text(json.dumps(TINY_CONFIG | {"synthesis_blocks": 12}))
    words = ["bench", "model", "--config", str(tmp_path / "deep.json"), "--size", "64x48"]
    assert main([*words, "--quick", "--repeats", "1"]) == 0
    assert "deep" in capsys.readouterr().out


@needs("torch", "safetensors")
def test_registers_that_are_used_again_hold_the_same_values():
    from samebits.learn.export.registers import register_numbers
    from samebits.learn.models import ModelConfig
    from samebits.learn.models.transforms import synthesis

    ops = synthesis(ModelConfig(synthesis_blocks=12)).ops
    assert register_numbers(ops, most=1000) == [(op.dst, op.src, op.src2) for op in ops]
    rows = register_numbers(ops)
    assert max(dst for dst, _, _ in rows) < 64
    held = {0: 0}  # value in each register
    for op, (dst, src, src2) in zip(ops, rows, strict=True):
        assert held[src] == op.src
        assert op.src2 == -1 == src2 or held[src2] == op.src2
        held[dst] = op.dst
    with pytest.raises(ValueError, match="more than 1 registers"):
        register_numbers(ops, most=1)


@needs("torch", "safetensors")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "a JSON object"),
        ('{"breadth": 1}', "no field 'breadth'"),
        ('{"width": "wide"}', "width is 'wide'"),
        ('{"groups": [1, 2]}', "do not add up to 256"),
    ],
)
def test_a_wrong_config(tmp_path, capsys, text, message):
    (tmp_path / "a.json").write_text(text)
    assert main(["bench", "model", "--config", str(tmp_path / "a.json"), "--counts"]) == 1
    assert message in capsys.readouterr().err
