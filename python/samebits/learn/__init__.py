"""The torch ring of Samebits: float models, training and export to integers.

Everything that needs torch lives here. ``import samebits`` never imports this package.
Install it with ``pip install samebits[torch]``.
"""

try:
    import torch  # noqa: F401
except ImportError as error:  # pragma: no cover - exercised by a subprocess test
    raise ImportError(
        "samebits.learn needs torch: install it with pip install 'samebits[torch]'"
    ) from error

from .stability import stabilize

__all__ = ["stabilize"]
