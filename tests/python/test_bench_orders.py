"""`samebits bench orders`: real files in several orders, and the step loop beside a full pass."""

import json
from dataclasses import asdict

import pytest
from PIL import Image

import samebits
from samebits.cli import bench_orders, main
from samebits.evaluation.benchmarks.orders import ORDERS, OrderChoice, loop_times, measure_orders
from tiny_model import tiny_model, wavy_picture

pytest.importorskip("bjontegaard")

CHOICES = (
    OrderChoice("one step", 0),
    OrderChoice("diagonal", 2, "diagonal", 2),
    OrderChoice("mode 5", 5, "2x2", (1, 2, 5), 2),
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(tiny_model())
    return str(path)


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for seed, path in enumerate(paths):
        Image.fromarray(wavy_picture(48, 40, seed=seed)).save(path)
    return paths


def test_orders(model, pictures):
    qualities = (20, 40, 60, 80)
    done = []
    benchmark = measure_orders(
        pictures,
        qualities=qualities,
        threads=1,
        orders=CHOICES,
        model=model,
        on_picture=lambda: done.append(1),
    )
    assert len(done) == len(pictures)
    assert [order.steps for order in benchmark.orders] == [1, 2, 4 * (2 + 1)]
    assert all(order.decode_s > 0 and order.loop_times > 0 for order in benchmark.orders)
    for order, choice in zip(benchmark.orders, CHOICES, strict=True):
        stream = choice.encode(wavy_picture(48, 40, seed=0), quality=60, model=model)
        other = choice.encode(wavy_picture(48, 40, seed=1), quality=60, model=model)
        assert order.bpp[2] == pytest.approx(8 * (len(stream) + len(other)) / (2 * 48 * 40))
    assert json.loads(json.dumps(asdict(benchmark)))["orders"][1]["name"] == "diagonal"
    lines = list(bench_orders.lines(benchmark))
    assert len(lines) == 1 + len(CHOICES)
    assert "mode 5" in bench_orders.page(benchmark)


def test_the_orders_of_the_command_fit_the_installed_model():
    picture = wavy_picture(32, 32, seed=0)
    steps = {c.name: samebits.info(c.encode(picture, quality=50, model=None)).steps for c in ORDERS}
    assert steps["one step"] == 1
    assert steps["mode 5, the same, 2x2"] == 4 * steps["mode 5, 4 x 4 + 2 groups"] == 4 * 6
    assert steps["mode 6, 8 + 8 groups"] == 16 + 16


def test_the_step_loop_is_timed_beside_a_full_pass(model):
    times = loop_times(wavy_picture(64, 64), CHOICES, model=model)
    assert set(times) == {choice.name for choice in CHOICES}
    assert all(seconds > 0 and ratio > 0 for seconds, ratio in times.values())


def test_a_folder_without_pictures(tmp_path, capsys):
    assert main(["bench", "orders", str(tmp_path)]) != 0
    assert str(tmp_path) in capsys.readouterr().err
