"""Where models are found: in the package's folder ``weights``, or in a file the caller names."""

import hashlib
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from samebits.errors import InvalidArgument, ModelMismatch

if TYPE_CHECKING:
    from samebits import _core

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_NAME = "default.safetensors"
ID_BYTES = 3  # how many bytes of a weights file's SHA-256 a stream has room for


def installed_models() -> list[Path]:
    """The weights files in the package, by name."""
    return sorted(WEIGHTS_FOLDER.glob("*.safetensors"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a weights file, in hexadecimal."""
    return _sha256(path, *_version_of(path))


def default_path() -> Path:
    """The weights file of the model that encodes when the caller names none: the only one there
    is, or ``default.safetensors``."""
    installed = installed_models()
    if not installed:
        raise ModelMismatch(
            f"no model is installed: there is no .safetensors file in {WEIGHTS_FOLDER}; "
            "pass model=PATH (--model FILE), or install a Samebits that has its weights"
        )
    defaults = [path for path in installed if path.name == DEFAULT_NAME]
    if len(installed) > 1 and not defaults:
        names = ", ".join(path.name for path in installed)
        raise ModelMismatch(
            f"several models are installed ({names}) and none is {DEFAULT_NAME}; pass model=PATH"
        )
    return defaults[0] if defaults else installed[0]


def default_model() -> "_core.Model":
    """The model in `default_path`."""
    return load_model(default_path())


def load_model(path: str | PathLike[str]) -> "_core.Model":
    """Load a weights file, or take it from memory if it has been loaded before.

    Raises
    ------
    InvalidArgument
        The file is no valid model.
    OSError
        The file cannot be read.
    """
    path = Path(path)
    return _load(path, *_version_of(path))


def model_for_encoding(model: "str | PathLike[str] | _core.Model | None") -> "_core.Model":
    """The model a caller named, or the default one."""
    return default_model() if model is None else _as_model(model)


def path_for_encoding(model: "str | PathLike[str] | _core.Model | None") -> Path:
    """The weights file of :func:`model_for_encoding`; a loaded model does not say which it was."""
    if model is None:
        return default_path()
    if not isinstance(model, str | PathLike):
        raise InvalidArgument("this needs the path of the weights file, not a loaded model")
    return Path(model)


def model_for_decoding(
    model_id: bytes, model: "str | PathLike[str] | _core.Model | None"
) -> "_core.Model":
    """The model that a stream names; if the caller gives one it has to be that one.

    Raises
    ------
    ModelMismatch
        Names the model the stream needs, and what there is.
    """
    if model is not None:
        given = _as_model(model)
        if given.id != model_id:
            raise ModelMismatch(
                f"the stream needs model {model_id.hex()}, the model given is {given.id.hex()}"
            )
        return given
    path = installed_with_id(model_id)
    if path is None:
        there = ", ".join(
            f"{sha256_of(path)[: 2 * ID_BYTES]} ({path.name})" for path in installed_models()
        )
        raise ModelMismatch(
            f"the stream needs model {model_id.hex()}, installed: {there or 'none'}; "
            "pass the weights file by model=PATH (--model FILE), or update Samebits"
        )
    return load_model(path)


def installed_with_id(model_id: bytes) -> Path | None:
    """The installed weights file that a stream names by the first bytes of its SHA-256."""
    for path in installed_models():
        if sha256_of(path).startswith(model_id.hex()):
            return path
    return None


def _as_model(model) -> "_core.Model":
    from samebits import _core

    if isinstance(model, _core.Model):
        return model
    if not isinstance(model, str | PathLike):
        raise InvalidArgument(
            f"model is the path of a weights file or a loaded model, not {type(model).__name__}"
        )
    return load_model(model)


def _version_of(path: Path) -> tuple[int, int]:
    """Changes when the file does, so that a stale model is never used."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _load(path: Path, modified_ns: int, size: int) -> "_core.Model":
    from samebits import _core

    return _core.Model(path.read_bytes())


@lru_cache(maxsize=64)
def _sha256(path: Path, modified_ns: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
