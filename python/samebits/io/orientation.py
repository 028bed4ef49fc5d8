"""The orientation that cameras write into Exif and XMP: read it, and say "upright" instead.

Only the value's own bytes change. Rewriting the whole Exif would lose what its makers put there in
their own ways (maker notes hold offsets from the beginning).
"""

import re
import struct

UPRIGHT = 1
ORIENTATION_TAG = 0x0112
SHORT = 3
EXIF_PREFIX = b"Exif\x00\x00"

_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:=["']|>))([1-8])""")


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """How the stored picture has to be turned, 1 (not at all) to 8, as Exif numbers it.

    Parameters
    ----------
    exif, xmp : bytes
        As found in the picture's file; empty where there is none. Exif goes first, and damaged
        Exif counts as none.
    """
    place = _value_place(exif)
    if place is not None:
        position, byte_order = place
        (value,) = struct.unpack_from(byte_order + "H", exif, position)
    else:
        found = _XMP_ORIENTATION.search(xmp)
        value = int(found[2]) if found else UPRIGHT
    return value if 1 <= value <= 8 else UPRIGHT


def make_upright(exif: bytes, xmp: bytes) -> tuple[bytes, bytes]:
    """The same Exif and XMP with the orientation 1, everything else untouched."""
    place = _value_place(exif)
    if place is not None:
        position, byte_order = place
        upright = struct.pack(byte_order + "H", UPRIGHT)
        exif = exif[:position] + upright + exif[position + 2 :]
    return exif, _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def _value_place(exif: bytes) -> tuple[int, str] | None:
    """Position and byte order (for struct) of the orientation's value; None where there is none."""
    base = len(EXIF_PREFIX) if exif.startswith(EXIF_PREFIX) else 0
    byte_order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[base : base + 4])
    if byte_order is None:
        return None
    try:
        (directory,) = struct.unpack_from(byte_order + "I", exif, base + 4)
        (count,) = struct.unpack_from(byte_order + "H", exif, base + directory)
        for entry in range(count):
            start = base + directory + 2 + 12 * entry
            tag, kind, values = struct.unpack_from(byte_order + "HHI", exif, start)
            if (tag, kind, values) == (ORIENTATION_TAG, SHORT, 1):
                struct.unpack_from(byte_order + "H", exif, start + 8)
                return start + 8, byte_order
    except struct.error:
        pass
    return None
