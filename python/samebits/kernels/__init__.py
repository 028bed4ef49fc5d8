"""Integer kernels for any codec: convolutions, CDF tables and the range coder.

Everything here takes and returns NumPy arrays, checks its arguments, releases the GIL while it
computes, and gives the same bits on every machine, target and thread count.
"""

from samebits.kernels.coding import CdfTables, range_decode, range_encode
from samebits.kernels.conv import conv2d, conv2d_requantized, set_target, target, targets
from samebits.kernels.value_rows import range_decode_rows, range_encode_rows, softmax_rows

__all__ = [
    "CdfTables",
    "conv2d",
    "conv2d_requantized",
    "range_decode",
    "range_decode_rows",
    "range_encode",
    "range_encode_rows",
    "set_target",
    "softmax_rows",
    "target",
    "targets",
]
