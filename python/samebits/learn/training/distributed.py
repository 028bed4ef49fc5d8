"""Several processes that train one model, as torchrun starts them; one process is the same code.

Whatever is random is drawn for the whole batch by every process, from generators in the same state,
and every process keeps its rows. So N processes compute what one does, up to the order of sums, the
random states of all processes are always those of the first, and a run can be resumed with another
number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

TIMEOUT = timedelta(hours=2)
"""The first process may read pictures or validate for long while the others wait."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes
    ----------
    rank : 0 is the one that writes. count : how many. device : that of this process.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """Which of ``count`` crops this process computes."""
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    def weight(self, count: int) -> float:
        """What this process's mean counts in the mean of all processes; 1 for equal shares."""
        rows = self.rows(count)
        return (rows.stop - rows.start) * self.count / count

    def parallel(self, module: nn.Module) -> nn.Module:
        """``module``, its gradients averaged over the processes.

        Every parameter that asks for a gradient must be used in every step.
        """
        if self.count == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)

    def noise(self, count: int) -> AbstractContextManager:
        """Within it ``torch.rand_like`` gives this process's rows of noise for ``count`` crops."""
        return nullcontext() if self.count == 1 else SharedNoise(count, self.rows(count))

    def agree(self, elapsed: float, stop: bool) -> tuple[float, bool]:
        """The longest time of all processes, and whether any of them has to stop."""
        if self.count == 1:
            return elapsed, stop
        values = torch.tensor([elapsed, float(stop)], dtype=torch.float64)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return values[0].item(), bool(values[1])

    def mean(self, values: Tensor) -> Tensor:
        """Elementwise mean of a CPU tensor over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values / self.count

    def from_first(self, values: Tensor) -> Tensor:
        """A CPU tensor as the first process has it."""
        if self.count > 1:
            values = values.contiguous()
            dist.broadcast(values, 0)
        return values

    def gather(self, lines: list[str]) -> list[str]:
        """The lines of all processes."""
        if self.count == 1:
            return lines
        parts: list[list[str]] = [[] for _ in range(self.count)]
        dist.all_gather_object(parts, lines)
        return sorted({line for part in parts for line in part})

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process runs the block before the others do: they find the files it wrote."""
        if not self.is_first:
            self.agree(0.0, False)
        yield
        if self.is_first:
            self.agree(0.0, False)


def is_first_process() -> bool:
    """Whether this process prints, as torchrun's environment says."""
    return os.environ.get("RANK", "0") == "0"


def join_processes(device: str) -> Processes:
    """The processes that torchrun has started, or this one alone.

    Parameters
    ----------
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; under torchrun each process takes the GPU of
        its local rank.

    Raises
    ------
    ValueError
        If the device is not there.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    place = _device_of(device, local_rank=int(os.environ.get("LOCAL_RANK", "0")), count=count)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if count == 1:
        return Processes(0, 1, place)
    if not dist.is_initialized():
        # What is said beside gradients goes by gloo, from the CPU: it does not wait for a GPU.
        backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)
    return Processes(dist.get_rank(), count, place)


def leave_processes() -> None:
    """End what :func:`join_processes` has begun."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _device_of(name: str, *, local_rank: int, count: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device {name}: give auto, cpu or cuda") from error
    if device.type != "cuda":
        return device
    index = local_rank if count > 1 or device.index is None else device.index
    found = torch.cuda.device_count()
    if index >= found:
        raise ValueError(
            f"--device {name}: GPU {index} is wanted and torch finds {found}; "
            "use --device cpu, or fewer processes"
        )
    return torch.device("cuda", index)


class SharedNoise(TorchFunctionMode):
    """Noise for this process's rows out of noise for the whole batch.

    The models ask for noise by ``torch.rand_like`` alone and know nothing of processes.
    """

    def __init__(self, count: int, rows: slice) -> None:
        super().__init__()
        self.count = count
        self.rows = rows

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.rand_like and len(args[0]) == self.rows.stop - self.rows.start:
            return self._rows_of_noise(args[0], kwargs or {})
        return func(*args, **(kwargs or {}))

    def _rows_of_noise(self, like: Tensor, options: dict) -> Tensor:
        last = like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last)
        whole = torch.empty(
            (self.count, *like.shape[1:]),
            dtype=like.dtype,
            device=like.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
        return torch.rand_like(whole, **options)[self.rows]


class TrainingPass(nn.Module):
    """A model and the computation of a trainer's losses with it, as one module.

    Gradients of everything that ``losses`` does with ``model`` are averaged, whichever parts of the
    model it calls.
    """

    def __init__(self, model: nn.Module, losses: Callable[[], object]) -> None:
        super().__init__()
        self.model = model
        self.losses = losses

    def forward(self) -> object:
        """Losses of a new batch."""
        return self.losses()
