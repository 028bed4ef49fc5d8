"""How inputs and weights of sums of products are scaled before they are rounded (S5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from samebits.errors import InvalidArgument

FLOAT64_BITS, INT32_BITS, FLOAT32_BITS = 52, 30, 23
"""The largest S for which these numbers hold all integers below 2**(S + 1)."""
CONTAINERS = {
    "auto": FLOAT64_BITS,
    "float64": FLOAT64_BITS,
    "int32": INT32_BITS,
    "float32": FLOAT32_BITS,
}
INT16_MAX = 32767
OPTIONS = {
    "factors": ("separate", "joint"),
    "bound": ("l1", "worst"),
    "balance": ("channels", "none"),
    "container": tuple(CONTAINERS),
}


@dataclass(frozen=True)
class Scaling:
    """How factors are chosen.

    Attributes
    ----------
    significant_bits : S, 8 ... 52: sums stay below 2**(S + 1). Up to 30, inputs and weights are
        integers of 16 bits and sums are of 32.
    factors : "joint": alpha = beta. "separate": alpha and beta such that the largest input and the
        largest weight get integers of about one size.
    bound : "worst": k*k*C times the largest weight bounds the weights of a sum, as in the document.
        "l1": the largest sum of magnitudes of an output's weights does, which is never more (X2).
    balance : "channels": channels are scaled by powers of two before, so that weights of all of
        them are of about one size; "none": they are not.
    container : numbers that hold the sums, "int32" (S up to 30), "float32" (S up to 23) or
        "float64"; "auto" is the fastest. Results are the same bits in all of them.
    """

    significant_bits: int = INT32_BITS
    factors: str = "separate"
    bound: str = "l1"
    balance: str = "channels"
    container: str = "auto"

    def __post_init__(self) -> None:
        if not 8 <= self.significant_bits <= FLOAT64_BITS:
            raise InvalidArgument(
                f"significant_bits is {self.significant_bits}, must be 8 to {FLOAT64_BITS}"
            )
        for name, known in OPTIONS.items():
            value = getattr(self, name)
            if value not in known:
                raise InvalidArgument(f"{name} is {value!r}, must be one of {', '.join(known)}")
        if self.significant_bits > CONTAINERS[self.container]:
            raise InvalidArgument(
                f"{self.significant_bits} significant bits do not fit {self.container}, which "
                f"holds {CONTAINERS[self.container]}"
            )

    @property
    def short(self) -> bool:
        """Whether inputs and weights are integers of 16 bits."""
        return self.significant_bits <= INT32_BITS

    def room(self, *, has_bias: bool) -> int:
        """What sums of products must stay below; with a bias, it may be as large again."""
        return 2 ** (self.significant_bits + (0 if has_bias else 1))


@dataclass(frozen=True)
class ScalingReport:
    """Factors of one operation.

    Attributes
    ----------
    operation : "convolution", "transposed convolution" or "product".
    weight_shape : of the weights, outputs first.
    alpha, beta : factors of inputs and weights, the smallest of all samples.
    terms : products in a sum.
    gained_bits : what the bound by magnitudes gains over the worst case, k*k*C times the largest.
    """

    operation: str
    weight_shape: tuple[int, ...]
    alpha: float
    beta: float
    terms: int
    gained_bits: float


def format_reports(reports: list[ScalingReport]) -> str:
    """A table with a line for each operation."""
    lines = ["   n  operation               weights             alpha       beta  gained bits"]
    for n, one in enumerate(reports):
        shape = " x ".join(map(str, one.weight_shape))
        lines.append(
            f"{n:4d}  {one.operation:22s}  {shape:16s}  {one.alpha:9.3g}  {one.beta:9.3g}  "
            f"{one.gained_bits:11.2f}"
        )
    return "\n".join(lines)


def factors_of(
    scaling: Scaling, *, terms: float, input_max: Tensor, weight_max: float, room: int
) -> tuple[Tensor, Tensor]:
    """Alpha and beta (B,) for sums of so many products that are at most ``room``.

    ``input_max`` (B,) float64. Double precision, by operations that IEEE 754 rounds correctly.
    """
    if scaling.factors == "joint":
        alpha = beta = torch.sqrt(room / (input_max * weight_max * terms))
        if scaling.short:
            most = INT16_MAX / torch.clamp(input_max, min=weight_max)
            alpha = beta = torch.minimum(alpha, most)
        return alpha, beta
    root = math.sqrt(room / terms)
    if scaling.short:
        root = min(root, float(INT16_MAX))
    return root / input_max, torch.full_like(input_max, root / weight_max)
