"""Checkpoints: written to a temporary file and renamed, so an interruption loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..models import ModelConfig, PictureModel

FORMAT = "samebits-checkpoint-1"
RESUMED = ("optimizer", "optimizer_name", "random", "steps_done", "elapsed")
"""What a checkpoint holds for going on with its run, beside config, model and ema."""


HISTORY = ("steps_done", "elapsed", "seen")
"""What a checkpoint says of the training of its weights, beside config, model and ema."""


def save_checkpoint(path: Path, state: dict) -> None:
    """Write ``state`` (tensors and plain values) so that ``path`` is always whole.

    Raises
    ------
    OSError
        If the file cannot be written, for instance because the disk is full; what ``path`` was
        before, it still is.
    """
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch's writer turns some errors into RuntimeError
        temporary.unlink(missing_ok=True)
        reason = _system_error(error)
        raise OSError(
            f"cannot write {path}: {reason}; "
            + ("the last checkpoint there is intact" if path.exists() else "nothing was saved yet")
        ) from error


def _system_error(error: BaseException) -> str:
    """What the system said, behind what torch made of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0]


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint of our own; only tensors and plain values are unpickled.

    Weights are float32, also those of a snapshot, which has two bytes each.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a Samebits checkpoint: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is not a Samebits checkpoint (format {FORMAT})")
    for name in ("model", "ema"):
        weights = state.get(name, {})
        state[name] = {key: v.float() if v.dtype == torch.half else v for key, v in weights.items()}
    return state


def history_of(state: dict) -> dict:
    """What other checkpoints of the same weights say of their training."""
    return {name: state[name] for name in HISTORY if name in state}


def config_of(state: dict, path: Path) -> ModelConfig:
    """The sizes of the model in a checkpoint."""
    try:
        return ModelConfig.from_dict(state["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: the model in it is of another version of Samebits ({error})"
        ) from error


def load_weights(model: PictureModel, weights: dict, path: Path) -> None:
    """``load_state_dict`` with a sentence where weights and model differ."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        first = lines[1] if len(lines) > 1 else lines[0]
        raise ValueError(f"{path}: its weights are not those of its config: {first}") from error


def check_resumable(state: dict, path: Path, *, optimizer: torch.optim.Optimizer) -> None:
    """Refuse to go on from a checkpoint that does not hold the whole state of its run.

    Raises
    ------
    ValueError
        Something is missing, or belongs to another optimizer.
    """
    missing = [name for name in RESUMED if name not in state]
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(missing)}, so its run cannot be resumed; "
            "begin another one from it with --start-from"
        )
    if state["optimizer_name"] != type(optimizer).__name__:
        raise ValueError(
            f"{path} was trained by {state['optimizer_name']}, this run by "
            f"{type(optimizer).__name__}: begin another run from it with --start-from"
        )


def check_kind(state: dict, path: Path, *, hot: bool) -> None:
    """Refuse to go on with a hot run as if it had an end, and the other way round.

    Raises
    ------
    ValueError
        With what to do.
    """
    if state.get("hot", False) == hot:
        return
    if hot:
        raise ValueError(f"{path} is of a run with an end: go on with --resume, or use --branch")
    raise ValueError(f"{path} is of a hot run: go on with --hot, or begin another with --branch")


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict, path: Path) -> None:
    """``load_state_dict`` with a sentence where the state is not one of these parameters.

    Raises
    ------
    ValueError
        The run trained other parameters, or another version of the optimizer wrote the state.
    """
    try:
        optimizer.load_state_dict(state)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: the optimizer's state in it does not belong to what this run trains "
            f"({error}); begin from its weights alone with --start-from"
        ) from error


def model_from_checkpoint(path: Path, *, averaged: bool = True) -> PictureModel:
    """The model of a checkpoint, by default with the averaged (EMA) weights."""
    state = load_checkpoint(path)
    model = PictureModel(config_of(state, path))
    load_weights(model, state["ema" if averaged else "model"], path)
    return model.eval()
