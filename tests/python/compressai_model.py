"""A model of CompressAI and a picture, for tests."""

import torch
import torch.nn.functional as F

from samebits.evaluation.benchmarks.compressai_import import import_compressai


def compressai_model():
    """A mean-scale hyperprior that is not trained, but whose latents are not all zero.

    Raises
    ------
    ImportError
        CompressAI is not installed.
    """
    import_compressai()
    from compressai.models import MeanScaleHyperprior

    torch.manual_seed(3)
    model = MeanScaleHyperprior(32, 48).eval()
    with torch.no_grad():
        # Latents and scales are spread over many steps and table entries.
        for part, factor in ((model.g_a, 40.0), (model.h_s, 6.0), (model.h_a, 4.0)):
            last = [layer for layer in part.modules() if hasattr(layer, "weight")][-1]
            last.weight *= factor
            last.bias += torch.randn_like(last.bias) * factor / 10
    model.update()
    return model


def compressai_picture():
    """(1, 3, 128, 192) in 0 ... 1."""
    torch.manual_seed(4)
    small = torch.rand(1, 3, 16, 24)
    return F.interpolate(small, scale_factor=8, mode="bicubic").clamp(0, 1)
