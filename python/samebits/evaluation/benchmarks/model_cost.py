"""What a model costs, counted from its weights file: multiplications and parameters by part.

Counts are by the definition of each layer (arithmetic.md 2 and 4), also where Winograd needs fewer
multiplications: the core does not tell what it has chosen. Only dense 3×3 layers of stride 1 can be
run that way, and they have a kind of their own. All is per pixel of a picture whose sides divide.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from samebits import _core, model_store
from samebits.orders import DEFAULT_PRESET, PRESETS, schedule_of

CONV, UNSHUFFLE, SHUFFLE = 1, 3, 4  # opcodes whose effect is not that of `add`
PHASES = 4
LATENT_AREA = 1 / 256  # positions of y a pixel
HYPER_AREA = LATENT_AREA / 16
NETWORK_AREAS = {"g_a": 1.0, "h_a": LATENT_AREA, "h_s": HYPER_AREA, "g_s": LATENT_AREA}

Step = Sequence[tuple[int, int, int, "list[tuple[int, int]] | None"]]
"""Rectangles: channel begin, channel end, phase mask, view."""


@dataclass(frozen=True)
class Kmac:
    """Thousands of multiply-accumulates a pixel of the picture, by kind of layer.

    Attributes
    ----------
    pointwise : float
        1×1.
    depthwise : float
        3×3.
    dense : float
        3×3 with stride 1.
    strided : float
        Dense 3×3 with stride 2.
    """

    pointwise: float = 0.0
    depthwise: float = 0.0
    dense: float = 0.0
    strided: float = 0.0

    def __add__(self, other: Kmac) -> Kmac:
        return Kmac(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def total(self) -> float:
        """Of all kinds."""
        return sum(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True)
class PartCost:
    """A part of a model.

    Attributes
    ----------
    name : str
    kmac_per_pixel : float
    by_kind : Kmac
    parameters : int
        Weights, and a bias for each output channel. What is used twice is counted once.
    """

    name: str
    kmac_per_pixel: float
    by_kind: Kmac
    parameters: int

    @staticmethod
    def of(name: str, by_kind: Kmac, parameters: int) -> PartCost:
        """With the total of the kinds."""
        return PartCost(name, by_kind.total, by_kind, parameters)

    @staticmethod
    def sum_of(name: str, parts: Iterable[PartCost]) -> PartCost:
        """Several parts as one."""
        parts = list(parts)
        by_kind = sum((part.by_kind for part in parts), Kmac())
        return PartCost.of(name, by_kind, sum(part.parameters for part in parts))


@dataclass(frozen=True)
class OrderCost:
    """The entropy model in one coding order.

    Attributes
    ----------
    order : str
    steps : int
    first_layer : PartCost
        One pass over prediction and hyper features. Its parameters are all of the context layer.
    sums : PartCost
        What known elements add to that layer's sums, later.
    head : PartCost
        The network that gives mean and scale, run once in each step where the step codes.
    """

    order: str
    steps: int
    first_layer: PartCost
    sums: PartCost
    head: PartCost

    @property
    def parts(self) -> tuple[PartCost, PartCost, PartCost]:
        """All of it."""
        return self.first_layer, self.sums, self.head


@dataclass(frozen=True)
class ModelCost:
    """A weights file.

    Attributes
    ----------
    name : str
    model : str
        Its id, as streams name it.
    size_bytes, deflated_bytes : int
        The file, and about what it takes inside a wheel.
    parameters : int
        Of all parts, the optional ones too.
    encoder, decoder : PartCost
        Of a picture, in the default order.
    networks : tuple of PartCost
        g_a, h_a, h_s and g_s.
    orders : tuple of OrderCost
        The default order, then one step.
    optional : tuple of PartCost
        Not part of the sums: `time` (a picture of a series), `values` (a probability per value).
    """

    name: str
    model: str
    size_bytes: int
    deflated_bytes: int
    parameters: int
    encoder: PartCost
    decoder: PartCost
    networks: tuple[PartCost, ...]
    orders: tuple[OrderCost, ...]
    optional: tuple[PartCost, ...]


@dataclass(frozen=True)
class Layer:
    """A convolution of a program, run at `area` output positions a pixel."""

    number: int
    weight_shape: tuple[int, int, int, int]
    stride: int
    depthwise: bool
    area: float

    @property
    def weights(self) -> int:
        """Also the multiplications for one position."""
        return math.prod(self.weight_shape)

    @property
    def kmac(self) -> Kmac:
        """A pixel."""
        thousands = self.area * self.weights / 1000
        if self.weight_shape[1] == 1:
            return Kmac(pointwise=thousands)
        if self.depthwise:
            return Kmac(depthwise=thousands)
        return Kmac(dense=thousands) if self.stride == 1 else Kmac(strided=thousands)


def count_model(path: Path, *, name: str | None = None) -> ModelCost:
    """Count a weights file; `name` is for people, that of the file if not given.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidArgument
        It is no valid model.
    """
    content = path.read_bytes()
    model = model_store.load_model(path)  # refuses what is no model
    file = _core.WeightsFile(content)
    networks = [_network(file, prefix, area) for prefix, area in NETWORK_AREAS.items()]
    g_a, h_a, h_s, g_s = networks
    orders = [_order(file, model, preset) for preset in (DEFAULT_PRESET, "fast")]
    entropy = orders[0].parts
    optional = _optional(file, model)
    return ModelCost(
        name=name or path.name,
        model=model.id.hex(),
        size_bytes=len(content),
        deflated_bytes=len(zlib.compress(content)),
        parameters=sum(part.parameters for part in (*networks, *entropy, *optional)),
        encoder=PartCost.sum_of("encoder", (g_a, h_a, h_s, *entropy)),
        decoder=PartCost.sum_of("decoder", (h_s, *entropy, g_s)),
        networks=tuple(networks),
        orders=tuple(orders),
        optional=tuple(optional),
    )


def layers_of(file: _core.WeightsFile, prefix: str, area: float) -> list[Layer]:
    """The convolutions of a program (arithmetic.md 2) whose input has `area` positions a pixel."""
    areas = {0: area}
    layers = []
    for opcode, dst, src, _, a0, a1, _, depthwise in file.tensor(f"{prefix}.program").tolist():
        areas[dst] = areas[src]
        if opcode == CONV:
            areas[dst] /= (a1 % 16) ** 2
            shape = file.tensor(f"{prefix}.{a0}.weight").shape
            layers.append(Layer(a0, shape, a1 % 16, bool(depthwise), areas[dst]))
        elif opcode == UNSHUFFLE:
            areas[dst] /= a0**2
        elif opcode == SHUFFLE:
            areas[dst] *= a0**2
    return layers


def _parameters(layers: Sequence[Layer]) -> int:
    distinct = {layer.number: layer for layer in layers}.values()
    return sum(layer.weights + layer.weight_shape[0] for layer in distinct)


def _network(file: _core.WeightsFile, prefix: str, area: float) -> PartCost:
    layers = layers_of(file, prefix, area)
    return PartCost.of(prefix, sum((layer.kmac for layer in layers), Kmac()), _parameters(layers))


def _order(file: _core.WeightsFile, model: _core.Model, preset: str) -> OrderCost:
    steps = _steps(model, preset)
    context = file.tensor("context.weight")
    c1, taps = context.shape[0], context.shape[1] * context.shape[2]
    inputs = model.latent_channels + model.feature_channels  # of the mask there is nothing yet
    first = LATENT_AREA * c1 * taps * inputs / 1000
    seen = sum(map(_share, _seen_later(steps)))
    sums = LATENT_AREA * c1 * taps * seen / 1000
    return OrderCost(
        order="one step" if len(steps) == 1 else f"{PRESETS[preset].phases}, {len(steps)} steps",
        steps=len(steps),
        first_layer=PartCost.of("first layer", Kmac(dense=first), context.size + c1),
        sums=PartCost.of("incremental sums", Kmac(pointwise=sums), 0),
        head=_head(file, "entropy", steps),
    )


def _steps(model: _core.Model, preset: str) -> list[Step]:
    return _core.schedule_steps(schedule_of(preset=preset), model.channel_groups)


def _share(rectangle, count: Callable[[int], float] = float) -> float:
    """Of a rectangle, what `count` says for its channels, times its share of the positions."""
    begin, end, phase_mask, _ = rectangle
    return count(end - begin) * int(phase_mask).bit_count() / PHASES


def _seen_later(steps: Sequence[Step]) -> list:
    """The rectangles that some rectangle of a later step sees (csrc/codec/sums_plan.h)."""
    return [
        rectangle
        for n, step in enumerate(steps)
        for rectangle in step
        if any(_sees(later[3], rectangle[0]) for after in steps[n + 1 :] for later in after)
    ]


def _sees(view: list[tuple[int, int]] | None, channel: int) -> bool:
    return view is None or any(begin <= channel < end for begin, end in view)


def _head(file: _core.WeightsFile, prefix: str, steps: Sequence[Step]) -> PartCost:
    """1×1 layers, run at the positions of every rectangle; the last for its channels only."""
    layers = layers_of(file, prefix, LATENT_AREA)
    hidden = sum(layer.weights for layer in layers[:-1])
    channels = max(end for step in steps for _, end, _, _ in step)
    last = layers[-1].weights / channels
    macs = sum(
        _share(rectangle, lambda count: hidden + count * last)
        for step in steps
        for rectangle in step
    )
    name = "head" if prefix == "entropy" else prefix
    return PartCost.of(name, Kmac(pointwise=LATENT_AREA * macs / 1000), _parameters(layers))


def _optional(file: _core.WeightsFile, model: _core.Model) -> list[PartCost]:
    parts = []
    if model.has_time:
        parts.append(_network(file, "time", LATENT_AREA))
    if model.has_values:
        head = _head(file, "values", _steps(model, DEFAULT_PRESET))
        shapes = file.tensor("values.base").size + file.tensor("values.shapes").size
        parts.append(PartCost.of(head.name, head.by_kind, head.parameters + shapes))
    return parts
