"""Refinement by gradients (R1, R2, R3): any model with encoder, decoder and bits."""

import itertools
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

import samebits  # noqa: E402
from samebits import _core  # noqa: E402
from samebits.errors import InvalidArgument  # noqa: E402
from samebits.evaluation.metrics import ms_ssim  # noqa: E402
from samebits.learn.models.network import ste_round  # noqa: E402
from samebits.learn.refinement import (  # noqa: E402
    METHODS,
    WeightsModel,
    refine_latents,
)
from samebits.learn.refinement import pictures as picture_search  # noqa: E402
from samebits.learn.refinement.relaxations import relaxation  # noqa: E402
from samebits.refinement import RefinePlan  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_weights_file  # noqa: E402
from tiny_model import tiny_model as tiny_weights  # noqa: E402

QUALITY = 60


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights_file(tmp_path_factory.mktemp("refinement"))


@pytest.fixture(scope="module")
def pictures():
    return smooth_pictures(count=2, size=64, seed=5).float()


def as_array(x):
    return np.ascontiguousarray(x.permute(1, 2, 0).numpy().astype(np.uint8))


def test_the_weights_model_is_the_integer_codec(weights, pictures):
    model = WeightsModel(weights, quality=QUALITY)
    native = _core.Model(weights.read_bytes())
    with torch.no_grad():
        latents = model.latents(pictures)
        bits, x_hat = model.decode(latents, ste_round)
    for n, picture in enumerate(pictures):
        array = as_array(picture)
        trace = _core.encode_latents(native, array, quality=QUALITY)
        y, z = model.integers({name: value[n : n + 1] for name, value in latents.items()})
        # Near, and at most an eighth of a step away from the edges of the symbols' intervals.
        assert np.abs(y.astype(int) - trace.y).max() <= 8 + float(0.125 / model.gain.min())
        assert (z != trace.z_symbols).mean() < 0.05
        coded = _core.encode_picture(native, array, quality=QUALITY)
        assert float(bits[n]) == pytest.approx(coded.y_bits + coded.z_bits, rel=0.02)
        decoded = _core.decode_picture(native, coded.stream).astype(float)
        near = x_hat[n].permute(1, 2, 0).clamp(0, 255).numpy()
        assert np.abs(near - decoded).mean() < 0.7


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gains(weights, pictures, method):
    model = WeightsModel(weights, quality=QUALITY)
    torch.manual_seed(1)
    refined = refine_latents(
        model, pictures, lmbda=model.lmbda, method=method, steps=40, learning_rate=0.02
    )
    assert (refined.loss < refined.plain_loss).all()
    assert refined.steps == 40
    with torch.no_grad():
        bits, x_hat = model.decode(refined.latents, ste_round)
        error = (x_hat - pictures).square().mean((1, 2, 3))
    assert torch.allclose(bits + model.lmbda * 64 * 64 * error, refined.loss, rtol=1e-5)


def test_the_integer_codec_sees_the_gain(weights, pictures):
    model = WeightsModel(weights, quality=QUALITY)
    torch.manual_seed(1)
    x = pictures[:1]
    refined = refine_latents(model, x, lmbda=model.lmbda, steps=60, learning_rate=0.02)
    native, array = _core.Model(weights.read_bytes()), as_array(x[0])
    plain = _core.encode_picture(native, array, quality=QUALITY).stream
    better = _core.encode_picture(
        native, array, quality=QUALITY, latents=model.integers(refined.latents)
    ).stream

    def cost(stream):
        error = samebits.decode(stream, model=weights).astype(float) - array
        return 8 * len(stream) + model.lmbda * np.square(error).sum() / 3

    assert cost(better) < cost(plain)


def test_encode_with_steps(weights, pictures):
    array = as_array(pictures[0])
    plain, fast, steps = (
        samebits.encode(array, model=weights, quality=QUALITY, refine=refine)
        for refine in (None, "fast", 30)
    )
    lmbda = WeightsModel(weights, quality=QUALITY).lmbda

    def cost(stream):
        error = samebits.decode(stream, model=weights).astype(float) - array
        return 8 * len(stream) + lmbda * np.square(error).sum() / 3

    assert cost(steps) < cost(plain)
    assert cost(fast) < cost(plain)
    heard = []
    again = samebits.encode(array, model=weights, quality=QUALITY, refine=3, on_step=heard.append)
    assert cost(again) <= cost(plain)
    assert [step.step for step in heard if not step.rounded] == [1, 2, 3]
    assert heard[0].rounded
    with pytest.raises(InvalidArgument, match=r"lmbda|gradient|Gaussian"):
        samebits.encode(array, model=tiny_file(weights.parent), refine=5)


def test_cli(weights, pictures, tmp_path):
    Image.fromarray(as_array(pictures[0])).save(tmp_path / "a.png")
    Image.fromarray(as_array(pictures[1])).save(tmp_path / "b.png")
    command = [sys.executable, "-m", "samebits", "encode", "--model", str(weights), "--refine", "9"]

    def run(*words):
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True)

    done = run("a.png", "--plot", "a.svg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert run("a.png", "b.png", "--plot", "a.svg").returncode == 2
    before = (tmp_path / "a.same").stat().st_mtime_ns
    done = run("a.png", "b.png", "--skip-existing")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.same").exists()
    assert (tmp_path / "a.same").stat().st_mtime_ns == before
    # Ctrl-C in the middle of a search: what is finished stays, and there is no half file.
    (tmp_path / "b.same").unlink()
    long = [*command[:-1], "90000", "a.png", "b.png", "--skip-existing"]
    process = subprocess.Popen(long, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.same", "a.svg", "b.png"]


def test_relaxations_come_to_rounding():
    values = torch.linspace(-3, 3, 601)
    inner = (values - values.floor() - 0.5).abs() > 0.1
    torch.manual_seed(0)
    for method in ("sga", "sga+"):
        late = relaxation(method, 1.0)(values)
        assert ((late >= values.floor()) & (late <= values.floor() + 1)).all()
        near = (late - torch.round(values)).abs() < 0.05
        assert near[inner].float().mean() > 0.7, method
    assert torch.equal(relaxation("ste", 0.3)(values), torch.floor(values + 0.5))
    noise = relaxation("noise", 0.3)(values) - values
    assert noise.abs().max() <= 0.5


class Unsteady:
    """A model whose loss becomes something that is no number."""

    def __init__(self):
        self.calls = itertools.count()

    def latents(self, x):
        return {"y": x.mean(1, keepdim=True) / 7}

    def decode(self, latents, quantize):
        y = quantize(latents["y"])
        bits = y.abs().sum((1, 2, 3))
        x_hat = (7 * y).expand(-1, 3, -1, -1)
        return bits * (math.nan if 3 <= next(self.calls) < 1000 else 1.0), x_hat


def test_a_loss_that_is_not_finite(pictures):
    with pytest.warns(UserWarning, match="loss of refinement is nan"):
        refined = refine_latents(Unsteady(), pictures, lmbda=0.01, method="ste", steps=20)
    assert refined.steps < 20
    assert torch.isfinite(refined.loss).all()
    assert (refined.loss <= refined.plain_loss).all()


def test_any_model_and_budgets(pictures):
    class Steady(Unsteady):
        def __init__(self):
            self.calls = itertools.count(1000)

    by_time = refine_latents(Steady(), pictures, lmbda=0.01, method="ste", seconds=0.3)
    assert by_time.steps > 3
    end = refine_latents(
        Steady(), pictures, lmbda=0.01, method="noise", until_converged=True, learning_rate=0.05
    )
    assert 20 < end.steps < 100_000
    heard = []
    refine_latents(Steady(), pictures, lmbda=0.01, steps=5, progress=heard.append)
    assert [note.step for note in heard if not note.rounded] == [1, 2, 3, 4, 5]
    made = []

    def make(tensors, rate):
        made.append(rate)
        return torch.optim.SGD(tensors, lr=rate)

    refine_latents(Steady(), pictures, lmbda=0.01, steps=20, optimizer=make)
    assert made == [1e-2, 1e-3]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 0},
        {"seconds": math.inf},
        {"steps": 3, "method": "guess"},
        {"steps": 3, "learning_rate": 0},
    ],
)
def test_arguments_that_are_refused(pictures, options):
    with pytest.raises(InvalidArgument):
        refine_latents(Unsteady(), pictures, lmbda=0.01, **options)


def tiny_file(folder):
    path = folder / "random.safetensors"
    path.write_bytes(tiny_weights())
    return path


def test_weights_without_known_gradient(tmp_path):
    with pytest.raises(InvalidArgument):
        WeightsModel(tiny_file(tmp_path), quality=50)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (24, 36), (33, 7), (250, 97), (97, 400)])
def test_tiles_cover_a_picture_once(height, width):
    count = np.zeros((height, width), int)
    for inner, outer in picture_search.tiles_of(height, width):
        count[inner.latents] += 1
        assert inner.bottom - inner.top <= picture_search.MOST_TILE + 4
        for box in (inner, outer):
            assert box.top % 4 == box.left % 4 == 0
            assert 0 <= box.top < box.bottom <= height
            assert 0 <= box.left < box.right <= width
        part = np.zeros((height, width))[outer.latents]
        assert part[inner.within(outer).latents].size == (
            (inner.bottom - inner.top) * (inner.right - inner.left)
        )
    assert (count == 1).all()


def test_search_in_tiles(weights, monkeypatch):
    array = as_array(smooth_pictures(count=1, size=150, seed=9)[0])[:, :120].copy()

    def cost(stream):
        error = samebits.decode(stream, model=weights).astype(float) - array
        return 8 * len(stream) + lmbda * np.square(error).sum() / 3

    lmbda = WeightsModel(weights, quality=QUALITY).lmbda
    plan = RefinePlan(6, method="ste")
    costs, heard = [], []
    for tile in (96, 4):
        monkeypatch.setattr(picture_search, "MOST_TILE", tile)
        torch.manual_seed(0)
        heard.clear()
        stream = samebits.encode(
            array, model=weights, quality=QUALITY, refine=plan, on_step=heard.append
        )
        costs.append(cost(stream))
    plain = cost(samebits.encode(array, model=weights, quality=QUALITY))
    assert costs[0] < plain
    assert costs[1] < plain
    # 10 x 8 latents: 3 x 2 tiles, whose steps follow each other.
    assert [step.step for step in heard if not step.rounded] == list(range(1, 6 * 6 + 1))
    assert {step.planned for step in heard} == {6 * 6}


def test_ms_ssim_as_distortion(weights):
    array = as_array(smooth_pictures(count=1, size=180, seed=4)[0])
    options = {"model": weights, "quality": 20, "distortion": "ms-ssim"}
    plain = samebits.encode(array, model=weights, quality=20)
    heard = []
    refined = samebits.encode(array, refine=25, on_step=heard.append, **options)
    lmbda = WeightsModel(weights, quality=20).lmbda

    def cost(stream):
        similarity = ms_ssim(array, samebits.decode(stream, model=weights))
        return 8 * len(stream) + lmbda * array[..., 0].size * 2400 * (1 - similarity)

    assert cost(refined) < cost(plain)
    # What the search measures is what the metric says of the file.
    first = next(step for step in heard if step.rounded)
    similarity = ms_ssim(array, samebits.decode(plain, model=weights))
    assert first.distortion == pytest.approx(2400 * (1 - similarity), rel=0.1)
    smaller = array[:100].copy()
    with pytest.raises(InvalidArgument, match="too small for MS-SSIM"):
        samebits.encode(smaller, refine=5, **options)
    with pytest.raises(InvalidArgument, match="'medium'"):
        samebits.encode(array, refine="fast", **options)
    mask = np.ones(array.shape[:2], np.uint8)
    with pytest.raises(InvalidArgument, match="weights do not go"):
        samebits.encode(array, refine=5, weights=mask, **options)
    target = len(refined) + 20
    met = samebits.encode(array, refine=5, model=weights, distortion="ms-ssim", target_bytes=target)
    assert len(met) <= target


@pytest.mark.parametrize(
    "plan",
    [
        RefinePlan(3, method="guess"),
        RefinePlan(-1),
        RefinePlan(1, rounds=4000),
        RefinePlan(2, rounds=1, distortion="ms-ssim"),
        RefinePlan(2, distortion="lpips"),
    ],
)
def test_plans_that_are_refused(plan):
    with pytest.raises(InvalidArgument):
        samebits.encode(np.zeros((32, 32, 3), np.uint8), refine=plan)


def test_no_worse_than_fast(weights, pictures):
    """What gradients find is taken only where it beats what the native search found."""
    array = as_array(pictures[1])
    lmbda = WeightsModel(weights, quality=QUALITY).lmbda

    def cost(stream):
        error = samebits.decode(stream, model=weights).astype(float) - array
        return 8 * len(stream) + lmbda * np.square(error).sum() / 3

    fast, few = (
        cost(samebits.encode(array, model=weights, quality=QUALITY, refine=refine))
        for refine in ("fast", 1)
    )
    assert few <= fast
