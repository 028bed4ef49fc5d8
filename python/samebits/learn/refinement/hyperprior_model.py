"""Models of CompressAI's kind as :class:`RefinableModel`: g_a, h_a and likelihoods (R3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from samebits.errors import InvalidArgument

from .refinable import Latents
from .relaxations import Quantize

ENCODERS = {"y": "g_a", "z": "h_a"}
"""Latents, and the networks that give them. Models without h_a have no z."""
LEAST_LIKELIHOOD = 1e-9


class HyperpriorModel:
    """A model whose forward pass takes pictures in 0 ... 1 and gives ``x_hat`` and ``likelihoods``.

    Its encoders must be submodules ``g_a`` and, if there is one, ``h_a``; what rounds must do so in
    methods ``quantize(inputs, mode, means=None)`` of its submodules, as CompressAI's entropy models
    do. For the time of a forward pass the encoders give way to latents, and rounding to its
    stand-in. The model itself does not change, nor do its parameters need gradients.

    Raises
    ------
    InvalidArgument
        The model has no g_a, or nothing that quantizes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.encoders = {
            name: network for name, network in ENCODERS.items() if hasattr(model, network)
        }
        self.quantizers = [
            module for module in model.modules() if callable(getattr(module, "quantize", None))
        ]
        if "y" not in self.encoders or not self.quantizers:
            raise InvalidArgument(
                "the model needs a network g_a, and entropy models with a method quantize"
            )

    @torch.no_grad()
    def latents(self, x: Tensor) -> Latents:
        """As of :class:`RefinableModel`."""
        found: Latents = {}
        hooks = [
            getattr(self.model, network).register_forward_hook(
                lambda _module, _inputs, output, name=name: found.__setitem__(name, output)
            )
            for name, network in self.encoders.items()
        ]
        try:
            with self._quantized_by(torch.round):
                self.model(x / 255)
        finally:
            for hook in hooks:
                hook.remove()
        return found

    def decode(self, latents: Mapping[str, Tensor], quantize: Quantize) -> tuple[Tensor, Tensor]:
        """As of :class:`RefinableModel`."""
        y = latents["y"]
        with self._quantized_by(quantize), self._encoded_to(latents):
            out = self.model(y)  # whose encoders do not look at it
        bits = [
            -torch.log2(likelihood.clamp_min(LEAST_LIKELIHOOD)).flatten(1).sum(1)
            for likelihood in out["likelihoods"].values()
        ]
        return torch.stack(bits).sum(0), out["x_hat"] * 255

    @contextmanager
    def _quantized_by(self, quantize: Quantize) -> Iterator[None]:
        def around_means(inputs: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
            return quantize(inputs) if means is None else quantize(inputs - means) + means

        for module in self.quantizers:
            module.__dict__["quantize"] = around_means
        try:
            yield
        finally:
            for module in self.quantizers:
                del module.__dict__["quantize"]

    @contextmanager
    def _encoded_to(self, latents: Mapping[str, Tensor]) -> Iterator[None]:
        before = {network: getattr(self.model, network) for network in self.encoders.values()}
        for name, network in self.encoders.items():
            setattr(self.model, network, _Given(latents[name]))
        try:
            yield
        finally:
            for network, module in before.items():
                setattr(self.model, network, module)


class _Given(nn.Module):
    """In place of an encoder: gives what it was given."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _x: Tensor) -> Tensor:
        return self.value
