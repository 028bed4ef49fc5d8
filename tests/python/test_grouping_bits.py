"""Bits of groupings, and weights files whose channels stand in the order of learned groups (E4)."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import samebits  # noqa: E402
from samebits import _core  # noqa: E402
from samebits.learn.export.calibration import calibrate  # noqa: E402
from samebits.learn.export.exporter import export_model  # noqa: E402
from samebits.learn.export.permutation import permute_model, permute_tensors  # noqa: E402
from samebits.learn.export.weights_file import write_weights  # noqa: E402
from samebits.learn.grouping.coded_bits import (  # noqa: E402
    held_latents,
    latents_of_pictures,
    schedule_bits,
)
from samebits.learn.grouping.comparison import (  # noqa: E402
    ORDERS,
    Comparison,
    Layout,
    table_text,
)
from samebits.learn.grouping.group_file import Grouping, write_groups  # noqa: E402
from samebits.learn.grouping.regroup import regroup_checkpoint  # noqa: E402
from samebits.learn.models import PictureModel  # noqa: E402
from samebits.learn.models.schedule import default_order, make_order  # noqa: E402
from samebits.learn.training.checkpoint import (  # noqa: E402
    model_from_checkpoint,
    save_checkpoint,
)
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

GROUPING = Grouping(
    tuple(tuple(int(c) for c in part) for part in np.split(np.arange(16)[::-1] * 5 % 16, [2, 7, 8]))
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """A model whose context layer matters, with all optional networks."""
    model = PictureModel(replace(TINY_CONFIG, value_width=8))
    model.load_state_dict(tiny_model().state_dict(), strict=False)
    model.eval()
    with torch.no_grad():
        model.values.network.layers[-1].weight.normal_(std=0.1)
        model.values.network.layers[-1].bias.normal_(std=0.3)
        model.entropy.head.layers[-1].weight.normal_(std=0.3)
        model.entropy.quality_bias.normal_(std=0.1)
        model.log2_gain.add_(torch.randn_like(model.log2_gain) * 0.3 + 2)
    return model


@pytest.fixture(scope="module")
def held(model):
    y = latents_of_pictures(model, smooth_pictures(count=2, size=128)) * 20
    return held_latents(model, y, quality=60.0)


def forward_bits(model, held, steps):
    with torch.no_grad():
        _, bits, _ = model.entropy(
            held.y,
            held.prediction,
            held.features,
            held.bias,
            held.gain,
            held.inverse_gain,
            steps,
            noise=False,
        )
    return bits.sum((0, 2, 3)).double()


@pytest.mark.parametrize("order", ["mode 2", "diagonal"])
def test_bits_are_those_of_the_training_loop(model, held, order):
    layout = Layout.as_trained(TINY_CONFIG)
    trained = default_order(TINY_CONFIG) if order == "diagonal" else make_order(TINY_CONFIG, mode=2)
    masks = trained.masks(8, 8, CPU)
    bits = schedule_bits(model.entropy, held, torch.arange(16), layout.steps(order))
    assert torch.allclose(bits, forward_bits(model, held, masks), rtol=1e-3)
    assert bits.sum() > 100


@pytest.mark.parametrize("order", ORDERS)
def test_a_permuted_model_costs_what_the_layout_does(model, held, order):
    """Two ways to the same bits: weights looked up in another order, and a permuted model."""
    layout = Layout.learned(GROUPING)
    numbers = torch.from_numpy(GROUPING.order)
    bits = schedule_bits(model.entropy, held, numbers, layout.steps(order))
    permuted = permute_model(model, GROUPING)
    again = held_latents(permuted, held.y[:, numbers], quality=60.0)
    same = schedule_bits(permuted.entropy, again, torch.arange(16), layout.steps(order))
    assert torch.allclose(bits, same, rtol=1e-3)


def test_a_group_of_mode_4_sees_itself_only(model, held):
    """Other values in one group change the bits of that group and of no other."""
    layout = Layout.learned(GROUPING)
    numbers = torch.from_numpy(GROUPING.order)
    steps = layout.steps("mode 4")
    before = schedule_bits(model.entropy, held, numbers, steps)
    second = slice(GROUPING.sizes[0], sum(GROUPING.sizes[:2]))
    held.y[:, numbers[second]] += 1.0
    after = schedule_bits(model.entropy, held, numbers, steps)
    held.y[:, numbers[second]] -= 1.0
    changed = (before != after).nonzero().flatten()
    assert changed.tolist() == list(range(second.start, second.stop))


def test_the_table_has_every_order_and_the_formulas_steps(model, held):
    comparison = Comparison(model, [held])
    rows = [
        comparison.measure(layout)
        for layout in (Layout.as_trained(TINY_CONFIG), Layout.learned(GROUPING))
    ]
    assert [result.steps for result in rows[0].results] == [3, 12, 4, 8]
    assert [result.steps for result in rows[1].results] == [4, 16, 4, 8]
    text = table_text(rows)
    assert text.count("*") >= len(ORDERS)
    assert "as trained" in text


def test_a_permuted_float_model_gives_the_same_pictures(model):
    permuted = permute_model(model, GROUPING)
    assert permuted.config == replace(model.config, groups=(2, 5, 1, 8), phase_groups=(2, 5, 1, 8))
    x = smooth_pictures(count=1, size=64).float()
    steps, quality = [torch.ones(1, 16, 4, 4)], torch.tensor([70.0])
    with torch.no_grad():
        a, b = (m(x, quality, steps, noise=False) for m in (model, permuted))
    assert torch.allclose(a.y_hat[:, GROUPING.order], b.y_hat, atol=1e-4)
    assert torch.allclose(a.x_hat, b.x_hat, atol=1e-2)
    assert torch.allclose(a.y_bits, b.y_bits, rtol=1e-3)


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Weights files as trained and in the order of the groups."""
    folder = tmp_path_factory.mktemp("weights")
    tensors = export_model(model, calibrate(model, smooth_pictures(count=4, size=64))).tensors
    paths = folder / "plain.safetensors", folder / "grouped.safetensors"
    description = {"format": "samebits-model-1"}
    for path, values in zip(
        paths, (tensors, permute_tensors(tensors, model, GROUPING)), strict=True
    ):
        write_weights(path, values, description=description)
    return paths


@pytest.mark.parametrize("distribution", ["parametric", "values"])
def test_permuting_changes_no_pixel_and_no_latent(files, distribution):
    """Mode 0, bit for bit: y_hat is the same with its channels in the other order."""
    picture = smooth_pictures(count=1, size=96)[0].permute(1, 2, 0).numpy()
    plain, grouped = (_core.Model(path.read_bytes()) for path in files)
    streams = [
        samebits.encode(picture, model=path, mode=0, quality=80, distribution=distribution)
        for path in files
    ]
    decoded = [
        samebits.decode(stream, model=path) for stream, path in zip(streams, files, strict=True)
    ]
    assert np.array_equal(*decoded)
    y_hat = [
        _core.decode_latents(model, stream)
        for model, stream in zip((plain, grouped), streams, strict=True)
    ]
    assert np.array_equal(y_hat[0][..., GROUPING.order], y_hat[1])
    assert y_hat[0].any()
    # The same elements with the same rows, in another order: the same bits up to rounding.
    assert abs(len(streams[0]) - len(streams[1])) <= 8


def test_the_models_groups_are_the_learned_ones(files):
    groups = _core.Model(files[1].read_bytes()).channel_groups
    assert tuple(groups.groups) == GROUPING.sizes
    assert tuple(groups.phase_groups) == GROUPING.phase_sizes


def test_tensors_that_are_not_known_are_not_left_as_they_are(model):
    tensors = export_model(model, calibrate(model, smooth_pictures(count=2, size=64))).tensors
    with pytest.raises(ValueError, match=r"tensor new\.0\.weight is not known"):
        permute_tensors(tensors | {"new.0.weight": np.zeros(1, np.int32)}, model, GROUPING)


def test_a_regrouped_checkpoint_has_the_groups_and_the_pictures(model, tmp_path):
    source, target, groups = (tmp_path / name for name in ("a.ckpt", "b.ckpt", "groups.json"))
    weights = model.state_dict()
    config = model.config.to_dict()
    state = {"config": config, "model": weights, "ema": weights, "steps_done": 7, "elapsed": 1.0}
    save_checkpoint(source, state)
    write_groups(groups, GROUPING)
    regroup_checkpoint(source, target, groups=groups)
    again = model_from_checkpoint(target)
    assert again.config.groups == GROUPING.sizes
    expected = permute_model(model, GROUPING).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())
