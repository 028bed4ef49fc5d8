"""Latents refined for each picture at encode time (US 2020/0366914; requirements R1 to R5)."""

from samebits.refinement import METHODS

from .hyperprior_model import HyperpriorModel
from .refinable import Latents, RefinableModel
from .search import Refined, refine_latents
from .weights_model import WeightsModel

__all__ = [
    "METHODS",
    "HyperpriorModel",
    "Latents",
    "RefinableModel",
    "Refined",
    "WeightsModel",
    "refine_latents",
]
