"""Float models: the twins of the integer networks that the native code runs."""

from .config import ModelConfig
from .picture_model import PictureModel

__all__ = ["ModelConfig", "PictureModel"]
