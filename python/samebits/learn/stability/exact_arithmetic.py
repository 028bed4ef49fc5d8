"""Every operation of a network made exact, or named and refused (S5).

Within ``with ExactArithmetic():`` torch's operations are caught one by one. Convolutions, products
of matrices, sums and averages become sums of integers; functions that machines compute differently
come from tables; what IEEE 754 rounds correctly passes as it is, unless torch would fuse two such
operations into one. The same inputs and weights give the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from samebits.errors import CorruptStream, InvalidArgument

from . import functions
from .factors import Factors
from .integer_sums import stable_convolution, stable_rows
from .scaling import CONTAINERS, Scaling, ScalingReport
from .totals import stable_total

aten = torch.ops.aten

EXACT = frozenset(
    "_local_scalar_dense _reshape_alias _to_copy _unsafe_view abs abs_ alias all amax amin any "  # noqa: SIM905
    "arange argmax argmin as_strided bitwise_and bitwise_not bitwise_or bucketize cat ceil "
    "clamp clamp_ clamp_max clamp_min clone constant_pad_nd copy_ detach detach_ empty "
    "empty_like empty_strided eq equal expand fill_ flip floor full full_like gather ge gt "
    "hardtanh hardtanh_ index index_put_ index_select is_nonzero isfinite isinf isnan le "
    "leaky_relu leaky_relu_ lift_fresh logical_and logical_not logical_or lt masked_fill "
    "masked_fill_ max max_pool2d_with_indices maximum min minimum mul mul_ nan_to_num ne neg "
    "neg_ new_empty new_empty_strided new_full new_ones new_zeros nonzero ones ones_like "
    "permute pixel_shuffle pixel_unshuffle reflection_pad2d relu relu_ repeat "
    "replication_pad2d resize_ roll round round_ scalar_tensor scatter searchsorted select "
    "set_ sign slice sort split split_with_sizes sqrt squeeze squeeze_ stack t topk transpose "
    "trunc unbind unfold unsqueeze unsqueeze_ upsample_nearest2d view where zero_ zeros "
    "zeros_like".split()
)
"""Operations that move values, compare them, or are rounded correctly each by itself."""


class ExactArithmetic(TorchDispatchMode):
    """Context in which torch computes the same bits on every machine.

    Parameters
    ----------
    scaling : of sums of products.
    factors : of the sums of products, from a stream; by default they are found from inputs. Their
        significant bits take the place of those of ``scaling``.

    Attributes
    ----------
    reports : of the sums of products so far, in their order.

    Raises
    ------
    InvalidArgument
        An operation cannot be made exact; the message names it.
    CorruptStream
        With factors from a stream: sums could overflow, or there are not as many sums of products
        as factors.
    """

    def __init__(self, scaling: Scaling | None = None, *, factors: Factors | None = None) -> None:
        super().__init__()
        self.scaling = Scaling() if scaling is None else scaling
        if factors is not None:
            if factors.significant_bits > CONTAINERS[self.scaling.container]:
                raise CorruptStream(
                    f"factors for {factors.significant_bits} significant bits, which "
                    f"{self.scaling.container} does not hold"
                )
            self.scaling = replace(self.scaling, significant_bits=factors.significant_bits)
        self.factors = factors
        self.unused = None if factors is None else iter(factors)
        self.reports: list[ScalingReport] = []
        self.composites = _Composites(self)
        self.depth = 0

    def __enter__(self):
        if torch.is_inference_mode_enabled():
            raise InvalidArgument(
                "in torch.inference_mode operations cannot be followed one by one; use no_grad"
            )
        self.depth += 1
        self.composites.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.composites.__exit__(*error)
        self.depth -= 1
        if self.depth == 0 and error[0] is None and self.factors is not None:
            self._check_all_are_used(self.factors)

    def _check_all_are_used(self, factors: Factors) -> None:
        if len(self.reports) < factors.operations:
            raise CorruptStream(
                f"factors for {factors.operations} operations, of which the network has "
                f"{len(self.reports)}"
            )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        floating = any(_is_floating(value) for value in (*args, *kwargs.values()))
        if self.composites.sleeping or not floating:
            return func(*args, **kwargs)
        if name in HANDLERS:
            return self.handled(HANDLERS[name], *args, **kwargs)
        if name in EXACT:
            return func(*args, **kwargs)
        with self:
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        raise InvalidArgument(f"the operation {func.name()} cannot be made exact")

    def handled(self, handler: Callable, *args, **kwargs) -> Any:
        """What a handler gives, in torch's usual memory format whatever that of its inputs is:
        models, and torch itself, may choose operations by it."""
        with self.composites.asleep(), _disable_current_modes():
            result = handler(self, *args, **kwargs)
        return result.contiguous() if isinstance(result, Tensor) else result

    def summed(self, operation: Callable, x: Tensor, *args, **kwargs) -> Tensor:
        """A sum of products of x, by the next factors where they are given; its report is kept."""
        given = None
        if self.unused is not None and x.numel() > 0:
            given = next(self.unused, None)
            if given is None:
                raise CorruptStream(
                    f"factors for {len(self.reports)} operations, of which the network has more"
                )
        y, report = operation(x, *args, scaling=self.scaling, given=given, **kwargs)
        if report is not None:
            self.reports.append(report)
        return y


class _Composites(TorchFunctionMode):
    """Catches functions that torch would take apart in one way or another, by its version and the
    memory format of their inputs."""

    def __init__(self, arithmetic: ExactArithmetic) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.sleeping = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        handler = None if self.sleeping else COMPOSITES.get(func)
        if handler is None:
            return func(*args, **kwargs)
        return self.arithmetic.handled(handler, *args, **kwargs)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        before, self.sleeping = self.sleeping, True
        try:
            yield
        finally:
            self.sleeping = before


def _is_floating(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point() or value.is_complex()
    if isinstance(value, list | tuple):
        return any(_is_floating(one) for one in value)
    return False


def _convolution(mode, x, w, bias, stride, padding, dilation, transposed, output_padding, groups):
    sizes = (stride, padding, dilation, transposed, output_padding, groups)
    return mode.summed(stable_convolution, x, w, bias, *sizes)


def _addmm(mode, bias, a, b, *, beta=1, alpha=1):
    if beta != 1 or alpha != 1 or bias.ndim != 1:
        product = _mm(mode, a, b)
        return bias * beta + product * alpha
    return mode.summed(stable_rows, a, b.t(), bias)


def _mm(mode, a, b, *, keep=True):
    return mode.summed(stable_rows, a, b.t(), None, keep=keep)


def _bmm(mode, a, b):
    products = [_mm(mode, one, other, keep=False) for one, other in zip(a, b, strict=True)]
    return torch.stack(products)


def _linear(mode, x, weight, bias=None):
    rows = x.reshape(-1, x.shape[-1])
    y = mode.summed(stable_rows, rows, weight, bias)
    return y.reshape(*x.shape[:-1], len(weight))


def _matmul(mode, a, b):
    if a.ndim == 1 or b.ndim == 1:
        wide = _matmul(mode, a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b)
        wide = wide.squeeze(-2) if a.ndim == 1 else wide
        return wide.squeeze(-1) if b.ndim == 1 else wide
    if b.ndim == 2:
        return _linear(mode, a, b.t())
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, right = (one.expand(*batch, *one.shape[-2:]).flatten(0, -3) for one in (a, b))
    return _bmm(mode, left, right).view(*batch, a.shape[-2], b.shape[-1])


def _add(mode, a, b, *, alpha=1):
    # With a factor torch may round once where two operations round twice.
    return torch.add(a, b if alpha == 1 else torch.mul(b, alpha))


def _sub(mode, a, b, *, alpha=1):
    return torch.sub(a, b if alpha == 1 else torch.mul(b, alpha))


def _div(mode, a, b, *, rounding_mode=None):
    if not isinstance(b, Tensor) or b.ndim == 0:
        # By a number, some devices multiply with its reciprocal.
        b = torch.full_like(a, float(b)) if a.is_floating_point() else b
    return torch.div(a, b, rounding_mode=rounding_mode)


def _in_place(operation: Callable) -> Callable:
    def handler(mode, target, *args, **kwargs):
        return target.copy_(operation(mode, target, *args, **kwargs))

    return handler


def _pow(mode, x, exponent):
    if isinstance(exponent, int | float) and isinstance(x, Tensor):
        if exponent in (1, 2, 3):
            product = x
            for _ in range(int(exponent) - 1):
                product = product * x
            return product.clone() if exponent == 1 else product
        if exponent == 0.5:
            return torch.sqrt(x)
        if exponent in (-1, -0.5):
            return _reciprocal(mode, x if exponent == -1 else torch.sqrt(x))
    raise InvalidArgument(f"the operation aten::pow by {exponent} cannot be made exact")


def _reciprocal(mode, x):
    return torch.div(torch.ones_like(x), x)


def _dims(x: Tensor, dim) -> list[int]:
    chosen = list(range(x.ndim)) if dim is None or dim == [] else dim
    chosen = [chosen] if isinstance(chosen, int) else chosen
    return [d % max(x.ndim, 1) for d in chosen]


def _sum(mode, x, dim=None, keepdim=False, *, dtype=None):
    total = stable_total(x, _dims(x, dim), keepdim)
    return total.to(dtype or x.dtype)


def _mean(mode, x, dim=None, keepdim=False, *, dtype=None):
    dims = _dims(x, dim)
    total = stable_total(x, dims, keepdim)
    count = 1
    for d in dims:
        count *= x.shape[d]
    return torch.div(total, torch.full_like(total, float(count))).to(dtype or x.dtype)


def _avg_pool2d(
    mode,
    x,
    kernel_size,
    stride=(),
    padding=(0, 0),
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    if ceil_mode or (not count_include_pad and any(padding)):
        raise InvalidArgument("average pooling with ceil_mode, or without the padding counted")
    kernel = list(kernel_size) * (2 if len(kernel_size) == 1 else 1)
    steps = list(stride or kernel) * (2 if len(stride or kernel) == 1 else 1)
    around = list(padding) * (2 if len(padding) == 1 else 1)
    padded = torch.nn.functional.pad(x, (around[1], around[1], around[0], around[0]))
    windows = padded.unfold(-2, kernel[0], steps[0]).unfold(-2, kernel[1], steps[1])
    count = divisor_override or kernel[0] * kernel[1]
    total = stable_total(windows, [windows.ndim - 2, windows.ndim - 1], keepdim=False)
    return torch.div(total, torch.full_like(total, float(count))).to(x.dtype)


def _adaptive_avg_pool2d(mode, x, output_size):
    height, width = x.shape[-2:]
    if height % output_size[0] or width % output_size[1]:
        raise InvalidArgument("adaptive average pooling whose windows are not of one size")
    return _avg_pool2d(mode, x, [height // output_size[0], width // output_size[1]])


def _batch_norm(mode, x, weight, bias, mean, var, *rest):
    eps = rest[-1] if len(rest) == 2 else rest[2]
    if len(rest) == 3 and rest[0]:
        raise InvalidArgument("batch normalization in training cannot be made exact; use eval()")
    shape = (1, -1, *[1] * (x.ndim - 2))
    root = torch.sqrt(var + eps).view(shape)
    y = torch.div(x - mean.view(shape), root.expand_as(x))
    y = y if weight is None else y * weight.view(shape)
    y = y if bias is None else y + bias.view(shape)
    empty = x.new_empty(0)
    return y, empty, empty


def _layer_norm(mode, x, normalized_shape, weight, bias, eps):
    dims = list(range(x.ndim - len(normalized_shape), x.ndim))
    mean = _mean(mode, x, dims, True)
    centered = x - mean
    var = _mean(mode, centered * centered, dims, True)
    root = torch.sqrt(var + eps)
    y = torch.div(centered, root.expand_as(x))
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return y, mean, _reciprocal(mode, root)


def _softmax(mode, x, dim, half_to_float=False):
    powers = functions.exp((x - x.amax(dim, keepdim=True)).double())
    total = stable_total(powers, _dims(x, dim), True)
    return torch.div(powers, total.expand_as(powers)).to(x.dtype)


def _gelu(mode, x, *, approximate="none"):
    if approximate != "none":
        raise InvalidArgument("gelu approximated by tanh cannot be made exact yet")
    return functions.gelu(x)


def _of(function: Callable[..., Tensor]) -> Callable:
    return lambda mode, *args, **kwargs: function(*args, **kwargs)


HANDLERS: dict[str, Callable] = {
    "_adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "_softmax": _softmax,
    "add": _add,
    "add_": _in_place(_add),
    "addmm": _addmm,
    "avg_pool2d": _avg_pool2d,
    "bmm": _bmm,
    "convolution": _convolution,
    "div": _div,
    "div_": _in_place(_div),
    "elu": _of(functions.elu),
    "elu_": _in_place(_of(functions.elu)),
    "erf": _of(functions.erf),
    "exp": _of(functions.exp),
    "gelu": _gelu,
    "linear": _linear,
    "log": _of(functions.log),
    "mean": _mean,
    "mm": _mm,
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "pow": _pow,
    "reciprocal": _reciprocal,
    "rsqrt": lambda mode, x: _reciprocal(mode, torch.sqrt(x)),
    "rsub": lambda mode, a, b, *, alpha=1: _sub(mode, b, a, alpha=alpha),
    "sigmoid": _of(functions.sigmoid),
    "sigmoid_": _in_place(_of(functions.sigmoid)),
    "silu": _of(functions.silu),
    "silu_": _in_place(_of(functions.silu)),
    "softplus": _of(functions.softplus),
    "sub": _sub,
    "sub_": _in_place(_sub),
    "sum": _sum,
    "tanh": _of(functions.tanh),
    "tanh_": _in_place(_of(functions.tanh)),
}

COMPOSITES: dict[Callable, Callable] = {
    linear: _linear,
    torch.matmul: _matmul,
    Tensor.matmul: _matmul,
    Tensor.__matmul__: _matmul,
}
