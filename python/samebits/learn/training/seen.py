"""What weights have been trained on, counted over all runs that they come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Seen:
    """Totals of a run and of those it was begun, branched or resumed from.

    Attributes
    ----------
    steps : training steps.
    seconds : wall-clock time of training, validation included.
    pixels : pixels of all crops of all processes.
    """

    steps: int = 0
    seconds: float = 0.0
    pixels: int = 0

    @classmethod
    def of(cls, state: dict) -> Seen:
        """What a checkpoint says; one that is older than this count knows no pixels."""
        if "seen" in state:
            return cls(**state["seen"])
        return cls(state.get("steps_done", 0), state.get("elapsed", 0.0))

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.steps + other.steps, self.seconds + other.seconds, self.pixels + other.pixels
        )

    def __sub__(self, other: Seen) -> Seen:
        return self + Seen(-other.steps, -other.seconds, -other.pixels)

    def row(self) -> dict[str, float]:
        """For a line of the log."""
        return {"hours": round(self.seconds / 3600, 3), "gpx": round(self.pixels / 1e9, 4)}

    def to_dict(self) -> dict:
        """Plain values, for a checkpoint."""
        return asdict(self)
