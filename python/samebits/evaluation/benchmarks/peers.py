"""Other libraries: asked for, found or reported as missing, never left out in silence."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import samebits

INSTALL_EXTRA = "pip install 'samebits[bench]'"
INSTALL_COMPRESSAI = "pip install einops pandas requests scipy && pip install --no-deps compressai"

Item = TypeVar("Item")


@dataclass(frozen=True)
class Missing:
    """What was not measured, why, and what to do about it (empty if nothing helps here)."""

    name: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Source(Generic[Item]):
    """Where contenders come from: `make` imports the library, and may fail."""

    name: str
    remedy: str
    make: Callable[[], Sequence[Item]]


class Unavailable(Exception):
    """Something that this build or this machine lacks; the message says what."""


def gather(sources: Sequence[Source[Item]]) -> tuple[list[Item], list[Missing]]:
    """The items of all sources that work here, and a line on each that does not.

    Libraries fail in many ways where a machine or a version does not suit them, not only with
    ImportError; a benchmark of the others is still worth having.
    """
    items: list[Item] = []
    missing: list[Missing] = []
    for source in sources:
        try:
            items += source.make()
        except ModuleNotFoundError as error:
            missing.append(Missing(source.name, f"{error.name} is not installed", source.remedy))
        except Unavailable as error:
            missing.append(Missing(source.name, str(error), source.remedy))
        except (
            ImportError,
            OSError,
            RuntimeError,
            NotImplementedError,
            AttributeError,
            TypeError,
            ValueError,
        ) as error:
            lines = str(error).strip().splitlines() or [""]
            missing.append(Missing(source.name, f"{type(error).__name__}: {lines[0]}", ""))
    return items, missing


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of Samebits, and of each of the packages that is installed."""
    versions = {"samebits": samebits.__version__}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
