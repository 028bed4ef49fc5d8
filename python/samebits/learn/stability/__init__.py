"""Floating-point networks whose outputs are the same on every machine (EP 4 156 691, S5)."""

from .exact_arithmetic import ExactArithmetic
from .factors import Factors
from .scaling import Scaling, ScalingReport
from .stabilize import Stabilized, stabilize

__all__ = ["ExactArithmetic", "Factors", "Scaling", "ScalingReport", "Stabilized", "stabilize"]
