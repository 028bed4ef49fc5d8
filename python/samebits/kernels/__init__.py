"""Integer kernels for any codec: convolutions, CDF tables and the range coder.

Everything here takes and returns NumPy arrays, checks its arguments, releases the GIL while it
computes, and gives the same bits on every machine, target and thread count.
"""

from samebits.kernels.coding import CdfTables, range_decode, range_encode
from samebits.kernels.conv import conv2d, conv2d_requantized, set_target, target, targets

__all__ = [
    "CdfTables",
    "conv2d",
    "conv2d_requantized",
    "range_decode",
    "range_encode",
    "set_target",
    "target",
    "targets",
]
