"""The torch operators equal the kernels, pass opcheck and work under torch.compile."""

import doctest

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import library  # noqa: E402

from samebits import kernels  # noqa: E402
from samebits.errors import CorruptStream, InvalidArgument, Truncated  # noqa: E402
from samebits.learn import operators  # noqa: E402

TABLES = kernels.CdfTables.gaussian_octaves(rows=40)
CDF = operators.CdfTensors.of(TABLES)


def integers(*shape, dtype, low=-100, high=100, seed=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(low, high, shape, dtype=np.int64)).to(dtype)


def conv_arguments(x_dtype, weight_dtype):
    low = 0 if x_dtype == torch.uint8 else -100
    x = integers(2, 7, 5, 6, dtype=x_dtype, low=low)
    weight = integers(4, 3, 3, 3, dtype=weight_dtype)
    return x, weight, integers(4, dtype=torch.int32)


def requantized_arguments():
    x, weight, bias = conv_arguments(torch.int16, torch.int16)
    multiplier = integers(4, dtype=torch.int32, low=1, high=60000)
    return x, weight, multiplier, torch.full((4,), 20, dtype=torch.int32), bias


def coding_arguments(*shape, escapes=True):
    symbols = integers(*shape, dtype=torch.int32, low=-3, high=4)
    if escapes:
        symbols.view(-1)[0] = 1 << 30
    return symbols, integers(*shape, dtype=torch.uint8, low=0, high=40, seed=2)


@pytest.mark.parametrize("x_dtype", [torch.int16, torch.uint8])
@pytest.mark.parametrize("weight_dtype", [torch.int16, torch.int8])
def test_conv2d_equals_the_kernel(x_dtype, weight_dtype):
    x, weight, bias = conv_arguments(x_dtype, weight_dtype)
    out = operators.conv2d(x, weight, bias, stride=2, padding=1, groups=2)
    expected = kernels.conv2d(
        x.numpy(), weight.numpy(), bias=bias.numpy(), stride=2, padding=1, groups=2
    )
    assert out.dtype == torch.int32
    np.testing.assert_array_equal(out.numpy(), expected)


def test_conv2d_requantized_equals_the_kernel():
    x, weight, multiplier, shift, bias = requantized_arguments()
    out = operators.conv2d_requantized(
        x, weight, multiplier, shift, bias, leaky=2, lo=-50, hi=60, padding=1, groups=2
    )
    expected = kernels.conv2d_requantized(
        x.numpy(),
        weight.numpy(),
        multiplier=multiplier.numpy(),
        shift=shift.numpy(),
        bias=bias.numpy(),
        leaky=2,
        clamp=(-50, 60),
        padding=1,
        groups=2,
    )
    assert out.dtype == torch.int16
    np.testing.assert_array_equal(out.numpy(), expected)


def test_a_channels_last_tensor_is_taken_as_it_lies():
    x, weight, bias = conv_arguments(torch.int16, torch.int16)
    nchw = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    seen = nchw.permute(0, 2, 3, 1)
    assert seen.is_contiguous()
    assert seen.data_ptr() == nchw.data_ptr()
    scattered = x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert not scattered.is_contiguous()
    for same in (seen, scattered):
        out = operators.conv2d(same, weight, bias, groups=2)
        assert torch.equal(out, operators.conv2d(x, weight, bias, groups=2))


@pytest.mark.parametrize("shape", [(1000,), (3, 5, 7), (0,), ()])
@pytest.mark.parametrize("lanes", [None, 1, 8])
def test_range_coder_equals_the_kernel(shape, lanes):
    symbols, index = coding_arguments(*shape, escapes=shape != (0,))
    stream = operators.range_encode(symbols, index, *CDF, lanes=lanes)
    assert stream.dtype == torch.uint8
    expected = kernels.range_encode(symbols.numpy(), index.numpy(), TABLES, lanes=lanes)
    assert bytes(stream.numpy()) == expected
    assert torch.equal(operators.range_decode(stream, index, *CDF), symbols)


def test_a_strided_stream_is_read():
    symbols, index = coding_arguments(100)
    stream = operators.range_encode(symbols, index, *CDF)
    strided = torch.stack([stream, stream], dim=1)[:, 0]
    assert torch.equal(operators.range_decode(strided, index, *CDF), symbols)


def test_tables_are_found_by_content():
    symbols, index = coding_arguments(100)
    index.fill_(3)
    other = operators.CdfTensors.of(kernels.CdfTables.gaussian_octaves(rows=40, first=0))
    changed = operators.CdfTensors(*(tensor.clone() for tensor in CDF))
    assert torch.equal(
        operators.range_encode(symbols, index, *changed),
        operators.range_encode(symbols, index, *CDF),
    )
    changed.starts[changed.row_begin[3] + 1] += 1  # in place: the same tensor, another table
    first, second, third = (
        operators.range_encode(symbols, index, *tables) for tables in (CDF, other, changed)
    )
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)
    for stream, tables in ((first, CDF), (second, other), (third, changed)):
        assert torch.equal(operators.range_decode(stream, index, *tables), symbols)


def test_opcheck():
    x, weight, bias = conv_arguments(torch.uint8, torch.int8)
    library.opcheck(operators.conv2d, (x, weight, bias), {"stride": 2, "groups": 2})
    library.opcheck(operators.conv2d, (x[..., :3], weight), {"padding": 1})
    library.opcheck(
        operators.conv2d_requantized, requantized_arguments(), {"leaky": 3, "groups": 2}
    )
    coded = coding_arguments(4, 25)
    library.opcheck(operators.range_encode, (*coded, *CDF), {"lanes": 4})
    stream = operators.range_encode(*coded, *CDF)
    library.opcheck(operators.range_decode, (stream, coded[1], *CDF))


@pytest.mark.parametrize(
    ("backend", "dynamic"),
    [
        ("aot_eager", False),
        ("aot_eager", True),
        pytest.param("inductor", True, marks=pytest.mark.slow),
    ],
)
def test_compiled_with_full_graph(backend, dynamic):
    def layer_and_coder(x, weight, multiplier, shift, bias, index):
        acc = operators.conv2d(x, weight, bias, 1, 1, 2)
        y = operators.conv2d_requantized(x, weight, multiplier, shift, bias, groups=2, padding=1)
        symbols = y.to(torch.int32) + (acc & 1)
        stream = operators.range_encode(symbols, index, *CDF)
        return symbols, stream, operators.range_decode(stream, index, *CDF)

    torch._dynamo.reset()
    compiled = torch.compile(layer_and_coder, fullgraph=True, dynamic=dynamic, backend=backend)
    _, weight, multiplier, shift, bias = requantized_arguments()
    for height, width in ((7, 5), (11, 6)):
        x = integers(2, height, width, 6, dtype=torch.int16)
        index = torch.full((2, height, width, 4), 30, dtype=torch.uint8)
        result = compiled(x, weight, multiplier, shift, bias, index)
        for mine, eager in zip(
            result, layer_and_coder(x, weight, multiplier, shift, bias, index), strict=True
        ):
            assert torch.equal(mine, eager)
        assert torch.equal(result[0], result[2])


def test_fake_and_meta_tensors_have_the_shape():
    x, weight, bias = (t.to("meta") for t in conv_arguments(torch.int16, torch.int16))
    out = operators.conv2d(x, weight, bias, 2, 1, 2)
    assert (out.shape, out.dtype, out.device.type) == ((2, 4, 3, 4), torch.int32, "meta")
    index = torch.zeros(3, 4, dtype=torch.uint8, device="meta")
    stream = torch.zeros(9, dtype=torch.uint8, device="meta")
    symbols = operators.range_decode(stream, index, *(t.to("meta") for t in CDF))
    assert (symbols.shape, symbols.dtype) == ((3, 4), torch.int32)


def test_wrong_arguments_are_refused_with_a_reason():
    x, weight, bias = conv_arguments(torch.int16, torch.int16)
    with pytest.raises(InvalidArgument, match=r"x has dtype torch.float32; it must be torch.int16"):
        operators.conv2d(x.float(), weight)
    with pytest.raises(InvalidArgument, match=r"weight has dtype torch.int32"):
        operators.conv2d(x, weight.int())
    with pytest.raises(InvalidArgument, match=r"x has 3 dimensions .* must have 4"):
        operators.conv2d(x[0], weight)
    with pytest.raises(InvalidArgument, match=r"bias has dtype torch.int64"):
        operators.conv2d(x, weight, bias.long())
    with pytest.raises(InvalidArgument, match="channels"):
        operators.conv2d(x, weight)  # groups=2 is missing
    with pytest.raises(InvalidArgument, match="int32"):
        operators.conv2d(
            torch.full((1, 3, 3, 1), 30000, dtype=torch.int16),
            torch.full((1, 3, 3, 1), 30000, dtype=torch.int16),
        )
    with pytest.raises(InvalidArgument, match=r"multiplier has dtype torch.float32"):
        operators.conv2d_requantized(x, weight, torch.ones(4), torch.ones(4, dtype=torch.int32))


def test_other_devices_are_refused_with_a_reason():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.zeros(1, 3, 3, 2, dtype=torch.int16, device="cuda")
        weight = torch.zeros(1, 1, 1, 2, dtype=torch.int16, device="cuda")
        with pytest.raises(InvalidArgument, match=r"x is on cuda:0; .* use x.cpu\(\)"):
            operators.conv2d(x, weight)


def test_damaged_streams_and_wrong_symbols_are_refused():
    symbols, index = coding_arguments(1000)
    stream = operators.range_encode(symbols, index, *CDF)
    with pytest.raises((CorruptStream, Truncated)):
        operators.range_decode(stream[: len(stream) // 2], index, *CDF)
    with pytest.raises(InvalidArgument, match=r"symbols has dtype torch.int64"):
        operators.range_encode(symbols.long(), index, *CDF)
    with pytest.raises(InvalidArgument, match=r"stream has 2 dimensions"):
        operators.range_decode(stream[None], index, *CDF)
    with pytest.raises(InvalidArgument, match="shape"):
        operators.range_encode(symbols, index[:-1], *CDF)
    with pytest.raises(InvalidArgument, match=r"starts has dtype torch.float32"):
        operators.range_decode(stream, index, CDF.starts.float(), CDF.row_begin, CDF.min_symbol)


def test_examples_in_the_docstrings():
    result = doctest.testmod(operators)
    assert result.attempted > 0
    assert result.failed == 0
