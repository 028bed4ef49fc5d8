"""What a GPU session says of itself: summary.json, and summary.txt for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from parts import Outcome

GOOD = ("ran", "left out")


@dataclass
class Summary:
    """The state of a session, written anew after every part.

    Attributes
    ----------
    minutes : allowed. machine : versions and devices. outcomes : of the parts so far.
    results : sentences about the files. ended_by : what ended the session early; empty if nothing.
    """

    minutes: float
    machine: dict[str, Any] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    ended_by: str = ""
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Everything that was asked for ran."""
        return not self.ended_by and all(part.status in GOOD for part in self.outcomes)

    def status_of(self, name: str) -> str:
        """Status of a part by name; empty if it has none yet."""
        return next((part.status for part in self.outcomes if part.name == name), "")

    def write(self, folder: Path) -> None:
        """Both files; each is whole at any time."""
        values = {**asdict(self), "complete": self.is_complete}
        _replace(folder / "summary.json", json.dumps(values, indent=1) + "\n")
        _replace(folder / "summary.txt", self.text())

    def text(self) -> str:
        """For people."""
        lines = [self._first_line(), ""]
        lines += [f"{name}: {value}" for name, value in self.machine.items()]
        lines += ["", *_table(self.outcomes), *(["", *self.results] if self.results else [])]
        for part in self.outcomes:
            if part.status == "failed":
                lines += ["", f"{part.name}: {part.why}", *(f"    {x}" for x in part.last_lines)]
        return "\n".join(lines) + "\n"

    def _first_line(self) -> str:
        end = f"ended by {self.ended_by}" if self.ended_by else "not all of it ran"
        state = "everything asked for ran" if self.is_complete else end
        return f"GPU session, {self.seconds / 60:.1f} of {self.minutes:g} minutes: {state}"


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    width = max((len(part.name) for part in outcomes), default=0)
    rows = []
    for part in outcomes:
        why = f"  {part.why}" if part.why else ""
        rows.append(f"{part.name:<{width}}  {part.status:<8}  {part.seconds:6.1f} s{why}")
    return rows


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)
