"""The command ``samebits``: the only place besides ``samebits.io`` that opens files or prints."""

from samebits.cli.program import main

__all__ = ["main"]
