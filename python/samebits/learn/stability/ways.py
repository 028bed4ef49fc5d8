"""Ways to compute a network, which :mod:`samebits.stability.environments` are made of."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from samebits.stability.environments import Environment, EnvironmentUnavailable

Network = Callable[..., Tensor]
OPSET = 17


@dataclass(frozen=True)
class Way:
    """``run(network, *inputs)`` gives what ``network(*inputs)`` would; the network is a module or a
    function of tensors. ``prepare(model)`` is called once for a model, before anything else."""

    run: Callable[..., Tensor]
    prepare: Callable[[nn.Module], object] = lambda model: None


def way_of(environment: Environment) -> Way:
    """For this process.

    Raises
    ------
    EnvironmentUnavailable
        This machine does not have what the environment needs.
    """
    return WAYS[environment.way](environment)


def _plain(environment: Environment) -> Way:
    return Way(lambda network, *inputs: network(*inputs))


def _no_onednn(environment: Environment) -> Way:
    torch.backends.mkldnn.set_flags(_enabled=False)
    return _plain(environment)


def _channels_last(environment: Environment) -> Way:
    def run(network: Network, *inputs: Tensor) -> Tensor:
        return network(*(x.contiguous(memory_format=torch.channels_last) for x in inputs))

    return Way(run)


def _batch(environment: Environment) -> Way:
    def run(network: Network, *inputs: Tensor) -> Tensor:
        return network(*(torch.cat([x, x.flip(-1)]) for x in inputs))[: len(inputs[0])]

    return Way(run)


def _float64(environment: Environment) -> Way:
    return Way(_plain(environment).run, lambda model: model.double())


def _perturbed(environment: Environment) -> Way:
    def run(network: Network, *inputs: Tensor) -> Tensor:
        y = network(*inputs)
        random = torch.Generator().manual_seed(y.numel())
        noise = 2 * torch.rand(y.shape, generator=random, dtype=torch.float64) - 1
        largest = y.abs().amax((0, 2, 3), keepdim=True)
        return (y + environment.epsilon * largest * noise.to(y.device)).to(y.dtype)

    return Way(run)


def _compiled(environment: Environment) -> Way:
    made: dict[Hashable, Network] = {}

    def run(network: Network, *inputs: Tensor) -> Tensor:
        if network not in made:
            made[network] = torch.compile(network, dynamic=False)
        return made[network](*inputs)

    return Way(run)


def _onnxruntime(environment: Environment) -> Way:
    try:
        import onnx  # noqa: F401  (torch's exporter needs it)
        import onnxruntime
    except ImportError as error:
        raise EnvironmentUnavailable(f"{error}; pip install 'samebits[bench]'") from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = environment.threads
    sessions: dict[Hashable, onnxruntime.InferenceSession] = {}

    def run(network: Network, *inputs: Tensor) -> Tensor:
        key = (network, *(x.shape for x in inputs))
        if key not in sessions:
            sessions[key] = onnxruntime.InferenceSession(
                _exported(network, inputs), options, providers=["CPUExecutionProvider"]
            )
        names = [one.name for one in sessions[key].get_inputs()]
        given = {
            name: np.ascontiguousarray(x.numpy()) for name, x in zip(names, inputs, strict=True)
        }
        return torch.from_numpy(sessions[key].run(None, given)[0])

    return Way(run)


class _AsModule(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*inputs)


def _exported(network: Network, inputs: tuple[Tensor, ...]) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without further packages is called old
        torch.onnx.export(
            _AsModule(network),
            inputs,
            content,  # pyright: ignore[reportArgumentType]  (files are taken, too)
            dynamo=False,
            opset_version=OPSET,
        )
    return content.getvalue()


def _cuda(environment: Environment, *, tf32: bool = False, bf16: bool = False) -> Way:
    if not torch.cuda.is_available():
        raise EnvironmentUnavailable("no GPU that torch can use")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32

    def run(network: Network, *inputs: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            return network(*inputs).float()

    return Way(run, lambda model: model.cuda())


WAYS: dict[str, Callable[[Environment], Way]] = {
    "plain": _plain,
    "no_onednn": _no_onednn,
    "channels_last": _channels_last,
    "batch": _batch,
    "float64": _float64,
    "perturbed": _perturbed,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
    "cuda": _cuda,
    "cuda_tf32": lambda environment: _cuda(environment, tf32=True),
    "cuda_bf16": lambda environment: _cuda(environment, bf16=True),
}
