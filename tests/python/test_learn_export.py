"""Float twin against integers, layer by layer, and the proof of no overflow."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from samebits import _core  # noqa: E402
from samebits.kernels import conv2d_requantized  # noqa: E402
from samebits.learn.export.calibration import calibrate, networks_of  # noqa: E402
from samebits.learn.export.exporter import export_model  # noqa: E402
from samebits.learn.export.quantize import (  # noqa: E402
    multiplier_and_shift,
    prove,
    quantize_conv,
)
from samebits.learn.export.rounding import round_like_integers, stop_rounding  # noqa: E402
from samebits.learn.export.weights_file import write_weights  # noqa: E402
from samebits.learn.models.schedule import make_order  # noqa: E402
from tiny_float_model import smooth_pictures, tiny_model  # noqa: E402

NETWORKS = ("g_a", "h_a", "h_s", "entropy", "g_s")


@pytest.fixture(scope="module")
def exported():
    model = tiny_model()
    return model, export_model(model, calibrate(model, smooth_pictures(count=4, size=64)))


def run_program(tensors, name, x):
    """The integer program, one operation at a time: yields (register, value HWC int16)."""
    registers = {0: x}
    for code, dst, src, src2, a0, a1, a2, a3 in tensors[f"{name}.program"].tolist():
        value = registers[src]
        if code == 1:
            prefix = f"{name}.{a0}"
            kernel, stride = divmod(a1, 16)
            value = conv2d_requantized(
                value,
                tensors[f"{prefix}.weight"],
                bias=tensors[f"{prefix}.bias"],
                multiplier=tensors[f"{prefix}.multiplier"],
                shift=tensors[f"{prefix}.shift"],
                leaky=None if a2 < 0 else a2,
                clamp=tuple(tensors[f"{prefix}.clamp"].tolist()),
                stride=stride,
                padding=(kernel - 1) // 2,
                groups=value.shape[-1] if a3 else 1,
            )
        elif code == 2:
            total = value.astype(np.int32) + registers[src2]
            value = total.clip(a0, a1).astype(np.int16)
        else:
            value = reshuffle(value, factor=a0, apart=code == 4)
        registers[dst] = value
        yield dst, value


def reshuffle(value, *, factor, apart):
    x = torch.from_numpy(value.astype(np.int32)).permute(2, 0, 1)
    shuffle = torch.nn.functional.pixel_shuffle if apart else torch.nn.functional.pixel_unshuffle
    return np.ascontiguousarray(shuffle(x, factor).permute(1, 2, 0).numpy().astype(np.int16))


def real_input(model, network, scales):
    """What a network sees while a calibration picture is coded, as integers (HWC)."""
    seen = []
    hook = network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    # One step: of several, the loop for training computes parts of the entropy model's head itself.
    steps = make_order(model.config, mode=0).masks(4, 4, torch.device("cpu"))
    with torch.no_grad():
        picture = smooth_pictures(count=4, size=64)[:1].float()
        model(picture, torch.tensor([100.0]), steps, noise=False)
    hook.remove()
    integers = (seen[0][0].permute(1, 2, 0).numpy() * float(scales.scale[0])).round()
    return np.ascontiguousarray(integers.clip(*scales.clamp[0]).astype(np.int16))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_near_its_float_twin(exported, name):
    model, result = exported
    network, scales = networks_of(model)[name], result.scales.networks[name]
    x = real_input(model, network, scales)
    floats = {}
    network.tap = lambda op, value: floats.setdefault(op.dst, value)
    with torch.no_grad():
        network(torch.from_numpy(x).permute(2, 0, 1)[None].float() / float(scales.scale[0]))
    network.tap = None
    for register, value in run_program(result.tensors, name, x):
        twin = floats[register][0].permute(1, 2, 0).numpy() * scales.scale[register]
        twin = twin.clip(*scales.clamp[register])
        error = np.abs(value - twin)
        # A few integer steps per operation, growing slowly with depth.
        assert error.mean() < 4, register
        assert error.max() < 0.01 * np.abs(twin).max() + 12, register


@pytest.mark.parametrize("name", NETWORKS)
def test_native_network_equals_the_program_run_step_by_step(exported, name, tmp_path):
    _, result = exported
    path = tmp_path / "tiny.safetensors"
    write_weights(path, result.tensors, description={"format": "samebits-model-1"})
    native = _core.Model(path.read_bytes())
    low, high = result.scales.networks[name].clamp[0]
    channels = 3 if name == "g_a" else result.tensors[f"{name}.0.weight"].shape[3]
    random = np.random.default_rng(1)
    x = random.integers(low, high + 1, (16, 16, channels)).astype(np.int16)
    *_, (_, expected) = run_program(result.tensors, name, x)
    assert np.array_equal(_core.run_network(native, name, x), expected)


def test_proof_covers_every_layer_and_is_tighter_than_the_worst_case(exported):
    _, result = exported
    layers = sum(name.endswith(".weight") for name in result.tensors)
    assert len(result.proofs) == layers
    for proof in result.proofs:
        assert proof.accumulator_bits < 31
        assert proof.bits_gained >= 0


def test_proof_refuses_what_could_overflow():
    weight = np.full((1, 3, 3, 64), 3640)
    with pytest.raises(ValueError, match="channel 0"):
        prove("layer", weight, np.zeros(1, np.int64), np.full(64, 8191))


def test_quantized_weights_never_break_the_bound():
    random = np.random.default_rng(2)
    for scale in (1e-4, 1.0, 300.0):
        weight = random.normal(0, scale, (8, 3, 3, 32))
        conv, proof = quantize_conv(
            "layer",
            weight,
            random.normal(0, scale, 8),
            input_scale=100.0,
            input_limit=32767,
            output_scale=50.0,
            clamp=(-8191, 8191),
        )
        assert proof.accumulator_bits < 31
        assert conv.weight.dtype == np.int16


def test_multiplier_and_shift_are_the_nearest():
    ratio = np.array([2.0**-30, 0.1, 0.999999, 1.0, 3.7, 30000.0])
    multiplier, shift = multiplier_and_shift(ratio)
    assert ((multiplier >= 0) & (multiplier <= 65535) & (shift >= 1) & (shift <= 46)).all()
    assert np.allclose(multiplier / 2.0**shift, ratio, rtol=2**-15)


def test_export_is_reproducible(exported, tmp_path):
    _, result = exported
    first = write_weights(
        tmp_path / "a.safetensors", result.tensors, description={"b": "1", "a": "2"}
    )
    second = write_weights(
        tmp_path / "b.safetensors", result.tensors, description={"a": "2", "b": "1"}
    )
    assert first == second


def test_floats_are_refused_in_a_weights_file(tmp_path):
    with pytest.raises(TypeError, match="integers only"):
        write_weights(tmp_path / "x.safetensors", {"w": np.zeros(3)}, description={})


def test_rounded_twin_is_on_the_integer_grid_and_trains():
    model = tiny_model()
    scales = round_like_integers(model, calibrate(model, smooth_pictures(count=2, size=64)))
    x = smooth_pictures(count=1, size=64).float()
    y = model.g_a((x - 128) / 64)
    steps = y.detach().double() * float(scales.networks["g_a"].scale[model.g_a.ops[-1].dst])
    assert torch.allclose(steps, steps.round(), atol=1e-2)
    y.square().sum().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in model.g_a.layers)
    stop_rounding(model)
    assert model.g_a.tap is None
    assert model.entropy.tap is None
