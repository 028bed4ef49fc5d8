"""Any torch model, with the same outputs on every machine (S5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from samebits.errors import InvalidArgument

from .exact_arithmetic import ExactArithmetic
from .factors import Factors
from .scaling import INT32_BITS, Scaling, ScalingReport, format_reports


class Stabilized:
    """A model whose methods compute in :class:`ExactArithmetic`.

    It is called as the model is, and has all its attributes; methods that decode a stream belong in
    it as well as those that made it.

    Attributes
    ----------
    model : torch.nn.Module, as it was given.
    sent : Factors or None
        From a stream, see :meth:`with_factors`.
    reports : list of ScalingReport
        Factors of the sums of products of the last call.
    """

    def __init__(self, model: nn.Module, scaling: Scaling, sent: Factors | None = None) -> None:
        self.model = model
        self.scaling = scaling
        self.sent = sent
        self.reports: list[ScalingReport] = []

    def __call__(self, *args, **kwargs) -> Any:
        return self._run(self.model, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.model, name)
        if isinstance(value, nn.Module) or not callable(value):
            return value
        return lambda *args, **kwargs: self._run(value, args, kwargs)

    def factors(self, *, group: int = 1, margin: int = 1) -> Factors:
        """Factors of the last call, to be sent: see :meth:`Factors.of`. The encoder calls the model
        with them again, as the decoder will: :meth:`with_factors`.

        Raises
        ------
        InvalidArgument
            There was no call with sums of products.
        """
        bits = self.scaling.significant_bits
        return Factors.of(self.reports, significant_bits=bits, group=group, margin=margin)

    def with_factors(self, sent: Factors) -> Stabilized:
        """The same model, with factors from a stream in place of those that inputs give. Calls
        raise CorruptStream if sums could overflow with them, or if they are more or fewer."""
        return Stabilized(self.model, self.scaling, sent)

    def report(self) -> str:
        """A table of the sums of products of the last call: shapes, factors, and bits gained by the
        bound by magnitudes."""
        return format_reports(self.reports)

    def _run(self, function, args: tuple, kwargs: dict) -> Any:
        arithmetic = ExactArithmetic(self.scaling, factors=self.sent)
        # In inference mode torch takes operations apart in a way that cannot be followed.
        with torch.inference_mode(False), torch.no_grad(), arithmetic:
            result = function(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()})
        self.reports = arithmetic.reports
        return result


def stabilize(
    model: nn.Module,
    *,
    significant_bits: int = INT32_BITS,
    scaling: str = "separate",
    bound: str = "l1",
    balance: str = "channels",
    container: str = "auto",
) -> Stabilized:
    """The same model, whose outputs are the same bits on every machine, device and thread count.

    Convolutions, transposed convolutions, linear layers, products of matrices, sums and average
    pooling are computed as sums of integers; other functions by correctly rounded operations and
    tables. There is no gradient, and the model's weights are left as they are.

    Parameters
    ----------
    model : torch.nn.Module, in evaluation mode.
    significant_bits : S of EP 4 156 691: sums stay below 2**(S + 1). 30 (the default) is fast, as
        sums are made in int32. Up to 52 they are made in float64, which is slow and changes outputs
        hardly more than float32's own rounding; up to 23 float32 holds them, on any device.
    scaling : "separate" or "joint", the document's choices of factors.
    bound : "l1" (of the weights themselves) or "worst" (the document's).
    balance : "channels" or "none": whether channels are brought to one size before.
    container : "auto", or the numbers that sums are made in, see :class:`Scaling`.

    Raises
    ------
    InvalidArgument
        The model is in training mode, or an option is not what it should be. Calls of the model
        raise it for operations that cannot be made exact, which they name.
    """
    if any(part.training for part in model.modules()):
        raise InvalidArgument("the model is in training mode; call eval() before")
    return Stabilized(model, Scaling(significant_bits, scaling, bound, balance, container))


def _plain(value: Any) -> Any:
    """Tensors in torch's usual memory format, since models may choose operations by it."""
    return value.contiguous() if isinstance(value, torch.Tensor) else value
