"""What a decoded picture may cost, unless the caller says otherwise."""

MAX_PIXELS = 2**28
MAX_BYTES = 2**30  # of memory, the picture included
