"""Exact arithmetic for any torch model (S5): the same bits in every environment."""

import math
import re
import zlib
from contextlib import contextmanager, suppress
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from compressai_model import compressai_model, compressai_picture  # noqa: E402
from samebits.errors import CorruptStream, InvalidArgument  # noqa: E402
from samebits.learn import stabilize  # noqa: E402
from samebits.learn.stability import ExactArithmetic, Factors, Scaling, functions  # noqa: E402
from samebits.learn.stability.containers import Convolution, Rows  # noqa: E402
from samebits.learn.stability.factors import (  # noqa: E402
    MOST_STEP,
    factor_of_step,
    step_below,
)
from samebits.learn.stability.integer_sums import scaled_sum, stable_convolution  # noqa: E402
from samebits.learn.stability.scaling import factors_of  # noqa: E402
from samebits.learn.stability.totals import power_of_two, stable_total  # noqa: E402
from samebits.learn.stability.weights import Weights, kept_weights  # noqa: E402


@contextmanager
def environment(*, mkldnn: bool, threads: int):
    """Other arithmetic on the same machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            yield
    finally:
        torch.set_num_threads(before)


def environments():
    for mkldnn in (True, False):
        for threads in (1, 2):
            yield environment(mkldnn=mkldnn, threads=threads)


class Everything(nn.Module):
    """An operation of every kind that is made exact."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, 2, 2)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.dilated = nn.Conv2d(8, 8, 3, 1, 2, dilation=2, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 5, 2, 2, output_padding=1, groups=2)
        self.linear = nn.Linear(6, 6)
        self.layer_norm = nn.LayerNorm(6)
        self.last = nn.Conv2d(6, 12, 1)
        nn.init.uniform_(self.norm.running_mean, -1, 1)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x):
        y = F.leaky_relu(self.first(x), 0.1)
        y = self.norm(y + torch.sigmoid(self.depthwise(y)) * 3)
        y = torch.tanh(self.dilated(y)) + F.softplus(y) - F.gelu(y) / 7
        y = F.elu(y) + F.silu(y) + torch.exp(-y.abs()) + torch.log(y.abs() + 1)
        y = y / torch.sqrt((y**2).mean(1, keepdim=True) + 1e-3) + y.rsqrt().nan_to_num(0.0)
        y = self.up(y) + torch.erf(y.mean((1, 2, 3), keepdim=True))
        y = self.layer_norm(self.linear(y.permute(0, 2, 3, 1)))  # linear of what is not contiguous
        tokens = y.flatten(1, 2)
        y = y + (torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens).view_as(y)
        y = F.pixel_shuffle(self.last(y.permute(0, 3, 1, 2)), 2)
        y = F.avg_pool2d(y, 2) + F.adaptive_avg_pool2d(y, 1) + F.max_pool2d(y, 2)
        return torch.add(y, y.sum((2, 3), keepdim=True), alpha=0.01)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Everything().eval()


def picture(count=1):
    random = np.random.default_rng(1)
    return torch.from_numpy(random.normal(0, 1, (count, 3, 20, 16)).astype(np.float32))


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 5e-3),
        ({"scaling": "joint"}, 0.05),
        ({"bound": "worst"}, 5e-3),
        ({"significant_bits": 52}, 2e-5),
        ({"significant_bits": 52, "scaling": "joint"}, 2e-5),
        ({"significant_bits": 40}, 2e-4),
        ({"significant_bits": 23}, 0.5),
    ],
)
def test_the_same_bits_in_every_environment(network, options, tolerance):
    x = picture()
    with torch.no_grad():
        wanted = network(x)
    stable = stabilize(network, **options)
    found = []
    for other in environments():
        with other:
            found.append(stable(x))
            found.append(stable(x.to(memory_format=torch.channels_last)))
            batch = torch.cat([x * 3, x, x / 7])
            found.append(stable(batch)[1:2])
    assert all(torch.equal(found[0], y) for y in found)
    assert (found[0] - wanted).abs().max() < tolerance * wanted.abs().max()
    assert len(stable.reports) >= 7


def test_floating_point_is_not(network):
    """The test above can fail: without it, environments differ."""
    x = picture()
    found = []
    for other in environments():
        with other, torch.no_grad():
            found.append(network(x))
            found.append(network(x.to(memory_format=torch.channels_last)))
    assert not all(torch.equal(found[0], y) for y in found)


def test_operations_that_cannot_be_made_exact_are_named():
    x = picture()
    for function, name in (
        (torch.sin, "aten::sin"),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), "upsample_bilinear2d"),
        (lambda x: x**0.3, "aten::pow by 0.3"),
        (lambda x: torch.fft.rfft(x), "fft"),
        (lambda x: F.gelu(x, approximate="tanh"), "gelu"),
        (lambda x: F.adaptive_avg_pool2d(x, 3), "adaptive"),
    ):
        with pytest.raises(InvalidArgument, match=name), ExactArithmetic():
            function(x)
    with pytest.raises(InvalidArgument, match=r"eval\(\)"):
        stabilize(nn.Linear(2, 2))
    for options in (
        {"significant_bits": 53},
        {"significant_bits": 7},
        {"scaling": "both"},
        {"bound": "none"},
        {"balance": "rows"},
        {"container": "int64"},
        {"significant_bits": 31, "container": "int32"},
    ):
        name = next(iter(options)).replace("scaling", "factors").replace("_", ".")
        with pytest.raises(InvalidArgument, match=name):
            stabilize(nn.Linear(2, 2).eval(), **options)
    with pytest.raises(InvalidArgument, match="finite"):
        stabilize(nn.Linear(3, 1).eval())(torch.tensor([[1.0, math.inf, 0.0]]))


@pytest.mark.parametrize("bias", [None, 0.25])
def test_formulas_of_the_document(bias):
    m_i, m_k, terms, bits = torch.tensor([3.0]).double(), 0.7, 5 * 5 * 192, 23
    limit = Scaling(bits).room(has_bias=bias is not None)
    assert limit == 2 ** (bits + (1 if bias is None else 0))
    find = {"terms": terms, "input_max": m_i, "weight_max": m_k, "room": limit}
    alpha, beta = factors_of(Scaling(bits, "joint", "worst"), **find)
    assert float(alpha) == float(beta) == pytest.approx(math.sqrt(limit / (terms * 3.0 * m_k)))
    alpha, beta = factors_of(Scaling(bits, "separate", "worst"), **find)
    assert float(alpha) == pytest.approx(math.sqrt(limit / terms) / 3.0)
    assert float(beta) == pytest.approx(math.sqrt(limit / terms) / m_k)
    assert float(alpha * beta) * terms * 3.0 * m_k <= limit * (1 + 1e-12)


class Seen(Rows):
    """Keeps the integers that sums are made of."""

    def __init__(self):
        self.products = []

    def floating(self, x, w):
        self.products.append((x.double(), w.double()))
        return super().floating(x, w)

    def native(self, x, weights):
        self.products.append((x.double(), weights.values.double()))
        return super().native(x, weights)


CONTAINERS = {12: ("int32", "float32", "float64"), 23: ("int32", "float32", "float64")}
CONTAINERS |= {30: ("int32", "float64"), 31: ("float64",), 52: ("float64",)}


@pytest.mark.parametrize("factors", ["joint", "separate"])
@pytest.mark.parametrize("bound", ["l1", "worst"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("bits", [12, 23, 30, 31, 52])
def test_inputs_at_the_limit_do_not_overflow(factors, bound, with_bias, bits):
    """All of one size and sign: every bound is reached, and sums are those of Python's integers, in
    every container."""
    weight = torch.full((3, 37), 0.9)
    weight[1, ::2] = -0.9
    weight[2, 5:] = 0.01
    bias = torch.tensor([1e6, -1.0, 0.0]) if with_bias else None
    x = torch.stack([weight[0].sign() * 5, weight[1].sign() * 0.1, torch.zeros(37)])
    found = []
    for container in CONTAINERS[bits]:
        scaling = Scaling(bits, factors, bound, "none", container)
        operation = Seen()
        y, report = scaled_sum(x, Weights(weight, balance=False), bias, scaling, operation)
        found.append(y)
        largest = 0
        for x_q, w_q in operation.products:
            inputs, weights = x_q.tolist(), w_q.tolist()
            totals = [
                [sum(int(a) * int(b) for a, b in zip(i, w, strict=True)) for w in weights]
                for i in inputs
            ]
            assert (x_q @ w_q.t()).tolist() == totals
            largest = max(largest, *(abs(t) for row in totals for t in row))
            most = max(abs(int(v)) for row in inputs for v in row)
            sums = most * max(sum(abs(int(v)) for v in row) for row in weights)
            assert sums < scaling.room(has_bias=with_bias)
        assert largest < 2 ** (bits + (0 if with_bias else 1))
        # The range is used, but for joint factors of 16 bits, where inputs are larger than weights.
        if not with_bias and (factors == "separate" or bits != 30):
            assert largest > 2 ** (bits + 1) * 0.6
            if bits >= 30:
                wanted = x.double() @ weight.double().t()
                assert (y - wanted).abs().max() <= 1e-3 * wanted.abs().max()
        assert report.terms == 37
    assert all(same_bits(found[0], y) for y in found)


def same_bits(a, b):
    return a.dtype == b.dtype == torch.float32 and torch.equal(
        a.contiguous().view(torch.int32), b.contiguous().view(torch.int32)
    )


GEOMETRIES = [  # inputs, outputs, kernel, stride, padding, dilation, groups
    (6, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (6, 5, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (6, 6, (3, 3), (1, 1), (1, 1), (1, 1), 6),
    (6, 6, (5, 5), (2, 2), (2, 2), (1, 1), 6),
    (6, 4, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (6, 4, (1, 1), (2, 1), (0, 0), (1, 1), 2),
    (6, 4, (5, 5), (2, 2), (2, 2), (1, 1), 2),
    (6, 4, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (6, 4, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    (6, 6, (3, 3), (1, 1), (2, 2), (2, 2), 6),
    (6, 4, (4, 3), (3, 2), (0, 1), (1, 1), 2),
    (6, 4, (2, 5), (1, 2), (1, 3), (1, 2), 1),
]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("bits", [23, 30])
def test_containers_give_the_same_bits(geometry, transposed, bits):
    """Kernels, and products of matrices in float32 and float64, of the same integers."""
    inputs, outputs, kernel, stride, padding, dilation, groups = geometry
    random = torch.Generator().manual_seed(5)
    shape = (inputs, outputs // groups) if transposed else (outputs, inputs // groups)
    weight = torch.randn(*shape, *kernel, generator=random)
    bias = torch.randn(outputs, generator=random)
    x = torch.randn(2, inputs, 9, 8, generator=random) * torch.tensor([1, 30]).view(2, 1, 1, 1)
    rest = [s - 1 for s in stride] if transposed else [0, 0]
    sizes = ([*stride], [*padding], [*dilation], transposed, rest, groups)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    wanted = (
        F.conv_transpose2d(x, weight, bias, output_padding=rest, **options)
        if transposed
        else F.conv2d(x, weight, bias, **options)
    )
    for some_bias in (None, bias):
        found = [
            stable_convolution(x, weight, some_bias, *sizes, Scaling(bits, container=container))[0]
            for container in CONTAINERS[bits]
        ]
        assert all(same_bits(found[0], y) for y in found)
    assert (found[0] - wanted).abs().max() < 2.0 ** (4 - bits / 2) * wanted.abs().max()


def test_the_kernels_compute_nearly_all():
    """Only what they refuse is left to products of matrices."""
    random = torch.Generator().manual_seed(5)
    refused = set()
    for transposed in (False, True):
        for geometry in GEOMETRIES:
            inputs, outputs, kernel, stride, padding, dilation, groups = geometry
            values = torch.randn(outputs, inputs // groups, *kernel, generator=random)
            weights = Weights(values, groups=groups).integers(50.0)
            x = torch.ones(1, inputs, 9, 8, dtype=torch.int16)
            operation = Convolution(stride, padding, dilation, groups, transposed)
            if operation.native(x, weights) is None:
                refused.add((transposed, kernel, stride, dilation, groups))
    assert refused == {
        (False, (1, 1), (2, 1), (1, 1), 2),  # sides differ, and too little for a matrix
        (False, (3, 3), (1, 1), (2, 2), 6),
        (True, (3, 3), (1, 1), (2, 2), 1),
        (True, (3, 3), (1, 1), (2, 2), 6),
        (True, (2, 5), (1, 2), (1, 2), 1),
    }


@pytest.mark.parametrize(
    ("bits", "inputs", "weights"),
    [
        (8, 73, [1] * 7),  # 511, and 512 is refused
        (8, 511, [1]),
        (30, 16383, [-16384] * 8),
        (30, 32767, [32767, 32767, 3]),
        (52, 2**22 - 1, [2**20, -(2**20)] * 1024),
    ],
)
@pytest.mark.parametrize("bound", ["l1", "worst"])
def test_the_largest_sums_are_exact_and_one_more_is_refused(bits, inputs, weights, bound):
    weight = torch.tensor([weights], dtype=torch.float64)
    x = torch.sign(weight) * inputs
    for container in CONTAINERS.get(bits, ("int32", "float32", "float64")):
        scaling = Scaling(bits, "separate", bound, "none", container)

        def run(x, weight, alpha=0, scaling=scaling):
            factors = Factors(bits, 1, 1, (alpha,), (0,))
            with ExactArithmetic(scaling, factors=factors):
                return F.linear(x, weight)

        if bound == "worst" and abs(weights[-1]) < abs(weights[0]):
            with pytest.raises(CorruptStream, match="overflow"):
                run(x, weight)
            continue
        total = sum(int(a) * int(b) for a, b in zip(x[0].tolist(), weights, strict=True))
        assert int(run(x, weight)) == total
        with pytest.raises(CorruptStream, match="overflow"):
            run(x + torch.sign(x), weight)
        with pytest.raises(CorruptStream, match="overflow"):
            run(x, weight, alpha=1)
        with pytest.raises(CorruptStream, match="overflow"):
            run(x * 1e300, weight, alpha=MOST_STEP)


def test_the_grid_of_factors():
    assert [factor_of_step(n) for n in (-8, 0, 4, 8)] == [0.5, 1, math.sqrt(2), 2]
    for step in range(-MOST_STEP, MOST_STEP + 1):
        assert factor_of_step(step) == pytest.approx(2 ** (step / 8), rel=1e-15)
        assert step_below(factor_of_step(step)) == step
        assert step_below(math.nextafter(factor_of_step(step + 1), 0)) == step
    assert step_below(1e300) == MOST_STEP
    with pytest.raises(InvalidArgument, match="small"):
        step_below(1e-300)


@pytest.mark.parametrize("group", [1, 3, 100])
@pytest.mark.parametrize("bits", [30, 52])
def test_factors_that_are_sent(network, group, bits):
    x = picture()
    stable = stabilize(network, significant_bits=bits)
    wanted = stable(x)
    group = min(group, len(stable.reports))
    content = stable.factors(group=group).to_bytes()
    assert len(content) < 80
    factors = Factors.from_bytes(content)
    assert factors.significant_bits == bits
    assert len(list(factors)) == len(stable.reports)
    for report, (alpha, beta) in zip(stable.reports, factors, strict=True):
        assert alpha < report.alpha
        assert beta <= report.beta
    encoder = stable.with_factors(factors)
    decoder = stabilize(network, container="float64").with_factors(factors)
    found = [encoder(x)]
    for other in environments():
        with other:
            found.append(decoder(x))
    assert all(same_bits(found[0], y) for y in found)
    if group == 1:
        assert (found[0] - wanted).abs().max() < 0.01 * wanted.abs().max()
    with pytest.raises(CorruptStream, match="overflow"):
        decoder(x * 1e6)
    with pytest.raises(CorruptStream, match="which the network has more"):
        stable.with_factors(Factors(bits, 1, 1, factors.alpha[:1], factors.beta[:1]))(x)
    with pytest.raises(CorruptStream, match="of which the network has 1"):
        stabilize(nn.Linear(16, 1).eval()).with_factors(factors)(x / 1000)
    if bits == 52:
        with pytest.raises(CorruptStream, match="int32 does not hold"):
            stabilize(network, container="int32").with_factors(factors)(x)


def test_bytes_that_are_no_factors():
    factors = Factors(30, 9, 2, (1, -300, 5, 800, -800), (0, 0, 0, 0, 7))
    content = factors.to_bytes()
    assert Factors.from_bytes(content) == factors
    random = np.random.default_rng(3)
    damaged = [content[:n] for n in range(len(content))] + [content + b"0", random.bytes(200)]
    damaged.append(zlib.compress(bytes(10**8), 9)[2:-4])  # too long
    for head in ((7, 8, 1), (53, 8, 1), (30, 8, 9), (30, 10, 1), (30, 7, 0), (30, 65535, 65535)):
        damaged.append(packed([*head, *[0] * 10]))
    damaged.append(packed([30, 0, 0, 801, 0]))
    damaged.append(packed([30, 0, 0, 0]))
    for some in damaged:
        with pytest.raises(CorruptStream):
            Factors.from_bytes(some)
    for n in range(len(content)):
        for bit in range(8):
            other = bytearray(content)
            other[n] ^= 1 << bit
            with suppress(CorruptStream):
                Factors.from_bytes(bytes(other))
    with pytest.raises(InvalidArgument, match="0 operations"):
        stabilize(nn.Linear(1, 1).eval()).factors()


def packed(values):
    content = np.array(values, "<u2").tobytes()
    return zlib.compress(content, 9, wbits=-15)


def test_the_table_of_operations(network):
    stable = stabilize(network)
    stable(picture())
    lines = stable.report().splitlines()
    assert len(lines) == len(stable.reports) + 1
    assert re.search(r"0  convolution +8 x 3 x 5 x 5 .* \d\.\d\d$", lines[1])
    assert any("transposed convolution" in line for line in lines)
    assert any("product" in line for line in lines)
    assert all(report.gained_bits >= 0 for report in stable.reports)


def test_one_dimension():
    random = torch.Generator().manual_seed(5)
    x = torch.randn(2, 4, 11, generator=random)
    for layer in (nn.Conv1d(4, 6, 3, 2, 1), nn.ConvTranspose1d(4, 6, 5, 2, 2, 1, groups=2)):
        stable = stabilize(layer.eval())
        with torch.no_grad():
            assert (stable(x) - layer(x)).abs().max() < 1e-3
        wide = stabilize(layer, container="float64")
        assert same_bits(stable(x), wide(x))


def test_inference_mode():
    layer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 3, 2)).eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    wanted = stabilize(layer)(x)
    with torch.inference_mode():
        assert same_bits(stabilize(layer)(x.clone()), wanted)
        with pytest.raises(InvalidArgument, match="no_grad"), ExactArithmetic():
            pass


def test_changed_weights_are_noticed():
    layer = nn.Linear(3, 2, bias=False).eval()
    x = torch.eye(3)
    stable = stabilize(layer)
    kept = kept_weights(layer.weight)
    assert kept_weights(layer.weight) is kept
    for change in (
        lambda: layer.weight.data.mul_(2),
        lambda: setattr(layer.weight, "data", torch.ones(2, 3)),
    ):
        stable(x)
        change()
        assert (stable(x) - layer.weight.t()).abs().max() < 1e-3
    assert kept_weights(layer.weight) is not kept


def test_channels_of_different_sizes():
    """Channels whose weights are of other sizes lose less where they are rounded."""
    random = torch.Generator().manual_seed(5)
    layer = nn.Conv2d(8, 4, 3, bias=False).eval()
    x = torch.randn(1, 8, 9, 9, generator=random)
    scale = 2.0 ** torch.arange(-8, 8, 2).view(1, 8, 1, 1)
    with torch.no_grad():
        layer.weight *= scale
        wanted = layer.double()(x.double() / scale)
        layer.float()
    errors = [
        float((stabilize(layer, balance=balance)(x / scale) - wanted).abs().max())
        for balance in ("channels", "none")
    ]
    assert errors[0] < 0.1 * errors[1]


def test_too_few_bits_are_refused():
    wide = nn.Linear(5000, 1, bias=False).eval()
    x = torch.ones(1, 5000)
    stabilize(wide, significant_bits=20)(x)
    with pytest.raises(InvalidArgument, match="too few"):
        stabilize(wide, significant_bits=8, bound="worst")(x)


def test_the_bound_by_magnitudes_gains():
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, 3).eval()
    x = torch.randn(1, 16, 8, 8)
    errors = []
    with torch.no_grad():
        wanted = layer.double()(x.double())
        layer.float()
        for bound in ("worst", "l1"):
            stable = stabilize(layer, significant_bits=23, bound=bound)
            errors.append(float((stable(x) - wanted).abs().mean()))
    assert stable.reports[0].gained_bits > 0.8
    assert errors[1] < errors[0]


@pytest.mark.parametrize("bits", [23, 30])
def test_a_network_in_all_containers(network, bits):
    x = picture()
    found = [
        stabilize(network, significant_bits=bits, container=container)(x)
        for container in CONTAINERS[bits]
    ]
    torch.set_float32_matmul_precision("high")  # what may use shorter numbers is not used
    try:
        found += [
            stabilize(network, significant_bits=bits, container=container)(x)
            for container in CONTAINERS[bits]
        ]
    finally:
        torch.set_float32_matmul_precision("highest")
    assert all(same_bits(found[0], y) for y in found)


@pytest.mark.parametrize(
    ("mine", "wanted", "low", "high"),
    [
        (functions.sigmoid, torch.sigmoid, -60, 60),
        (functions.tanh, torch.tanh, -30, 30),
        (functions.softplus, F.softplus, -60, 60),
        (functions.erf, torch.erf, -8, 8),
        (functions.gelu, F.gelu, -9, 9),
        (functions.silu, F.silu, -60, 60),
        (functions.elu, F.elu, -30, 3),
        (functions.exp, torch.exp, -80, 80),
        (functions.log, torch.log, 1e-9, 1e9),
    ],
)
def test_tables(mine, wanted, low, high):
    x = torch.linspace(low, high, 20001).double()
    difference = (mine(x) - wanted(x)).abs()
    assert (difference / (1 + wanted(x).abs())).max() < 2e-6
    assert mine(torch.tensor([0.5])).dtype == torch.float32


def test_ends_of_functions():
    x = torch.tensor([0.0, -1.0, math.inf])
    assert functions.log(x).tolist()[0] == -math.inf
    assert functions.log(x)[1].isnan()
    assert functions.log(x)[2] == math.inf
    assert functions.exp(torch.tensor([-2000.0, 2000.0])).tolist() == [0.0, math.inf]


def test_totals_are_exact():
    values = torch.tensor([1e-3, 1.0, -3.7, 2.0**20, 5e-9]).float()
    total = stable_total(values, [0], keepdim=False)
    exact = sum(Fraction(float(v)) for v in values)
    assert abs(Fraction(float(total)) - exact) < 2.0**-20
    shuffled = stable_total(values[torch.tensor([3, 1, 4, 0, 2])], [0], keepdim=False)
    assert float(shuffled) == float(total)
    assert power_of_two(torch.tensor([-3, 0, 10])).tolist() == [0.125, 1.0, 1024.0]


def test_a_model_of_compressai_decodes_elsewhere():
    try:
        model = compressai_model()
    except ImportError:
        pytest.skip("CompressAI is not installed")
    x = compressai_picture()

    def decodes(codec) -> list[bool]:
        with torch.no_grad(), environment(mkldnn=True, threads=2):
            coded = codec.compress(x)
            wanted = codec.decompress(coded["strings"], coded["shape"])["x_hat"]
        found = []
        for other in environments():
            with torch.no_grad(), other:
                x_hat = codec.decompress(coded["strings"], coded["shape"])["x_hat"]
            found.append(torch.equal(x_hat, wanted))
        return found

    assert not all(decodes(model))
    stable = stabilize(model)
    assert all(decodes(stable))
    assert len(stable.reports) > 5
