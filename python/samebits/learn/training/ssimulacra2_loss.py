"""SSIMULACRA 2 as a distortion: its weighted sum S, which the score's last curve is applied to.

The measure is that of Jon Sneyers, "SSIMULACRA 2" (https://github.com/cloudinary/ssimulacra2). The
constants are those of its implementation in Python, the package ``ssimulacra2`` 0.3.0, which
training does not need. S differs from what that computes in three ways, all on purpose:

* Borders are reflected; there, those of one direction are blurred into zeros, which would be false
  edges around every crop.
* With fewer than six scales, each keeps its own weights; there, channels take those of others.
* Where the pictures agree, the sums of differences are formed without cancellation, so that float32
  is enough.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from samebits import _core

SCALES = 6
MIN_SIDE = 8
"""A scale takes part if both of its sides, each half of that before rounded up, have as many."""
RADIUS, SIGMA = 5, 1.5
"""Of the blur, in pixels."""
VARIANCE_FLOOR = 0.0009
ABSORBANCE = (
    (0.3, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
"""From linear RGB to what the three kinds of cones absorb."""
ABSORBANCE_BIAS = 0.0037930732552754493
OPPONENT = ((7.0, -7.0, 0.0), (0.5, 0.5, 0.0), (-0.5, -0.5, 1.0))
"""From cube roots to X (times 14), Y and B - Y. Constants added to them do not change S."""
SUM_SCALE = 0.9562382616834844
CURVE = (2.326765642916932, -0.020884521182843837, 6.248496625763138e-05)
CURVE_POWER = 0.6276336467831387
TINY = 1e-30
"""A mean of fourth powers up to this is 0: its root has no gradient in float32."""
WEIGHTS = (
    (
        (0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0),
        (
            0.0,
            0.0004371155730107379,
            0.0,
            1.1041726426657346,
            0.00066284834129271,
            0.00015231632783718752,
        ),
        (0.0, 0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0),
        (
            0.0007989109436015163,
            0.000176816438078653,
            0.0,
            1.8787594979546387,
            10.94906990605142,
            0.0,
        ),
        (
            0.0007289346991508072,
            0.9677937080626833,
            0.0,
            0.00014003424285435884,
            0.9981766977854967,
            0.00031949755934435053,
        ),
        (0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0),
    ),
    (
        (0.0, 0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262),
        (
            0.0006235601634041466,
            0.0,
            0.0,
            6.683678146179332,
            0.00037724407979611296,
            1.027889937768264,
        ),
        (
            225.20515300849274,
            0.0,
            0.0,
            19.213238186143016,
            0.0011401524586618361,
            0.001237755635509985,
        ),
        (
            176.39317598450694,
            0.0,
            0.0,
            24.43300999870476,
            0.28520802612117757,
            0.0004485436923833408,
        ),
        (0.0, 0.0, 0.0, 34.77906344483772, 44.835625328877896, 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ),
    (
        (0.0, 0.0008680556573291698, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0005313191874358747, 0.0, 0.00016533814161379112, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833, 0.0),
        (0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0),
        (
            95.1080498811086,
            0.9863978034400682,
            0.9834382792465353,
            0.0012286405048278493,
            171.2667255897307,
            0.9807858872435379,
        ),
        (0.0, 0.0, 0.0, 0.0005130064588990679, 0.0, 0.00010854057858411537),
    ),
)
"""Of X, Y and B - Y, from the finest scale on: of the means of unlikeness, of added and of lost
edges, then of the same three's roots of mean fourth powers."""


def scale_count(height: int, width: int) -> int:
    """How many of the six scales a picture of this size (pixels) has: all from 225 pixels on."""
    count = 0
    while count < SCALES and min(height, width) >= MIN_SIDE:
        count += 1
        height, width = (height + 1) // 2, (width + 1) // 2
    return count


def score(total: Tensor) -> Tensor:
    """SSIMULACRA 2 of sums S: 100 for identical pictures, 90 where no difference is seen.

    Parameters
    ----------
    total : Tensor
        S as of :func:`ssimulacra2_sum`, any shape. It should be that of all six scales
        (:func:`scale_count`): the scores of smaller pictures are too high.

    Returns
    -------
    Tensor
        Scores of the same shape, at most 100, without a lower end.
    """
    first, second, third = CURVE
    curved = total * (first + total * (second + total * third))
    return 100 - 10 * curved.clamp_min(0) ** CURVE_POWER


def ssimulacra2_sum(x: Tensor, x_hat: Tensor) -> Tensor:
    """S of pictures against originals, in torch, on any device.

    Parameters
    ----------
    x, x_hat : Tensor
        Originals and pictures, (B, 3, H, W), sRGB in 0 ... 255; float64 is computed as such,
        everything else in float32. What is outside of the range is clamped, and has no gradient.

    Returns
    -------
    Tensor
        (B,), 0 for identical pictures. Differentiable in x_hat.

    Raises
    ------
    ValueError
        The shapes differ or are not such pictures, or a side is below MIN_SIDE.
    """
    _check_shapes(x, x_hat)
    dtype = torch.float64 if x_hat.dtype == torch.float64 else torch.float32
    with torch.autocast(x_hat.device.type, enabled=False):
        a, b = linear_light(x.detach().to(dtype)), linear_light(x_hat.to(dtype))
        total = a.new_zeros(len(a))
        for scale in range(scale_count(*x.shape[-2:])):
            if scale > 0:
                a, b = _halved(a), _halved(b)
            weights = a.new_tensor([channel[scale] for channel in WEIGHTS])
            terms = _scale_terms(_opponent_colors(a), _opponent_colors(b))
            total = total + (weights * terms).sum((1, 2))
    return SUM_SCALE * total


def ssimulacra2_sum_cpu(x: Tensor, x_hat: Tensor) -> Tensor:
    """S as of :func:`ssimulacra2_sum`, in C++, for tensors on the CPU.

    Value and gradient come from one pass in float32, on one thread. The bits of a picture depend on
    the target (:func:`samebits.kernels.target`), and not on the batch around it.

    Parameters
    ----------
    x, x_hat : Tensor
        Originals and pictures, (B, 3, H, W) of any strides, sRGB in 0 ... 255; computed in
        float32. What is outside of the range is clamped, and has no gradient.

    Returns
    -------
    Tensor
        (B,) float32, 0 for identical pictures. Differentiable in x_hat, once.

    Raises
    ------
    ValueError
        The shapes differ or are not such pictures, or a side is below MIN_SIDE.
    """
    _check_shapes(x, x_hat)
    return _SumOnCpu.apply(x.detach().float(), x_hat.float())


class _SumOnCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, x_hat: Tensor) -> Tensor:
        gradient = torch.empty_like(x_hat) if ctx.needs_input_grad[1] else None
        sums = _core.ssimulacra2_sums(
            x.numpy(),
            x_hat.detach().numpy(),
            None if gradient is None else gradient.numpy(),
            weights=SUM_SCALE * np.array(WEIGHTS),
        )
        ctx.save_for_backward(gradient)
        return torch.from_numpy(sums).float()

    @staticmethod
    @once_differentiable
    def backward(ctx, by_sum: Tensor) -> tuple[None, Tensor]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return None, by_sum[:, None, None, None] * gradient


def _check_shapes(x: Tensor, x_hat: Tensor) -> None:
    if x.shape != x_hat.shape:
        raise ValueError(
            f"SSIMULACRA 2 of shapes {tuple(x.shape)} and {tuple(x_hat.shape)}: must be the same"
        )
    if x.dim() != 4 or x.shape[1] != 3:
        raise ValueError(f"SSIMULACRA 2 of a shape {tuple(x.shape)}: must be (B, 3, H, W)")
    if min(x.shape[-2:]) < MIN_SIDE:
        raise ValueError(
            f"SSIMULACRA 2 of {x.shape[-1]}x{x.shape[-2]} pixels: sides must be {MIN_SIDE} or more"
        )


def linear_light(pixels: Tensor) -> Tensor:
    """0 ... 1 of sRGB 0 ... 255, any shape."""
    v = pixels.clamp(0, 255) / 255
    # Both branches have gradients, so the power never sees a value near 0.
    return torch.where(v <= 0.04045, v / 12.92, ((v.clamp_min(0.04) + 0.055) / 1.055) ** 2.4)


def _opponent_colors(linear: Tensor) -> Tensor:
    absorbed = torch.einsum("oc,bchw->bohw", linear.new_tensor(ABSORBANCE), linear)
    # Light is never negative: at least the bias is under the root.
    roots = (absorbed + ABSORBANCE_BIAS) ** (1 / 3)
    return torch.einsum("oc,bchw->bohw", linear.new_tensor(OPPONENT), roots)


def _halved(planes: Tensor) -> Tensor:
    # At odd ends, the mean of the pixels that are there.
    return torch.nn.functional.avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)


def _scale_terms(a: Tensor, b: Tensor) -> Tensor:
    """(B, 3, 6) of opponent colors (B, 3, H, W): what WEIGHTS of a scale belong to."""
    difference = a - b
    mean_a, mean_b = _blur(a), _blur(b)
    mean_difference_2 = (mean_a - mean_b).square()
    # 1 - (2 cov + C) / (var + var + C) is the variance of the difference over the same sum.
    variances = _blur(a.square() + b.square()) - mean_a.square() - mean_b.square()
    ratio = (_blur(difference.square()) - mean_difference_2) / (variances + VARIANCE_FLOOR)
    unlikeness = mean_difference_2 + (1 - mean_difference_2) * ratio
    edge_a, edge_b = (a - mean_a).abs(), (b - mean_b).abs()
    edges = (edge_b - edge_a) / (1 + edge_a)
    maps = torch.stack([unlikeness, edges, -edges], 2).relu()
    fourth = maps.square().square().mean((3, 4))
    roots = torch.where(fourth > TINY, fourth.clamp_min(TINY).sqrt().sqrt(), 0)
    return torch.cat([maps.mean((3, 4)), roots], 2)


def _blur(planes: Tensor) -> Tensor:
    # Products with matrices: convolutions would be in TF32 on a GPU, which variances cannot bear.
    height, width = planes.shape[-2:]
    rows = _blur_matrix(height).to(planes)
    columns = _blur_matrix(width).to(planes)
    return rows @ planes @ columns.T


@lru_cache(maxsize=32)
def _blur_matrix(size: int) -> Tensor:
    """(size, size), float64: the Gaussian over a line whose ends are reflected."""
    taps = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64) / SIGMA) ** 2)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for offset, tap in zip(range(-RADIUS, RADIUS + 1), taps / taps.sum(), strict=True):
        position = (torch.arange(size) + offset).abs()
        position = torch.minimum(position, 2 * (size - 1) - position)
        matrix[torch.arange(size), position] += tap
    return matrix
