"""The errors of Samebits: one class for each thing a caller can act on."""


class SamebitsError(Exception):
    """Anything Samebits refuses to do. Catch this one to catch them all."""


class CorruptStream(SamebitsError):
    """The bytes are no stream, or a damaged one: get the file again."""


class Truncated(CorruptStream):
    """The bytes end too early: the file was cut, get the rest."""


class UnsupportedVersion(SamebitsError):
    """The stream uses something a newer Samebits may know: update."""


class NeedsSeries(SamebitsError):
    """The stream is one picture of a series and needs those before it: decode the series."""


class ModelMismatch(SamebitsError):
    """The stream needs another model than the one given or installed."""


class LimitExceeded(SamebitsError):
    """The picture needs more pixels or memory than the caller allows: raise the limit."""


class InvalidArgument(SamebitsError, ValueError):
    """An argument is wrong, or a picture of a kind that Samebits does not code yet."""


class DeviceError(SamebitsError):
    """There is no usable GPU, or it is full or has failed: decode with ``device="cpu"``."""
