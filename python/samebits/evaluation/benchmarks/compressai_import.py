"""Importing CompressAI where torchvision or PyTorch Geometric cannot be had."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

# CompressAI asks for them when it is imported, for transforms of training data alone.
FOR_TRAINING_DATA = {
    "torchvision": ("transforms",),
    "torch_geometric": ("data", "data.datapipes", "transforms"),
}


def import_compressai() -> ModuleType:
    """Import it, with empty modules in place of those it needs for training data only.

    Raises
    ------
    ModuleNotFoundError
        If it or another package it needs is not installed.
    """
    stand_ins = [
        name
        for package, parts in FOR_TRAINING_DATA.items()
        if not _importable(package)
        for name in (package, *(f"{package}.{part}" for part in parts))
    ]
    for name in stand_ins:
        sys.modules[name] = _Empty(name)
    try:
        # What is used of it, so that nothing is imported after the stand-ins are gone.
        for part in ("compressai.ans", "compressai.entropy_models", "compressai.zoo"):
            importlib.import_module(part)
        return importlib.import_module("compressai")
    finally:
        for name in stand_ins:
            del sys.modules[name]


class _Empty(ModuleType):
    """A package whose every attribute is a new class; `functional_transform` decorates nothing."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "functional_transform":
            return lambda _: lambda decorated: decorated
        return type(name, (), {})


def _importable(package: str) -> bool:
    """Whether it can be imported; a torchvision for another torch raises RuntimeError."""
    if package in sys.modules:
        return True
    try:
        importlib.import_module(package)
    except (ImportError, RuntimeError, AttributeError):
        # Without the parts of it that did load.
        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            del sys.modules[name]
        return False
    return True
