"""SOAP: Adam in the eigenbases of Shampoo's statistics.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024. For a weight matrix with
gradient G, L is a running mean of G G^T and R of G^T G. Adam runs on Q_L^T G Q_R, where Q_L and Q_R
are eigenvectors of L and R, brought up to date now and then by a step of orthogonal iteration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

LARGEST_SIDE = 256
"""A longer side of a matrix keeps its own basis: eigenvectors would cost more than they gain."""
BASIS_EVERY = 20
STATISTICS_EVERY = 2
"""Steps between two gradients that the statistics take in: neighbors say much the same."""
BETAS = (0.95, 0.95)
STATISTICS_BETA = 0.95
"""For a step; the statistics forget as fast whatever STATISTICS_EVERY is."""
EPSILON = 1e-8


class Soap(torch.optim.Optimizer):
    """SOAP for weights of dense convolutions as matrices (out, in * kernel), Adam for all others.

    Parameters
    ----------
    parameters : of a network, with gradients when :meth:`step` is called.
    lr : learning rate, as for Adam.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; the first one only starts the statistics."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"])

    def _update(self, parameter: Tensor, rate: float) -> None:
        gradient = parameter.grad.reshape(len(parameter), -1) if parameter.ndim else parameter.grad
        state = self.state[parameter]
        is_first = not state
        if is_first:
            state["step"] = 0
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient)
            state["statistics"] = _first_statistics(parameter, gradient)
            state["bases"] = [None if s is None else _eigenvectors(s) for s in state["statistics"]]
            if any(basis is not None for basis in state["bases"]):
                return
        state["step"] += 1
        change, factor = self._adam(state, rotate(gradient, state["bases"]))
        change = rotate_back(change, state["bases"]).reshape(parameter.shape)
        parameter.sub_(change, alpha=rate * factor)
        self._follow(state, gradient)

    def _adam(self, state: dict, gradient: Tensor) -> tuple[Tensor, float]:
        """Adam's step in the basis of the statistics, and a number to multiply it by.

        The corrections of both means are in that number and in epsilon, which saves two passes.
        """
        first, second = BETAS
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        correction = math.sqrt(1 - second ** state["step"])
        root = state["square"].sqrt().add_(EPSILON * correction)
        return root.reciprocal_().mul_(state["mean"]), correction / (1 - first ** state["step"])

    def _follow(self, state: dict, gradient: Tensor) -> None:
        """Statistics take the gradient in, and the bases follow, every few steps each."""
        if state["step"] % STATISTICS_EVERY == 0:
            share = 1 - STATISTICS_BETA**STATISTICS_EVERY
            for side, statistics in enumerate(state["statistics"]):
                if statistics is not None:
                    statistics.lerp_(_second_moment(gradient, side), share)
        if state["step"] % BASIS_EVERY:
            return
        for side, statistics in enumerate(state["statistics"]):
            if statistics is None:
                continue
            old = state["bases"][side]
            # Largest first, as the iteration keeps them.
            order = (old * (statistics @ old)).sum(0).argsort(descending=True)
            new = torch.linalg.qr(statistics @ old[:, order])[0]
            state["bases"][side] = new
            state["square"] = state["square"].index_select(side, order)
            turned = new.T @ old
            mean = state["mean"]
            state["mean"] = turned @ mean if side == 0 else mean @ turned.T


def rotate(matrix: Tensor, bases: list[Tensor | None]) -> Tensor:
    """Q_L^T G Q_R; a basis that is None is the identity."""
    for side, basis in enumerate(bases):
        if basis is not None:
            matrix = basis.T @ matrix if side == 0 else matrix @ basis
    return matrix


def rotate_back(matrix: Tensor, bases: list[Tensor | None]) -> Tensor:
    """Inverse of :func:`rotate`."""
    for side, basis in enumerate(bases):
        if basis is not None:
            matrix = basis @ matrix if side == 0 else matrix @ basis.T
    return matrix


def _first_statistics(parameter: Tensor, gradient: Tensor) -> list[Tensor | None]:
    """L and R of a dense convolution, None for a side that is too long, [] for anything else."""
    if parameter.ndim != 4 or parameter.shape[1] == 1:
        return []
    share = 1 - STATISTICS_BETA
    return [
        _second_moment(gradient, side) * share if length <= LARGEST_SIDE else None
        for side, length in enumerate(gradient.shape)
    ]


def _second_moment(gradient: Tensor, side: int) -> Tensor:
    return gradient @ gradient.T if side == 0 else gradient.T @ gradient


def _eigenvectors(statistics: Tensor) -> Tensor:
    """Columns, largest eigenvalue first."""
    return torch.linalg.eigh(statistics.double())[1].flip(1).to(statistics.dtype)
